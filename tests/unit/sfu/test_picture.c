/* What payload descriptors tell of a picture: its numbers and its size. */
#include <stdlib.h>
#include <string.h>

#include "sfu/wire/picture_numbers.h"
#include "sfu/wire/picture_size.h"
#include "tests/unit/cmocka_all.h"

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

/* However short it is cut, nothing is read behind its end, and nothing is made up. */
static void what_is_cut_short_has_no_numbers(void **state)
{
	struct picture_numbers numbers;
	struct picture_size size;

	(void)state;
	for (size_t length = 0; length < 6; length++) {
		uint8_t *exact = malloc(length + 1);

		memcpy(exact, vp8_long, length);
		vp8_picture_numbers(exact, length, &numbers);
		assert_int_equal(numbers.descriptor_bytes, 0);
		assert_false(vp8_picture_size(exact, length, &size));
		free(exact);
	}
}

static void sizes(void **state)
{
	/* P clear, I L F clear, B, V; the structure has two layers with their sizes. */
	static const uint8_t vp9[] = {0x0a, 0x30, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68};
	static const uint8_t vp9_unsized[] = {0x0a, 0x20, 0x01, 0x40};
	struct picture_size size;

	(void)state;
	assert_true(vp8_picture_size(vp8_long, sizeof(vp8_long), &size));
	assert_int_equal(size.width_px, 640);
	assert_int_equal(size.height_px, 480);
	assert_true(vp9_picture_size(vp9, sizeof(vp9), &size));
	assert_int_equal(size.width_px, 640);
	assert_int_equal(size.height_px, 360);
	assert_false(vp9_picture_size(vp9_unsized, sizeof(vp9_unsized), &size));
	assert_false(vp9_picture_size(vp9, sizeof(vp9) - 1, &size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vp8_numbers_go_on_in_their_widths),
		cmocka_unit_test(a_short_picture_id_stays_short),
		cmocka_unit_test(vp9_numbers_go_on),
		cmocka_unit_test(temporal_layers_and_where_they_may_be_taken_up),
		cmocka_unit_test(what_is_cut_short_has_no_numbers),
		cmocka_unit_test(sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
