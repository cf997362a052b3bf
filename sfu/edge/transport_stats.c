/* transport_stats.c - how a participant's media fares, for people who look at a call; and all of a
 * worker's together. */
#include "core/json.h"
#include "sfu/edge/transport_private.h"
#include "sfu/model/allocator.h"

/* With what every packet is wrapped in: what a way carries is counted so, too. */
static uint64_t wrapped(uint64_t byte_count, uint64_t packet_count)
{
	return byte_count + packet_count * IP_UDP_BYTES;
}

void transport_meter_tick(RtcTransport *transport)
{
	const struct media_counters *counters = &transport->counters;
	uint64_t packets_out = counters->packets_out + counters->retransmitted +
			       counters->probe_repeats + counters->padding;
	uint64_t now_us = transport->port->now_us;
	struct send_stream_out *stream;

	if (!rate_meter_is_due(&transport->meter_in, now_us))
		return; /* nor are its streams looked at */
	rate_meter_tick(&transport->meter_in, wrapped(counters->bytes_in, counters->packets_in),
			now_us);
	rate_meter_tick(&transport->meter_out, wrapped(counters->bytes_out, packets_out), now_us);
	LIST_FOR_EACH (stream, &transport->send_streams, link) {
		rate_meter_tick(
			&stream->meter,
			wrapped(stream->forwarder.byte_count, stream->forwarder.packet_count),
			now_us);
	}
}

static json_t *bitrate(const struct rate_meter *meter)
{
	return meter->is_known ? json_integer((json_int_t)meter->bitrate_bps) : json_null();
}

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
		"{s:s, s:i, s:s, s:I, s:I, s:I, s:b, s:I, s:I}", "mid", stream->mid, "layer",
		(int)stream->layer, "kind", stream->is_video ? "video" : "audio", "packets",
		(json_int_t)stats->received_count, "bytes", (json_int_t)stats->byte_count, "lost",
		expected > stats->received_count ? (json_int_t)(expected - stats->received_count)
						 : 0,
		"wanted", stream->is_wanted, "nacks_sent", (json_int_t)stream->nacks_sent,
		"plis_sent", (json_int_t)stream->plis_sent);

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

/* What the subscriber's last report says of it; null: it has sent none. */
static json_t *describe_report(const struct send_stream_out *stream)
{
	const struct rtcp_report_block *block = &stream->heard.block;
	uint64_t now_us = stream->transport->port->now_us;

	if (!stream->heard.at_us)
		return json_null();
	return json_pack(
		"{s:f, s:i, s:o, s:I}", "fraction_lost",
		(double)(block->fraction_lost * 1000 / 256) / 1000, "lost",
		(int)block->cumulative_lost, "jitter_ms",
		milliseconds((double)block->jitter * 1000 / stream->forwarder.clock_rate_hz),
		"age_ms", (json_int_t)((now_us - stream->heard.at_us) / 1000));
}

json_t *rtc_transport_send_stats(GstPad *pad)
{
	const struct send_stream_out *stream = gst_pad_get_element_private(pad);
	const struct forwarder *forwarder = &stream->forwarder;
	uint8_t temporal = forwarder_temporal(forwarder);
	json_t *told =
		json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "layer",
			  present_layer(stream), "packets", (json_int_t)forwarder->packet_count,
			  "bytes", (json_int_t)forwarder->octet_count, "nacks_received",
			  (json_int_t)stream->nacks_received, "plis_received",
			  (json_int_t)stream->plis_received, "firs_received",
			  (json_int_t)stream->firs_received, "retransmitted",
			  (json_int_t)stream->retransmitted, "retransmitted_bytes",
			  (json_int_t)stream->retransmitted_bytes, "bitrate_bps",
			  bitrate(&stream->meter), "reported", describe_report(stream));

	/* null: all of them. */
	(void)json_object_set_new(told, "temporal_layer",
				  temporal >= TEMPORAL_REDUCED ? json_null()
							       : json_integer(temporal));
	return told;
}

json_t *rtc_transport_stats(RtcTransport *transport)
{
	int64_t budget_bps =
		transport->port ? rtc_transport_budget_bps(transport) : ALLOCATOR_BUDGET_UNLIMITED;
	const struct round_trip *round_trip = &transport->round_trip;
	json_t *told = media_counters_to_json(&transport->counters), *receiving = json_array();
	struct receive_stream *stream;
	AUTO_JSON more = NULL;

	LIST_FOR_EACH (stream, &transport->receive_streams, link) {
		(void)json_array_append_new(receiving, describe_receiving(stream));
	}
	/* null: not measured (yet), and of an estimate that the peer tells nothing of its way. */
	more = json_pack("{s:s, s:I, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "transport",
			 transport_state_name(transport->state), "wanted_bps",
			 (json_int_t)transport->wanted_bps, "uplink_collapsed",
			 transport->port && rtc_transport_uplink_has_collapsed(transport),
			 "application_limited",
			 budget_bps != ALLOCATOR_BUDGET_UNLIMITED &&
				 transport->bandwidth.application.is_limited,
			 "receiving", receiving, "bitrate_in_bps", bitrate(&transport->meter_in),
			 "bitrate_out_bps", bitrate(&transport->meter_out), "rtt_ms",
			 round_trip->is_known ? milliseconds((double)round_trip->smoothed_us / 1000)
					      : json_null(),
			 "estimate_bps",
			 budget_bps == ALLOCATOR_BUDGET_UNLIMITED ? json_null()
								  : json_integer(budget_bps));
	(void)json_object_update(told, more);
	return told;
}

void rtc_transport_add_totals(const RtcTransport *transport, struct transport_totals *totals)
{
	int64_t budget_bps;

	totals->by_state[transport->state]++;
	if (!transport->port)
		return; /* it has left; its counters are the port's */
	media_counters_add(&totals->media, &transport->counters);
	totals->wanted_bps += transport->wanted_bps;
	totals->collapsed += rtc_transport_uplink_has_collapsed(transport);
	budget_bps = rtc_transport_budget_bps(transport);
	if (budget_bps == ALLOCATOR_BUDGET_UNLIMITED)
		return;
	totals->estimated++;
	totals->estimate_bps += (uint64_t)budget_bps;
}
