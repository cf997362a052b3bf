/* transport_send.c - media to a participant: new numbers, encryption straight into the send arena.
 */
#include <errno.h>

#include "core/id.h"
#include "sfu/edge/track_events.h"
#include "sfu/edge/transport_outgoing.h"

enum {
	/* What a stream may begin with at once: what the way carries in so long a time; of who
	 * tells nothing of it so many bytes. */
	BACKLOG_MS = 300,
	BACKLOG_BYTES = 64 * 1024
};

/* ---- the hot path ---- */

_Static_assert((int)PICTURE_DESCRIPTOR_MAX <= (int)RED_HEADERS_MAX, "a prefix holds either");

int outgoing_append_sending(const struct send_stream_out *stream, uint8_t *block, int length,
			    struct outgoing *outgoing)
{
	uint8_t element[RTP_ABS_SEND_TIME_BYTES];
	int appended;

	outgoing->is_numbered = false;
	if (stream->transport_cc_id) {
		element[0] = (uint8_t)(outgoing->transport_sequence >> 8);
		element[1] = (uint8_t)outgoing->transport_sequence;
		appended =
			rtp_extension_block_append(block, (size_t)length, RTP_EXTENSION_BLOCK_MAX,
						   stream->transport_cc_id, element, 2);
		/* No room (the publisher fills it): a number used up unsent would look lost. */
		outgoing->is_numbered = appended > 0;
	} else if (stream->abs_send_time_id) {
		rtp_abs_send_time_encode(element, stream->transport->port->now_us);
		appended = rtp_extension_block_append(
			block, (size_t)length, RTP_EXTENSION_BLOCK_MAX, stream->abs_send_time_id,
			element, RTP_ABS_SEND_TIME_BYTES);
	} else {
		return length;
	}
	return appended > 0 ? appended : length;
}

void outgoing_write_header(const struct send_stream_out *stream, const struct packet *packet,
			   const struct forwarder_span *span, uint8_t payload_type, uint32_t ssrc,
			   uint16_t sequence_number, uint8_t *out, struct outgoing *outgoing)
{
	const struct forwarder *forwarder = &stream->forwarder;
	const struct rtp_extension_shift shift = {stream->incoming_dependency_id,
						  span->picture.frame_number};
	bool ends_picture = packet->header.marker || forwarder_ends_picture(span, &packet->picture);
	int extension_bytes = rtp_extension_block_rewrite(
		&packet->header, packet->bytes, forwarder->extension_id_map, shift,
		out + RTP_HEADER_BYTES, RTP_EXTENSION_BLOCK_MAX);

	if (extension_bytes < 0)
		extension_bytes = 0; /* more than we forward: the media matters more */
	extension_bytes =
		outgoing_append_sending(stream, out + RTP_HEADER_BYTES, extension_bytes, outgoing);
	rtp_header_encode(out, payload_type, ends_picture && !outgoing->is_blank,
			  extension_bytes > 0, packet->added_padding > 0 && !outgoing->is_blank,
			  sequence_number, packet->header.rtp_timestamp + span->timestamp_offset,
			  ssrc);
	outgoing->header_bytes = RTP_HEADER_BYTES + (size_t)extension_bytes;
}

/* Redundant audio: with the subscriber's payload type in its headers, or the new block alone. */
static void write_red(const struct send_stream_out *stream, const struct packet *packet,
		      struct outgoing *outgoing)
{
	const uint8_t *payload = packet->bytes + packet->header.header_bytes;

	if (!stream->red_payload_type) {
		outgoing->skipped = packet->red.primary_at;
		return;
	}
	outgoing->skipped = red_headers_write(&packet->red, payload, stream->forwarder.payload_type,
					      outgoing->prefix + outgoing->prefix_bytes);
	outgoing->prefix_bytes += outgoing->skipped;
}

uint8_t outgoing_payload_type(const struct send_stream_out *stream, const struct packet *packet)
{
	return packet->red.headers_bytes && stream->red_payload_type
		       ? stream->red_payload_type
		       : stream->forwarder.payload_type;
}

void outgoing_write_descriptor(const struct send_stream_out *stream,
			       const struct forwarder_span *span, const struct packet *packet,
			       struct outgoing *outgoing)
{
	const struct picture_offsets *offsets = &span->picture;

