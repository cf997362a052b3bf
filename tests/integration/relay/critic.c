#include "tests/integration/relay/critic.h"

#include <string.h>

#include "core/clock.h"
#include "sfu/wire/rtcp.h"

enum {
	ASK_US = 30000,
	COMPLAIN_US = 300000,
	PATIENCE_US = 1500000, /* then it is a hole */
	ASKED_MAX = 100,
	DRIFT_MS_MAX = 100,
	BEHIND_US_MAX = 1000000,
	/* The ids of VP9's pictures that were left out are not given to others, nor AV1's numbers
	 * of frames. */
	LEFT_OUT_MAX = 8,
	HOLE_FRAMES_MAX = 1000
};

void critic_begin(struct critic *critic, struct load_peer *peer, const char *name, uint32_t ssrc,
		  uint32_t rtx_ssrc)
{
	memset(critic, 0, sizeof(*critic));
	critic->peer = peer;
	critic->name = name;
	critic->ssrc = ssrc;
	critic->rtx_ssrc = rtx_ssrc;
	critic->is_broken = true;
	critic->complained_us = clock_now_us();
}

/* ---- what could not be shown ---- */

#define FAULT(critic, packet, ...)                                                                 \
	do {                                                                                       \
		describe(critic, packet);                                                          \
		fail_msg(__VA_ARGS__);                                                             \
	} while (0)

static void describe_packet(const char *name, const struct critic_packet *packet)
{
	const struct film_mark *mark = &packet->mark;

	print_error("  %s: number %u, timestamp %u, film %u, layer %u, temporal %u, picture %d "
		    "(%s), packet %u of %u\n",
		    name, packet->sequence_number, packet->rtp_timestamp, mark->film, mark->layer,
		    mark->temporal_layer, mark->picture, mark->is_keyframe ? "key" : "delta",
		    mark->packet_index + 1u, mark->packet_count);
}

static void describe(const struct critic *critic, const struct critic_packet *packet)
{
	print_error("the viewer \"%s\" cannot show this:\n", critic->name);
	if (critic->has_picture)
		describe_packet("before", &critic->last);
	describe_packet("now", packet);
}

static bool is_same_frame(const struct critic_packet *a, const struct critic_packet *b)
{
	return a->mark.film == b->mark.film && a->mark.layer == b->mark.layer &&
	       a->mark.picture == b->mark.picture;
}

static bool is_same_picture(const struct critic *critic, const struct critic_packet *packet)
{
	return critic->has_picture &&
	       (critic->is_svc ? packet->mark.picture == critic->last.mark.picture
			       : is_same_frame(packet, &critic->last));
}

static bool is_av1(const struct critic *critic)
{
	return critic->peer->video == LOAD_AV1;
}

/* Of its frame it is the last packet. */
static bool is_whole(const struct critic_packet *packet)
{
	return packet->mark.packet_index + 1 == packet->mark.packet_count;
}

/* `back`: so much smaller was its number as they were published. */
static void judge_reference(const struct critic *critic, const struct critic_packet *packet,
			    uint8_t layer, int32_t picture, unsigned back)
{
	unsigned known = critic->frame_count < CRITIC_FRAMES ? critic->frame_count : CRITIC_FRAMES;
	uint16_t number = (uint16_t)(packet->numbers.picture_id - back);

	for (unsigned i = 0; i < known; i++) {
		const struct critic_frame *frame = &critic->frames[i];

		if (frame->picture != picture || frame->layer != layer)
			continue;
		if (is_av1(critic) && frame->number != number)
			FAULT(critic, packet, "it refers to frame %u, which is %u", number,
			      frame->number);
		return;
	}
	FAULT(critic, packet, "it refers to picture %d in layer %u, which was not sent", picture,
	      layer);
}

/* The frame can be shown if those that it refers to can. */
static void judge_references(struct critic *critic, const struct critic_packet *packet)
{
	const struct film_mark *mark = &packet->mark;

	for (size_t i = 0; i < FILM_NEEDS; i++)
		if (mark->needs[i] != FILM_NOTHING)
			judge_reference(critic, packet, mark->layer, mark->needs[i],
					(uint16_t)(mark->frame_number - mark->needs_numbers[i]));
	if (mark->needs_below)
		judge_reference(critic, packet, mark->layer - 1, mark->picture, 1);
	critic->frames[critic->frame_count++ % CRITIC_FRAMES] =
		(struct critic_frame){mark->picture, packet->numbers.picture_id, mark->layer};
}

