/* test_forwarder.c - one track to one subscriber: its numbers, its beginning, and its layers that
 * are streams. */
#include <stdio.h>

#include "sfu/model/forwarder.h"
#include "sfu/wire/rtp.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/sfu/forwarder_padding.h"

static const struct picture_numbers no_numbers;
/* One packet of layer 0. */
static bool map(struct forwarder *forwarder, uint16_t sequence_number, uint32_t rtp_timestamp,
		bool is_keyframe_start, uint64_t now_us, uint16_t *ret_sequence_number,
		uint32_t *ret_rtp_timestamp)
{
	const struct forwarder_input input = {.sequence_number = sequence_number,
					      .rtp_timestamp = rtp_timestamp,
					      .is_keyframe_start = is_keyframe_start,
					      .arrival_us = now_us,
					      .picture = &no_numbers};
	const struct forwarder_span *span = forwarder_map(forwarder, &input);

	*ret_sequence_number = 0;
	*ret_rtp_timestamp = 0;
	if (!span)
		return false;
	*ret_sequence_number = (uint16_t)(sequence_number + span->sequence_offset);
	*ret_rtp_timestamp = rtp_timestamp + span->timestamp_offset;
	return true;
}

static void video_waits_for_a_keyframe(void **state)
{
	struct forwarder forwarder;
	uint16_t sequence;
	uint32_t timestamp;

	(void)state;
	forwarder_init(&forwarder, true, 500, 1000); /* its first picture's time is 1000 more */
	forwarder_set_target(&forwarder, 0);
	assert_false(map(&forwarder, 10, 90000, false, 1, &sequence, &timestamp));
	assert_true(map(&forwarder, 11, 93000, true, 2, &sequence, &timestamp));
	assert_int_equal(sequence, 502);
	assert_int_equal(timestamp, 94000);
	assert_true(map(&forwarder, 12, 93000, false, 3, &sequence, &timestamp));
	assert_int_equal(sequence, 503);
}

static void audio_flows_at_once(void **state)
{
	struct forwarder forwarder;
	uint16_t sequence;
	uint32_t timestamp;

	(void)state;
	forwarder_init(&forwarder, false, 0, 0);
	forwarder_set_target(&forwarder, 0);
	assert_true(map(&forwarder, 65535, 0, false, 1, &sequence, &timestamp));
}

static void what_came_before_the_start_is_not_sent(void **state)
{
	struct forwarder forwarder;
	uint16_t sequence;
	uint32_t timestamp;

	(void)state;
	forwarder_init(&forwarder, true, 500, 0);
	forwarder_set_target(&forwarder, 0);
	assert_true(map(&forwarder, 100, 0, true, 1, &sequence, &timestamp));
	assert_false(map(&forwarder, 99, 0, false, 2, &sequence, &timestamp));
	assert_true(map(&forwarder, 102, 0, false, 3, &sequence, &timestamp));
	assert_true(map(&forwarder, 101, 0, false, 4, &sequence, &timestamp));
}

static void a_restart_continues_the_numbers(void **state)
{
	struct forwarder forwarder;
	uint16_t first, second;
	uint32_t before, after;

	(void)state;
	forwarder_init(&forwarder, true, 500, 0);
	forwarder_set_target(&forwarder, 0);
	assert_true(map(&forwarder, 7, 1000, true, 1000000, &first, &before));
	forwarder_restart(&forwarder, 0);
	assert_false(map(&forwarder, 40000, 3000000000u, false, 1100000, &second, &after));
	assert_true(map(&forwarder, 40001, 3000000000u, true, 1100000, &second, &after));
	assert_int_equal(second, (uint16_t)(first + 1));
	assert_int_equal(after - before, 9000); /* 100 ms of 90 kHz */
}

