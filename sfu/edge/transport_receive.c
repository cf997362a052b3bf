/* transport_receive.c - media from a participant: unprotect, find its stream, hand it to the graph.
 */
#include <errno.h>

#include "sfu/edge/pad_push.h"
#include "sfu/edge/track_events.h"
#include "sfu/edge/transport_private.h"

/* ---- which stream ---- */

struct receive_stream *receive_stream_find_ssrc(RtcTransport *transport, uint32_t ssrc)
{
	struct receive_stream *stream;

	LIST_FOR_EACH (stream, &transport->receive_streams, link) {
		if (stream->ssrc == ssrc || (stream->rtx_ssrc == ssrc && ssrc != 0))
			return stream;
	}
	return NULL;
}

static bool is_text(struct slice slice, const char *text)
{
	return strlen(text) == slice.length &&
	       (slice.length == 0 || memcmp(text, slice.data, slice.length) == 0);
}

/* The stream of an m-line, of several the one that this RID names. */
static struct receive_stream *find_mid(RtcTransport *transport, struct slice mid, struct slice rid)
{
	struct receive_stream *stream;

	LIST_FOR_EACH (stream, &transport->receive_streams, link) {
		if (is_text(mid, stream->mid) &&
		    (!stream->is_one_of_many || (rid.length > 0 && is_text(rid, stream->rid))))
			return stream;
	}
	return NULL;
}

static bool carries_media(const struct receive_stream *stream, uint8_t payload_type)
{
	return payload_type == stream->payload_type ||
	       (stream->red_payload_type && payload_type == stream->red_payload_type);
}

/* Only if exactly one stream uses this payload type. */
static struct receive_stream *find_payload_type(RtcTransport *transport, uint8_t payload_type)
{
	struct receive_stream *stream, *found = NULL;

	LIST_FOR_EACH (stream, &transport->receive_streams, link) {
		if (!carries_media(stream, payload_type) &&
		    stream->rtx_payload_type != payload_type)
			continue;
		if (found)
			return NULL;
		found = stream;
	}
	return found;
}

static void deliver(struct receive_stream *stream)
{
	GstBufferList *list = stream->list;

	list_remove(&stream->pending_link);
	pad_push_list(stream->pad, list);
	/* Usually everyone has let go by now, and the list serves again. */
	if (gst_buffer_list_is_writable(list)) {
		gst_buffer_list_remove(list, 0, gst_buffer_list_length(list));
	} else {
		gst_buffer_list_unref(list);
		stream->list = gst_buffer_list_new_sized(RECEIVE_BATCH);
	}
}

/* The stream goes on under another SSRC: its numbers mean nothing for the new one. */
static void set_ssrc(struct receive_stream *stream, uint32_t ssrc)
{
	bool has_begun = stream->stats.has_packet && stream->ssrc != ssrc;

	if (has_begun && !list_is_empty(&stream->pending_link))
		deliver(stream); /* what came under the old one goes before the news */
	if (has_begun)
		stream->previous_ssrc = stream->ssrc;
	stream->ssrc = ssrc;
	if (!has_begun)
		return;
	receive_stats_init(&stream->stats, stream->clock_rate_hz);
	stream->lost_most = 0;
	memset(&stream->nacks, 0, sizeof(stream->nacks));
	memset(&stream->dependencies, 0, sizeof(stream->dependencies));
	(void)gst_pad_push_event(stream->pad, source_restart_event_new(stream->layer));
	(void)gst_pad_push_event(stream->pad, sender_report_event_void(stream->layer));
}

static struct slice extension_of(const struct packet *packet, uint8_t id)
{
	return id ? rtp_extension_find(&packet->header, packet->bytes, id)
		  : (struct slice){NULL, 0};
}

/* A new SSRC: by its mid and, of layers, its RID, else by payload type (RFC 9143 section 9.2,
 * RFC 8852). It stays with its stream. */
static struct receive_stream *latch_ssrc(RtcTransport *transport, const struct packet *packet)
{
	const struct rtp_header *header = &packet->header;
	struct receive_stream *stream = NULL;
	struct slice mid = extension_of(packet, transport->extension_ids.mid);
	struct slice rid = extension_of(packet, transport->extension_ids.rid);