static void judge_same_picture(struct critic *critic, const struct critic_packet *packet)
{
	const struct critic_packet *last = &critic->last;
	bool is_next_frame = packet->mark.layer == last->mark.layer + 1 &&
			     packet->mark.packet_index == 0 && is_whole(last);

	if (last->has_marker)
		FAULT(critic, packet, "the picture goes on behind its marker");
	if (!is_next_frame && (!is_same_frame(packet, last) ||
			       packet->mark.packet_index != last->mark.packet_index + 1))
		FAULT(critic, packet, "a packet of the picture is missing, and its number not");
	if (packet->rtp_timestamp != last->rtp_timestamp)
		FAULT(critic, packet, "one picture has two timestamps");
	if ((packet->numbers.picture_id != last->numbers.picture_id &&
	     !(is_av1(critic) && is_next_frame)) ||
	    packet->numbers.tl0_index != last->numbers.tl0_index ||
	    packet->numbers.key_index != last->numbers.key_index)
		FAULT(critic, packet, "one picture has two sets of numbers");
	if (is_next_frame)
		judge_references(critic, packet);
}

static void judge_numbers(const struct critic *critic, const struct critic_packet *packet)
{
	const struct film_numbers *last = &critic->last.numbers, *now = &packet->numbers;
	uint8_t tl0_index = (uint8_t)(last->tl0_index + (packet->mark.temporal_layer == 0));
	uint8_t key_index = (last->key_index + packet->mark.is_keyframe) & 0x1f;
	bool is_vp8 = critic->peer->video == LOAD_VP8;
	unsigned frames = critic->is_svc && is_av1(critic) ? FILM_LAYERS : 1; /* of a picture */
	unsigned left_out_max = critic->left_open + (is_vp8 ? 0 : LEFT_OUT_MAX * frames);

	if (((now->picture_id - last->picture_id - 1) & 0x7fff) > left_out_max)
		FAULT(critic, packet, "picture id %u follows %u", now->picture_id,
		      last->picture_id);
	if (now->has_tl0_index && now->tl0_index != tl0_index)
		FAULT(critic, packet, "TL0PICIDX %u follows %u", now->tl0_index, last->tl0_index);
	if (is_vp8 && now->key_index != key_index)
		FAULT(critic, packet, "KEYIDX %u follows %u", now->key_index, last->key_index);
}

/* Behind a hole: a keyframe whose number is older than what came is thrown away. */
static void judge_frame_number(const struct critic *critic, const struct critic_packet *packet)
{
	uint16_t last = critic->last.numbers.picture_id, now = packet->numbers.picture_id;

	if ((uint16_t)(now - last - 1) > HOLE_FRAMES_MAX)
		FAULT(critic, packet, "frame %u follows %u", now, last);
}

/* With each change of layer what goes by makes up for it. */
static void note_behind(struct critic *critic, const struct critic_packet *packet)
{
	const struct film_mark *last = &critic->last.mark;

	if (packet->mark.layer == last->layer)
		return;
	critic->behind_us += (int64_t)(last->captured_us - packet->mark.captured_us);
	if (critic->behind_us < 0)
		critic->behind_us = 0;
	if (critic->behind_us > BEHIND_US_MAX)
		FAULT(critic, packet, "it is %d ms older than what was shown",
		      (int)(critic->behind_us / 1000));
}

/* Holds across holes as well. */
static void judge_time(struct critic *critic, const struct critic_packet *packet)
{
	int64_t captured_us = (int64_t)(packet->mark.captured_us - critic->origin_us), drift;

	if (critic->has_picture &&
	    (int32_t)(packet->rtp_timestamp - critic->last.rtp_timestamp) <= 0)
		FAULT(critic, packet, "time does not go on");
	if (!critic->has_picture || packet->mark.film != critic->last.mark.film) {
		critic->origin_timestamp = packet->rtp_timestamp;
		critic->origin_us = packet->mark.captured_us;
		critic->behind_us = 0;
		return;
	}
	note_behind(critic, packet);
	drift = (int32_t)(packet->rtp_timestamp - critic->origin_timestamp -
			  (uint32_t)(captured_us * 9 / 100));
	if (drift < 0)
		drift = -drift;
	if (drift > critic->drift_ticks)
		critic->drift_ticks = drift;
	if (drift > DRIFT_MS_MAX * 90 + critic->behind_us * 9 / 100)
		FAULT(critic, packet, "its time is %d ms away from when it was captured",
		      (int)(drift / 90));
}

