/* A stream of spatial layers through a forwarder, and what a decoder can make of the rest. */
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "sfu/model/forwarder.h"
#include "sfu/wire/rtp.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/sfu/random.h"

enum {
	SPATIAL = 3,
	PICTURES = 12000,
	PIECES_MAX = 3, /* packets of one layer's frame */
	PACKETS_MAX = PICTURES * SPATIAL * PIECES_MAX,
	LATE_MAX = 30, /* packets that overtake one that is late */
	PICTURE_TICKS = 3000,
	NO_FRAME = -1
};

/* One picture in one layer. */
struct frame {
	int needs[3]; /* other frames */
	unsigned need_count;
	unsigned packet_count, sent_count, lost_count; /* sent: with their payload */
	bool is_last_sent, is_last_lost;
};

struct source_packet {
	struct picture_numbers picture;
	bool is_keyframe_start, marker;
	uint32_t rtp_timestamp;
	int frame;
	bool is_lost, is_last_of_frame;
	bool is_sent, sent_marker, has_output;
	int64_t output;
};

struct stage {
	struct random random;
	struct forwarder forwarder;
	bool is_key_only; /* layers need each other at keyframes alone: L3T3_KEY, not L3T3 */
	unsigned lost_of_1000;

	struct frame frames[PICTURES * SPATIAL];
	struct source_packet packets[PACKETS_MAX];
	unsigned packet_count;
	uint16_t first_sequence;
	int last_t0[SPATIAL], last_t1[SPATIAL]; /* frames */
	unsigned active;			/* layers that are sent */
	unsigned round;				/* pictures since the keyframe */
	unsigned target;

	int64_t highest_output;
	int owners[PACKETS_MAX + 1]; /* of an output number, since the first: 1 + packet */
	unsigned late_count;
	unsigned late[LATE_MAX];
	unsigned raised, lowered;
};

static struct stage stage;

static unsigned below(unsigned limit)
{
	return random_below(&stage.random, limit);
}

/* ---- what comes out ---- */

static void check_number(unsigned index, uint16_t output)
{
	struct source_packet *packet = &stage.packets[index];
	int64_t unwrapped =
		stage.highest_output + (int16_t)(output - (uint16_t)stage.highest_output);
	int64_t at;

	if (stage.highest_output < 0)
		unwrapped = output;
	if (stage.highest_output < 0)
		stage.owners[0] = (int)output; /* where numbers begin */
	at = 1 + unwrapped - stage.owners[0];
	assert_in_range(at, 1, PACKETS_MAX);
	assert_true(stage.owners[at] == 0 || stage.owners[at] == (int)index + 1);
	assert_true(!packet->has_output || packet->output == unwrapped);
	stage.owners[at] = (int)index + 1;
	packet->output = unwrapped;
	packet->has_output = true;
	if (unwrapped > stage.highest_output)
		stage.highest_output = unwrapped;
}

static void arrive(unsigned index)
{
	struct source_packet *packet = &stage.packets[index];
	struct forwarder_input input = {.is_keyframe_start = packet->is_keyframe_start,
					.sequence_number = (uint16_t)(stage.first_sequence + index),
					.rtp_timestamp = packet->rtp_timestamp,
					.arrival_us = 1 + index * 1000ull,
					.picture = &packet->picture};
	uint8_t before = forwarder_spatial(&stage.forwarder);
	const struct forwarder_span *span = forwarder_map(&stage.forwarder, &input);
	uint8_t after = forwarder_spatial(&stage.forwarder);
	uint16_t output;

	assert_true(after <= before || packet->is_keyframe_start);
	stage.raised += after > before;
	stage.lowered += after < before;
	if (!span)
		return;
	output = (uint16_t)(input.sequence_number + span->sequence_offset);
	check_number(index, output);
	/* What it was sent by is what it is sent again by. */
	assert_ptr_equal(forwarder_unmap(&stage.forwarder, output), span);
	/* Frames refer to each other by these. */
	assert_int_equal(span->picture.picture_id, 0);
	assert_int_equal(span->picture.frame_number, 0);
	if (packet->is_sent || forwarder_is_blank(span, &packet->picture))
		return;
	packet->is_sent = true;
	packet->sent_marker = packet->marker || forwarder_ends_picture(span, &packet->picture);
	stage.frames[packet->frame].sent_count++;
}

