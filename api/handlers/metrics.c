/* /metrics: this process, realtimed and the media server, for Prometheus. */
#include <errno.h>
#include <stdio.h>

#include "api/handlers/handlers.h"
#include "core/json.h"
#include "core/metrics.h"
#include "db/webhook_deliveries.h"

/* What the store has of the webhooks, and what this process has done for them. */
static int write_webhooks(struct api *api, FILE *out, struct error *reterr)
{
	const struct webhook_tally *tally = api->webhook_tally;
	struct webhook_counts counts;
	int r = webhook_deliveries_count(api->store, NULL, &counts, reterr);

	if (r < 0)
		return r;
	metric_one(out, "realtime_webhook_pending", "gauge", "Deliveries that wait",
		   (uint64_t)counts.pending);
	metric_one(out, "realtime_webhook_failed", "gauge", "Failed deliveries that are kept",
		   (uint64_t)counts.failed);
	metric_head(out, "realtime_webhook_attempts_total", "counter",
		    "Attempts to deliver, by what came of them");
	metric_value(out, "realtime_webhook_attempts_total", "outcome=\"delivered\"",
		     tally->delivered);
	metric_value(out, "realtime_webhook_attempts_total", "outcome=\"again\"", tally->again);
	metric_value(out, "realtime_webhook_attempts_total", "outcome=\"failed\"", tally->failed);
	metric_one(out, "realtime_webhook_dropped_total", "counter",
		   "Events for which an endpoint's queue had no place", tally->dropped);
	return 0;
}

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
	r = write_webhooks(api, out, reterr);
	(void)fputs(text ? text : "", out);
	metrics_write_sfu(api, out);
	if (fclose(out) != 0)
		return -ENOMEM;
	if (r < 0)
		return r;
	return response_text(response, 200, "text/plain; version=0.0.4; charset=utf-8", page);
}
