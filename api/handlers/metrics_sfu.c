/* The media server's part of /metrics: each worker's numbers, as SFU_STATUS (core/bus_messages.h)
 * has them, under a label `worker`. A worker that does not answer in time has none, rather than
 * that a sum would go back. What tells rooms or participants apart is no label: there would be
 * series without end; GET …/rooms/{id}/stats has them. */
#include <stdio.h>

#include "api/handlers/handlers.h"
#include "core/json.h"
#include "core/metrics.h"

enum { LABELS_MAX = 160 };

/* Rows of one name follow each other: the first has the type and the help. */
static const struct number {
	const char *group, *field; /* group: NULL or an object that has the field */
	const char *name, *labels, *type, *help;
} numbers[] = {
	/* What is there. */
	{NULL, "rooms", "realtime_sfu_rooms", NULL, "gauge",
	 "Rooms with a call in them, each at one of the workers that have a part of it"},
	{NULL, "peers", "realtime_sfu_peers", NULL, "gauge",
	 "Participants connected or connecting"},
	{NULL, "tracks", "realtime_sfu_tracks", NULL, "gauge", "Tracks that are published"},
	{NULL, "subscriptions", "realtime_sfu_subscriptions", NULL, "gauge",
	 "Tracks times who is sent them"},
	{"transports", "new", "realtime_sfu_transports", "state=\"new\"", "gauge",
	 "Participants' connections, by state"},
	{"transports", "checked", "realtime_sfu_transports", "state=\"checked\"", NULL, NULL},
	{"transports", "connected", "realtime_sfu_transports", "state=\"connected\"", NULL, NULL},
	{"transports", "ended", "realtime_sfu_transports", "state=\"ended\"", NULL, NULL},

	/* What passes the sockets. */
	{NULL, "packets_in", "realtime_sfu_packets_in_total", NULL, "counter",
	 "Datagrams received"},
	{NULL, "packets_out", "realtime_sfu_packets_out_total", NULL, "counter", "Datagrams sent"},
	{NULL, "bytes_in", "realtime_sfu_bytes_in_total", NULL, "counter",
	 "Bytes received, without IP and UDP headers"},
	{NULL, "bytes_out", "realtime_sfu_bytes_out_total", NULL, "counter",
	 "Bytes sent, without IP and UDP headers"},
	{NULL, "system_calls_out", "realtime_sfu_send_calls_total", NULL, "counter",
	 "System calls to send them"},
	{NULL, "dropped_unknown", "realtime_sfu_dropped_unknown_total", NULL, "counter",
	 "Datagrams of nobody in a call"},
	{NULL, "dropped_malformed", "realtime_sfu_dropped_malformed_total", NULL, "counter",
	 "Datagrams that are nothing we know"},
	{NULL, "dropped_forged", "realtime_sfu_dropped_forged_total", NULL, "counter",
	 "Datagrams that do not authenticate, or came before"},
	{NULL, "dropped_out", "realtime_sfu_dropped_out_total", NULL, "counter",
	 "Datagrams that the kernel would not take"},
	{NULL, "dropped_between", "realtime_sfu_dropped_between_total", NULL, "counter",
	 "Packets of large rooms that another media worker was too slow to take"},

	/* How media fares. */
	{"media", "lost_in", "realtime_sfu_lost_packets_total", "direction=\"in\"", "counter",
	 "RTP packets missing; in: of publishers, out: as receivers report it"},
	{"media", "lost_out", "realtime_sfu_lost_packets_total", "direction=\"out\"", NULL, NULL},
	{"media", "nacks_received", "realtime_sfu_nacks_total", "direction=\"in\"", "counter",
	 "RTP packets asked for again; in: by receivers, out: of publishers"},
	{"media", "nacks_sent", "realtime_sfu_nacks_total", "direction=\"out\"", NULL, NULL},
	{"media", "plis_received", "realtime_sfu_keyframe_requests_total",
	 "direction=\"in\",kind=\"pli\"", "counter",
	 "Requests for keyframes; in: by receivers, out: of publishers"},
	{"media", "firs_received", "realtime_sfu_keyframe_requests_total",
	 "direction=\"in\",kind=\"fir\"", NULL, NULL},
	{"media", "plis_sent", "realtime_sfu_keyframe_requests_total",
	 "direction=\"out\",kind=\"pli\"", NULL, NULL},
	{NULL, "keyframes_withheld", "realtime_sfu_keyframe_requests_withheld_total", NULL,
	 "counter",
	 "Wishes for a keyframe that were not passed on: it was asked for just before, or would "
	 "not come through"},
	{"media", "retransmitted", "realtime_sfu_retransmissions_total", NULL, "counter",
	 "RTP packets repeated on request"},
	{"media", "retransmitted_bytes", "realtime_sfu_retransmitted_bytes_total", NULL, "counter",
	 "Their bytes, without IP and UDP headers"},
	{"media", "retransmissions_refused", "realtime_sfu_retransmissions_refused_total", NULL,
	 "counter",
	 "RTP packets asked for and not repeated, as that would be more than half of the way"},
	{"media", "probe_repeats", "realtime_sfu_probe_packets_total", "kind=\"repeat\"", "counter",
	 "Packets sent to find out what a network carries: repeats, or without contents"},
	{"media", "padding", "realtime_sfu_probe_packets_total", "kind=\"padding\"", NULL, NULL},
	{"media", "paced", "realtime_sfu_paced_packets_total", NULL, "counter",
	 "Packets that waited until their receiver's network had taken those before"},
	{NULL, "estimate_bps", "realtime_sfu_estimate_bits_per_second", NULL, "gauge",
	 "What the networks of participants carry, summed over those of whom it is known"},
	{NULL, "estimated", "realtime_sfu_estimated_transports", NULL, "gauge",
	 "Participants of whom it is known"},
	{NULL, "uplinks_collapsed", "realtime_sfu_collapsed_uplinks", NULL, "gauge",
	 "Participants whose way to us loses most of what they send, now or until just now"},

	/* How busy it is. */
	{NULL, "load_percent", "realtime_sfu_load_percent", NULL, "gauge",
	 "Part of its time in which the worker works"},
	{NULL, "cpu_us", "realtime_sfu_worker_cpu_microseconds_total", NULL, "counter",
	 "Processor time of the worker"},
};