/* ---- the way to the forwarder ---- */

static void release_late(unsigned at)
{
	unsigned index = stage.late[at];

	stage.late[at] = stage.late[--stage.late_count];
	arrive(index);
}

static void travel(unsigned index)
{
	struct source_packet *packet = &stage.packets[index];

	if (index > 100 && below(1000) < stage.lost_of_1000) {
		packet->is_lost = true;
		stage.frames[packet->frame].lost_count++;
		return;
	}
	if (index > 100 && below(20) == 0 && stage.late_count < LATE_MAX) {
		stage.late[stage.late_count++] = index;
		return;
	}
	arrive(index);
	if (below(100) == 0)
		arrive(index); /* twice */
	if (stage.late_count > 0 && below(8) == 0)
		release_late(below(stage.late_count));
}

/* ---- what the publisher sends ---- */

static void need(struct frame *frame, int other)
{
	if (other != NO_FRAME)
		frame->needs[frame->need_count++] = other;
}

static void send_frame(unsigned picture, uint8_t spatial, uint8_t temporal, bool is_keyframe)
{
	int number = (int)(picture * SPATIAL + spatial);
	struct frame *frame = &stage.frames[number];
	bool begins = stage.last_t0[spatial] == NO_FRAME; /* nothing before it to refer to */
	unsigned pieces = 1 + below(PIECES_MAX);
	bool is_top = spatial + 1u == stage.active;

	if (spatial > 0 && (begins || !stage.is_key_only))
		need(frame, number - 1);
	if (temporal < 2 || stage.last_t1[spatial] < stage.last_t0[spatial])
		need(frame, stage.last_t0[spatial]);
	else
		need(frame, stage.last_t1[spatial]);
	if (temporal == 0)
		stage.last_t0[spatial] = number;
	if (temporal == 1)
		stage.last_t1[spatial] = number;
	frame->packet_count = pieces;
	for (unsigned i = 0; i < pieces; i++) {
		unsigned index = stage.packet_count++;

		stage.packets[index] = (struct source_packet){
			.picture = {.picture_id = picture & 0x7fff,
				    .picture_id_at = 1,
				    .temporal_layer = temporal,
				    .switch_to = temporal == 0 && i == 0 ? TEMPORAL_LAYER_MAX : 0,
				    .spatial_layer = spatial,
				    .is_layer_end = i + 1 == pieces},
			.is_keyframe_start = is_keyframe && spatial == 0 && i == 0,
			.marker = is_top && i + 1 == pieces,
			.rtp_timestamp = picture * PICTURE_TICKS,
			.is_last_of_frame = i + 1 == pieces,
			.frame = number};
		travel(index);
	}
}

static void forget_layers(unsigned from)
{
	for (unsigned i = from; i < SPATIAL; i++)
		stage.last_t0[i] = stage.last_t1[i] = NO_FRAME;
}

/* Layers go when there is no room for them, and come back: where each needs its own pictures alone
 * with a keyframe only. */
static bool change_active(void)
{
	unsigned wanted = 1 + below(SPATIAL);

	if (below(stage.is_key_only ? 60 : 5) != 0 || wanted == stage.active)
		return false;
	if (wanted < stage.active)
		forget_layers(wanted);
	stage.active = wanted;
	return stage.is_key_only;
}

static void send_picture(unsigned picture)
{
	static const uint8_t rounds[] = {0, 2, 1, 2};
	bool lacks = forwarder_spatial(&stage.forwarder) < stage.target;
	bool is_keyframe = picture == 0 || below(300) == 0 || (lacks && below(6) == 0);

	if (stage.round % 4 == 0 && change_active())
		is_keyframe = true;
	if (is_keyframe) {
		forget_layers(0);
		stage.round = 0;
	}
	for (uint8_t spatial = 0; spatial < stage.active; spatial++)
		send_frame(picture, spatial, rounds[stage.round % 4], is_keyframe);
	stage.round++;
}

/* ---- what is wanted ---- */

static void choose(void)
{
	stage.target = below(SPATIAL);
	forwarder_set_spatial(&stage.forwarder, (uint8_t)stage.target,
			      below(3) == 0 ? SPATIAL_LAYER_MAX : (uint8_t)stage.target);
	forwarder_set_temporal(&stage.forwarder, (uint8_t)below(3), TEMPORAL_LAYER_MAX);
}

