#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sfu/model/forwarder.h"
#include "sfu/wire/rtp.h"
#include "tests/unit/cmocka_all.h"

static const struct picture_numbers no_numbers;
/* In some tests packets without contents are put in wherever they may be, now and then. */
static bool with_padding;

/* Returns how many: each takes the next number and the time of the last picture, and no NACK for it
 * leads to another packet. */
static unsigned put_in_padding(struct forwarder *forwarder, uint16_t numbers[static 8])
{
	unsigned count = with_padding && rand() % 4 == 0 ? 1 + (unsigned)rand() % 8 : 0, i = 0;
	uint16_t next = (uint16_t)(forwarder->highest_output_sequence + 1);
	uint32_t last_timestamp = forwarder->last_output_timestamp, timestamp;

	for (; i < count && forwarder_can_pad(forwarder); i++) {
		forwarder_pad(forwarder, &numbers[i], &timestamp);
		assert_int_equal(numbers[i], (uint16_t)(next + i));
		assert_int_equal(timestamp, last_timestamp);
	}
	for (unsigned j = 0; j < i; j++) {
		assert_null(forwarder_unmap(forwarder, numbers[j]));
		assert_true(forwarder_was_padding(forwarder, numbers[j], &timestamp));
		assert_int_equal(timestamp, last_timestamp);
	}
	return i;
}

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

static bool unmap(const struct forwarder *forwarder, uint16_t output, uint16_t *ret_input)
{
	const struct forwarder_span *span = forwarder_unmap(forwarder, output);

	*ret_input = span ? (uint16_t)(output - span->sequence_offset) : 0;
	return span != NULL;
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
	assert_false(map(&forwarder, 40000, 77, false, 1100000, &second, &after));
	assert_true(map(&forwarder, 40001, 77, true, 1100000, &second, &after));
	assert_int_equal(second, (uint16_t)(first + 1));
	assert_int_equal(after - before, 9000); /* 100 ms of 90 kHz */
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

enum { LAYER_TICKS = 3000 }; /* 30 pictures a second */

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
							 number * LAYER_TICKS,
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
						(number - last_number) * LAYER_TICKS - 10,
						(number - last_number) * LAYER_TICKS + 10);
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
	assert_in_range(second.rtp_timestamp - first.rtp_timestamp, 1, 90000 + LAYER_TICKS);
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

/* ---- temporal layers ---- */

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
			  .rtp_timestamp = rounds->number * LAYER_TICKS,
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

static int pad(void **state)
{
	(void)state;
	with_padding = true;
	return 0;
}

static int pad_no_more(void **state)
{
	(void)state;
	with_padding = false;
	return 0;
}

/* Once more, with packets without contents between the pictures. */
#define TEST_PADDED(function)                                                                      \
	{                                                                                          \
#function " (padded)", function, pad, pad_no_more, NULL                            \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(video_waits_for_a_keyframe),
		cmocka_unit_test(audio_flows_at_once),
		cmocka_unit_test(what_came_before_the_start_is_not_sent),
		cmocka_unit_test(a_restart_continues_the_numbers),
		cmocka_unit_test(numbers_keep_their_distances),
		cmocka_unit_test(changing_layers_is_one_stream),
		cmocka_unit_test(reports_far_apart_do_no_harm),
		cmocka_unit_test(a_layer_is_changed_at_its_keyframe_only),
		cmocka_unit_test(a_smaller_layer_stops_a_gap),
		cmocka_unit_test(a_nack_looks_back_over_changes_of_layer),
		cmocka_unit_test(pictures_are_left_out_without_a_gap),
		cmocka_unit_test(late_packets_have_the_numbers_left_free_for_them),
		cmocka_unit_test(what_flows_meanwhile_has_a_bound_of_its_own),
		cmocka_unit_test(padding_may_go_on_while_nothing_flows),
		cmocka_unit_test(what_was_left_out_gets_no_number_of_the_padding),
		TEST_PADDED(changing_layers_is_one_stream),
		TEST_PADDED(pictures_are_left_out_without_a_gap),
		TEST_PADDED(late_packets_have_the_numbers_left_free_for_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