	if (!rid.data)
		rid = extension_of(packet, transport->extension_ids.repaired_rid);
	if (mid.data)
		stream = find_mid(transport, mid, rid);
	if (!stream)
		stream = find_payload_type(transport, header->payload_type);
	if (!stream || header->ssrc == stream->previous_ssrc)
		return NULL; /* nobody's, or a straggler of an SSRC that is over */
	if (stream->rtx_payload_type && header->payload_type == stream->rtx_payload_type)
		stream->rtx_ssrc = header->ssrc;
	else if (carries_media(stream, header->payload_type))
		set_ssrc(stream, header->ssrc);
	else
		return NULL;
	return stream;
}

/* ---- one packet ---- */

static void note_arrival(RtcTransport *transport, const struct packet *packet)
{
	struct slice sequence = extension_of(packet, transport->extension_ids.transport_cc);

	uint16_t number;

	if (sequence.length < 2 || !transport->arrivals)
		return;
	number = (uint16_t)(sequence.data[0] << 8 | sequence.data[1]);
	arrival_log_on_packet(transport->arrivals, number, packet->header.ssrc, packet->arrival_us);
	uplink_health_on_packet(&transport->uplink, number, packet->length, packet->arrival_us);
}

/* RFC 4588: put the original packet back together, in place. False: it was only a probe. */
static bool restore_from_rtx(const struct receive_stream *stream, struct packet *packet)
{
	size_t start = packet->header.header_bytes;
	size_t payload = rtp_payload_bytes(&packet->header, packet->length);
	uint8_t *bytes = packet->bytes;

	if (payload < 2 || stream->ssrc == 0)
		return false;
	bytes[1] = (uint8_t)((bytes[1] & 0x80) | stream->payload_type);
	bytes[2] = bytes[start];
	bytes[3] = bytes[start + 1];
	for (int i = 0; i < 4; i++)
		bytes[8 + i] = (uint8_t)(stream->ssrc >> (24 - 8 * i));
	memmove(bytes + start, bytes + start + 2, packet->length - start - 2);
	packet_set_length(packet, packet->length - 2);
	return rtp_header_decode(bytes, packet->length, false, &packet->header) == 0;
}

static uint8_t audio_level_of(const struct receive_stream *stream, const struct packet *packet)
{
	struct slice level = extension_of(packet, stream->transport->extension_ids.audio_level);

	return level.length > 0 ? rtp_audio_level_of(level) : SPEAKER_LEVEL_UNKNOWN;
}

/* What the publisher tells in the clear stands for what the payload would say, which may be
 * encrypted from end to end. False: it tells nothing that can be read. */
static bool read_dependencies(struct receive_stream *stream, struct packet *packet,
			      enum keyframe_start *ret_start)
{
	struct picture_numbers *picture = &packet->picture;
	struct dependency_descriptor descriptor;
	struct slice element =
		extension_of(packet, stream->transport->extension_ids.dependency_descriptor);

	if (!element.data ||
	    dependency_descriptor_decode(element, &stream->dependencies, &descriptor) < 0)
		return false;
	picture->frame_number = descriptor.frame_number;
	picture->temporal_layer = descriptor.frame.temporal_layer;
	picture->switch_from = descriptor.frame.temporal_layer;
	picture->switch_to = descriptor.is_frame_start ? descriptor.frame.switch_to : 0;
	picture->spatial_layer = descriptor.frame.spatial_layer;
	picture->is_layer_end = descriptor.is_frame_end;
	if (descriptor.has_structure)
		packet->sizes = stream->dependencies.sizes;
	*ret_start =
		dependency_starts_keyframe(&descriptor) ? KEYFRAME_STARTS_WHOLE : KEYFRAME_NO_START;
	return true;
}

/* What we send on is timed by our clock, not by the publisher's: the reports that go with it are.
 */
static void pass_on_capture_time(const RtcTransport *transport, struct packet *packet)
{
	struct slice element = extension_of(packet, transport->extension_ids.capture_time);

	if (element.data && transport->clock.has_offset)
		rtp_capture_time_pass_on(packet->bytes, element, -transport->clock.offset_ntp);
}

/* What its payload's first bytes tell, once for all subscribers. */
static enum keyframe_start inspect(struct receive_stream *stream, struct packet *packet)
{
	const uint8_t *payload = packet->bytes + packet->header.header_bytes;
	size_t length = rtp_payload_bytes(&packet->header, packet->length);
	enum keyframe_start start = KEYFRAME_NO_START;