static void play(bool is_key_only, unsigned lost_of_1000)
{
	memset(&stage, 0, sizeof(stage));
	stage.random = random_from_environment();
	stage.is_key_only = is_key_only;
	stage.lost_of_1000 = lost_of_1000;
	stage.highest_output = -1;
	stage.active = SPATIAL;
	stage.first_sequence = (uint16_t)below(65536);
	forget_layers(0);
	forwarder_init(&stage.forwarder, true, (uint16_t)below(65536), below(1000000));
	forwarder_set_target(&stage.forwarder, 0);
	for (unsigned picture = 0; picture < PICTURES; picture++) {
		if (below(25) == 0)
			choose();
		send_picture(picture);
	}
	while (stage.late_count > 0)
		release_late(0);
}

/* ---- what a decoder makes of it ---- */

/* Whole, or not there: but for what the way lost. */
static void assert_frames_are_whole(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(stage.frames); i++) {
		const struct frame *frame = &stage.frames[i];

		if (frame->sent_count > 0)
			assert_int_equal(frame->sent_count + frame->lost_count,
					 frame->packet_count);
	}
}

static void assert_frames_have_what_they_need(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(stage.frames); i++) {
		const struct frame *frame = &stage.frames[i];

		for (unsigned j = 0; j < frame->need_count && frame->sent_count > 0; j++) {
			const struct frame *needed = &stage.frames[frame->needs[j]];

			assert_true(needed->sent_count > 0 ||
				    needed->lost_count == needed->packet_count);
		}
	}
}

/* Each picture ends with a marker, and within it there is none. */
static void assert_pictures_end(void)
{
	unsigned ends = 0;

	for (unsigned i = 0; i < stage.packet_count; i++) {
		const struct source_packet *packet = &stage.packets[i];
		bool is_end = true;

		if (!packet->is_sent)
			continue;
		for (unsigned j = i + 1; j < stage.packet_count &&
					 stage.packets[j].rtp_timestamp == packet->rtp_timestamp;
		     j++) {
			const struct source_packet *other = &stage.packets[j];
			const struct frame *frame = &stage.frames[other->frame];

			/* Had it not been lost it would have been sent. */
			if (other->is_sent ||
			    (other->is_lost &&
			     (frame->sent_count > 0 || !packet->is_last_of_frame ||
			      frame->lost_count == frame->packet_count)))
				is_end = false;
		}
		if (is_end)
			assert_true(packet->sent_marker);
		else if (stage.lost_of_1000 == 0)
			assert_false(packet->sent_marker);
		ends += is_end;
	}
	assert_true(ends > PICTURES / 8);
}

/* Every number is somebody's, but for those that were left free for what never came. */
static unsigned count_free_numbers(void)
{
	unsigned free_count = 0;

	for (int64_t at = 1; at <= 1 + stage.highest_output - stage.owners[0]; at++)
		free_count += stage.owners[at] == 0;
	return free_count;
}

static void assert_playable(void)
{
	unsigned sent[SPATIAL] = {0}, lost = 0;

	for (unsigned i = 0; i < ARRAY_LEN(stage.frames); i++) {
		sent[i % SPATIAL] += stage.frames[i].sent_count > 0;
		lost += stage.frames[i].lost_count;
	}
	assert_frames_are_whole();
	assert_frames_have_what_they_need();
	assert_pictures_end();
	assert_true(count_free_numbers() <= lost);
	assert_true(sent[0] > sent[1] && sent[1] > sent[2] && sent[2] > PICTURES / 50);
	assert_true(stage.raised > 50 && stage.lowered > 50);
}

static void what_is_left_of_layers_that_need_each_other_at_keyframes_can_be_decoded(void **state)
{
	(void)state;
	play(true, 0);
	assert_playable();
	assert_int_equal(count_free_numbers(), 0);
}

static void what_is_left_of_layers_that_always_need_each_other_can_be_decoded(void **state)
{
	(void)state;
	play(false, 0);
	assert_playable();
	assert_int_equal(count_free_numbers(), 0);
}

static void losses_do_no_more_harm_than_they_must(void **state)
{
	(void)state;
	play(true, 20);
	assert_playable();
	play(false, 20);
	assert_playable();
}

