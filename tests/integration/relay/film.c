#include "tests/integration/relay/film.h"

#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "sfu/wire/rtcp.h"

enum {
	PICTURE_US = 20000,
	REPORT_US = 200000,
	PHASES = 4,
	PACKET_MAX = 700,
	TEMPLATE_IDS = 64,
	ONE_BYTE_MAX = 16 /* of an extension, in its short form (RFC 8285) */
};

static const uint8_t temporal_layer_of[PHASES] = {0, 2, 1, 2};
const struct film_size film_sizes[FILM_LAYERS] = {
	{320, 180, 1, FILM_PAYLOAD_MIN}, {640, 360, 2, 250}, {1280, 720, 4, 350}};

void film_begin(struct film *film, struct pair *pair, struct random *random, uint8_t number,
		bool is_heard)
{
	AUTO_FREE char *offer = NULL;

	memset(film, 0, sizeof(*film));
	film->random = random;
	film->number = number;
	(void)snprintf(film->peer_id, sizeof(film->peer_id), "film%u", number);
	film->is_heard = is_heard;
	film->is_svc = pair->with_svc;
	film->is_key_only = random_below(random, 2) == 0;
	film->is_flexible = random_below(random, 2) == 0;
	film->stream_count = film->is_svc ? 1 : FILM_LAYERS;
	film->sent_layers = (1 << FILM_LAYERS) - 1;
	film->wanted_keyframes = (1u << film->stream_count) - 1;
	assert_int_equal(load_peer_init(&film->publisher, pair->identity), 0);
	film->publisher.layer_count = film->is_svc ? 0 : FILM_LAYERS;
	film->publisher.video = pair->video;
	film->publisher.with_audio = film->publisher.with_levels = is_heard;
	film->publisher.ssrc = film->publisher.ssrc / 8 * 8 + 1; /* no wrap after it */
	for (size_t i = 0; i < FILM_LAYERS; i++) {
		struct film_stream *stream = &film->streams[i];

		stream->sequence_number =
			(uint16_t)(random_u64(random) | 0xf000); /* near the wrap */
		stream->picture_id = (uint16_t)(random_u64(random) | 0x7f00);
		stream->tl0_index = (uint8_t)random_u64(random);
		stream->key_index = (uint8_t)random_u64(random);
		stream->timestamp_offset = (uint32_t)random_u64(random);
		stream->frame_number = (uint16_t)(random_u64(random) | 0xff00);
		stream->template_offset = (uint8_t)random_below(random, TEMPLATE_IDS);
		film->last_of[i][0].picture = film->last_of[i][1].picture = FILM_NOTHING;
	}
	offer = load_peer_offer(&film->publisher, 0);
	pair_join_with(pair, &film->publisher, film->peer_id, "whip", offer);
}

void film_end(struct film *film)
{
	load_peer_fini(&film->publisher);
}

/* ---- what is asked for ---- */

static uint8_t stream_of_ssrc(const struct film *film, uint32_t ssrc)
{
	assert_in_range(ssrc - film->publisher.ssrc, 0, film->stream_count - 1);
	return (uint8_t)(ssrc - film->publisher.ssrc);
}

static void hear_pli(void *data, uint32_t ssrc)
{
	struct film *film = data;

	film->wanted_keyframes |= 1u << stream_of_ssrc(film, ssrc);
}

static bool gets_lost(struct film *film)
{
	return random_below(film->random, 100) < film->lost_percent;
}

static struct film_packet *place_of(struct film_stream *stream, uint16_t sequence_number)
{
	return &stream->history[sequence_number % FILM_HISTORY];
}

/* The very same packet once more: there is no RTX for layers told by SSRC alone. */
static void send_again(struct film *film, const struct film_packet *kept)
{
	uint8_t packet[PACKET_MAX];
	int length;

	memcpy(packet, kept->header, kept->header_bytes);
	length = media_crypto_protect_rtp_again(film->publisher.out, packet, sizeof(packet),
						kept->header_bytes, NULL, 0, kept->payload,
						kept->payload_bytes);
	if (length > 0)
		(void)send(film->publisher.fd, packet, (size_t)length, 0);
}

static void hear_nack(void *data, uint32_t ssrc, const uint16_t *sequence_numbers, size_t count)
{
	struct film *film = data;
	struct film_stream *stream = &film->streams[stream_of_ssrc(film, ssrc)];

	for (size_t i = 0; i < count; i++) {
		const struct film_packet *kept = place_of(stream, sequence_numbers[i]);

		if (kept->is_there && kept->sequence_number == sequence_numbers[i] &&
		    !gets_lost(film))
			send_again(film, kept);
	}
}