/* Returns whether it can be shown. */
static bool judge_new_picture(struct critic *critic, const struct critic_packet *packet)
{
	const struct critic_packet *last = &critic->last;
	bool is_other_layer =
		!critic->is_svc && critic->has_picture &&
		(packet->mark.layer != last->mark.layer || packet->mark.film != last->mark.film);
	bool is_first =
		packet->mark.packet_index == 0 && (!critic->is_svc || packet->mark.layer == 0);

	if (!critic->is_broken && !last->has_marker && !packet->mark.is_keyframe)
		FAULT(critic, packet, "the picture before it is not whole");
	if (!critic->is_broken && !is_first)
		FAULT(critic, packet, "it does not begin with its first packet");
	if (packet->mark.packet_index == 0)
		judge_time(critic, packet);
	if (packet->mark.is_keyframe && is_first) {
		critic->other_films += critic->has_picture && packet->mark.film != last->mark.film;
		if (!critic->is_broken)
			judge_numbers(critic, packet);
		else if (is_av1(critic) && critic->has_picture)
			judge_frame_number(critic, packet);
		critic->is_broken = false;
		critic->frame_count = 0;
	}
	if (critic->is_broken)
		return false;
	if (!packet->mark.is_keyframe) {
		if (is_other_layer)
			FAULT(critic, packet, "the layer begins without a keyframe");
		judge_numbers(critic, packet);
	}
	judge_references(critic, packet);
	return true;
}

static void judge_marker(const struct critic *critic, const struct critic_packet *packet)
{
	if (packet->has_marker && !is_whole(packet))
		FAULT(critic, packet, "the marker comes too early");
	if (!critic->is_svc && !packet->has_marker && is_whole(packet))
		FAULT(critic, packet, "the last packet has no marker");
}

/* It says of the packet what was said as it was published. */
static void judge_dependencies(const struct critic *critic, const struct critic_packet *packet)
{
	const struct film_numbers *numbers = &packet->numbers;
	const struct film_mark *mark = &packet->mark;
	bool brings_structure = mark->is_keyframe && mark->packet_index == 0 && !mark->needs_below;

	if (numbers->is_frame_start != (mark->packet_index == 0) ||
	    numbers->is_frame_end != is_whole(packet) ||
	    numbers->template_id != mark->template_id ||
	    (brings_structure && !numbers->is_extended))
		FAULT(critic, packet, "its dependency descriptor is another's");
}

/* What was shown of it. */
static void count(struct critic *critic, const struct critic_packet *packet)
{
	if (!is_whole(packet))
		return;
	critic->shown[packet->mark.layer]++;
	critic->shown_temporal[packet->mark.temporal_layer]++;
	if (!packet->has_marker)
		return;
	critic->switches += packet->mark.layer != critic->top_layer;
	critic->top_layer = packet->mark.layer;
}

static void judge(struct critic *critic, const struct critic_packet *packet)
{
	bool is_shown = !critic->is_broken;

	if (packet->is_empty) {
		if (packet->has_marker)
			FAULT(critic, packet, "nothing ends with a packet that holds nothing");
		critic->empty++;
		critic->left_open++;
		return;
	}
	judge_marker(critic, packet);
	if (is_av1(critic))
		judge_dependencies(critic, packet);
	if (!is_same_picture(critic, packet))
		is_shown = judge_new_picture(critic, packet);
	else if (is_shown)
		judge_same_picture(critic, packet);
	if (is_shown)
		count(critic, packet);
	critic->last = *packet;
	critic->has_picture = true;
	critic->left_open = 0;
}

/* ---- in their order ---- */

static struct critic_packet *place_of(struct critic *critic, uint16_t sequence_number)
{
	return &critic->window[sequence_number % CRITIC_WINDOW];
}

static bool has_come(struct critic *critic, uint16_t sequence_number)
{
	const struct critic_packet *packet = place_of(critic, sequence_number);

	return packet->is_there && packet->sequence_number == sequence_number;
}

static void judge_what_is_next(struct critic *critic)
{
	uint64_t now_us = clock_now_us();

	while (critic->has_begun && critic->next != (uint16_t)(critic->newest + 1)) {
		if (has_come(critic, critic->next)) {
			judge(critic, place_of(critic, critic->next));
		} else {
			if (now_us - place_of(critic, critic->next)->missing_since_us < PATIENCE_US)
				return;
			critic->holes++;
			critic->is_broken = true;
		}
		critic->next++;
	}
}

static void ask_for_missing(struct critic *critic)
{
	uint16_t missing[ASKED_MAX];
	uint64_t now_us = clock_now_us();
	uint8_t packet[1024];
	struct writer writer = writer_over(packet, sizeof(packet) - 64);
	size_t count = 0;

	if (!critic->has_begun || now_us - critic->asked_us < ASK_US)
		return;
	for (uint16_t i = critic->next; i != critic->newest && count < ASKED_MAX; i++)
		if (!has_come(critic, i))
			missing[count++] = i;
	if (count == 0)
		return;
	critic->asked_us = now_us;
	rtcp_write_nack(&writer, 1, critic->ssrc, missing, count);
	load_peer_send_rtcp(critic->peer, packet, writer.offset, sizeof(packet));
}