/* ---- by hand ---- */

static const struct forwarder_span *map(struct forwarder *forwarder, uint16_t sequence_number,
					uint32_t picture, struct picture_numbers numbers,
					bool is_keyframe_start)
{
	const struct forwarder_input input = {.sequence_number = sequence_number,
					      .rtp_timestamp = picture * PICTURE_TICKS,
					      .is_keyframe_start = is_keyframe_start,
					      .arrival_us = 1,
					      .picture = &numbers};

	return forwarder_map(forwarder, &input);
}

static struct picture_numbers of_layer(uint8_t spatial)
{
	return (struct picture_numbers){.spatial_layer = spatial, .is_layer_end = true};
}

/* Who has not chosen among them gets all of them, as they are. */
static void all_layers_flow_at_first(void **state)
{
	struct forwarder forwarder;

	(void)state;
	forwarder_init(&forwarder, true, 100, 0);
	forwarder_set_target(&forwarder, 0);
	for (uint16_t i = 0; i < 9; i++) {
		struct picture_numbers numbers = of_layer((uint8_t)(i % 3));
		const struct forwarder_span *span = map(&forwarder, i, i / 3, numbers, i == 0);

		assert_non_null(span);
		assert_false(forwarder_ends_picture(span, &numbers)); /* its own marker does */
	}
}

/* Down from the next picture on, up with the next keyframe. */
static void layers_are_dropped_at_once_and_taken_up_with_a_keyframe(void **state)
{
	struct forwarder forwarder;
	const struct forwarder_span *span;
	struct picture_numbers lowest = of_layer(0);

	(void)state;
	forwarder_init(&forwarder, true, 100, 0);
	forwarder_set_target(&forwarder, 0);
	assert_non_null(map(&forwarder, 0, 0, of_layer(0), true));
	forwarder_set_spatial(&forwarder, 0, 0);
	assert_non_null(map(&forwarder, 1, 0, of_layer(1), false)); /* this one is made whole */
	span = map(&forwarder, 2, 1, lowest, false);
	assert_non_null(span);
	assert_true(forwarder_ends_picture(span, &lowest));
	assert_null(map(&forwarder, 3, 1, of_layer(1), false));
	forwarder_set_spatial(&forwarder, 1, 1);
	span = map(&forwarder, 4, 2, lowest, false);
	assert_non_null(span);
	assert_int_equal((uint16_t)(4 + span->sequence_offset), 105);
	assert_null(map(&forwarder, 5, 2, of_layer(1), false));
	span = map(&forwarder, 6, 3, lowest, true);
	assert_non_null(span);
	assert_false(forwarder_ends_picture(span, &lowest));
	assert_non_null(map(&forwarder, 7, 3, of_layer(1), false));
	assert_null(map(&forwarder, 8, 3, of_layer(2), false));
}

/* The higher layer's pictures are not made fewer for the sake of one that has not begun. */
static void fewer_pictures_wait_for_the_layer_that_they_are_meant_for(void **state)
{
	struct forwarder forwarder;
	struct picture_numbers second = {.temporal_layer = 1};

	(void)state;
	forwarder_init(&forwarder, true, 100, 0);
	forwarder_set_target(&forwarder, 0);
	forwarder_set_spatial(&forwarder, 0, 0);
	assert_non_null(map(&forwarder, 0, 0, of_layer(0), true));
	forwarder_set_spatial(&forwarder, 1, 1);
	forwarder_set_temporal(&forwarder, 0, TEMPORAL_LAYER_MAX);
	assert_non_null(map(&forwarder, 1, 1, second, false));
	assert_non_null(map(&forwarder, 2, 2, of_layer(0), true));
	assert_null(map(&forwarder, 3, 3, second, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			what_is_left_of_layers_that_need_each_other_at_keyframes_can_be_decoded),
		cmocka_unit_test(what_is_left_of_layers_that_always_need_each_other_can_be_decoded),
		cmocka_unit_test(losses_do_no_more_harm_than_they_must),
		cmocka_unit_test(all_layers_flow_at_first),
		cmocka_unit_test(layers_are_dropped_at_once_and_taken_up_with_a_keyframe),
		cmocka_unit_test(fewer_pictures_wait_for_the_layer_that_they_are_meant_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