static const struct {
	const char *field, *name, *help;
} tallies[] = {
	{"refused_offers", "realtime_sfu_offers_refused_total", "Offers refused, by error code"},
	{"refused_answers", "realtime_sfu_answers_refused_total", "Answers refused, by error code"},
	{"failed_handshakes", "realtime_sfu_dtls_failed_total",
	 "DTLS handshakes that failed, by error code"},
};

static const struct {
	const char *field, *name, *help;
} histograms[] = {
	{"round_trips", "realtime_sfu_round_trip_seconds",
	 "Round trips to receivers, once for each of their reports"},
	{"forwarding", "realtime_sfu_forwarding_seconds",
	 "From a media packet's arrival to its being sent, once for each receiver"},
};

static const char *label_of(size_t worker, const char *more, char *labels)
{
	(void)snprintf(labels, LABELS_MAX, "worker=\"%zu\"%s%s", worker, more ? "," : "",
		       more ? more : "");
	return labels;
}

static bool is_alive(const json_t *worker)
{
	return json_is_true(json_object_get(worker, "alive"));
}

static void write_number(FILE *out, const json_t *workers, const struct number *number)
{
	char labels[LABELS_MAX];
	const json_t *worker;
	size_t i;

	if (number->type)
		metric_head(out, number->name, number->type, number->help);
	json_array_foreach (workers, i, worker) {
		const json_t *told =
			number->group ? json_object_get(worker, number->group) : worker;

		if (is_alive(worker))
			metric_value(
				out, number->name, label_of(i, number->labels, labels),
				(uint64_t)json_integer_value(json_object_get(told, number->field)));
	}
}

static void write_tally(FILE *out, const json_t *workers, size_t which)
{
	const char *name = tallies[which].name, *reason;
	char labels[LABELS_MAX], more[LABELS_MAX / 2];
	json_t *worker, *count;
	size_t i;

	metric_head(out, name, "counter", tallies[which].help);
	json_array_foreach (workers, i, worker)
		json_object_foreach (json_object_get(worker, tallies[which].field), reason, count) {
			(void)snprintf(more, sizeof(more), "reason=\"%s\"", reason);
			metric_value(out, name, label_of(i, more, labels),
				     (uint64_t)json_integer_value(count));
		}
}

static void write_histogram(FILE *out, const json_t *workers, size_t which)
{
	const char *name = histograms[which].name;
	char labels[LABELS_MAX];
	const json_t *worker;
	size_t i;

	metric_head(out, name, "histogram", histograms[which].help);
	json_array_foreach (workers, i, worker) {
		const json_t *told = json_object_get(worker, histograms[which].field);
		struct histogram histogram = {
			.sum_us = (uint64_t)json_integer_value(json_object_get(told, "sum_us"))};

		for (size_t k = 0; k < ARRAY_LEN(histogram.counts); k++)
			histogram.counts[k] = (uint64_t)json_integer_value(
				json_array_get(json_object_get(told, "counts"), k));
		if (is_alive(worker))
			metric_histogram_values(out, name, label_of(i, NULL, labels), &histogram);
	}
}

/* These are over all workers, whether they answer or not. */
static void write_workers(FILE *out, const json_t *workers)
{
	char labels[LABELS_MAX];
	const json_t *worker;
	uint64_t refusing = 0;
	size_t i;

	metric_head(out, "realtime_sfu_worker_up", "gauge", "Does the media worker answer?");
	json_array_foreach (workers, i, worker) {
		refusing += json_integer_value(json_object_get(worker, "refuses_publishers")) > 0;
		metric_value(out, "realtime_sfu_worker_up", label_of(i, NULL, labels),
			     is_alive(worker));
	}
	metric_one(out, "realtime_sfu_overloaded_workers", "gauge",
		   "Media workers that are too busy for further publishers", refusing);
}

void metrics_write_sfu(struct api *api, FILE *out)
{
	AUTO_JSON status = NULL;
	const json_t *workers;

	if (!api->config->WEBRTC_ENABLED || bus_client_call(api->sfu, BUS_SFU_STATUS, json_object(),
							    BUS_GLANCE_MS, &status, NULL) < 0)
		return;
	workers = json_object_get(status, "workers");
	write_workers(out, workers);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		write_number(out, workers, &numbers[i]);
	for (size_t i = 0; i < ARRAY_LEN(tallies); i++)
		write_tally(out, workers, i);
	for (size_t i = 0; i < ARRAY_LEN(histograms); i++)
		write_histogram(out, workers, i);
}