static void hear(struct film *film)
{
	static const struct rtcp_visitor visitor = {.pli = hear_pli, .nack = hear_nack};
	struct load_peer *peer = &film->publisher;
	uint8_t packet[2048];
	ssize_t got;

	while ((got = recv(peer->fd, packet, sizeof(packet), 0)) > 0) {
		size_t length = (size_t)got;

		if (packet_kind_of(packet, length) == PACKET_RTCP &&
		    media_crypto_unprotect_rtcp(peer->in, packet, &length) == 0)
			assert_int_equal(rtcp_visit(packet, length, &visitor, film), 0);
	}
}

/* ---- pictures ---- */

static void write_vp8_header(uint8_t layer, struct film_mark *mark)
{
	const uint8_t header[sizeof(mark->header)] = {!mark->is_keyframe,
						      0,
						      0,
						      0x9d,
						      0x01,
						      0x2a,
						      (uint8_t)film_sizes[layer].width_px,
						      (uint8_t)(film_sizes[layer].width_px >> 8),
						      (uint8_t)film_sizes[layer].height_px,
						      (uint8_t)(film_sizes[layer].height_px >> 8)};

	memcpy(mark->header, header, sizeof(header));
}

/* With the dependency descriptor alone. Returns the bytes. */
static size_t write_extensions(const struct film *film, const struct film_stream *stream,
			       const struct film_mark *mark, uint8_t *out, size_t capacity)
{
	struct writer writer = writer_over(out, capacity);
	uint8_t element[FILM_DEPENDENCIES_MAX];
	size_t length = film_dependencies_write(film, stream, mark, element);
	int r;

	if (length <= ONE_BYTE_MAX) {
		r = rtp_extension_block_append(out, 0, capacity, LOAD_DEPENDENCY_ID, element,
					       length);
		assert_true(r > 0);
		return (size_t)r;
	}
	write_u16(&writer, 0x1000);
	write_u16(&writer, (uint16_t)((length + 2 + 3) / 4));
	write_u8(&writer, LOAD_DEPENDENCY_ID);
	write_u8(&writer, (uint8_t)length);
	write_bytes(&writer, element, length);
	while (writer.offset % 4 != 0)
		write_u8(&writer, 0);
	assert_false(writer.failed);
	return writer.offset;
}

static void write_header(const struct film *film, uint8_t index, const struct film_mark *mark,
			 bool is_last, struct film_packet *packet)
{
	bool has_dependencies = film->publisher.video == LOAD_AV1;

	rtp_header_encode(packet->header, film->publisher.video, is_last, has_dependencies, false,
			  packet->sequence_number, mark->rtp_timestamp,
			  film->publisher.ssrc + index);
	packet->header_bytes = RTP_HEADER_BYTES;
	if (has_dependencies)
		packet->header_bytes +=
			write_extensions(film, &film->streams[index], mark,
					 packet->header + RTP_HEADER_BYTES, FILM_DEPENDENCIES_MAX);
}

static void send_packet(struct film *film, uint8_t index, const struct film_mark *mark,
			bool is_last_layer)
{
	struct film_stream *stream = &film->streams[index];
	uint16_t sequence_number = stream->sequence_number++;
	struct film_packet *kept = place_of(stream, sequence_number);
	bool is_last = is_last_layer && mark->packet_index + 1 == mark->packet_count;
	uint8_t packet[PACKET_MAX];
	size_t descriptor_bytes;
	int length;

	*kept = (struct film_packet){.is_there = true,
				     .sequence_number = sequence_number,
				     .payload_bytes = film_sizes[mark->layer].payload_bytes};
	descriptor_bytes = film_descriptor_write(film, stream, mark, kept->payload);
	memcpy(kept->payload + descriptor_bytes, mark, sizeof(*mark));
	write_header(film, index, mark, is_last, kept);
	memcpy(packet, kept->header, kept->header_bytes);
	length = media_crypto_protect_rtp(film->publisher.out, packet, sizeof(packet),
					  kept->header_bytes, NULL, 0, kept->payload,
					  kept->payload_bytes);
	assert_true(length > 0);
	if (!gets_lost(film))
		(void)send(film->publisher.fd, packet, (size_t)length, 0);
}

/* What it is, and what it refers to. `begins`: to nothing of its own layer. */
static struct film_mark next_frame(struct film *film, uint8_t index, uint8_t layer,
				   bool is_keyframe, bool begins, uint64_t captured_us)
{
	struct film_stream *stream = &film->streams[index];
	struct film_frame *last_of = film->last_of[layer];
	struct film_mark mark = {
		.layer = layer,
		.film = film->number,
		.temporal_layer = temporal_layer_of[stream->phase],
		.packet_count = (uint8_t)(film_sizes[layer].packets << is_keyframe),
		.is_keyframe = is_keyframe,
		.needs_below = film->is_svc && layer > 0 && (begins || !film->is_key_only),
		.picture = stream->picture,
		.needs = {begins ? FILM_NOTHING : last_of[0].picture, FILM_NOTHING},
		.frame_number = stream->frame_number++,
		.needs_numbers = {last_of[0].number, last_of[1].number},
		.rtp_timestamp = (uint32_t)(captured_us * 9 / 100) + stream->timestamp_offset,
		.captured_us = captured_us};

	if (stream->phase == PHASES - 1)
		mark.needs[1] = last_of[1].picture;
	if (mark.temporal_layer < 2)
		last_of[mark.temporal_layer] = (struct film_frame){mark.picture, mark.frame_number};
	mark.template_index = film_template_index(film, &mark);
	mark.template_id = (stream->template_offset + mark.template_index) % TEMPLATE_IDS;
	if (film->publisher.video == LOAD_VP8)
		write_vp8_header(layer, &mark);
	return mark;
}