/* Of a picture captured 100 ms after one that was sent, and here 300 ms after it: so much later. */
static uint32_t time_after_restart(bool has_other_clock)
{
	struct forwarder forwarder;
	uint16_t sequence;
	uint32_t before, after;

	forwarder_init(&forwarder, true, 500, 0);
	forwarder_set_target(&forwarder, 0);
	assert_true(map(&forwarder, 7, 1000, true, 1000000, &sequence, &before));
	forwarder_restart(&forwarder, 0);
	if (has_other_clock)
		forwarder_on_report(&forwarder, 0, NULL);
	assert_true(map(&forwarder, 40001, 10000, true, 1300000, &sequence, &after));
	return after - before;
}

static void a_clock_that_goes_on_is_followed_over_a_restart(void **state)
{
	(void)state;
	assert_int_equal(time_after_restart(false), 9000);
	assert_int_equal(time_after_restart(true), 27000);
}

enum { FRAME_US = 33000, FRAME_TICKS = 3000, SENT = 10 };

/* Layer 0 flows, and layer 1 should. Returns the last timestamp that went out. */
static uint32_t flow_towards_layer_1(struct forwarder *forwarder)
{
	uint16_t sequence;
	uint32_t timestamp = 0;

	forwarder_init(forwarder, true, 500, 0);
	forwarder_set_target(forwarder, 0);
	for (uint16_t i = 0; i <= SENT; i++)
		assert_true(map(forwarder, i, 90000u + i * FRAME_TICKS, i == 0,
				1000000 + (uint64_t)i * FRAME_US, &sequence, &timestamp));
	forwarder_set_target(forwarder, 1);
	return timestamp;
}

/* Of the larger layer, so many frames before the last one that was sent of the smaller. */
static const struct forwarder_span *map_keyframe(struct forwarder *forwarder, int frames_before,
						 uint32_t *ret_rtp_timestamp)
{
	const struct forwarder_input input = {
		.layer = 1,
		.is_keyframe_start = true,
		.sequence_number = (uint16_t)(100 - frames_before),
		.rtp_timestamp = (uint32_t)(500000 - frames_before * FRAME_TICKS),
		.arrival_us = (uint64_t)(1000000 + (SENT - frames_before) * FRAME_US),
		.picture = &no_numbers};
	const struct forwarder_span *span = forwarder_map(forwarder, &input);

	if (span)
		*ret_rtp_timestamp = input.rtp_timestamp + span->timestamp_offset;
	return span;
}

static void a_layer_whose_beginning_was_overtaken_begins_after_what_was_sent(void **state)
{
	struct forwarder forwarder;
	uint32_t last = flow_towards_layer_1(&forwarder), timestamp;

	(void)state;
	assert_non_null(map_keyframe(&forwarder, 1, &timestamp));
	assert_int_equal(timestamp, last + 1);
}

/* Two layers of the same clock that take turns, each beginning with the picture of which the other
 * was sent last, as a batch brings them. */
static void changes_of_layer_do_not_add_up(void **state)
{
	const struct rtcp_sender_info report = {.ntp = 1ull << 40, .rtp_timestamp = 90000};
	struct forwarder forwarder;
	uint32_t first = 0, timestamp = 0;
	unsigned starts = 0;

	(void)state;
	forwarder_init(&forwarder, true, 500, 0);
	for (uint8_t layer = 0; layer < 2; layer++)
		forwarder_on_report(&forwarder, layer, &report);
	for (uint32_t picture = 0; picture < 100; picture++) {
		for (uint8_t layer = 0; layer < 2; layer++) {
			struct forwarder_input input = {
				.layer = layer,
				.is_keyframe_start = picture % 2 == layer,
				.sequence_number = (uint16_t)picture,
				.rtp_timestamp = 90000 + picture * FRAME_TICKS,
				.arrival_us =
					1000000 + (uint64_t)picture * FRAME_US + 20000 * layer,
				.picture = &no_numbers};
			const struct forwarder_span *span;

			forwarder_set_target(&forwarder, picture % 2);
			span = forwarder_map(&forwarder, &input);
			if (!span)
				continue;
			starts += span->is_start;
			timestamp = input.rtp_timestamp + span->timestamp_offset;
			first = picture == 0 && layer == 0 ? timestamp : first;
		}
	}
	assert_true(starts > 50);
	assert_in_range(timestamp - first, 99 * FRAME_TICKS, 99 * FRAME_TICKS + 1);
}

