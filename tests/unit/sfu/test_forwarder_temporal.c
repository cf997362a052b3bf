/* test_forwarder_temporal.c - fewer pictures of a layer: what is left out leaves no gap. */
#include <string.h>

#include "sfu/model/forwarder.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/sfu/forwarder_padding.h"

/* Pictures of three temporal layers as VP8's encoder makes them: 0 2 1 2, each in two packets; the
 * first two of the higher ones need the lowest alone in every other round. */
struct rounds {
	uint16_t sequence_number, picture_id;
	uint8_t tl0_index;
	unsigned number; /* of the next picture */
};

struct round_packet {
	struct forwarder_input input;
	struct picture_numbers picture;
};

static struct round_packet round_packet(struct rounds *rounds, bool is_first)
{
	static const uint8_t layers[] = {0, 2, 1, 2};
	uint8_t layer = layers[rounds->number % 4];
	bool is_sync = rounds->number % 8 < 3 && layer > 0 && is_first;
	struct round_packet packet = {
		.picture = {.picture_id = rounds->picture_id & 0x7fff,
			    .picture_id_at = 2,
			    .picture_id_is_long = true,
			    .picture_id_is_dense = true,
			    .tl0_index = rounds->tl0_index,
			    .temporal_layer = layer,
			    .switch_from = (uint8_t)(is_sync ? layer - 1 : 0),
			    .switch_to = (uint8_t)(is_sync ? layer : 0)},
		.input = {.sequence_number = rounds->sequence_number++,
			  .rtp_timestamp = rounds->number * PICTURE_TICKS,
			  .is_keyframe_start = rounds->number == 0 && is_first,
			  .is_picture_end = !is_first,
			  .arrival_us = 1 + rounds->number * 33333ull}};

	if (!is_first) {
		rounds->number++;
		rounds->picture_id++;
		rounds->tl0_index = (uint8_t)(rounds->tl0_index + (rounds->number % 4 == 0));
	}
	return packet;
}

/* What a decoder has: the newest picture of each temporal layer that it could decode. */
struct decoder {
	bool has[3];
};

/* A picture of the layer needs the lowest one and, unless it says otherwise, all others below it
 * and its own last one. */
static void decode(struct decoder *decoder, const struct picture_numbers *picture)
{
	uint8_t layer = picture->temporal_layer;

	for (uint8_t i = 1; i <= layer && picture->switch_to == 0; i++)
		assert_true(decoder->has[i]);
	decoder->has[layer] = true;
}

static void pictures_are_left_out_without_a_gap(void **state)
{
	struct rounds rounds = {.sequence_number = 65000, .picture_id = 0x7f00};
	struct forwarder forwarder;
	struct decoder decoder = {{true, false, false}};
	unsigned sent[3] = {0, 0, 0}, most = 2, left_out = 0, padding_count = 0;
	uint16_t last_sequence = 0, last_picture = 0, last_input_picture = 0, padding[8];
	bool has_last = false;

	(void)state;
	srand(3);
	forwarder_init(&forwarder, true, 100, 5);
	forwarder_set_target(&forwarder, 0);
	for (unsigned i = 0; i < 100000; i++) {
		struct round_packet packet = round_packet(&rounds, i % 2 == 0);
		const struct forwarder_span *span;
		uint16_t sequence, picture;
		uint16_t back;

		if (rand() % 100 == 0) {
			most = (unsigned)rand() % 3;
			forwarder_set_temporal(&forwarder, (uint8_t)most, TEMPORAL_LAYER_MAX);
		}
		packet.input.picture = &packet.picture;
		span = forwarder_map(&forwarder, &packet.input);
		if (!span) { /* what is left out is missed by what needs it */
			for (unsigned j = packet.picture.temporal_layer; j < 3; j++)
				decoder.has[j] = false;
			left_out++;
		}
		if (!span) {
			unsigned count = put_in_padding(&forwarder, padding);

			last_sequence = (uint16_t)(last_sequence + count);
			padding_count += count;
			continue;
		}
		sequence = (uint16_t)(packet.input.sequence_number + span->sequence_offset);
		picture = (packet.picture.picture_id + span->picture.picture_id) & 0x7fff;
		if (has_last) {
			assert_int_equal(sequence, (uint16_t)(last_sequence + 1));
			assert_int_equal(picture, packet.picture.picture_id == last_input_picture
							  ? last_picture
							  : (last_picture + 1) & 0x7fff);
		}
		assert_int_equal((uint8_t)(packet.picture.tl0_index + span->picture.tl0_index),
				 packet.picture.tl0_index);
		/* Frames refer to each other by these: what is left out stays a gap. */
		assert_int_equal(span->picture.frame_number, 0);
		assert_false(forwarder_is_blank(span, &packet.picture));
		if (i % 2 == 0)
			decode(&decoder, &packet.picture);
		sent[packet.picture.temporal_layer]++;
		assert_true(unmap(&forwarder, sequence, &back));
		assert_int_equal(back, packet.input.sequence_number);
		last_sequence = sequence;
		last_picture = picture;
		last_input_picture = packet.picture.picture_id;
		has_last = true;
		if (i % 2 == 1) {
			unsigned count = put_in_padding(&forwarder, padding);

			last_sequence = (uint16_t)(last_sequence + count);
			padding_count += count;
		} else if (forwarder.state == FORWARDER_FLOWING) {
			assert_false(forwarder_can_pad(&forwarder)); /* in mid-picture */
		}
	}
	assert_true(!with_padding || padding_count > 10000);
	assert_int_equal(sent[0], 25000);
	assert_true(sent[1] > 5000 && sent[2] > 5000 && left_out > 10000);
}

