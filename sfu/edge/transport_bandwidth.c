/* transport_bandwidth.c - what the way to the participant carries, and who asks how much of it. */
#include <math.h>

#include "sfu/edge/transport_private.h"
#include "sfu/model/allocator.h"

enum {
	REMB_VALID_US = 10000000,
	/* What a subscriber may make us repeat: half of what the way carries; of who tells nothing
	 * of it, so many bytes each tick. */
	RETRANSMIT_TICK_BYTES = 64 * 1200,
	RETRANSMIT_BURST_BYTES = 10 * 1200,
	RETRANSMIT_BURST_US = 100000, /* or of so long, if that is more */
	/* Of so many packets it may tell us how they fared in each tick. */
	RESULTS_PER_TICK = 2 * SEND_HISTORY_PACKETS
};

/* Who has just come may ask, and tell, before the first tick. */
void transport_bandwidth_init(RtcTransport *transport)
{
	uint64_t now_us = transport->port->now_us;

	bandwidth_init(&transport->bandwidth, now_us);
	transport->retransmit_bytes = RETRANSMIT_BURST_BYTES;
	transport->refilled_at_us = now_us;
	transport->results_left = RESULTS_PER_TICK;
}

void transport_note_sent(RtcTransport *transport, size_t srtp_bytes)
{
	size_t byte_count = srtp_bytes + IP_UDP_BYTES;
	uint64_t now_us = transport->port->now_us;

	(void)send_history_add(transport->history, now_us, (uint16_t)byte_count, transport->probe);
	bandwidth_on_sent(&transport->bandwidth, now_us, byte_count);
}

/* ---- what the participant tells ---- */

static bool on_result(void *data, uint16_t transport_sequence, bool has_arrived, int64_t arrival_us)
{
	RtcTransport *transport = data;
	const struct sent_packet *sent;
	uint64_t now_us = transport->port->now_us;
	uint32_t age_us;

	if (transport->results_left == 0)
		return false;
	transport->results_left--;
	sent = transport->history ? send_history_take(transport->history, transport_sequence)
				  : NULL;
	if (!sent)
		return true;
	/* Its clock has 32 bits; it was sent less than 71 minutes ago. */
	age_us = (uint32_t)now_us - sent->sent_us;
	bandwidth_on_result(&transport->bandwidth, now_us, now_us - age_us, sent->byte_count,
			    sent->probe, has_arrived, arrival_us);
	if (has_arrived && age_us < transport->newest_age_us[0])
		transport->newest_age_us[0] = age_us;
	return true;
}

/* Of the feedback that is read now. */
static void begin_ages(RtcTransport *transport)
{
	transport->newest_age_us[1] = transport->newest_age_us[0];
	transport->newest_age_us[0] = UINT64_MAX;
}

static void end_ages(RtcTransport *transport)
{
	if (transport->newest_age_us[0] == UINT64_MAX) /* nothing has arrived */
		transport->newest_age_us[0] = transport->newest_age_us[1];
}

/* Feedback is written now and then, so the newest packet in it may have waited for that: the less
 * of two is nearer to the truth. Without any, report blocks tell. */
uint64_t transport_answer_us(const RtcTransport *transport)
{
	const uint64_t *ages_us = transport->newest_age_us;
	const struct round_trip *round_trip = &transport->round_trip;

	if (ages_us[1])
		return ages_us[0] < ages_us[1] ? ages_us[0] : ages_us[1];
	return round_trip->is_known ? round_trip->smoothed_us : 0;
}

/* Smaller layers may have to be chosen. */
static void tell_narrowed(RtcTransport *transport)
{
	transport->config.events->narrowed(transport->config.events_data);
}

void transport_on_feedback(RtcTransport *transport, struct slice packet)
{
	double before_bps = transport->bandwidth.estimate_bps;

	begin_ages(transport);
	if (rtcp_read_transport_feedback(packet, on_result, transport) < 0)
		transport->port->counters.dropped_malformed++;
	end_ages(transport);
	bandwidth_on_feedback(&transport->bandwidth, transport->port->now_us,
			      round_trip_us(&transport->round_trip));
	if (transport->bandwidth.estimate_bps < before_bps)
		tell_narrowed(transport);
}

void transport_on_remb(RtcTransport *transport, uint64_t bitrate_bps)
{
	uint64_t before_bps = transport->remb_bps;

	transport->remb_bps = bitrate_bps < BANDWIDTH_MAX_BPS ? bitrate_bps : BANDWIDTH_MAX_BPS;
	transport->remb_at_us = transport->port->now_us;
	if (!before_bps || transport->remb_bps < before_bps)
		tell_narrowed(transport);
}

/* ---- what there is ---- */

static bool has_numbered_stream(const RtcTransport *transport)
{
	struct send_stream_out *stream;

	LIST_FOR_EACH (stream, &transport->send_streams, link) {
		if (stream->transport_cc_id)
			return true;
	}
	return false;
}

int64_t rtc_transport_budget_bps(const RtcTransport *transport)
{
	uint64_t now_us = transport->port->now_us;

	if (has_numbered_stream(transport))
		return bandwidth_budget_bps(&transport->bandwidth, now_us);
	if (transport->remb_at_us && now_us - transport->remb_at_us < REMB_VALID_US)
		return (int64_t)transport->remb_bps;
	return ALLOCATOR_BUDGET_UNLIMITED;
}

void rtc_transport_set_wanted(RtcTransport *transport, uint64_t wanted_bps)
{
	transport->wanted_bps = wanted_bps;
}

bool rtc_transport_uplink_has_collapsed(const RtcTransport *transport)
{
	return uplink_has_collapsed(&transport->uplink, transport->port->now_us);
}

/* ---- time ---- */

void transport_bandwidth_tick(RtcTransport *transport)
{
	uint64_t now_us = transport->port->now_us;
	int64_t budget_bps = rtc_transport_budget_bps(transport);
	/* All its streams are asked for it, so only where there is something to gain. */
	enum probe_matter matter =
		transport->wanted_bps ? transport_probe_matter(transport) : PROBE_NOTHING;
	double refill = RETRANSMIT_TICK_BYTES, burst = RETRANSMIT_TICK_BYTES;
	size_t byte_count;
	uint8_t probe;

	if (budget_bps != ALLOCATOR_BUDGET_UNLIMITED) {
		double bytes_per_us = (double)budget_bps / 2 / 8 / 1e6;

		refill = bytes_per_us * (double)(now_us - transport->refilled_at_us);
		burst = fmax(bytes_per_us * RETRANSMIT_BURST_US, RETRANSMIT_BURST_BYTES);
	}
	transport_pace_tick(transport, budget_bps);
	transport->results_left = RESULTS_PER_TICK;
	transport->retransmit_bytes = fmin(transport->retransmit_bytes + refill, burst);
	transport->refilled_at_us = now_us;
	if (bandwidth_wants_probe(&transport->bandwidth, now_us,
				  matter == PROBE_NOTHING ? 0 : transport->wanted_bps,
				  matter == PROBE_PADDING, &probe, &byte_count))
		transport_send_probe(transport, probe, byte_count);
}