static void who_is_in_mid_stream_is_not_taken_back(void **state)
{
	struct forwarder forwarder;
	uint32_t last = flow_towards_layer_1(&forwarder), timestamp;

	(void)state;
	assert_null(map_keyframe(&forwarder, 4, &timestamp));
	assert_int_equal(forwarder.layer, 0);
	assert_non_null(map_keyframe(&forwarder, -1, &timestamp));
	assert_int_equal(timestamp, last + FRAME_US * 9 / 100);
	assert_int_equal(forwarder.layer, 1);
}

/* What was sent before is not to be seen twice, though nothing flows now. */
static void who_waits_is_not_taken_back_either(void **state)
{
	struct forwarder forwarder;
	uint32_t last = flow_towards_layer_1(&forwarder), timestamp;

	(void)state;
	forwarder_cut(&forwarder);
	assert_null(map_keyframe(&forwarder, 4, &timestamp));
	assert_non_null(map_keyframe(&forwarder, -1, &timestamp));
	assert_int_equal(timestamp, last + FRAME_US * 9 / 100);
}

/* Any order, loss and wrap: what leaves has the same distances as what came, and every number that
 * was sent leads back to its packet. */
static void numbers_keep_their_distances(void **state)
{
	const char *text = getenv("RT_SEED");
	unsigned seed = text ? (unsigned)strtoul(text, NULL, 10) : 20261122;
	struct forwarder forwarder;
	uint16_t base = 65000, first_out = 0;

	(void)state;
	(void)printf("seed %u\n", seed);
	srand(seed);
	forwarder_init(&forwarder, false, (uint16_t)rand(), (uint32_t)rand());
	forwarder_set_target(&forwarder, 0);
	for (unsigned i = 0; i < 200000; i++) {
		uint16_t jitter = (uint16_t)(i > 50 ? rand() % 30 : 0);
		uint16_t input = (uint16_t)(base + i - jitter), output, back;
		uint32_t timestamp;

		if (rand() % 20 == 0)
			continue;
		if (!map(&forwarder, input, i * 160, false, i * 1000 + 1, &output, &timestamp))
			continue;
		if (i == 0 || first_out == 0)
			first_out = (uint16_t)(output - (uint16_t)(input - base));
		assert_int_equal((uint16_t)(output - first_out), (uint16_t)(input - base));
		assert_true(unmap(&forwarder, output, &back));
		assert_int_equal(back, input);
	}
	assert_false(unmap(&forwarder, (uint16_t)(forwarder.highest_output_sequence + 1), &base));
}

/* ---- layers ---- */

/* A publisher's three layers: each with numbers and a clock of its own. */
struct source {
	uint16_t sequence_number[LAYERS_MAX];
	uint32_t timestamp_base[LAYERS_MAX];
	struct picture_numbers picture[LAYERS_MAX];
};

static void source_init(struct source *source, struct forwarder *forwarder)
{
	for (uint8_t i = 0; i < LAYERS_MAX; i++) {
		struct rtcp_sender_info report = {.ntp = (ntp_time)1000 << 32};

		source->sequence_number[i] = (uint16_t)rand();
		source->timestamp_base[i] = (uint32_t)rand();
		source->picture[i] =
			(struct picture_numbers){.picture_id = (uint16_t)(rand() & 0x7fff),
						 .tl0_index = (uint8_t)rand(),
						 .picture_id_at = 2,
						 .picture_id_is_long = true,
						 .tl0_index_at = 4,
						 .frame_number = (uint16_t)rand(),
						 .descriptor_bytes = 5};
		report.rtp_timestamp = source->timestamp_base[i];
		forwarder_on_report(forwarder, i, &report);
	}
}

