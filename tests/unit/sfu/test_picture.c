/* What payload descriptors tell of a picture: its numbers and its size. */
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "sfu/wire/picture_numbers.h"
#include "sfu/wire/picture_size.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/sfu/bit_writer.h"
#include "tests/unit/sfu/hex.h"
#include "tests/unit/sfu/random.h"

/* RFC 7741 figure 2: X S, I L T K, a long picture id, TL0PICIDX, TID Y KEYIDX, then the frame. */
static const uint8_t vp8_long[] = {0x90, 0xf0, 0xff, 0xfe, 0xff, 0x3f, 0x10, 0x02,
				   0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x41};

static void vp8_numbers_go_on_in_their_widths(void **state)
{
	const struct picture_offsets offsets = {.picture_id = 5, .tl0_index = 2, .key_index = 1};
	static const uint8_t expected[] = {0x90, 0xf0, 0x80, 0x03, 0x01, 0x20};
	uint8_t out[PICTURE_DESCRIPTOR_MAX];
	struct picture_numbers numbers;

	(void)state;
	vp8_picture_numbers(vp8_long, sizeof(vp8_long), &numbers);
	assert_int_equal(numbers.picture_id, 0x7ffe);
	assert_int_equal(numbers.tl0_index, 0xff);
	assert_int_equal(numbers.key_index, 0x1f);
	assert_int_equal(picture_numbers_write(&numbers, vp8_long, &offsets, out), 6);
	assert_memory_equal(out, expected, sizeof(expected)); /* all three wrapped */
}

static void a_short_picture_id_stays_short(void **state)
{
	static const uint8_t payload[] = {0x90, 0x80, 0x7f, 0x10};
	const struct picture_offsets offsets = {.picture_id = 1};
	uint8_t out[PICTURE_DESCRIPTOR_MAX];
	struct picture_numbers numbers;

	(void)state;
	vp8_picture_numbers(payload, sizeof(payload), &numbers);
	assert_int_equal(picture_numbers_write(&numbers, payload, &offsets, out), 3);
	assert_int_equal(out[2], 0);
}

static void vp9_numbers_go_on(void **state)
{
	/* I L, a long picture id, TID/SID, TL0PICIDX (not flexible). */
	static const uint8_t payload[] = {0xa8, 0x81, 0x00, 0x00, 0x41, 0x99};
	static const uint8_t flexible[] = {0xb8, 0x81, 0x00, 0x00, 0x41, 0x99};
	const struct picture_offsets offsets = {.picture_id = 0x10, .tl0_index = 1};
	static const uint8_t expected[] = {0xa8, 0x81, 0x10, 0x00, 0x42};
	uint8_t out[PICTURE_DESCRIPTOR_MAX];
	struct picture_numbers numbers;

	(void)state;
	vp9_picture_numbers(payload, sizeof(payload), &numbers);
	assert_int_equal(picture_numbers_write(&numbers, payload, &offsets, out), 5);
	assert_memory_equal(out, expected, sizeof(expected));
	vp9_picture_numbers(flexible, sizeof(flexible), &numbers);
	assert_int_equal(numbers.tl0_index_at, 0);
	assert_int_equal(picture_numbers_write(&numbers, flexible, &offsets, out), 3);
}

/* Only a picture's first packet opens the way up. */
static void temporal_layers_and_where_they_may_be_taken_up(void **state)
{
	/* X S, T, TID 2 with Y; the same of its second packet; without Y. */
	static const uint8_t vp8[][4] = {
		{0x90, 0x20, 0xa0, 1}, {0x80, 0x20, 0xa0, 1}, {0x90, 0x20, 0x80, 1}};
	/* L B, TID 1 with U; not the first packet. */
	static const uint8_t vp9[][3] = {{0x28, 0x30, 7}, {0x20, 0x30, 7}};
	struct picture_numbers numbers;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		vp8_picture_numbers(vp8[i], sizeof(vp8[i]), &numbers);
		assert_int_equal(numbers.temporal_layer, 2);
		assert_int_equal(numbers.switch_from, i == 0 ? 1 : 0);
		assert_int_equal(numbers.switch_to, i == 0 ? 2 : 0);
	}
	for (size_t i = 0; i < 2; i++) {
		vp9_picture_numbers(vp9[i], sizeof(vp9[i]), &numbers);
		assert_int_equal(numbers.temporal_layer, 1);
		assert_int_equal(numbers.switch_from, i == 0 ? 1 : 0);
		assert_int_equal(numbers.switch_to, i == 0 ? TEMPORAL_LAYER_MAX : 0);
	}
}