	if (packet->red.headers_bytes)
		write_red(stream, packet, outgoing);
	if (packet->picture.descriptor_bytes == 0 || outgoing->is_blank ||
	    (offsets->picture_id | offsets->tl0_index | offsets->key_index) == 0)
		return;
	outgoing->skipped =
		picture_numbers_write(&packet->picture, packet->bytes + packet->header.header_bytes,
				      offsets, outgoing->prefix + outgoing->prefix_bytes);
	outgoing->prefix_bytes += outgoing->skipped;
}

const uint8_t *outgoing_payload(const struct packet *packet, const struct outgoing *outgoing,
				size_t *ret_bytes)
{
	*ret_bytes = outgoing->is_blank ? 0
					: rtp_payload_bytes(&packet->header, packet->length) -
						  outgoing->skipped + packet->added_padding;
	return packet->bytes + packet->header.header_bytes + outgoing->skipped;
}

/* Refused because it was sent before is as it should be; out of SSRCs means that nothing new can
 * ever be sent on this connection, so the peer must make another. */
static void on_send_failure(RtcTransport *transport, int failure)
{
	struct error error;

	if (failure != -ENOSPC)
		return;
	(void)error_set(&error, failure, "ssrcs_used_up", "no further streams under these keys");
	transport_end(transport, &error);
}

static void note_keyframe(struct send_stream_out *stream, const struct packet *packet,
			  const struct forwarder_span *span)
{
	uint16_t sequence_number = packet->header.sequence_number;

	keyframe_wish_on_keyframe(&stream->keyframe_wish);
	if (!span->is_start || span->first_input != sequence_number)
		return;
	stream->is_beginning = true;
	stream->beginning.layer = packet->layer;
	stream->beginning.sequence_number = sequence_number;
	stream->beginning.arrival_us = packet->arrival_us;
}

bool send_stream_send(struct send_stream_out *stream, const struct packet *packet)
{
	RtcTransport *transport = stream->transport;
	struct egress_target *target = transport_target(transport);
	struct egress *egress = transport->port->egress;
	struct forwarder *forwarder = &stream->forwarder;
	const struct forwarder_input input = {.layer = packet->layer,
					      .is_keyframe_start = packet->is_keyframe_start,
					      .is_picture_end = packet->header.marker,
					      .sequence_number = packet->header.sequence_number,
					      .rtp_timestamp = packet->header.rtp_timestamp,
					      .arrival_us = packet->arrival_us,
					      .picture = &packet->picture};
	const struct forwarder_span *span;
	struct outgoing outgoing;
	const uint8_t *payload;
	uint16_t sequence_number;
	size_t payload_bytes;
	uint8_t *out;
	int length;

	if (!target || !transport->crypto_out)
		return false;
	span = forwarder_map(forwarder, &input);
	if (!span)
		return false;
	out = egress_reserve(egress);
	outgoing.prefix_bytes = outgoing.skipped = 0;
	outgoing.transport_sequence = outgoing_number(stream);
	outgoing.is_blank = forwarder_is_blank(span, &packet->picture);
	sequence_number = (uint16_t)(input.sequence_number + span->sequence_offset);
	outgoing_write_header(stream, packet, span, outgoing_payload_type(stream, packet),
			      forwarder->ssrc, sequence_number, out, &outgoing);
	outgoing_write_descriptor(stream, span, packet, &outgoing);
	payload = outgoing_payload(packet, &outgoing, &payload_bytes);
	length = media_crypto_protect_rtp_on(
		transport->crypto_out, &stream->srtp, out, EGRESS_PACKET_MAX, outgoing.header_bytes,
		outgoing.prefix, outgoing.prefix_bytes, payload, payload_bytes);
	if (length < 0) {
		on_send_failure(transport, length);
		return false;
	}
	egress_commit(egress, target, (size_t)length);
	if (packet->is_keyframe_start)
		note_keyframe(stream, packet, span);
	if (stream->numbers)
		sent_numbers_put(stream->numbers, sequence_number, outgoing.transport_sequence);
	if (outgoing.is_numbered)
		transport_note_sent(transport, (size_t)length);
	pacer_on_sent(&transport->pacer, transport->port->now_us, (size_t)length);
	forwarder_on_sent(forwarder, payload_bytes + outgoing.prefix_bytes);
	forwarder->byte_count += (size_t)length;
	transport->counters.packets_out++;
	transport->counters.bytes_out += (size_t)length;
	return true;
}

