/* transport_repeat.c - what a participant is sent besides new media: packets that it missed, and to
 * try out its way those that it has, or packets that hold nothing. */
#include "sfu/edge/transport_outgoing.h"

enum {
	REPEATED_MAX = 100, /* packets looked at for one probe */
	PADDING_BYTES = 255 /* the most that a packet can have (RFC 3550 section 5.1) */
};

/* ---- retransmission ---- */

/* As it was sent, or not at all: with another transport-wide number, or time, it would be another
 * packet under the same nonce. */
static bool find_number(const struct send_stream_out *stream, uint16_t sequence_number,
			uint16_t *ret_transport_sequence)
{
	if (stream->forwarder.rtx_payload_type) {
		*ret_transport_sequence = outgoing_number(stream);
		return true;
	}
	if (stream->numbers)
		return sent_numbers_find(stream->numbers, sequence_number, ret_transport_sequence);
	*ret_transport_sequence = 0;
	return !stream->transport_cc_id && !stream->abs_send_time_id;
}

/* As an RTX packet (RFC 4588), or where that was not negotiated the very same packet again, under
 * the same index. */
static int protect_repeat(struct send_stream_out *stream, const struct packet *packet,
			  const struct forwarder_span *span, uint16_t sequence_number, uint8_t *out,
			  struct outgoing *outgoing)
{
	struct forwarder *forwarder = &stream->forwarder;
	struct media_crypto *crypto = stream->transport->crypto_out;
	const uint8_t *payload;
	size_t payload_bytes;
	bool is_rtx = forwarder->rtx_payload_type != 0;

	outgoing->is_blank = forwarder_is_blank(span, &packet->picture);
	if (is_rtx) {
		outgoing->prefix[0] = (uint8_t)(sequence_number >> 8);
		outgoing->prefix[1] = (uint8_t)sequence_number;
		outgoing->prefix_bytes = 2;
	}
	outgoing_write_descriptor(stream, span, packet, outgoing);
	payload = outgoing_payload(packet, outgoing, &payload_bytes);
	if (is_rtx) {
		outgoing_write_header(stream, packet, span, forwarder->rtx_payload_type,
				      forwarder->rtx_ssrc, forwarder->rtx_sequence++, out,
				      outgoing);
		return media_crypto_protect_rtp(crypto, out, EGRESS_PACKET_MAX,
						outgoing->header_bytes, outgoing->prefix,
						outgoing->prefix_bytes, payload, payload_bytes);
	}
	outgoing_write_header(stream, packet, span, outgoing_payload_type(stream, packet),
			      forwarder->ssrc, sequence_number, out, outgoing);
	return media_crypto_protect_rtp_again(crypto, out, EGRESS_PACKET_MAX,
					      outgoing->header_bytes, outgoing->prefix,
					      outgoing->prefix_bytes, payload, payload_bytes);
}

/* Nothing but padding: as RTX, where it is known by having no original's number; else under the
 * picture's own numbers, for the first time or once more, the same to the last byte. */
static int protect_padding(struct send_stream_out *stream, uint16_t sequence_number,
			   uint32_t rtp_timestamp, bool is_again, uint8_t *out,
			   struct outgoing *outgoing)
{
	static const uint8_t padding[PADDING_BYTES] = {[PADDING_BYTES - 1] = PADDING_BYTES};
	const struct forwarder *forwarder = &stream->forwarder;
	bool is_rtx = forwarder->rtx_payload_type != 0;
	int extension_bytes = outgoing_append_sending(stream, out + RTP_HEADER_BYTES, 0, outgoing);

	rtp_header_encode(out, is_rtx ? forwarder->rtx_payload_type : forwarder->payload_type,
			  false, extension_bytes > 0, true, sequence_number, rtp_timestamp,
			  is_rtx ? forwarder->rtx_ssrc : forwarder->ssrc);
	outgoing->header_bytes = RTP_HEADER_BYTES + (size_t)extension_bytes;
	return (is_again ? media_crypto_protect_rtp_again : media_crypto_protect_rtp)(
		stream->transport->crypto_out, out, EGRESS_PACKET_MAX, outgoing->header_bytes, NULL,
		0, padding, sizeof(padding));
}