/* SID; E ends it. */
static void spatial_layers_and_where_they_end(void **state)
{
	static const struct {
		uint8_t payload[3];
		uint8_t spatial_layer;
		bool is_end;
	} cases[] = {{{0x28, 0x03, 7}, 1, false}, /* L B; SID 1 D */
		     {{0x24, 0x05, 7}, 2, true},  /* E; SID 2 D */
		     {{0x6c, 0x03, 7}, 1, true},  /* P B E: both its first and its last */
		     {{0x2c, 0x00, 7}, 0, true}};
	struct picture_numbers numbers;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		vp9_picture_numbers(cases[i].payload, sizeof(cases[i].payload), &numbers);
		assert_int_equal(numbers.spatial_layer, cases[i].spatial_layer);
		assert_int_equal(numbers.is_layer_end, cases[i].is_end);
	}
}

/* However short it is cut, nothing is read behind its end, and nothing is made up. */
static void what_is_cut_short_has_no_numbers(void **state)
{
	struct picture_numbers numbers;
	struct picture_sizes sizes;

	(void)state;
	for (size_t length = 0; length < 6; length++) {
		uint8_t *exact = malloc(length + 1);

		memcpy(exact, vp8_long, length);
		vp8_picture_numbers(exact, length, &numbers);
		assert_int_equal(numbers.descriptor_bytes, 0);
		assert_false(vp8_picture_sizes(exact, length, &sizes));
		free(exact);
	}
}

static void sizes_are_read(void **state)
{
	/* P clear, I L F clear, B, V; the structure has two layers with their sizes. */
	static const uint8_t vp9[] = {0x0a, 0x30, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68};
	static const uint8_t vp9_unsized[] = {0x0a, 0x20, 0x01, 0x40};
	struct picture_sizes sizes;

	(void)state;
	assert_true(vp8_picture_sizes(vp8_long, sizeof(vp8_long), &sizes));
	assert_int_equal(sizes.count, 1);
	assert_int_equal(sizes.layers[0].width_px, 640);
	assert_int_equal(sizes.layers[0].height_px, 480);
	assert_true(vp9_picture_sizes(vp9, sizeof(vp9), &sizes));
	assert_int_equal(sizes.count, 2);
	assert_int_equal(sizes.layers[0].width_px, 320);
	assert_int_equal(sizes.layers[1].width_px, 640);
	assert_int_equal(sizes.layers[1].height_px, 360);
	assert_false(vp9_picture_sizes(vp9_unsized, sizeof(vp9_unsized), &sizes));
	assert_false(vp9_picture_sizes(vp9, sizeof(vp9) - 1, &sizes));
}

static void assert_size(picture_sizes_fn picture_sizes, const char *hex, uint16_t width_px,
			uint16_t height_px)
{
	uint8_t bytes[128] = {0};
	size_t length = from_hex(hex, bytes, sizeof(bytes));
	struct picture_sizes sizes = {0};

	assert_true(picture_sizes(bytes, length, &sizes));
	assert_int_equal(sizes.count, 1);
	assert_int_equal(sizes.layers[0].width_px, width_px);
	assert_int_equal(sizes.layers[0].height_px, height_px);
	for (size_t cut = 0; cut + 4 < length; cut++) { /* what is cut is not read behind its end */
		uint8_t *exact = malloc(cut + 1);

		memcpy(exact, bytes, cut);
		(void)picture_sizes(exact, cut, &sizes);
		free(exact);
	}
}

