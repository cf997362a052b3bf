#include "tests/integration/relay/film.h"

#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "sfu/wire/rtcp.h"

enum { PICTURE_US = 20000, REPORT_US = 200000, PHASES = 4, PACKET_MAX = 600 };

static const uint8_t temporal_layer_of[PHASES] = {0, 2, 1, 2};
static const struct {
	uint16_t width_px, height_px;
	uint8_t packets; /* of a picture, of a keyframe twice as many */
	size_t payload_bytes;
} sizes[FILM_LAYERS] = {{320, 180, 1, 150}, {640, 360, 2, 250}, {1280, 720, 4, 350}};

void film_begin(struct film *film, struct pair *pair, struct random *random)
{
	AUTO_FREE char *offer = NULL;

	memset(film, 0, sizeof(*film));
	film->random = random;
	film->sent_layers = (1 << FILM_LAYERS) - 1;
	film->wanted_keyframes = film->sent_layers;
	assert_int_equal(load_peer_init(&film->publisher, pair->identity), 0);
	film->publisher.layer_count = FILM_LAYERS;
	film->publisher.ssrc = film->publisher.ssrc / 8 * 8 + 1; /* no wrap after it */
	for (size_t i = 0; i < FILM_LAYERS; i++) {
		struct film_layer *layer = &film->layers[i];

		layer->sequence_number =
			(uint16_t)(random_u64(random) | 0xf000); /* near the wrap */
		layer->picture_id = (uint16_t)(random_u64(random) | 0x7f00);
		layer->tl0_index = (uint8_t)random_u64(random);
		layer->key_index = (uint8_t)random_u64(random);
		layer->timestamp_offset = (uint32_t)random_u64(random);
		layer->last_of[0] = layer->last_of[1] = FILM_NOTHING;
	}
	offer = load_peer_offer(&film->publisher, 0);
	pair_join_with(pair, &film->publisher, "film", "whip", offer);
}

void film_end(struct film *film)
{
	load_peer_fini(&film->publisher);
}

/* ---- what is asked for ---- */

static uint8_t layer_of_ssrc(const struct film *film, uint32_t ssrc)
{
	assert_in_range(ssrc - film->publisher.ssrc, 0, FILM_LAYERS - 1);
	return (uint8_t)(ssrc - film->publisher.ssrc);
}

static void hear_pli(void *data, uint32_t ssrc)
{
	struct film *film = data;

	film->wanted_keyframes |= 1u << layer_of_ssrc(film, ssrc);
}

static bool gets_lost(struct film *film)
{
	return random_below(film->random, 100) < film->lost_percent;
}

static struct film_packet *place_of(struct film_layer *layer, uint16_t sequence_number)
{
	return &layer->history[sequence_number % FILM_HISTORY];
}

/* The very same packet once more: there is no RTX for layers told by SSRC alone. */
static void send_again(struct film *film, const struct film_packet *kept)
{
	uint8_t packet[PACKET_MAX];
	int length;

	memcpy(packet, kept->header, RTP_HEADER_BYTES);
	length = media_crypto_protect_rtp_again(film->publisher.out, packet, sizeof(packet),
						RTP_HEADER_BYTES, NULL, 0, kept->payload,
						kept->payload_bytes);
	if (length > 0)
		(void)send(film->publisher.fd, packet, (size_t)length, 0);
}