/* How long a packet took is of interest where it came just now. */
static inline void send_buffer(struct send_stream_out *stream, GstBuffer *buffer, bool is_new)
{
	struct media_port *port = stream->transport->port;
	const struct packet *packet = packet_of_buffer(buffer);

	if (packet && !transport_hold(stream->transport, stream, buffer, is_new) &&
	    send_stream_send(stream, packet) && is_new)
		forward_delay_on_packet(&port->forward_delay, packet->arrival_us);
}

/* The keyframe's first packet may have been late. What follows it and came before it was nothing to
 * this subscriber then. */
static void send_what_came_before(struct send_stream_out *stream)
{
	uint8_t layer = stream->beginning.layer;
	uint16_t next = stream->beginning.sequence_number;

	stream->is_beginning = false;
	if (stream->forwarder.layer != layer)
		return; /* it is over already */
	while (rtc_track_may_still_come(stream->track, layer, ++next)) {
		struct packet *packet = rtc_track_find_packet(stream->track, layer, next);

		if (packet && packet->arrival_us < stream->beginning.arrival_us)
			send_buffer(stream, packet->buffer, false);
	}
}

/* Takes the list. */
static inline void send_list(struct send_stream_out *stream, GstBufferList *list, bool is_new)
{
	guint count = gst_buffer_list_length(list);

	for (guint i = 0; i < count; i++)
		send_buffer(stream, gst_buffer_list_get(list, i), is_new);
	gst_buffer_list_unref(list);
	if (stream->is_beginning)
		send_what_came_before(stream);
}

static GstFlowReturn sink_chain_list(GstPad *pad, GstObject *parent, GstBufferList *list)
{
	(void)parent;
	send_list(gst_pad_get_element_private(pad), list, true);
	return GST_FLOW_OK;
}

static GstFlowReturn sink_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
	GstBufferList *list = gst_buffer_list_new_sized(1);

	gst_buffer_list_add(list, buffer);
	return sink_chain_list(pad, parent, list);
}

/* ---- what else goes out ---- */

static void ask_for_keyframe(struct send_stream_out *stream)
{
	(void)gst_pad_push_event(stream->pad,
				 keyframe_request_event_new(stream->forwarder.target_layer));
}

void send_stream_want_keyframe(struct send_stream_out *stream)
{
	struct media_port *port = stream->transport->port;

	if (!stream->forwarder.needs_keyframe || stream->forwarder.target_layer == LAYER_NONE)
		return;
	if (keyframe_wish_make(&stream->keyframe_wish, port->now_us))
		ask_for_keyframe(stream);
	else
		port->counters.keyframes_withheld++;
}

void send_stream_tick(struct send_stream_out *stream)
{
	if (stream->forwarder.target_layer != LAYER_NONE &&
	    keyframe_wish_tick(&stream->keyframe_wish, stream->transport->port->now_us))
		ask_for_keyframe(stream);
}

void transport_commit_rtcp(RtcTransport *transport, uint8_t *bytes, size_t length)
{
	struct egress_target *target = transport_target(transport);
	int protected_bytes;

	if (length == 0 || !target || !transport->crypto_out)
		return;
	protected_bytes =
		media_crypto_protect_rtcp(transport->crypto_out, bytes, length, EGRESS_PACKET_MAX);
	if (protected_bytes > 0)
		egress_commit(transport->port->egress, target, (size_t)protected_bytes);
}

/* ---- life of a stream ---- */

struct send_stream_out *send_stream_find_ssrc(RtcTransport *transport, uint32_t ssrc)
{
	struct send_stream_out *stream;

	LIST_FOR_EACH (stream, &transport->send_streams, link) {
		if (stream->forwarder.ssrc == ssrc)
			return stream;
	}
	return NULL;
}

static gboolean sink_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
	struct send_stream_out *stream = gst_pad_get_element_private(pad);
	uint8_t layer;

	(void)parent;
	if (source_restart_event_is(event, &layer)) {
		transport_send_held(stream->transport); /* it is of the source before */
		forwarder_restart(&stream->forwarder, layer);
	} else {
		sender_report_event_read(event, stream); /* all others end here as well */
	}
	gst_event_unref(event);
	return TRUE;
}

/* Incoming extension numbers to the subscriber's own, for those it has agreed to. */
static void map_extensions(const uint8_t incoming_ids[EXTENSION_COUNT],
			   const uint8_t outgoing_ids[EXTENSION_COUNT], uint8_t id_map[16])
{
	for (int i = EXTENSION_NONE + 1; i < EXTENSION_COUNT; i++)
		if (negotiation_passes_on((enum header_extension)i) && incoming_ids[i] &&
		    incoming_ids[i] < 16)
			id_map[incoming_ids[i]] = outgoing_ids[i];
}