/* The subscriber's view of one packet. */
struct view {
	uint16_t sequence_number, picture_id, frame_number;
	uint8_t tl0_index;
	uint32_t rtp_timestamp;
};

/* Picture `number` of a layer comes, in one packet. */
static bool picture(struct source *source, struct forwarder *forwarder, uint8_t layer,
		    unsigned number, bool is_keyframe, struct view *ret_view)
{
	struct forwarder_input input = {.layer = layer,
					.sequence_number = source->sequence_number[layer]++,
					.rtp_timestamp = source->timestamp_base[layer] +
							 number * PICTURE_TICKS,
					.is_keyframe_start = is_keyframe,
					.is_picture_end = true,
					.arrival_us = 1000000 + number * 33333ull,
					.picture = &source->picture[layer]};
	const struct forwarder_span *span;

	source->picture[layer].picture_id++;
	source->picture[layer].frame_number++;
	source->picture[layer].tl0_index++;
	span = forwarder_map(forwarder, &input);
	*ret_view = (struct view){0};
	if (!span)
		return false;
	*ret_view = (struct view){
		.sequence_number = (uint16_t)(input.sequence_number + span->sequence_offset),
		.rtp_timestamp = input.rtp_timestamp + span->timestamp_offset,
		.picture_id = (input.picture->picture_id + span->picture.picture_id) & 0x7fff,
		.frame_number =
			(uint16_t)(input.picture->frame_number + span->picture.frame_number),
		.tl0_index = (uint8_t)(input.picture->tl0_index + span->picture.tl0_index)};
	return true;
}

/* Whatever layer is asked for and when: one stream, without a gap, in even time. */
static void changing_layers_is_one_stream(void **state)
{
	struct source source;
	struct forwarder forwarder;
	struct view last = {0}, view;
	unsigned last_number = 0, padding_count = 0;
	uint16_t padding[8];
	bool has_last = false;

	(void)state;
	srand(7);
	forwarder_init(&forwarder, true, 100, 5);
	forwarder_set_target(&forwarder, 0);
	source_init(&source, &forwarder);
	for (unsigned number = 0; number < 50000; number++) {
		bool was_sent = false;

		if (rand() % 40 == 0)
			forwarder_set_target(&forwarder, (uint8_t)(rand() % LAYERS_MAX));
		for (uint8_t layer = 0; layer < LAYERS_MAX; layer++) {
			if (!picture(&source, &forwarder, layer, number, rand() % 10 == 0, &view))
				continue;
			if (has_last) {
				assert_int_equal((uint16_t)(last.sequence_number + 1),
						 view.sequence_number);
				assert_int_equal((last.picture_id + 1) & 0x7fff, view.picture_id);
				assert_int_equal((uint16_t)(last.frame_number + 1),
						 view.frame_number);
				assert_int_equal((uint8_t)(last.tl0_index + 1), view.tl0_index);
			}
			/* A picture may come in two layers when they change with it. */
			if (has_last && number > last_number && !was_sent)
				assert_in_range(view.rtp_timestamp - last.rtp_timestamp,
						(number - last_number) * PICTURE_TICKS - 10,
						(number - last_number) * PICTURE_TICKS + 10);
			last = view;
			last_number = number;
			has_last = was_sent = true;
		}
		if (has_last) {
			unsigned count = put_in_padding(&forwarder, padding);

			last.sequence_number = (uint16_t)(last.sequence_number + count);
			padding_count += count;
		}
	}
	assert_true(has_last);
	assert_true(!with_padding || padding_count > 10000);
}