	packet->layer = stream->layer;
	packet->audio_level =
		stream->is_video ? SPEAKER_LEVEL_UNKNOWN : audio_level_of(stream, packet);
	packet->picture = (struct picture_numbers){0};
	if (stream->picture_numbers)
		stream->picture_numbers(payload, length, &packet->picture);
	packet->sizes.count = 0;
	if (stream->keyframe_start && !read_dependencies(stream, packet, &start))
		start = stream->keyframe_start(payload, length);
	packet->is_keyframe_start = start != KEYFRAME_NO_START;
	if (stream->picture_sizes && packet->is_keyframe_start && !packet->sizes.count)
		(void)stream->picture_sizes(payload, length, &packet->sizes);
	return start;
}

/* False: seen before, or of no use. */
static bool account(struct receive_stream *stream, struct packet *packet, bool is_repeat)
{
	const struct rtp_header *header = &packet->header;
	enum keyframe_start start = inspect(stream, packet);

	/* Also where nothing is asked for again: two packets under one number would be encrypted
	 * under one nonce, which gives the key stream away. */
	if (nack_tracker_on_packet(&stream->nacks, header->sequence_number, packet->arrival_us) ==
	    NACK_DUPLICATE_OR_LATE)
		return false;
	/* The picture alone does not make up for parameter sets that were lost before it. */
	if (start == KEYFRAME_STARTS_WHOLE)
		nack_tracker_on_keyframe(&stream->nacks, header->sequence_number);
	receive_stats_on_packet(&stream->stats, header->sequence_number, header->rtp_timestamp,
				is_repeat, packet->length, packet->arrival_us);
	pass_on_capture_time(stream->transport, packet);
	return true;
}

/* How long the publisher took to send it again. What comes late by itself answers nothing. */
static void note_answer(struct receive_stream *stream)
{
	uint64_t sample_us = nack_tracker_round_trip_us(&stream->nacks);

	if (sample_us)
		round_trip_on_sample(&stream->transport->round_trip, sample_us);
}

/* False: it says that it is redundant, and cannot be taken apart for who has no use for that. */
static bool read_red(const struct receive_stream *stream, struct packet *packet)
{
	packet->red = (struct red_layout){0, 0};
	if (packet->header.payload_type == stream->payload_type)
		return true;
	return red_layout_read(packet->bytes + packet->header.header_bytes,
			       rtp_payload_bytes(&packet->header, packet->length),
			       stream->payload_type, &packet->red) == 0;
}

static void hand_over(struct receive_stream *stream, struct datagram *datagram)
{
	struct media_port *port = stream->transport->port;

	gst_buffer_list_add(stream->list, datagram->packet->buffer); /* takes the reference */
	datagram->packet = NULL;
	if (list_is_empty(&stream->pending_link))
		list_append(&port->pending, &stream->pending_link);
}

bool transport_on_rtp(RtcTransport *transport, struct datagram *datagram)
{
	size_t length = datagram->packet->length;

	/* Nothing is accepted before the fingerprint is verified. */
	if (!transport->crypto_in ||
	    media_crypto_unprotect_rtp(transport->crypto_in, datagram->packet->bytes, &length) <
		    0) {
		transport->port->counters.dropped_forged++;
		return false;
	}
	transport_on_plain_rtp(transport, datagram, length);
	return true;
}

void transport_on_plain_rtp(RtcTransport *transport, struct datagram *datagram, size_t length)
{
	struct media_port *port = transport->port;
	struct packet *packet = datagram->packet;
	struct receive_stream *stream;
	bool is_repeat;

	if (rtp_header_decode(packet->bytes, length, false, &packet->header) < 0) {
		port->counters.dropped_malformed++;
		return;
	}
	transport->counters.packets_in++;
	transport->counters.bytes_in += packet->length;
	packet_set_length(packet, length);
	transport->last_heard_us = transport->last_rtp_us = port->now_us;
	note_arrival(transport, packet);
	stream = receive_stream_find_ssrc(transport, packet->header.ssrc);
	if (!stream)
		stream = latch_ssrc(transport, packet);
	if (!stream)
		return;
	is_repeat = packet->header.ssrc == stream->rtx_ssrc;
	if (is_repeat && !restore_from_rtx(stream, packet))
		return;
	if (!carries_media(stream, packet->header.payload_type) || !read_red(stream, packet) ||
	    !account(stream, packet, is_repeat))
		return;
	if (is_repeat)
		note_answer(stream);
	hand_over(stream, datagram);
}

