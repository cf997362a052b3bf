/* transport_rtcp.c - RTCP ends here, on both sides: what a peer reports is read, and what the relay
 * has to say is written (RFC 3550 section 6, RFC 4585, RFC 5506 reduced size). */
#include "core/clock.h"
#include "sfu/edge/track_events.h"
#include "sfu/edge/transport_private.h"

enum { LIMIT_INTERVAL_US = 150000, NO_LIMIT_BPS = 1000000000 };
enum { SENDING_INTERVAL_US = 200000 }; /* between two looks at all that is sent */
enum { RTCP_DATAGRAM_MAX = 1100 };     /* leaves room for SRTCP's trailer in any path MTU */

static ntp_time ntp_now(void)
{
	return ntp_from_unix_us(clock_unix_us());
}

/* ---- the event that carries sender reports ---- */

/* One name for each layer: a pad keeps the last sticky event of each name, for who comes later. */
static const char *const report_event_names[LAYERS_MAX] = {
	"rtc-sender-report-0", "rtc-sender-report-1", "rtc-sender-report-2"};

static GstEvent *sender_report_event_new(uint8_t layer, const struct sender_clock *clock,
					 const struct rtcp_sender_info *info)
{
	GstStructure *structure = gst_structure_new(report_event_names[layer], "ntp", G_TYPE_UINT64,
						    (guint64)info->ntp, "rtp-timestamp",
						    G_TYPE_UINT, info->rtp_timestamp, "offset",
						    G_TYPE_INT64, (gint64)clock->offset_ntp, NULL);

	return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, structure);
}

GstEvent *sender_report_event_void(uint8_t layer)
{
	return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
				    gst_structure_new_empty(report_event_names[layer]));
}

void sender_report_event_read(GstEvent *event, struct send_stream_out *stream)
{
	const GstStructure *structure = gst_event_get_structure(event);
	struct rtcp_sender_info report = {0};
	uint8_t layer = 0;
	guint64 ntp;
	guint rtp_timestamp;
	gint64 offset;

	if (GST_EVENT_TYPE(event) != GST_EVENT_CUSTOM_DOWNSTREAM_STICKY || !structure)
		return;
	while (layer < LAYERS_MAX && !gst_structure_has_name(structure, report_event_names[layer]))
		layer++;
	if (layer == LAYERS_MAX)
		return;
	if (!gst_structure_get(structure, "ntp", G_TYPE_UINT64, &ntp, "rtp-timestamp", G_TYPE_UINT,
			       &rtp_timestamp, "offset", G_TYPE_INT64, &offset, NULL)) {
		forwarder_on_report(&stream->forwarder, layer, NULL);
		return;
	}
	report.ntp = ntp;
	report.rtp_timestamp = rtp_timestamp;
	forwarder_on_report(&stream->forwarder, layer, &report);
	stream->transport->has_unreported |= stream->reported_at_us == 0;
	stream->clock.has_offset = true;
	stream->clock.offset_ntp = offset;
}

/* ---- what the peer says ---- */

/* Of a number that falls when something is repaired: what it has risen by since it was highest. */
static uint64_t count_lost(int32_t *most, int32_t lost)
{
	int32_t before = *most;

	if (lost <= before)
		return 0;
	*most = lost;
	return (uint64_t)(lost - before);
}

static void on_sender_report(void *data, uint32_t ssrc, const struct rtcp_sender_info *info)
{
	RtcTransport *transport = data;
	struct receive_stream *stream = receive_stream_find_ssrc(transport, ssrc);

	if (!stream || stream->ssrc != ssrc)
		return;
	receive_stats_on_sender_report(&stream->stats, info, transport->port->now_us);
	sender_clock_on_report(&transport->clock, info->ntp, ntp_now());
	(void)gst_pad_push_event(stream->pad,
				 sender_report_event_new(stream->layer, &transport->clock, info));
}

/* Nobody has lost more than it was sent. */
static void note_report(struct send_stream_out *stream, const struct rtcp_report_block *block)
{
	int64_t sent = (int64_t)stream->forwarder.packet_count;
	int32_t lost = block->cumulative_lost > sent ? (int32_t)sent : block->cumulative_lost;

	stream->heard.at_us = stream->transport->port->now_us;
	stream->heard.block = *block;
	stream->transport->counters.lost_out += count_lost(&stream->heard.lost_most, lost);
}

/* How a subscriber receives us: its block closes the loop that our SR opened (section 6.4.1). */
static void on_report_block(void *data, uint32_t reporter_ssrc,
			    const struct rtcp_report_block *block)
{
	RtcTransport *transport = data;
	struct send_stream_out *stream = send_stream_find_ssrc(transport, block->ssrc);
	uint32_t now = ntp_middle(ntp_now());
	uint64_t round_trip_us;

	(void)reporter_ssrc;
	if (!stream)
		return;
	note_report(stream, block);
	if (!block->last_sr)
		return;
	now -= block->last_sr + block->delay_since_last_sr; /* 1/65536 s */
	round_trip_us = ((uint64_t)now * 1000000u) >> 16;
	round_trip_on_sample(&transport->round_trip, round_trip_us);
	if (round_trip_us <= ROUND_TRIP_MOST_US)
		histogram_observe(&transport->port->counters.round_trips, round_trip_us);
}

