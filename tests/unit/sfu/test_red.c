#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cursor.h"
#include "sfu/wire/red.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/sfu/random.h"

/* One block of three bytes from 960 ticks ago, then the new one of two. */
static const uint8_t browser[] = {0xef, 0x0f, 0x00, 0x03, 0x6f, 1, 2, 3, 8, 9};

static void the_new_block_stands_behind_the_redundant_ones(void **state)
{
	static const uint8_t two[] = {0xef, 0, 0, 1, 0xef, 0, 0, 2, 0x6f, 1, 2, 2, 7};
	static const uint8_t alone[] = {0x6f, 7};
	struct red_layout layout;

	(void)state;
	assert_int_equal(red_layout_read(browser, sizeof(browser), 111, &layout), 0);
	assert_int_equal(layout.headers_bytes, 5);
	assert_int_equal(layout.primary_at, 8);
	assert_int_equal(red_layout_read(two, sizeof(two), 111, &layout), 0);
	assert_int_equal(layout.headers_bytes, 9);
	assert_int_equal(layout.primary_at, 12);
	assert_int_equal(red_layout_read(alone, sizeof(alone), 111, &layout), 0);
	assert_int_equal(layout.headers_bytes, 1);
	assert_int_equal(layout.primary_at, 1);
}

static void each_header_gets_the_receivers_payload_type(void **state)
{
	static const uint8_t expected[] = {0xe0, 0x0f, 0x00, 0x03, 0x60};
	uint8_t out[RED_HEADERS_MAX];
	struct red_layout layout;

	(void)state;
	assert_int_equal(red_layout_read(browser, sizeof(browser), 111, &layout), 0);
	assert_int_equal(red_headers_write(&layout, browser, 96, out), sizeof(expected));
	assert_memory_equal(out, expected, sizeof(expected));
}

static void what_does_not_fit_is_refused(void **state)
{
	static const uint8_t five[] = {0xef, 0, 0, 0,	 0xef, 0, 0, 0,	  0xef,
				       0,    0, 0, 0xef, 0,    0, 0, 0x6f};
	static const uint8_t mixed[] = {0xee, 0, 0, 0, 0x6f};
	struct red_layout layout;

	(void)state;
	for (size_t length = 0; length < 8; length++) { /* the redundant block must be there */
		uint8_t *exact = malloc(length + 1);

		memcpy(exact, browser, length);
		assert_int_equal(red_layout_read(exact, length, 111, &layout), -EBADMSG);
		assert_int_equal(layout.headers_bytes, 0);
		free(exact);
	}
	assert_int_equal(red_layout_read(five, sizeof(five), 111, &layout), -EBADMSG);
	assert_int_equal(red_layout_read(mixed, sizeof(mixed), 111, &layout), -EBADMSG);
	assert_int_equal(red_layout_read(browser, sizeof(browser), 96, &layout), -EBADMSG);
}

static void any_bytes_are_fine(void **state)
{
	struct random random = random_from_environment();

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		size_t length = random_below(&random, 24);
		uint8_t *bytes = malloc(length ? length : 1), out[RED_HEADERS_MAX];
		struct red_layout layout;

		random_fill(&random, bytes, length);
		if (length > 4 && round % 2)
			memcpy(bytes, browser, 5);
		if (red_layout_read(bytes, length, 111, &layout) == 0) {
			assert_true(layout.headers_bytes <= layout.primary_at &&
				    layout.primary_at <= length);
			assert_int_equal(red_headers_write(&layout, bytes, 1, out),
					 layout.headers_bytes);
		}
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_new_block_stands_behind_the_redundant_ones),
		cmocka_unit_test(each_header_gets_the_receivers_payload_type),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(any_bytes_are_fine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