void transport_deliver_pending(struct media_port *port)
{
	while (!list_is_empty(&port->pending))
		deliver(LIST_ITEM(list_first(&port->pending), struct receive_stream, pending_link));
}

/* ---- life of a stream ---- */

static gboolean src_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
	struct receive_stream *stream = gst_pad_get_element_private(pad);
	bool is_done = true;
	bool was_wanted = stream->is_wanted;
	uint8_t layer;

	/* All others end here: passed on, they would run in circles through a room's graph. */
	if (keyframe_request_event_is(event, &layer))
		is_done = transport_send_pli(stream);
	else if (layer_wanted_event_is(event, &stream->is_wanted) &&
		 stream->is_wanted != was_wanted)
		stream->nacks.missing_count = 0; /* it begins, or comes back, with a keyframe */
	(void)parent;
	gst_event_unref(event);
	return is_done;
}

static void push_caps(struct receive_stream *stream, const struct media_line *line)
{
	const struct relay_codec *codec = line->format.codec;
	GstCaps *caps = gst_caps_new_simple(
		"application/x-rtp", "media", G_TYPE_STRING, stream->is_video ? "video" : "audio",
		"payload", G_TYPE_INT, line->payload_type, "clock-rate", G_TYPE_INT,
		(int)codec->clock_rate_hz, "encoding-name", G_TYPE_STRING,
		stream->is_video ? codec->name : "OPUS", NULL);

	(void)gst_pad_push_event(stream->pad, gst_event_new_caps(caps));
	gst_caps_unref(caps);
}

/* What GStreamer wants to hear before the first buffer. */
static void push_stream_start(struct receive_stream *stream, const struct media_line *line)
{
	gchar *stream_id = g_strdup_printf("%s/%s/%u", stream->transport->config.peer_id, line->mid,
					   stream->layer);
	GstSegment segment;

	gst_segment_init(&segment, GST_FORMAT_TIME);
	(void)gst_pad_push_event(stream->pad, gst_event_new_stream_start(stream_id));
	push_caps(stream, line);
	(void)gst_pad_push_event(stream->pad, gst_event_new_segment(&segment));
	g_free(stream_id);
}

static struct receive_stream *receive_stream_new(RtcTransport *transport,
						 const struct media_line *line, uint8_t layer)
{
	struct receive_stream *stream = calloc(1, sizeof(*stream));
	gchar *name;

	if (!stream)
		return NULL;
	stream->transport = transport;
	memcpy(stream->mid, line->mid, sizeof(stream->mid));
	stream->layer = layer;
	stream->is_video = line->kind == MEDIA_VIDEO;
	stream->clock_rate_hz = line->format.codec->clock_rate_hz;
	list_init(&stream->pending_link);
	stream->list = gst_buffer_list_new_sized(RECEIVE_BATCH);
	receive_stats_init(&stream->stats, stream->clock_rate_hz);
	name = g_strdup_printf("src_%s_%u", line->mid, layer);
	stream->pad = gst_pad_new(name, GST_PAD_SRC);
	g_free(name);
	gst_pad_set_element_private(stream->pad, stream);
	gst_pad_set_event_function(stream->pad, src_event);
	(void)gst_pad_set_active(stream->pad, TRUE);
	(void)gst_element_add_pad(GST_ELEMENT_CAST(transport), stream->pad);
	push_stream_start(stream, line);
	list_append(&transport->receive_streams, &stream->link);
	return stream;
}

void receive_stream_free(struct receive_stream *stream)
{
	list_remove(&stream->link);
	list_remove(&stream->pending_link);
	(void)gst_pad_set_active(stream->pad, FALSE);
	(void)gst_element_remove_pad(GST_ELEMENT_CAST(stream->transport), stream->pad);
	gst_buffer_list_unref(stream->list);
	free(stream);
}

static struct receive_stream *find_layer(RtcTransport *transport, const char *mid, uint8_t layer)
{
	struct receive_stream *stream;

	LIST_FOR_EACH (stream, &transport->receive_streams, link) {
		if (strcmp(stream->mid, mid) == 0 && stream->layer == layer)
			return stream;
	}
	return NULL;
}

