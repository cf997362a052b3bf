#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sfu/wire/srtp_window.h"
#include "tests/unit/sfu/random.h"

static struct srtp_window window_at(uint64_t index)
{
	struct srtp_window window = {0};

	srtp_window_accept(&window, index);
	return window;
}

static void an_index_is_the_nearest_with_these_low_bits(void **state)
{
	static const struct {
		uint64_t highest;
		uint16_t sequence_number;
		uint64_t expected;
	} cases[] = {
		{0x00005, 0x0006, 0x00006},
		{0x0ffff, 0x0000, 0x10000},
		{0x10000, 0xffff, 0x0ffff},
		{0x17fff, 0xffff, 0x1ffff},
		{0x17ffe, 0xffff, 0x0ffff},
		{0x18000, 0x0000, 0x10000},
		{0x18001, 0x0000, 0x20000},
		{0x28000, 0x7fff, 0x27fff},
		{0x00005, 0xfff0, 0x0fff0}, /* nothing lies before 0 */
		{0xffffffffffff, 0x0000,
		 0x1000000000000}, /* more than 48 bits: the caller's to see */
	};
	const struct srtp_window empty = {0};

	(void)state;
	assert_int_equal(srtp_window_estimate(&empty, 0xffff), 0xffff);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct srtp_window window = window_at(cases[i].highest);

		assert_int_equal(srtp_window_estimate(&window, cases[i].sequence_number),
				 cases[i].expected);
	}
}

static void the_window_ends_1024_behind_the_highest(void **state)
{
	struct srtp_window window = window_at(5000);

	(void)state;
	assert_int_equal(srtp_window_check(&window, 5000), -EALREADY);
	assert_int_equal(srtp_window_check(&window, 5001), 0);
	assert_int_equal(srtp_window_check(&window, 5000 - 1023), 0);
	assert_int_equal(srtp_window_check(&window, 5000 - 1024), -ESTALE);
}

static void a_leap_forgets_what_falls_out_of_the_window(void **state)
{
	struct srtp_window window = window_at(7);

	(void)state;
	srtp_window_accept(&window, 7 + 1024);
	assert_int_equal(srtp_window_check(&window, 8), 0);
	srtp_window_accept(&window, 8);
	assert_int_equal(srtp_window_check(&window, 8), -EALREADY);
	srtp_window_accept(&window, 7 + 3 * 1024);
	assert_int_equal(srtp_window_check(&window, 7 + 3 * 1024 - 1), 0);
}

static void the_window_agrees_with_a_list_of_everything_seen(void **state)
{
	enum { INDICES = 20000 };
	static bool seen[INDICES];
	struct random random = random_from_environment();
	struct srtp_window window = {0};
	uint64_t highest = 0;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (int round = 0; round < 60000; round++) {
		uint64_t index = highest + random_below(&random, 40);
		int expected = 0;

		if (random_below(&random, 500) == 0)
			index += random_below(&random, 3000);
		index -= index > 1500 ? random_below(&random, 1500) : 0;
		if (index >= INDICES)
			break;
		if (window.started && index <= highest) {
			if (highest - index >= SRTP_REPLAY_WINDOW)
				expected = -ESTALE;
			else if (seen[index])
				expected = -EALREADY;
		}
		assert_int_equal(srtp_window_check(&window, index), expected);
		if (expected < 0)
			continue;
		srtp_window_accept(&window, index);
		seen[index] = true;
		highest = index > highest ? index : highest;
	}
	assert_true(highest > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_index_is_the_nearest_with_these_low_bits),
		cmocka_unit_test(the_window_ends_1024_behind_the_highest),
		cmocka_unit_test(a_leap_forgets_what_falls_out_of_the_window),
		cmocka_unit_test(the_window_agrees_with_a_list_of_everything_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
