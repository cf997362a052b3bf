/* /metrics: this process and realtimed, for Prometheus. */
#include <errno.h>
#include <stdio.h>

#include "api/handlers/handlers.h"
#include "core/json.h"
#include "core/metrics.h"

int metrics_get(struct api *api, struct request *request, struct response *response,
		struct error *reterr)
{
	AUTO_JSON answer = NULL;
	AUTO_FREE char *page = NULL;
	const char *text = "";
	size_t size;
	FILE *out = open_memstream(&page, &size);
	int r;

	(void)request;
	if (!out)
		return -ENOMEM;
	r = bus_client_call(api->realtimed, BUS_METRICS, json_object(), BUS_GLANCE_MS, &answer,
			    reterr);
	metric_one(out, "realtime_realtimed_connected", "gauge", "Does realtimed answer?", r == 0);
	if (r == 0)
		text = json_string_value(json_object_get(answer, "text"));
	else
		metric_process(out, "process=\"realtime-api\"");
	(void)fputs(text ? text : "", out);
	if (fclose(out) != 0)
		return -ENOMEM;
	return response_text(response, 200, "text/plain; version=0.0.4; charset=utf-8", page);
}