enum { WINDOW = 512 };
static const uint32_t PADDING = 1u << 31; /* marks an owner that has no contents */

static bool is_unowned(uint32_t owner, uint32_t now)
{
	return owner == 0 || now - (owner & ~PADDING) > WINDOW;
}

/* Some packets never come, some come late: nobody's number is used twice, every number leads back
 * to its packet, and what came late of pictures that were left out is blank. */
static void late_packets_have_the_numbers_left_free_for_them(void **state)
{
	struct rounds rounds = {.sequence_number = 65500};
	struct forwarder forwarder;
	struct round_packet held = {.input.sequence_number = 0};
	static uint32_t owner[65536]; /* of an output number: the packet's count, and its input */
	static uint16_t inputs[65536], padding[8];
	unsigned blanks = 0, lates = 0, padding_count = 0;
	bool is_held = false;

	(void)state;
	memset(owner, 0, sizeof(owner));
	srand(5);
	forwarder_init(&forwarder, true, 100, 5);
	forwarder_set_target(&forwarder, 0);
	for (uint32_t i = 1; i < 200000; i++) {
		struct round_packet packet = round_packet(&rounds, i % 2 == 1);
		bool is_late = false;

		if (rand() % 200 == 0)
			forwarder_set_temporal(&forwarder, (uint8_t)(rand() % 3),
					       TEMPORAL_LAYER_MAX);
		if (i > 10 && rand() % 30 == 0)
			continue; /* lost */
		if (i > 10 && !is_held && rand() % 10 == 0) {
			held = packet;
			is_held = true;
			continue;
		}
		for (;;) {
			const struct forwarder_span *span;
			uint16_t output, back;

			packet.input.picture = &packet.picture;
			span = forwarder_map(&forwarder, &packet.input);
			if (span) {
				output = (uint16_t)(packet.input.sequence_number +
						    span->sequence_offset);
				assert_true(is_unowned(owner[output], i));
				owner[output] = i;
				inputs[output] = packet.input.sequence_number;
				assert_true(unmap(&forwarder, output, &back));
				assert_int_equal(back, packet.input.sequence_number);
				lates += is_late;
				blanks += forwarder_is_blank(span, &packet.picture);
				assert_true(is_late || !forwarder_is_blank(span, &packet.picture));
			}
			if (is_late || !is_held || rand() % 8 != 0)
				break;
			packet = held;
			is_held = false;
			is_late = true;
		}
		for (unsigned j = put_in_padding(&forwarder, padding); j > 0; j--) {
			assert_true(is_unowned(owner[padding[j - 1]], i));
			owner[padding[j - 1]] = i | PADDING;
			padding_count++;
		}
		/* Of the last ones as well, as long as spans reach back. */
		for (uint16_t back = 0; back < 20; back++) {
			uint16_t output = (uint16_t)(forwarder.highest_output_sequence - back),
				 input;
			bool is_recent = owner[output] && i - (owner[output] & ~PADDING) < 40;

			if (is_recent && unmap(&forwarder, output, &input)) {
				assert_false(owner[output] & PADDING);
				assert_int_equal(input, inputs[output]);
			}
		}
	}
	assert_true(lates > 1000 && blanks > 100);
	assert_true(!with_padding || padding_count > 10000);
}