/* As a browser does whose picture stands still. */
static void ask_for_keyframe(struct critic *critic)
{
	uint64_t now_us = clock_now_us();
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet) - 64);

	if (!critic->is_broken || now_us - critic->complained_us < COMPLAIN_US)
		return;
	critic->complained_us = now_us;
	rtcp_write_pli(&writer, 1, critic->ssrc);
	load_peer_send_rtcp(critic->peer, packet, writer.offset, sizeof(packet));
}

/* ---- one by one ---- */

/* What lies between is missing from now on. */
static void advance(struct critic *critic, uint16_t newest)
{
	uint64_t now_us = clock_now_us();

	while (++critic->newest != newest)
		*place_of(critic, critic->newest) =
			(struct critic_packet){.missing_since_us = now_us};
}

static void keep(struct critic *critic, const struct critic_packet *packet)
{
	struct critic_packet *place = place_of(critic, packet->sequence_number);

	if (!critic->has_begun) {
		critic->has_begun = true;
		critic->next = critic->newest = packet->sequence_number;
	}
	if (rtp_sequence_is_newer(packet->sequence_number, critic->newest))
		advance(critic, packet->sequence_number);
	else if (rtp_sequence_is_newer(critic->next, packet->sequence_number) &&
		 !has_come(critic, packet->sequence_number))
		return; /* too late; or from before the first one that came */
	if (!has_come(critic, packet->sequence_number)) {
		*place = *packet;
		return;
	}
	critic->repeats++;
	if (memcmp(&place->mark, &packet->mark, sizeof(packet->mark)) != 0 ||
	    memcmp(&place->numbers, &packet->numbers, sizeof(packet->numbers)) != 0 ||
	    place->rtp_timestamp != packet->rtp_timestamp || place->is_empty != packet->is_empty ||
	    place->has_marker != packet->has_marker) {
		describe_packet("first", place);
		FAULT(critic, packet, "it was another packet the first time");
	}
}

/* A packet of the picture, or one sent again (RFC 4588). */
static void take_media(struct critic *critic, const struct rtp_header *header,
		       struct slice dependencies, const uint8_t *payload, size_t length)
{
	struct critic_packet packet = {.is_there = true,
				       .has_marker = header->marker,
				       .sequence_number = header->sequence_number,
				       .rtp_timestamp = header->rtp_timestamp,
				       .is_empty = length == 0};

	if (header->ssrc != critic->ssrc) {
		assert_int_equal(header->payload_type, LOAD_RTX);
		if (length < 2)
			return; /* it only tried out the way */
		packet.sequence_number = (uint16_t)(payload[0] << 8 | payload[1]);
		payload += 2;
		length -= 2;
		packet.is_empty = length == 0;
	} else {
		assert_int_equal(header->payload_type, critic->peer->video);
	}
	if (!packet.is_empty) {
		assert_in_range(length, FILM_PAYLOAD_MIN, 1200);
		packet.numbers = film_numbers_read(critic->peer->video, dependencies, payload);
		memcpy(&packet.mark, payload + packet.numbers.descriptor_bytes,
		       sizeof(packet.mark));
	}
	keep(critic, &packet);
}

bool critic_take(struct critic *critic, const uint8_t *packet, size_t length)
{
	struct rtp_header header;

	assert_int_equal(rtp_header_decode(packet, length, false, &header), 0);
	if (header.ssrc != critic->ssrc && (!critic->rtx_ssrc || header.ssrc != critic->rtx_ssrc))
		return false;
	take_media(critic, &header, rtp_extension_find(&header, packet, LOAD_DEPENDENCY_ID),
		   packet + header.header_bytes, rtp_payload_bytes(&header, length));
	return true;
}

void critic_go_on(struct critic *critic)
{
	judge_what_is_next(critic);
	ask_for_missing(critic);
	ask_for_keyframe(critic);
}

void critic_account(const struct critic *critic)
{
	printf("%-28s shown %lu %lu %lu, temporal %lu %lu %lu, switches %lu, again %lu, empty %lu, "
	       "holes %lu, other films %lu, %d ms off\n",
	       critic->name, critic->shown[0], critic->shown[1], critic->shown[2],
	       critic->shown_temporal[0], critic->shown_temporal[1], critic->shown_temporal[2],
	       critic->switches, critic->repeats, critic->empty, critic->holes, critic->other_films,
	       (int)(critic->drift_ticks / 90));
}