/* Reports may say anything: years apart, they do not tell how layers lie to each other. */
static void reports_far_apart_do_no_harm(void **state)
{
	struct forwarder forwarder;
	struct source source;
	struct view first, second;

	(void)state;
	forwarder_init(&forwarder, true, 100, 5);
	forwarder_set_target(&forwarder, 0);
	source_init(&source, &forwarder);
	forwarder_on_report(&forwarder, 0, &(struct rtcp_sender_info){.ntp = 0});
	forwarder_on_report(&forwarder, 1,
			    &(struct rtcp_sender_info){.ntp = UINT64_C(0x7fffffffffffffff)});
	assert_true(picture(&source, &forwarder, 0, 0, true, &first));
	forwarder_set_target(&forwarder, 1);
	assert_true(picture(&source, &forwarder, 1, 1, true, &second));
	assert_in_range(second.rtp_timestamp - first.rtp_timestamp, 1, 90000 + PICTURE_TICKS);
}

static void a_layer_is_changed_at_its_keyframe_only(void **state)
{
	struct source source;
	struct forwarder forwarder;
	struct view view;

	(void)state;
	forwarder_init(&forwarder, true, 100, 5);
	forwarder_set_target(&forwarder, 0);
	source_init(&source, &forwarder);
	assert_true(picture(&source, &forwarder, 0, 0, true, &view));
	forwarder_set_target(&forwarder, 2);
	assert_false(picture(&source, &forwarder, 2, 1, false, &view));
	assert_true(picture(&source, &forwarder, 0, 1, false, &view));
	assert_true(picture(&source, &forwarder, 2, 2, true, &view));
	assert_false(picture(&source, &forwarder, 0, 2, true, &view));
	forwarder_set_target(&forwarder, LAYER_NONE);
	assert_false(picture(&source, &forwarder, 2, 3, true, &view));
}

/* Each picture is 33 ms after the one before. */
static void a_smaller_layer_stops_a_gap(void **state)
{
	struct source source;
	struct forwarder forwarder;
	struct view view, last;

	(void)state;
	forwarder_init(&forwarder, true, 100, 5);
	forwarder_set_target(&forwarder, 2);
	forwarder_set_stopgaps(&forwarder, 1u << 0 | 1u << 1);
	source_init(&source, &forwarder);
	assert_false(picture(&source, &forwarder, 0, 0, true, &view)); /* it waits to begin */
	assert_true(picture(&source, &forwarder, 2, 30, true, &last));
	assert_false(picture(&source, &forwarder, 0, 31, true, &view)); /* nor is there a gap */
	forwarder_cut(&forwarder);
	assert_false(picture(&source, &forwarder, 0, 37, true, &view));
	assert_false(picture(&source, &forwarder, 0, 38, false, &view));
	assert_true(picture(&source, &forwarder, 1, 38, true, &view));
	assert_int_equal(view.sequence_number, (uint16_t)(last.sequence_number + 1));
	assert_false(picture(&source, &forwarder, 0, 38, true, &last)); /* one is enough */
	assert_true(picture(&source, &forwarder, 1, 39, false, &view));
	assert_true(picture(&source, &forwarder, 2, 39, true, &view)); /* until the target comes */
	assert_false(picture(&source, &forwarder, 1, 40, false, &view));

	/* What flowed has ended without a word. */
	assert_false(picture(&source, &forwarder, 1, 46, true, &view));
	assert_true(picture(&source, &forwarder, 1, 47, true, &view));
	forwarder_set_stopgaps(&forwarder, 0);
	assert_false(picture(&source, &forwarder, 0, 60, true, &view));

	/* A pause is no gap. */
	forwarder_set_target(&forwarder, LAYER_NONE);
	forwarder_set_stopgaps(&forwarder, 1u << 0 | 1u << 1);
	forwarder_set_target(&forwarder, 2);
	assert_false(picture(&source, &forwarder, 0, 90, true, &view));
	assert_true(picture(&source, &forwarder, 2, 90, true, &view));
}