/* Returns the bytes; 0: it cannot be sent. */
static size_t commit(struct send_stream_out *stream, int length, bool has_new_number)
{
	RtcTransport *transport = stream->transport;

	if (length < 0)
		return 0;
	egress_commit(transport->port->egress, transport_target(transport), (size_t)length);
	if (has_new_number)
		transport_note_sent(transport, (size_t)length);
	pacer_on_sent(&transport->pacer, transport->port->now_us, (size_t)length);
	transport->counters.bytes_out += (size_t)length;
	return (size_t)length;
}

static bool can_send(const RtcTransport *transport)
{
	return transport->selected >= 0 && transport->crypto_out;
}

static void count_repeat(struct send_stream_out *stream, size_t byte_count)
{
	struct media_counters *counters = &stream->transport->counters;

	if (stream->transport->probe) {
		counters->probe_repeats++;
		return;
	}
	counters->retransmitted++;
	counters->retransmitted_bytes += byte_count;
	stream->retransmitted++;
	stream->retransmitted_bytes += byte_count;
}

/* Returns the bytes; 0: the packet is no longer (or never was) there. */
static size_t retransmit(struct send_stream_out *stream, uint16_t sequence_number)
{
	RtcTransport *transport = stream->transport;
	const struct forwarder *forwarder = &stream->forwarder;
	const struct forwarder_span *span = forwarder_unmap(forwarder, sequence_number);
	const struct packet *packet = NULL;
	struct outgoing outgoing = {0};
	uint32_t padding_timestamp;
	size_t byte_count;
	uint8_t *out;
	int length;

	if (!can_send(transport) ||
	    !find_number(stream, sequence_number, &outgoing.transport_sequence))
		return 0;
	if (span)
		packet = rtc_track_find_packet(stream->track, span->layer,
					       (uint16_t)(sequence_number - span->sequence_offset));
	out = egress_reserve(transport->port->egress);
	if (packet)
		length = protect_repeat(stream, packet, span, sequence_number, out, &outgoing);
	else if (forwarder_was_padding(forwarder, sequence_number, &padding_timestamp))
		length = protect_padding(stream, sequence_number, padding_timestamp, true, out,
					 &outgoing);
	else
		return 0;
	byte_count = commit(stream, length, outgoing.is_numbered && forwarder->rtx_payload_type);
	if (byte_count > 0)
		count_repeat(stream, byte_count);
	return byte_count;
}

/* It is gone for good: too old, or of a layer that is over. What the publisher may still send again
 * is asked of the publisher, and comes by itself. */
static bool is_beyond_repair(const struct send_stream_out *stream, uint16_t sequence_number)
{
	const struct forwarder_span *span = forwarder_unmap(&stream->forwarder, sequence_number);

	return span &&
	       !rtc_track_may_still_come(stream->track, span->layer,
					 (uint16_t)(sequence_number - span->sequence_offset));
}

/* It was repeated a moment ago, and whoever asks cannot have it yet. */
static bool is_on_its_way(const struct send_stream_out *stream, uint16_t sequence_number)
{
	return stream->repeats && repeats_is_on_its_way(stream->repeats, sequence_number,
							stream->transport->port->now_us,
							transport_answer_us(stream->transport));
}

static void note_repeat(struct send_stream_out *stream, uint16_t sequence_number)
{
	if (!stream->repeats)
		stream->repeats = calloc(1, sizeof(*stream->repeats));
	if (stream->repeats) /* else it may be repeated once too often */
		repeats_note(stream->repeats, sequence_number, stream->transport->port->now_us);
}

void send_stream_on_nack(struct send_stream_out *stream, const uint16_t *sequence_numbers,
			 size_t count)
{
	RtcTransport *transport = stream->transport;
	bool is_lost = false;
	size_t i;

	stream->nacks_received += count;
	transport->counters.nacks_received += count;
	for (i = 0; i < count && transport->retransmit_bytes > 0; i++) {
		size_t bytes;

		if (is_on_its_way(stream, sequence_numbers[i]))
			continue;
		bytes = retransmit(stream, sequence_numbers[i]);
		transport->retransmit_bytes -= (double)bytes;
		if (bytes > 0)
			note_repeat(stream, sequence_numbers[i]);
		is_lost = is_lost || (bytes == 0 && is_beyond_repair(stream, sequence_numbers[i]));
	}
	transport->counters.retransmissions_refused += count - i;
	if (is_lost && stream->forwarder.needs_keyframe)
		send_stream_want_keyframe(stream);
}

