/* worker_status.c - what a worker tells of itself: its rooms, one of them, and its counters. */
#include <sys/resource.h>

#include "core/json.h"
#include "sfu/edge/parts.h"
#include "sfu/edge/worker_private.h"

json_t *worker_describe_rooms(struct worker *worker, const json_t *asked)
{
	json_t *rooms = json_array();
	GHashTableIter iterator;
	gpointer room;

	(void)asked;
	g_hash_table_iter_init(&iterator, worker->rooms);
	while (g_hash_table_iter_next(&iterator, NULL, &room))
		if (!room_is_empty(room))
			(void)json_array_append_new(rooms, room_describe(room));
	return rooms;
}

/* This thread's own CPU time, for cost per packet. */
static json_int_t cpu_us(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_THREAD, &usage) < 0)
		return 0;
	return (json_int_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

json_t *worker_describe_room(struct worker *worker, const json_t *asked)
{
	const char *id = json_string_value(json_object_get(asked, "room_id"));
	const struct room *room = id ? worker_room_find(worker, id) : NULL;
	g_autofree gchar *dot = NULL;

	if (!room)
		return json_object();
	if (!json_is_true(json_object_get(asked, "graph")))
		return room_stats(room);
	dot = room_graph(room);
	return json_pack("{s:s}", "dot", dot);
}

/* What it has done, as {name: count}. */
static json_t *describe_counters(const struct worker *worker)
{
	const struct media_port_counters *in = &worker->port.counters;
	const struct egress_counters *out = egress_counters(worker->port.egress);

	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "packets_in",
		(json_int_t)in->packets_in, "bytes_in", (json_int_t)in->bytes_in, "packets_out",
		(json_int_t)out->packets, "bytes_out", (json_int_t)out->bytes, "system_calls_out",
		(json_int_t)out->system_calls, "dropped_unknown", (json_int_t)in->dropped_unknown,
		"dropped_malformed", (json_int_t)in->dropped_malformed, "dropped_forged",
		(json_int_t)in->dropped_forged, "dropped_out", (json_int_t)out->dropped,
		"dropped_between",
		(json_int_t)(worker->context.parts ? parts_dropped(worker->context.parts) : 0),
		"keyframes_withheld", (json_int_t)in->keyframes_withheld, "cpu_us", cpu_us());
}

static json_t *describe_transports(const struct transport_totals *totals)
{
	json_t *told = json_object();

	for (int i = 0; i <= TRANSPORT_ENDED; i++)
		(void)json_object_set_new(told, transport_state_name((enum transport_state)i),
					  json_integer((json_int_t)totals->by_state[i]));
	return told;
}

json_t *worker_describe_status(struct worker *worker, const json_t *asked)
{
	const struct media_port_counters *in = &worker->port.counters;
	struct room_totals totals = {.transports.media = in->ended};
	const struct transport_totals *transports = &totals.transports;
	json_t *status = describe_counters(worker);
	GHashTableIter iterator;
	gpointer room;
	AUTO_JSON more = NULL;

	(void)asked;
	g_hash_table_iter_init(&iterator, worker->rooms);
	while (g_hash_table_iter_next(&iterator, NULL, &room))
		room_add_totals(room, &totals);
	more = json_pack(
		"{s:i, s:b, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:o, s:o, s:o, "
		"s:o, s:o, s:o, s:o}",
		"port", worker->number, "alive", 1, "rooms", (json_int_t)totals.rooms, "peers",
		(json_int_t)totals.peers, "tracks", (json_int_t)totals.tracks, "subscriptions",
		(json_int_t)totals.subscriptions, "load_percent",
		(int)turn_pace_load_percent(&worker->pace), "share_percent",
		(int)worker->overload.share_percent, "refuses_publishers",
		(int)worker->overload.refuses, "estimated", (json_int_t)transports->estimated,
		"estimate_bps", (json_int_t)transports->estimate_bps, "wanted_bps",
		(json_int_t)transports->wanted_bps, "uplinks_collapsed",
		(json_int_t)transports->collapsed, "transports", describe_transports(transports),
		"media", media_counters_to_json(&transports->media), "refused_offers",
		tally_to_json(&in->refused_offers), "refused_answers",
		tally_to_json(&in->refused_answers), "failed_handshakes",
		tally_to_json(&in->failed_handshakes), "round_trips",
		histogram_to_json(&in->round_trips), "forwarding",
		histogram_to_json(&worker->forwarding));
	(void)json_object_update(status, more);
	return status;
}