/* What of a stream depends on whose track it shows. */
static void take_source(struct send_stream_out *stream, const struct media_line *line,
			RtcTrack *track, const uint8_t incoming_ids[EXTENSION_COUNT])
{
	struct forwarder *forwarder = &stream->forwarder;

	g_set_object(&stream->track, track);
	memset(forwarder->extension_id_map, 0, sizeof(forwarder->extension_id_map));
	map_extensions(incoming_ids, line->remote.extension_ids, forwarder->extension_id_map);
	stream->incoming_dependency_id = incoming_ids[EXTENSION_DEPENDENCY_DESCRIPTOR];
}

void rtc_transport_send_other(GstPad *pad, const struct media_line *line, RtcTrack *track,
			      const uint8_t incoming_ids[EXTENSION_COUNT])
{
	struct send_stream_out *stream = gst_pad_get_element_private(pad);

	transport_drop_held(stream->transport, stream);
	stream->is_beginning = false;
	forwarder_set_target(&stream->forwarder, LAYER_NONE);
	for (uint8_t layer = 0; layer < LAYERS_MAX; layer++) {
		forwarder_restart(&stream->forwarder, layer);
		forwarder_on_report(&stream->forwarder, layer, NULL);
	}
	stream->clock = (struct sender_clock){0}; /* told by the other's reports */
	take_source(stream, line, track, incoming_ids);
}

/* By which numbers, or else times, the subscriber can tell how its way fares. A picture without RTX
 * is repeated as it was: its numbers are kept, and times it has none. Sound is not repeated. */
static void number_stream(struct send_stream_out *stream, const struct media_line *line,
			  uint8_t abs_send_time_id)
{
	RtcTransport *transport = stream->transport;
	bool is_repeated = line->kind == MEDIA_VIDEO && !stream->forwarder.rtx_payload_type;

	stream->transport_cc_id = line->remote.extension_ids[EXTENSION_TRANSPORT_CC];
	if (!is_repeated)
		stream->abs_send_time_id = abs_send_time_id;
	if (stream->transport_cc_id && !transport->history)
		transport->history = send_history_new();
	if (stream->transport_cc_id && is_repeated)
		stream->numbers = calloc(1, sizeof(*stream->numbers));
	if (!transport->history || (is_repeated && !stream->numbers))
		stream->transport_cc_id = 0; /* no memory: it goes without */
}

int rtc_transport_send(RtcTransport *transport, const struct media_line *line, RtcTrack *track,
		       const uint8_t incoming_ids[EXTENSION_COUNT], uint8_t abs_send_time_id,
		       GstPad **ret_pad)
{
	struct send_stream_out *stream = calloc(1, sizeof(*stream));
	struct forwarder *forwarder;
	uint16_t first_sequence;
	uint32_t timestamp_offset;
	gchar *name;

	if (!stream)
		return -ENOMEM;
	random_bytes(&first_sequence, sizeof(first_sequence));
	random_bytes(&timestamp_offset, sizeof(timestamp_offset));
	stream->transport = transport;
	stream->is_paced = line->kind == MEDIA_VIDEO;
	forwarder = &stream->forwarder;
	forwarder_init(forwarder, line->kind == MEDIA_VIDEO, first_sequence, timestamp_offset);
	forwarder->ssrc = line->send.ssrc;
	forwarder->rtx_ssrc = line->send.rtx_ssrc;
	forwarder->payload_type = line->send_payload_type;
	forwarder->rtx_payload_type = line->send_rtx_payload_type;
	forwarder->clock_rate_hz = line->send.format.codec->clock_rate_hz;
	take_source(stream, line, track, incoming_ids);
	stream->red_payload_type = line->send_red_payload_type;
	number_stream(stream, line, abs_send_time_id);
	name = g_strdup_printf("sink_%s_%08x", line->mid, forwarder->ssrc);
	stream->pad = gst_pad_new(name, GST_PAD_SINK);
	g_free(name);
	gst_pad_set_element_private(stream->pad, stream);
	gst_pad_set_chain_function(stream->pad, sink_chain);
	gst_pad_set_chain_list_function(stream->pad, sink_chain_list);
	gst_pad_set_event_function(stream->pad, sink_event);
	(void)gst_pad_set_active(stream->pad, TRUE);
	(void)gst_element_add_pad(GST_ELEMENT_CAST(transport), stream->pad);
	list_append(&transport->send_streams, &stream->link);
	*ret_pad = stream->pad;
	return 0;
}