/* ---- probes ---- */

static bool is_numbered(const struct send_stream_out *stream)
{
	return stream->transport_cc_id > 0;
}

static bool can_repeat(const struct send_stream_out *stream)
{
	return is_numbered(stream) && stream->forwarder.rtx_payload_type &&
	       stream->forwarder.state == FORWARDER_FLOWING;
}

/* What was sent last goes out once more as RTX, which the receiver takes and drops. Returns the
 * bytes. */
static size_t repeat_last(struct send_stream_out *stream, size_t byte_count)
{
	uint16_t last = stream->forwarder.highest_output_sequence;
	size_t sent = 0;

	for (uint16_t back = 0; sent < byte_count && back < REPEATED_MAX; back++)
		sent += retransmit(stream, (uint16_t)(last - back));
	return sent;
}

/* Packets that hold nothing: of the RTX stream, which is nobody's picture, any time. Where there is
 * none, of the picture's own, between two pictures. */
static bool can_pad(const struct send_stream_out *stream)
{
	return is_numbered(stream) && (stream->forwarder.rtx_payload_type ||
				       (stream->numbers && forwarder_can_pad(&stream->forwarder)));
}

/* Returns the bytes. */
static size_t send_padding(struct send_stream_out *stream)
{
	RtcTransport *transport = stream->transport;
	struct forwarder *forwarder = &stream->forwarder;
	struct outgoing outgoing = {.transport_sequence = outgoing_number(stream)};
	uint32_t rtp_timestamp = forwarder->last_output_timestamp;
	uint16_t sequence_number;
	size_t byte_count;
	uint8_t *out;
	int length;

	if (!can_send(transport))
		return 0;
	if (forwarder->rtx_payload_type)
		sequence_number = forwarder->rtx_sequence++;
	else
		forwarder_pad(forwarder, &sequence_number, &rtp_timestamp);
	out = egress_reserve(transport->port->egress);
	length = protect_padding(stream, sequence_number, rtp_timestamp, false, out, &outgoing);
	byte_count = commit(stream, length, outgoing.is_numbered);
	if (byte_count == 0)
		return 0;
	if (stream->numbers) {
		sent_numbers_put(stream->numbers, sequence_number, outgoing.transport_sequence);
		forwarder_on_sent(forwarder, 0);
	}
	transport->counters.padding++;
	return byte_count;
}

static struct send_stream_out *find_for_padding(const RtcTransport *transport)
{
	struct send_stream_out *stream, *found = NULL;

	LIST_FOR_EACH (stream, &transport->send_streams, link) {
		if (can_pad(stream) && (!found || stream->forwarder.rtx_payload_type))
			found = stream;
	}
	return found;
}

enum probe_matter transport_probe_matter(const RtcTransport *transport)
{
	struct send_stream_out *stream;

	if (!can_send(transport))
		return PROBE_NOTHING;
	LIST_FOR_EACH (stream, &transport->send_streams, link) {
		if (can_repeat(stream))
			return PROBE_REPEATS;
	}
	return find_for_padding(transport) ? PROBE_PADDING : PROBE_NOTHING;
}

void transport_send_probe(RtcTransport *transport, uint8_t probe, size_t byte_count)
{
	struct send_stream_out *stream;
	size_t sent = 0, more = 1;

	transport->probe = probe;
	LIST_FOR_EACH (stream, &transport->send_streams, link) {
		if (sent < byte_count && can_repeat(stream))
			sent += repeat_last(stream, byte_count - sent);
	}
	stream = find_for_padding(transport);
	for (; stream && sent < byte_count && more > 0; sent += more)
		more = send_padding(stream);
	transport->probe = 0;
}