static void on_nack(void *data, uint32_t media_ssrc, const uint16_t *sequence_numbers, size_t count)
{
	struct send_stream_out *stream = send_stream_find_ssrc(data, media_ssrc);

	if (stream)
		send_stream_on_nack(stream, sequence_numbers, count);
}

static void on_pli(void *data, uint32_t media_ssrc)
{
	struct send_stream_out *stream = send_stream_find_ssrc(data, media_ssrc);

	if (!stream)
		return;
	stream->plis_received++;
	stream->transport->counters.plis_received++;
	send_stream_want_keyframe(stream);
}

static void on_fir(void *data, uint32_t media_ssrc, uint8_t command_sequence)
{
	struct send_stream_out *stream = send_stream_find_ssrc(data, media_ssrc);

	(void)command_sequence; /* repeats are throttled like any wish */
	if (!stream)
		return;
	stream->firs_received++;
	stream->transport->counters.firs_received++;
	send_stream_want_keyframe(stream);
}

static void on_remb(void *data, uint64_t bitrate_bps)
{
	transport_on_remb(data, bitrate_bps);
}

static void on_transport_feedback(void *data, struct slice packet)
{
	transport_on_feedback(data, packet);
}

static const struct rtcp_visitor visitor = {.sender_report = on_sender_report,
					    .report_block = on_report_block,
					    .nack = on_nack,
					    .pli = on_pli,
					    .fir = on_fir,
					    .remb = on_remb,
					    .transport_feedback = on_transport_feedback};

bool transport_on_rtcp(RtcTransport *transport, struct packet *packet)
{
	size_t length = packet->length;

	if (!transport->crypto_in ||
	    media_crypto_unprotect_rtcp(transport->crypto_in, packet->bytes, &length) < 0) {
		transport->port->counters.dropped_forged++;
		return false;
	}
	transport_on_plain_rtcp(transport, packet->bytes, length);
	return true;
}

void transport_on_plain_rtcp(RtcTransport *transport, const uint8_t *bytes, size_t length)
{
	transport->last_heard_us = transport->port->now_us;
	dtls_link_settle(transport->dtls);
	if (rtcp_visit(bytes, length, &visitor, transport) < 0)
		transport->port->counters.dropped_malformed++;
}

/* ---- what we say ---- */

static struct writer begin(RtcTransport *transport)
{
	return writer_over(egress_reserve(transport->port->egress), RTCP_DATAGRAM_MAX);
}

/* One packet on its own, as RFC 5506 allows. */
static void finish(RtcTransport *transport, const struct writer *writer)
{
	if (!writer->failed)
		transport_commit_rtcp(transport, writer->data, writer->offset);
}

bool transport_send_pli(struct receive_stream *stream)
{
	RtcTransport *transport = stream->transport;
	struct writer writer;

	if (!stream->stats.has_packet)
		return true; /* nothing heard yet: the first frame will be a keyframe */
	if (uplink_is_collapsing(&transport->uplink, transport->port->now_us))
		return false;
	writer = begin(transport);
	rtcp_write_pli(&writer, transport->local_ssrc, stream->ssrc);
	finish(transport, &writer);
	stream->plis_sent++;
	transport->counters.plis_sent++;
	return true;
}

static void ask_for_missing(struct receive_stream *stream)
{
	RtcTransport *transport = stream->transport;
	uint16_t missing[RTCP_NACK_MAX];
	struct writer writer;
	uint64_t now_us = transport->port->now_us;
	uint64_t late_us =
		transport->arrivals ? arrival_log_late_us(transport->arrivals, now_us) : 0;
	size_t count =
		nack_tracker_due(&stream->nacks, now_us, round_trip_wait_us(&transport->round_trip),
				 late_us, missing, RTCP_NACK_MAX);

	if (count > 0 && stream->wants_nack && stream->is_wanted) {
		writer = begin(transport);
		rtcp_write_nack(&writer, transport->local_ssrc, stream->ssrc, missing, count);
		finish(transport, &writer);
		stream->nacks_sent += count;
		transport->counters.nacks_sent += count;
	}
	if (nack_tracker_take_keyframe_wish(&stream->nacks) && stream->is_video)
		(void)gst_pad_push_event(stream->pad, layer_damaged_event_new());
}

/* A way that has collapsed: the publisher is told what came through of late, and need not find it
 * out step by step while its queue grows. Told again in case that gets lost; lifted once it is
 * over. */