void send_stream_free(struct send_stream_out *stream)
{
	RtcTransport *transport = stream->transport;

	transport_drop_held(transport, stream);
	list_remove(&stream->link);
	if (transport->crypto_out) {
		media_crypto_forget(transport->crypto_out, stream->forwarder.ssrc);
		media_crypto_forget(transport->crypto_out, stream->forwarder.rtx_ssrc);
	}
	(void)gst_pad_set_active(stream->pad, FALSE);
	(void)gst_element_remove_pad(GST_ELEMENT_CAST(transport), stream->pad);
	gst_object_unref(stream->track);
	free(stream->numbers);
	free(stream->repeats);
	free(stream);
}

void rtc_transport_send_end(RtcTransport *transport, GstPad *pad)
{
	(void)transport;
	send_stream_free(gst_pad_get_element_private(pad));
}

/* It begins with what is there since the last keyframe, rather than wait for the next one. Not in
 * mid-stream: time cannot go back. */
static void send_backlog(struct send_stream_out *stream, uint8_t layer)
{
	int64_t budget_bps = rtc_transport_budget_bps(stream->transport);
	size_t bytes_max = BACKLOG_BYTES;
	GstBufferList *list;

	if (budget_bps >= 0)
		bytes_max = (size_t)budget_bps / 8 * BACKLOG_MS / 1000;
	list = rtc_track_backlog(stream->track, layer, bytes_max);
	if (list)
		send_list(stream, list, false);
}

void rtc_transport_set_layer(GstPad *pad, uint8_t layer, bool is_urgent)
{
	struct send_stream_out *stream = gst_pad_get_element_private(pad);
	bool is_news = stream->forwarder.target_layer != layer;

	if (is_news) {
		forwarder_set_target(&stream->forwarder, layer);
		keyframe_wish_on_other_layer(&stream->keyframe_wish);
	}
	/* It may have become urgent since, while the keyframe is still on its way. */
	if (is_urgent && stream->forwarder.layer != layer)
		forwarder_cut(&stream->forwarder);
	if (is_news && layer != LAYER_NONE && stream->forwarder.needs_keyframe &&
	    !stream->forwarder.has_sent)
		send_backlog(stream, layer);
	if (is_news && layer != stream->forwarder.layer)
		send_stream_want_keyframe(stream);
}

bool rtc_transport_is_dark(GstPad *pad)
{
	const struct send_stream_out *stream = gst_pad_get_element_private(pad);

	return forwarder_is_dark(&stream->forwarder, stream->transport->port->now_us);
}

void rtc_transport_set_stopgaps(GstPad *pad, unsigned layers)
{
	struct send_stream_out *stream = gst_pad_get_element_private(pad);

	forwarder_set_stopgaps(&stream->forwarder, layers);
}

void rtc_transport_set_temporal(GstPad *pad, uint8_t target_most, uint8_t meanwhile_most)
{
	struct send_stream_out *stream = gst_pad_get_element_private(pad);

	forwarder_set_temporal(&stream->forwarder, target_most, meanwhile_most);
}

void rtc_transport_set_spatial(GstPad *pad, uint8_t target, uint8_t bound)
{
	struct send_stream_out *stream = gst_pad_get_element_private(pad);
	const struct forwarder *forwarder = &stream->forwarder;

	forwarder_set_spatial(&stream->forwarder, target, bound);
	/* As long as it lasts: the keyframe that was asked for may have been lost. */
	if (forwarder->state == FORWARDER_FLOWING && forwarder_spatial(forwarder) < target)
		send_stream_want_keyframe(stream);
}

uint8_t rtc_transport_spatial(GstPad *pad)
{
	const struct send_stream_out *stream = gst_pad_get_element_private(pad);

	return stream->forwarder.layer == LAYER_NONE ? LAYER_NONE
						     : forwarder_spatial(&stream->forwarder);
}

bool rtc_transport_sends_dependencies(GstPad *pad)
{
	const struct send_stream_out *stream = gst_pad_get_element_private(pad);
	uint8_t id = stream->incoming_dependency_id;

	return id > 0 && id < ARRAY_LEN(stream->forwarder.extension_id_map) &&
	       stream->forwarder.extension_id_map[id] > 0;
}

uint8_t rtc_transport_layer(GstPad *pad)
{
	const struct send_stream_out *stream = gst_pad_get_element_private(pad);

	return stream->forwarder.layer;
}