/* As encoders make them: openh264, libaom. */
static void parameter_sets_and_sequence_headers_tell_sizes(void **state)
{
	(void)state;
	assert_size(h264_picture_sizes, "6742c01e8c8d405017fcb00f08846a", 640, 360);
	assert_size(h264_picture_sizes, "6742c0288c8d403c0113f2c03c2211a8", 1920, 1080); /* cut */
	assert_size(h264_picture_sizes, "78 0010 6742c0288c8d403c0113f2c03c2211a8 0004 68ce3c80",
		    1920, 1080);
	assert_size(av1_picture_sizes, "18 08 2000002d4d55bff8195f2040", 1366, 768);
	assert_size(av1_picture_sizes, "08 0e 0a0c 2000002d4d55bff8195f2040 03 320000", 1366, 768);
}

/* High profile with scaling lists, pictures in fields, an order of pictures of its own. */
static struct bit_writer high_profile(void)
{
	struct bit_writer writer = {.at = 0};

	put(&writer, 8, 0x67);
	put(&writer, 8, 100);
	put(&writer, 16, 0x0028);
	put(&writer, 1, 1); /* id 0 */
	put(&writer, 3, 2); /* 4:2:0 */
	put(&writer, 2, 3); /* 8 bits */
	put(&writer, 1, 0);
	put(&writer, 1, 1);  /* scaling lists: */
	put(&writer, 1, 1);  /* the first, which ends after its first number, */
	put(&writer, 7, 15); /* se(-7): 1 */
	put(&writer, 3, 3);  /* se(-1): 0 */
	put(&writer, 7, 0);  /* no others */
	put(&writer, 1, 1);  /* frame numbers of 4 bits */
	put(&writer, 3, 2);  /* order of type 1 */
	put(&writer, 1, 0);
	put(&writer, 2, 3);
	put(&writer, 3, 3); /* two of a cycle */
	put(&writer, 2, 3);
	put(&writer, 3, 2); /* one reference */
	put(&writer, 1, 0);
	put(&writer, 11, 40); /* ue(39): 640 */
	put(&writer, 7, 15);  /* ue(14): 15 * 2 * 16 */
	put(&writer, 2, 0);   /* fields */
	put(&writer, 2, 0);   /* direct_8x8; not cropped */
	put(&writer, 1, 1);
	return writer;
}

static void a_high_profile_tells_its_size(void **state)
{
	struct bit_writer writer = high_profile();
	struct picture_sizes sizes;

	(void)state;
	assert_true(h264_picture_sizes(writer.bytes, written_bytes(&writer), &sizes));
	assert_int_equal(sizes.layers[0].width_px, 640);
	assert_int_equal(sizes.layers[0].height_px, 480);
}

static void any_bytes_have_a_size_or_none(void **state)
{
	struct random random = random_from_environment();
	static const picture_sizes_fn every[] = {vp8_picture_sizes, vp9_picture_sizes,
						 h264_picture_sizes, av1_picture_sizes};

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		size_t length = random_below(&random, 40);
		uint8_t *bytes = malloc(length ? length : 1);
		struct picture_sizes sizes = {1, {{1, 1}}};

		random_fill(&random, bytes, length);
		if (length > 2 && round % 2)
			memcpy(bytes, (const uint8_t[]){round % 4 == 1 ? 0x67 : 0x18, 0x08}, 2);
		for (size_t i = 0; i < ARRAY_LEN(every); i++)
			(void)every[i](bytes, length, &sizes);
		for (size_t i = 0; i < sizes.count; i++)
			assert_true(sizes.layers[i].width_px && sizes.layers[i].height_px);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vp8_numbers_go_on_in_their_widths),
		cmocka_unit_test(a_short_picture_id_stays_short),
		cmocka_unit_test(vp9_numbers_go_on),
		cmocka_unit_test(temporal_layers_and_where_they_may_be_taken_up),
		cmocka_unit_test(spatial_layers_and_where_they_end),
		cmocka_unit_test(what_is_cut_short_has_no_numbers),
		cmocka_unit_test(sizes_are_read),
		cmocka_unit_test(parameter_sets_and_sequence_headers_tell_sizes),
		cmocka_unit_test(a_high_profile_tells_its_size),
		cmocka_unit_test(any_bytes_have_a_size_or_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
