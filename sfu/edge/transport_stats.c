/* transport_stats.c - how a participant's media fares, for people who look at a call. */
#include "sfu/edge/transport_private.h"
#include "sfu/model/allocator.h"

static json_t *milliseconds(double ms)
{
	return json_real((double)(int64_t)(ms * 10 + 0.5) / 10);
}

static json_t *describe_receiving(const struct receive_stream *stream)
{
	const struct receive_stats *stats = &stream->stats;
	uint64_t expected = stats->has_packet
				    ? (uint64_t)(stats->cycles | stats->highest_sequence) -
					      stats->base_sequence + 1
				    : 0;
	json_t *told = json_pack(
		"{s:s, s:i, s:s, s:I, s:I, s:I, s:b}", "mid", stream->mid, "layer",
		(int)stream->layer, "kind", stream->is_video ? "video" : "audio", "packets",
		(json_int_t)stats->received_count, "bytes", (json_int_t)stats->byte_count, "lost",
		expected > stats->received_count ? (json_int_t)(expected - stats->received_count)
						 : 0,
		"wanted", stream->is_wanted);

	if (*stream->rid)
		(void)json_object_set_new(told, "rid", json_string(stream->rid));
	(void)json_object_set_new(told, "jitter_ms",
				  milliseconds(stats->jitter * 1000 / stream->clock_rate_hz));
	return told;
}

/* Of a simulcast, or in a stream of spatial layers. */
static int present_layer(const struct send_stream_out *stream)
{
	const struct forwarder *forwarder = &stream->forwarder;
	uint8_t count = rtc_track_spatial_count(stream->track);
	uint8_t spatial = forwarder_spatial(forwarder);

	if (count > LAYERS_MAX)
		count = LAYERS_MAX;
	if (forwarder->layer == LAYER_NONE)
		return -1;
	if (count <= 1)
		return forwarder->layer;
	return spatial < count ? spatial : count - 1;
}

json_t *rtc_transport_send_stats(GstPad *pad)
{
	const struct send_stream_out *stream = gst_pad_get_element_private(pad);
	const struct forwarder *forwarder = &stream->forwarder;
	uint8_t temporal = forwarder_temporal(forwarder);
	json_t *told = json_pack("{s:i, s:I, s:I}", "layer", present_layer(stream), "packets",
				 (json_int_t)forwarder->packet_count, "bytes",
				 (json_int_t)forwarder->octet_count);

	/* null: all of them. */
	(void)json_object_set_new(told, "temporal_layer",
				  temporal >= TEMPORAL_REDUCED ? json_null()
							       : json_integer(temporal));
	return told;
}

json_t *rtc_transport_stats(RtcTransport *transport)
{
	static const char *const names[] = {"new", "checked", "connected", "ended"};
	const struct transport_counters *counters = &transport->counters;
	int64_t budget_bps =
		transport->port ? rtc_transport_budget_bps(transport) : ALLOCATOR_BUDGET_UNLIMITED;
	json_t *receiving = json_array(), *told;
	struct receive_stream *stream;

	LIST_FOR_EACH (stream, &transport->receive_streams, link) {
		(void)json_array_append_new(receiving, describe_receiving(stream));
	}
	told = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "transport",
			 names[transport->state], "packets_in", (json_int_t)counters->packets_in,
			 "packets_out", (json_int_t)counters->packets_out, "nacks_sent",
			 (json_int_t)counters->nacks_sent, "nacks_received",
			 (json_int_t)counters->nacks_received, "retransmitted",
			 (json_int_t)counters->retransmitted, "paced", (json_int_t)counters->paced,
			 "padding", (json_int_t)counters->padding, "wanted_bps",
			 (json_int_t)transport->wanted_bps, "uplink_collapsed",
			 transport->port && rtc_transport_uplink_has_collapsed(transport),
			 "receiving", receiving);
	(void)json_object_set_new(
		told, "rtt_ms", milliseconds((double)round_trip_us(&transport->round_trip) / 1000));
	/* null: it tells nothing of its way. */
	(void)json_object_set_new(
		told, "estimate_bps",
		budget_bps == ALLOCATOR_BUDGET_UNLIMITED ? json_null() : json_integer(budget_bps));
	return told;
}