/* A larger layer's pictures go on with less of them until the smaller one's keyframe comes. */
static void what_flows_meanwhile_has_a_bound_of_its_own(void **state)
{
	struct forwarder forwarder;
	struct picture_numbers picture = {.temporal_layer = 0};
	struct forwarder_input input = {.is_keyframe_start = true, .picture = &picture};

	(void)state;
	forwarder_init(&forwarder, true, 100, 5);
	forwarder_set_target(&forwarder, 0);
	forwarder_set_temporal(&forwarder, 0, TEMPORAL_LAYER_MAX);
	picture.temporal_layer = 1; /* such a keyframe begins nothing that is asked for */
	assert_null(forwarder_map(&forwarder, &input));
	picture.temporal_layer = 0;
	assert_non_null(forwarder_map(&forwarder, &input));
	forwarder_set_target(&forwarder, 1);
	forwarder_set_temporal(&forwarder, TEMPORAL_LAYER_MAX, 0);
	input.is_keyframe_start = false;
	input.sequence_number = 1;
	input.rtp_timestamp = 3000;
	picture.temporal_layer = 1;
	assert_null(forwarder_map(&forwarder, &input));
	input = (struct forwarder_input){
		.layer = 1, .is_keyframe_start = true, .rtp_timestamp = 9, .picture = &picture};
	assert_non_null(forwarder_map(&forwarder, &input));
}

/* A keyframe is more than all that is left out meanwhile, and the smaller layer's comes with it. */
static void what_flows_meanwhile_ends_with_its_keyframe(void **state)
{
	struct forwarder forwarder;
	struct picture_numbers picture = {.temporal_layer = 0};
	struct forwarder_input input = {.is_keyframe_start = true, .picture = &picture};

	(void)state;
	forwarder_init(&forwarder, true, 100, 5);
	forwarder_set_target(&forwarder, 0);
	assert_non_null(forwarder_map(&forwarder, &input));
	forwarder_set_target(&forwarder, 1);
	input.sequence_number = 1;
	input.rtp_timestamp = 3000;
	assert_non_null(forwarder_map(&forwarder, &input)); /* all of it may flow */
	forwarder_set_temporal(&forwarder, TEMPORAL_LAYER_MAX, 0);
	input.sequence_number = 2;
	input.rtp_timestamp = 6000;
	assert_null(forwarder_map(&forwarder, &input));
	assert_null(forwarder_unmap(&forwarder, forwarder.highest_output_sequence));
	input.is_keyframe_start = false;
	input.sequence_number = 3;
	assert_null(forwarder_map(&forwarder, &input));
	input = (struct forwarder_input){
		.layer = 1, .is_keyframe_start = true, .rtp_timestamp = 9, .picture = &picture};
	assert_non_null(forwarder_map(&forwarder, &input));
	input.sequence_number = 1;
	input.rtp_timestamp = 3009;
	assert_non_null(forwarder_map(&forwarder, &input)); /* the target's are what is wanted */
}

/* A picture that was left out comes once more, after its number was taken. */
static void what_was_left_out_gets_no_number_of_the_padding(void **state)
{
	struct rounds rounds = {.sequence_number = 100};
	struct forwarder forwarder;
	struct round_packet packet;
	uint16_t sequence;
	uint32_t timestamp;

	(void)state;
	forwarder_init(&forwarder, true, 500, 0);
	forwarder_set_target(&forwarder, 0);
	forwarder_set_temporal(&forwarder, 0, TEMPORAL_LAYER_MAX);
	for (unsigned i = 0; i < 4; i++) {
		packet = round_packet(&rounds, i % 2 == 0);
		packet.input.picture = &packet.picture;
		assert_int_equal(forwarder_map(&forwarder, &packet.input) != NULL, i < 2);
	}
	forwarder_pad(&forwarder, &sequence, &timestamp);
	assert_int_equal(sequence, 504);
	assert_null(forwarder_map(&forwarder, &packet.input));
	packet.input.sequence_number--;
	assert_null(forwarder_map(&forwarder, &packet.input));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pictures_are_left_out_without_a_gap),
		cmocka_unit_test(late_packets_have_the_numbers_left_free_for_them),
		cmocka_unit_test(what_flows_meanwhile_has_a_bound_of_its_own),
		cmocka_unit_test(what_flows_meanwhile_ends_with_its_keyframe),
		cmocka_unit_test(what_was_left_out_gets_no_number_of_the_padding),
		TEST_PADDED(pictures_are_left_out_without_a_gap),
		TEST_PADDED(late_packets_have_the_numbers_left_free_for_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