/* What a NACK names leads to the layer that it was sent from. */
static void a_nack_looks_back_over_changes_of_layer(void **state)
{
	struct source source;
	struct forwarder forwarder;
	const struct forwarder_span *span;
	struct view first, second, view;

	(void)state;
	forwarder_init(&forwarder, true, 100, 5);
	forwarder_set_target(&forwarder, 0);
	source_init(&source, &forwarder);
	assert_true(picture(&source, &forwarder, 0, 0, true, &first));
	forwarder_set_target(&forwarder, 1);
	assert_true(picture(&source, &forwarder, 1, 1, true, &second));
	span = forwarder_unmap(&forwarder, first.sequence_number);
	assert_non_null(span);
	assert_int_equal(span->layer, 0);
	assert_int_equal((uint16_t)(first.sequence_number - span->sequence_offset),
			 (uint16_t)(source.sequence_number[0] - 1));
	span = forwarder_unmap(&forwarder, second.sequence_number);
	assert_non_null(span);
	assert_int_equal(span->layer, 1);
	forwarder_restart(&forwarder, 0); /* what was sent of it is forgotten */
	assert_null(forwarder_unmap(&forwarder, first.sequence_number));
	assert_non_null(forwarder_unmap(&forwarder, second.sequence_number));
	for (unsigned number = 2; number < 0x9000; number++)
		assert_true(picture(&source, &forwarder, 1, number, false, &view));
	assert_null(forwarder_unmap(&forwarder, first.sequence_number));
}

/* As a stop or a cut leaves it: what is put in then goes before the next start. */
static void padding_may_go_on_while_nothing_flows(void **state)
{
	struct forwarder forwarder;
	uint16_t first, sequence;
	uint32_t timestamp, padded_at;

	(void)state;
	forwarder_init(&forwarder, true, 500, 0);
	assert_false(forwarder_can_pad(&forwarder)); /* nothing has told the receiver of it yet */
	forwarder_set_target(&forwarder, 0);
	assert_true(map(&forwarder, 7, 1000, true, 1000000, &first, &timestamp));
	assert_false(forwarder_can_pad(&forwarder)); /* in mid-picture */
	forwarder_set_target(&forwarder, LAYER_NONE);
	for (uint16_t i = 1; i <= 5000; i++) {
		assert_true(forwarder_can_pad(&forwarder));
		forwarder_pad(&forwarder, &sequence, &padded_at);
		assert_int_equal(sequence, (uint16_t)(first + i));
		assert_int_equal(padded_at, timestamp);
	}
	assert_non_null(forwarder_unmap(&forwarder, first));
	assert_true(forwarder_was_padding(&forwarder, (uint16_t)(first + 1), &padded_at));
	assert_false(forwarder_was_padding(&forwarder, (uint16_t)(first + 5001), &padded_at));
	forwarder_set_target(&forwarder, 0);
	assert_true(map(&forwarder, 40, 5000, true, 2000000, &sequence, &timestamp));
	assert_int_equal(sequence, (uint16_t)(first + 5001));
	assert_false(map(&forwarder, 8, 1000, false, 2000000, &sequence, &timestamp));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(video_waits_for_a_keyframe),
		cmocka_unit_test(audio_flows_at_once),
		cmocka_unit_test(what_came_before_the_start_is_not_sent),
		cmocka_unit_test(a_restart_continues_the_numbers),
		cmocka_unit_test(a_clock_that_goes_on_is_followed_over_a_restart),
		cmocka_unit_test(a_layer_whose_beginning_was_overtaken_begins_after_what_was_sent),
		cmocka_unit_test(changes_of_layer_do_not_add_up),
		cmocka_unit_test(who_is_in_mid_stream_is_not_taken_back),
		cmocka_unit_test(who_waits_is_not_taken_back_either),
		cmocka_unit_test(numbers_keep_their_distances),
		cmocka_unit_test(changing_layers_is_one_stream),
		cmocka_unit_test(reports_far_apart_do_no_harm),
		cmocka_unit_test(a_layer_is_changed_at_its_keyframe_only),
		cmocka_unit_test(a_smaller_layer_stops_a_gap),
		cmocka_unit_test(a_nack_looks_back_over_changes_of_layer),
		cmocka_unit_test(padding_may_go_on_while_nothing_flows),
		TEST_PADDED(changing_layers_is_one_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