/* An SSRC belongs to one m-line: what another one already has is not taken over. */
static uint32_t unclaimed(RtcTransport *transport, const struct receive_stream *stream,
			  uint32_t ssrc)
{
	const struct receive_stream *owner =
		ssrc ? receive_stream_find_ssrc(transport, ssrc) : NULL;

	return owner && owner != stream ? 0 : ssrc;
}

static int receive_layer(RtcTransport *transport, const struct media_line *line, uint8_t layer,
			 uint8_t layer_count, GstPad **ret_pad)
{
	const struct sdp_media *remote = &line->remote;
	const struct sdp_codec *codec = sdp_codec_find_payload_type(remote, line->payload_type);
	struct receive_stream *stream = find_layer(transport, line->mid, layer);

	if (!stream)
		stream = receive_stream_new(transport, line, layer);
	if (!stream)
		return -ENOMEM;
	if (stream->payload_type && stream->payload_type != line->payload_type)
		push_caps(stream, line); /* another codec */
	stream->keyframe_start = line->format.codec->keyframe_start;
	stream->picture_numbers = line->format.codec->picture_numbers;
	stream->picture_sizes = line->format.codec->picture_sizes;
	stream->payload_type = line->payload_type;
	stream->rtx_payload_type = line->rtx_payload_type;
	stream->red_payload_type = line->red_payload_type;
	stream->wants_nack = codec && codec->nack;
	stream->is_one_of_many = layer_count > 1;
	*stream->rid = '\0';
	if (remote->rid_count > 0 && !remote->rids_are_received) {
		/* Told by its RID, whatever SSRCs the m-line names as well. */
		memcpy(stream->rid, remote->rids[layer], sizeof(stream->rid));
	} else if (remote->ssrc_count > layer) {
		set_ssrc(stream, unclaimed(transport, stream, remote->ssrcs[layer]));
		stream->rtx_ssrc = unclaimed(transport, stream, remote->rtx_ssrcs[layer]);
	}
	*ret_pad = stream->pad;
	return 0;
}

static void take_extension_id(const struct sdp_media *media, enum header_extension extension,
			      uint8_t *id)
{
	uint8_t given = media->extension_ids[extension];

	if (given)
		*id = given;
}

int rtc_transport_receive(RtcTransport *transport, const struct media_line *line,
			  GstPad *ret_pads[LAYERS_MAX])
{
	uint8_t count = media_line_layer_count(line);

	for (uint8_t layer = 0; layer < LAYERS_MAX; layer++) {
		struct receive_stream *former = find_layer(transport, line->mid, layer);

		ret_pads[layer] = NULL;
		if (layer < count &&
		    receive_layer(transport, line, layer, count, &ret_pads[layer]) < 0)
			return -ENOMEM;
		if (layer >= count && former) {
			/* Should it come back, it has other numbers and contents. */
			(void)gst_pad_push_event(former->pad, source_restart_event_new(layer));
			(void)gst_pad_push_event(former->pad, sender_report_event_void(layer));
			receive_stream_free(former);
		}
	}
	take_extension_id(&line->remote, EXTENSION_MID, &transport->extension_ids.mid);
	take_extension_id(&line->remote, EXTENSION_RID, &transport->extension_ids.rid);
	take_extension_id(&line->remote, EXTENSION_REPAIRED_RID,
			  &transport->extension_ids.repaired_rid);
	take_extension_id(&line->remote, EXTENSION_TRANSPORT_CC,
			  &transport->extension_ids.transport_cc);
	take_extension_id(&line->remote, EXTENSION_AUDIO_LEVEL,
			  &transport->extension_ids.audio_level);
	take_extension_id(&line->remote, EXTENSION_DEPENDENCY_DESCRIPTOR,
			  &transport->extension_ids.dependency_descriptor);
	take_extension_id(&line->remote, EXTENSION_ABS_CAPTURE_TIME,
			  &transport->extension_ids.capture_time);
	if (transport->extension_ids.transport_cc && !transport->arrivals)
		transport->arrivals = calloc(1, sizeof(*transport->arrivals));
	return transport->extension_ids.transport_cc && !transport->arrivals ? -ENOMEM : 0;
}

void rtc_transport_receive_end(RtcTransport *transport, const char *mid)
{
	for (uint8_t layer = 0; layer < LAYERS_MAX; layer++) {
		struct receive_stream *stream = find_layer(transport, mid, layer);

		if (stream)
			receive_stream_free(stream);
	}
}
