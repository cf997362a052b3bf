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

/* ---- of the media server, summed over its workers ---- */

static const struct {
	const char *field, *name, *type, *help;
} sfu_numbers[] = {
	{"rooms", "realtime_sfu_rooms", "gauge", "Rooms with a call in them"},
	{"peers", "realtime_sfu_peers", "gauge", "Participants connected or connecting"},
	{"tracks", "realtime_sfu_tracks", "gauge", "Tracks that are published"},
	{"subscriptions", "realtime_sfu_subscriptions", "gauge", "Tracks times who is sent them"},
	{"packets_in", "realtime_sfu_packets_in_total", "counter", "Datagrams received"},
	{"packets_out", "realtime_sfu_packets_out_total", "counter", "Datagrams sent"},
	{"system_calls_out", "realtime_sfu_send_calls_total", "counter",
	 "System calls to send them"},
	{"dropped_unknown", "realtime_sfu_dropped_unknown_total", "counter",
	 "Datagrams of nobody in a call"},
	{"dropped_malformed", "realtime_sfu_dropped_malformed_total", "counter",
	 "Datagrams that are nothing we know"},
	{"dropped_forged", "realtime_sfu_dropped_forged_total", "counter",
	 "Datagrams that do not authenticate, or came before"},
	{"dropped_out", "realtime_sfu_dropped_out_total", "counter",
	 "Datagrams that the kernel would not take"},
	{"dropped_between", "realtime_sfu_dropped_between_total", "counter",
	 "Packets of large rooms that another media worker was too slow to take"},
	{"padding_out", "realtime_sfu_padding_out_total", "counter",
	 "Packets without contents, sent to find out what a network carries"},
	{"refuses_publishers", "realtime_sfu_overloaded_workers", "gauge",
	 "Media workers that are too busy for further publishers"},
	{"cpu_us", "realtime_sfu_worker_cpu_microseconds_total", "counter",
	 "Processor time of the media workers"},
};

static uint64_t sum_of(const json_t *workers, const char *field)
{
	uint64_t sum = 0;
	const json_t *worker;
	size_t i;

	json_array_foreach (workers, i, worker)
		sum += (uint64_t)json_integer_value(json_object_get(worker, field));
	return sum;
}

static void add_histogram(const json_t *forwarding, struct histogram *sum)
{
	const json_t *counts = json_object_get(forwarding, "counts");

	sum->sum_us += (uint64_t)json_integer_value(json_object_get(forwarding, "sum_us"));
	for (size_t i = 0; i < ARRAY_LEN(sum->counts); i++)
		sum->counts[i] += (uint64_t)json_integer_value(json_array_get(counts, i));
}

static void write_sfu(struct api *api, FILE *out)
{
	struct histogram forwarding = {0};
	AUTO_JSON status = NULL;
	const json_t *workers, *worker;
	bool is_up = api->config->WEBRTC_ENABLED &&
		     bus_client_call(api->sfu, BUS_SFU_STATUS, json_object(), BUS_GLANCE_MS,
				     &status, NULL) == 0;
	size_t i;

	metric_one(out, "realtime_sfu_connected", "gauge", "Does the media server answer?", is_up);
	if (!is_up)
		return;
	workers = json_object_get(status, "workers");
	for (i = 0; i < ARRAY_LEN(sfu_numbers); i++)
		metric_one(out, sfu_numbers[i].name, sfu_numbers[i].type, sfu_numbers[i].help,
			   sum_of(workers, sfu_numbers[i].field));
	json_array_foreach (workers, i, worker)
		add_histogram(json_object_get(worker, "forwarding"), &forwarding);
	metric_histogram(out, "realtime_sfu_forwarding_seconds",
			 "From the turn's batch of packets to the last of them sent", &forwarding);
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
	write_sfu(api, out);
	if (fclose(out) != 0)
		return -ENOMEM;
	if (r < 0)
		return r;
	return response_text(response, 200, "text/plain; version=0.0.4; charset=utf-8", page);
}