static void limit_publisher(RtcTransport *transport)
{
	const struct uplink_health *uplink = &transport->uplink;
	uint64_t now_us = transport->port->now_us;
	bool is_over = !uplink_has_collapsed(uplink, now_us);
	uint32_t ssrcs[RTCP_REPORTS_MAX];
	struct receive_stream *stream;
	struct writer writer;
	size_t count = 0;

	if (is_over ? !transport->limited_at_us
		    : !uplink_is_collapsing(uplink, now_us) ||
			      now_us - transport->limited_at_us < LIMIT_INTERVAL_US)
		return;
	transport->limited_at_us = is_over ? 0 : now_us;
	LIST_FOR_EACH (stream, &transport->receive_streams, link) {
		if (stream->stats.has_packet && count < RTCP_REPORTS_MAX)
			ssrcs[count++] = stream->ssrc;
	}
	writer = begin(transport);
	rtcp_write_remb(&writer, transport->local_ssrc,
			is_over ? NO_LIMIT_BPS : uplink->carried_bps / 8 * 7, ssrcs, count);
	finish(transport, &writer);
}

static void write_receiver_reports(RtcTransport *transport)
{
	struct rtcp_report_block blocks[RTCP_REPORTS_MAX];
	struct receive_stream *stream;
	struct writer writer;
	size_t count = 0;

	LIST_FOR_EACH (stream, &transport->receive_streams, link) {
		struct rtcp_report_block *block = &blocks[count];

		if (!stream->stats.has_packet || count == RTCP_REPORTS_MAX)
			continue;
		*block =
			receive_stats_report(&stream->stats, stream->ssrc, transport->port->now_us);
		transport->counters.lost_in +=
			count_lost(&stream->lost_most, block->cumulative_lost);
		count++;
	}
	if (count == 0)
		return;
	writer = begin(transport);
	rtcp_write_receiver_report(&writer, transport->local_ssrc, blocks, count);
	rtcp_write_sdes_cname(&writer, transport->local_ssrc, transport->config.cname);
	finish(transport, &writer);
}

static void write_sender_report(struct send_stream_out *stream)
{
	RtcTransport *transport = stream->transport;
	const struct forwarder *forwarder = &stream->forwarder;
	ntp_time now = ntp_now();
	struct rtcp_sender_info info = {.ntp = now,
					.packet_count = (uint32_t)forwarder->packet_count,
					.octet_count = (uint32_t)forwarder->octet_count};
	struct writer writer = begin(transport);

	info.rtp_timestamp =
		sender_clock_rtp_time(&stream->clock, &forwarder->clocks[forwarder->layer].report,
				      forwarder->clock_rate_hz, now) +
		forwarder->spans[forwarder->span].timestamp_offset;
	rtcp_write_sender_report(&writer, forwarder->ssrc, &info, NULL, 0);
	rtcp_write_sdes_cname(&writer, forwarder->ssrc, transport->config.cname);
	finish(transport, &writer);
	stream->reported_at_us = transport->port->now_us;
}

static void feed_back_arrivals(RtcTransport *transport)
{
	bool has_more = transport->arrivals != NULL;

	while (has_more) {
		struct writer writer = begin(transport);

		has_more = arrival_log_write(transport->arrivals, transport->local_ssrc,
					     transport->port->now_us, &writer);
		if (has_more)
			finish(transport, &writer);
	}
}

/* The first report goes as soon as there is something to say: until then a player cannot bring
 * sound and picture together. After that there is no hurry. */
static void tick_sending(RtcTransport *transport)
{
	uint64_t now_us = transport->port->now_us;
	struct send_stream_out *send;

	if (!transport->has_unreported && now_us - transport->sending_at_us < SENDING_INTERVAL_US)
		return;
	transport->sending_at_us = now_us;
	transport->has_unreported = false;
	LIST_FOR_EACH (send, &transport->send_streams, link) {
		const struct forwarder *forwarder = &send->forwarder;

		if (forwarder->state == FORWARDER_FLOWING &&
		    forwarder->clocks[forwarder->layer].has_report &&
		    now_us - send->reported_at_us >= REPORT_INTERVAL_US)
			write_sender_report(send);
		transport->has_unreported |= send->clock.has_offset && !send->reported_at_us;
		send_stream_tick(send);
	}
}

void transport_rtcp_tick(RtcTransport *transport)
{
	uint64_t now_us = transport->port->now_us;
	struct receive_stream *receive;

	LIST_FOR_EACH (receive, &transport->receive_streams, link) {
		ask_for_missing(receive);
	}
	limit_publisher(transport);
	if (now_us - transport->feedback_at_us >= FEEDBACK_INTERVAL_US) {
		transport->feedback_at_us = now_us;
		feed_back_arrivals(transport);
		tick_sending(transport);
	}
	if (now_us - transport->reported_at_us >= REPORT_INTERVAL_US) {
		transport->reported_at_us = now_us;
		write_receiver_reports(transport);
	}
}