static void hear_nack(void *data, uint32_t ssrc, const uint16_t *sequence_numbers, size_t count)
{
	struct film *film = data;
	struct film_layer *layer = &film->layers[layer_of_ssrc(film, ssrc)];

	for (size_t i = 0; i < count; i++) {
		const struct film_packet *kept = place_of(layer, sequence_numbers[i]);

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

static void write_descriptor(const struct film_layer *layer, const struct film_mark *mark,
			     uint8_t out[FILM_DESCRIPTOR_BYTES])
{
	/* The second one of the highest refers to the one between as well. */
	bool needs_base_alone = mark->temporal_layer > 0 && mark->needs[1] == FILM_NOTHING;

	out[0] = mark->packet_index == 0 ? 0x90 : 0x80;
	out[1] = 0xf0;
	out[2] = (uint8_t)(0x80 | (layer->picture_id >> 8 & 0x7f));
	out[3] = (uint8_t)layer->picture_id;
	out[4] = layer->tl0_index;
	out[5] = (uint8_t)(mark->temporal_layer << 6 | needs_base_alone << 5 |
			   (layer->key_index & 0x1f));
}

static void write_header(uint8_t index, struct film_mark *mark)
{
	const uint8_t header[sizeof(mark->header)] = {!mark->is_keyframe,
						      0,
						      0,
						      0x9d,
						      0x01,
						      0x2a,
						      (uint8_t)sizes[index].width_px,
						      (uint8_t)(sizes[index].width_px >> 8),
						      (uint8_t)sizes[index].height_px,
						      (uint8_t)(sizes[index].height_px >> 8)};

	memcpy(mark->header, header, sizeof(header));
}

static void send_packet(struct film *film, uint8_t index, const struct film_mark *mark)
{
	struct film_layer *layer = &film->layers[index];
	uint16_t sequence_number = layer->sequence_number++;
	struct film_packet *kept = place_of(layer, sequence_number);
	uint8_t packet[PACKET_MAX];
	int length;

	*kept = (struct film_packet){.is_there = true,
				     .sequence_number = sequence_number,
				     .payload_bytes = sizes[index].payload_bytes};
	write_descriptor(layer, mark, kept->payload);
	memcpy(kept->payload + FILM_DESCRIPTOR_BYTES, mark, sizeof(*mark));
	rtp_header_encode(kept->header, LOAD_VP8, mark->packet_index + 1 == mark->packet_count,
			  false, false, sequence_number, mark->rtp_timestamp,
			  film->publisher.ssrc + index);
	memcpy(packet, kept->header, RTP_HEADER_BYTES);
	length = media_crypto_protect_rtp(film->publisher.out, packet, sizeof(packet),
					  RTP_HEADER_BYTES, NULL, 0, kept->payload,
					  kept->payload_bytes);
	assert_true(length > 0);
	if (!gets_lost(film))
		(void)send(film->publisher.fd, packet, (size_t)length, 0);
}

/* What it is, and what it refers to. */
static struct film_mark next_picture(struct film *film, uint8_t index, uint64_t captured_us)
{
	struct film_layer *layer = &film->layers[index];
	bool is_keyframe = film->wanted_keyframes & ~film->refused_layers & 1u << index;
	struct film_mark mark = {.layer = index,
				 .is_keyframe = is_keyframe,
				 .picture = layer->picture,
				 .needs = {FILM_NOTHING, FILM_NOTHING},
				 .captured_us = captured_us};

	if (is_keyframe)
		layer->phase = 0;
	else
		mark.needs[0] = layer->last_of[0];
	mark.temporal_layer = temporal_layer_of[layer->phase];
	if (layer->phase == PHASES - 1)
		mark.needs[1] = layer->last_of[1];
	if (mark.temporal_layer < 2)
		layer->last_of[mark.temporal_layer] = mark.picture;
	mark.packet_count = (uint8_t)(sizes[index].packets << is_keyframe);
	mark.rtp_timestamp = (uint32_t)(captured_us * 9 / 100) + layer->timestamp_offset;
	write_header(index, &mark);
	return mark;
}

static void send_picture(struct film *film, uint8_t index, uint64_t captured_us)
{
	struct film_layer *layer = &film->layers[index];
	struct film_mark mark = next_picture(film, index, captured_us);

	layer->tl0_index = (uint8_t)(layer->tl0_index + (mark.temporal_layer == 0));
	layer->key_index = (uint8_t)(layer->key_index + mark.is_keyframe);
	for (; mark.packet_index < mark.packet_count; mark.packet_index++)
		send_packet(film, index, &mark);
	layer->picture++;
	layer->picture_id++;
	layer->phase = (layer->phase + 1) % PHASES;
	if (mark.is_keyframe)
		film->wanted_keyframes &= ~(1u << index);
}

static void report(struct film *film)
{
	uint64_t now_us = clock_unix_us();
	uint8_t packet[256];

	for (uint32_t i = 0; i < FILM_LAYERS; i++) {
		const struct rtcp_sender_info info = {.ntp = ntp_from_unix_us(now_us),
						      .rtp_timestamp =
							      (uint32_t)(now_us * 9 / 100) +
							      film->layers[i].timestamp_offset};
		struct writer writer = writer_over(packet, sizeof(packet));

		rtcp_write_sender_report(&writer, film->publisher.ssrc + i, &info, NULL, 0);
		rtcp_write_sdes_cname(&writer, film->publisher.ssrc + i, "film");
		load_peer_send_rtcp(&film->publisher, packet, writer.offset, sizeof(packet));
	}
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
	for (uint8_t i = 0; i < FILM_LAYERS; i++)
		if (film->sent_layers & 1u << i)
			send_picture(film, i, clock_unix_us());
}
