#include <string.h>

#include "sfu/model/turn_pace.h"
#include "tests/unit/cmocka_all.h"

/* A second of turns that begin each 5 ms and take `work_us`. */
static uint64_t work(struct turn_pace *pace, uint64_t from_us, unsigned work_us)
{
	for (unsigned i = 0; i < 200; i++, from_us += 5000)
		turn_pace_on_turn(pace, from_us, from_us + work_us);
	return from_us;
}

static void nothing_waits_while_next_to_nothing_is_going_on(void **state)
{
	struct turn_pace pace = {0};

	(void)state;
	assert_int_equal(turn_pace_wait_us(&pace), 0);
	(void)work(&pace, 1000000, 90);
	assert_int_equal(turn_pace_load_percent(&pace), 1);
	assert_int_equal(turn_pace_wait_us(&pace), 0);
}

static void a_call_is_looked_after_each_millisecond(void **state)
{
	struct turn_pace pace = {0};
	uint64_t now_us = work(&pace, 1000000, 180);

	(void)state;
	assert_in_range(turn_pace_wait_us(&pace), TURN_WAIT_FIRST_US, TURN_WAIT_MAX_US - 1);
	(void)work(&pace, now_us, 260);
	assert_int_equal(turn_pace_load_percent(&pace), TURN_CALL_PERCENT);
	assert_int_equal(turn_pace_wait_us(&pace), TURN_WAIT_MAX_US);
}

/* At each load: what comes just as a turn begins waits for that, for a sleep and for its own turn.
 */
static void nothing_waits_for_two_milliseconds_up_to_half_a_core(void **state)
{
	(void)state;
	for (unsigned percent = TURN_IDLE_PERCENT; percent <= 50; percent++) {
		struct turn_pace pace = {.load_hundredths = percent * 100};
		unsigned wait_us = turn_pace_wait_us(&pace);
		unsigned turn_us = wait_us * percent / (100 - percent);

		assert_in_range(wait_us, TURN_WAIT_FULL_US, TURN_WAIT_MAX_US);
		assert_in_range(wait_us + 2 * turn_us, TURN_WAIT_FIRST_US, 1500);
	}
}

static void who_is_busy_sleeps_for_less(void **state)
{
	struct turn_pace pace = {0};
	uint64_t now_us = work(&pace, 1000000, 1000);

	(void)state;
	assert_in_range(turn_pace_wait_us(&pace), TURN_WAIT_BUSY_US, TURN_WAIT_MAX_US);
	now_us = work(&pace, now_us, 4990);
	assert_int_equal(turn_pace_wait_us(&pace), TURN_WAIT_FULL_US);
	(void)work(&pace, now_us, 260);
	assert_int_equal(turn_pace_wait_us(&pace), TURN_WAIT_MAX_US);
}

static void one_long_turn_is_not_load(void **state)
{
	struct turn_pace pace = {0};
	uint64_t now_us = work(&pace, 1000000, 100);

	(void)state;
	turn_pace_on_turn(&pace, now_us, now_us + 60000);
	assert_in_range(turn_pace_load_percent(&pace), TURN_IDLE_PERCENT, TURN_FULL_PERCENT);
	(void)work(&pace, now_us + 60000, 100);
	assert_int_equal(turn_pace_load_percent(&pace), 2); /* and soon forgotten */
}

static void what_was_long_ago_does_not_count(void **state)
{
	struct turn_pace pace = {0};
	uint64_t now_us = work(&pace, 1000000, 4900) + 5000000;

	(void)state;
	turn_pace_on_turn(&pace, now_us, now_us + 100);
	assert_int_equal(turn_pace_wait_us(&pace), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_waits_while_next_to_nothing_is_going_on),
		cmocka_unit_test(a_call_is_looked_after_each_millisecond),
		cmocka_unit_test(nothing_waits_for_two_milliseconds_up_to_half_a_core),
		cmocka_unit_test(who_is_busy_sleeps_for_less),
		cmocka_unit_test(one_long_turn_is_not_load),
		cmocka_unit_test(what_was_long_ago_does_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
