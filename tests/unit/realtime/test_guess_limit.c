/* How often a password may be guessed. */
#include <errno.h>
#include <stdio.h>

#include "realtime/model/guess_limit.h"
#include "tests/unit/cmocka_all.h"

static struct guess_limit limit;

static int setup(void **state)
{
	(void)state;
	return guess_limit_init(&limit);
}

static int teardown(void **state)
{
	(void)state;
	guess_limit_fini(&limit);
	return 0;
}

static void guesses_run_out_and_come_back_one_by_one(void **state)
{
	uint64_t now_us = 1000;

	(void)state;
	for (int i = 0; i < GUESSES_BURST; i++)
		assert_int_equal(guess_limit_take(&limit, "r", "1.2.3.4", now_us), 0);
	assert_int_equal(guess_limit_take(&limit, "r", "1.2.3.4", now_us), -EDQUOT);
	assert_int_equal(guess_limit_take(&limit, "other", "1.2.3.4", now_us), 0);
	assert_int_equal(guess_limit_take(&limit, "r", "1.2.3.5", now_us), 0);
	now_us += GUESS_REFILL_US - 1;
	assert_int_equal(guess_limit_take(&limit, "r", "1.2.3.4", now_us), -EDQUOT);
	now_us += 1;
	assert_int_equal(guess_limit_take(&limit, "r", "1.2.3.4", now_us), 0);
	assert_int_equal(guess_limit_take(&limit, "r", "1.2.3.4", now_us), -EDQUOT);
	now_us += 100 * (uint64_t)GUESS_REFILL_US;
	for (int i = 0; i < GUESSES_BURST; i++)
		assert_int_equal(guess_limit_take(&limit, "r", "1.2.3.4", now_us), 0);
	assert_int_equal(guess_limit_take(&limit, "r", "1.2.3.4", now_us), -EDQUOT);
}

static void who_is_right_is_not_counted(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(guess_limit_take(&limit, "r", "a", 1000), 0);
		guess_limit_give_back(&limit, "r", "a");
	}
	assert_int_equal(limit.guessers.count, 0);
	guess_limit_give_back(&limit, "r", "a"); /* forgotten meanwhile: nothing */
}

static void memory_has_an_end(void **state)
{
	char address[16];

	(void)state;
	for (int i = 0; i < GUESSES_BURST; i++)
		assert_int_equal(guess_limit_take(&limit, "r", "busy", 1000), 0);
	for (int i = 0; i < 2 * GUESSERS_MAX; i++) {
		(void)snprintf(address, sizeof(address), "a%d", i);
		assert_int_equal(guess_limit_take(&limit, "r", address, 1000), 0);
		/* Who goes on guessing is not forgotten for others. */
		assert_int_equal(guess_limit_take(&limit, "r", "busy", 1000), -EDQUOT);
	}
	assert_int_equal(limit.guessers.count, GUESSERS_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(guesses_run_out_and_come_back_one_by_one),
		TEST(who_is_right_is_not_counted),
		TEST(memory_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