static void send_frame(struct film *film, uint8_t index, struct film_mark mark, bool is_last_layer)
{
	for (; mark.packet_index < mark.packet_count; mark.packet_index++)
		send_packet(film, index, &mark, is_last_layer);
}

/* SVC: fewer layers at once; more with a keyframe, or from the layer below where pictures of all
 * temporal layers follow. */
static uint8_t choose_active(struct film *film, bool is_keyframe)
{
	uint8_t wanted = (uint8_t)__builtin_popcount(film->sent_layers);

	return wanted < film->active_layers || is_keyframe || film->streams[0].phase == 0
		       ? wanted
		       : film->active_layers;
}

/* One that is wanted; or in a stream that gets more layers one unasked, now and then, rather than
 * that these begin from the layer below. */
static bool takes_keyframe(const struct film *film, uint8_t index)
{
	bool grows = film->is_svc && __builtin_popcount(film->sent_layers) > film->active_layers &&
		     random_below(film->random, 8) == 0;
	bool is_wanted = grows || film->wanted_keyframes & 1u << index;

	return is_wanted && !(film->refused_layers & 1u << index);
}

static void send_picture(struct film *film, uint8_t index, uint64_t captured_us)
{
	struct film_stream *stream = &film->streams[index];
	bool is_keyframe = takes_keyframe(film, index);
	uint8_t first = film->is_svc ? 0 : index, last = index, before = FILM_LAYERS;

	if (is_keyframe)
		stream->phase = 0;
	if (film->is_svc) {
		before = film->active_layers;
		film->active_layers = choose_active(film, is_keyframe);
		last = film->active_layers - 1;
	}
	stream->tl0_index = (uint8_t)(stream->tl0_index + (temporal_layer_of[stream->phase] == 0));
	stream->key_index = (uint8_t)(stream->key_index + is_keyframe);
	if (is_keyframe)
		stream->template_offset =
			(stream->template_offset + film_template_count(film)) % TEMPLATE_IDS;
	for (uint8_t layer = first; layer <= last; layer++)
		send_frame(film, index,
			   next_frame(film, index, layer, is_keyframe,
				      is_keyframe || layer >= before, captured_us),
			   layer == last);
	stream->picture++;
	stream->picture_id++;
	stream->phase = (stream->phase + 1) % PHASES;
	if (is_keyframe)
		film->wanted_keyframes &= ~(1u << index);
}

static void report(struct film *film)
{
	uint64_t now_us = clock_unix_us();
	uint8_t packet[256];

	for (uint32_t i = 0; i < film->stream_count; i++) {
		const struct rtcp_sender_info info = {.ntp = ntp_from_unix_us(now_us),
						      .rtp_timestamp =
							      (uint32_t)(now_us * 9 / 100) +
							      film->streams[i].timestamp_offset};
		struct writer writer = writer_over(packet, sizeof(packet));

		rtcp_write_sender_report(&writer, film->publisher.ssrc + i, &info, NULL, 0);
		rtcp_write_sdes_cname(&writer, film->publisher.ssrc + i, film->peer_id);
		load_peer_send_rtcp(&film->publisher, packet, writer.offset, sizeof(packet));
	}
}

static void make_itself_heard(struct film *film)
{
	struct load_peer *peer = &film->publisher;

	pair_speak(peer, &(struct spoken){.payload_type = LOAD_OPUS,
					  .sequence_number = peer->audio_sequence_number++,
					  .ssrc = peer->audio_ssrc,
					  .level_id = LOAD_LEVEL_ID,
					  .level = film->speaks ? 10 : 127});
}

void film_go_on(struct film *film)
{
	uint64_t now_us = clock_now_us();

	hear(film);
	if (now_us >= film->next_report_us) {
		film->next_report_us = now_us + REPORT_US;
		report(film);
	}
	if (now_us < film->next_picture_us)
		return;
	film->next_picture_us = now_us + PICTURE_US;
	if (film->is_heard)
		make_itself_heard(film);
	for (uint8_t i = 0; i < film->stream_count; i++)
		if (film->is_svc || film->sent_layers & 1u << i)
			send_picture(film, i, clock_unix_us());
}
