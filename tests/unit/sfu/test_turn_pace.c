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
	assert_in_range(turn_pace_load_percent(&pace), 1, 2);
	assert_int_equal(turn_pace_wait_us(&pace), 0);
}

static void a_call_waits_a_little(void **state)
{
	struct turn_pace pace = {0};
	uint64_t now_us = work(&pace, 1000000, 180);

	(void)state;
	assert_in_range(turn_pace_wait_us(&pace), 100, TURN_WAIT_US - 1);
	now_us = work(&pace, now_us, 500);
	assert_int_equal(turn_pace_wait_us(&pace), TURN_WAIT_US);
	(void)work(&pace, now_us, 2400);
	assert_in_range(turn_pace_load_percent(&pace), 46, 50);
	assert_int_equal(turn_pace_wait_us(&pace), TURN_WAIT_US);
}

static void who_is_busy_waits_up_to_a_bound(void **state)
{
	struct turn_pace pace = {0};
	uint64_t now_us = work(&pace, 1000000, 3000);

	(void)state;
	assert_in_range(turn_pace_wait_us(&pace), 1500, 2900);
	now_us = work(&pace, now_us, 4990);
	assert_int_equal(turn_pace_wait_us(&pace), TURN_WAIT_MAX_US);
	(void)work(&pace, now_us, 500);
	assert_int_equal(turn_pace_wait_us(&pace), TURN_WAIT_US);
}

static void one_long_turn_is_not_load(void **state)
{
	struct turn_pace pace = {0};
	uint64_t now_us = work(&pace, 1000000, 100);

	(void)state;
	turn_pace_on_turn(&pace, now_us, now_us + 60000);
	assert_in_range(turn_pace_wait_us(&pace), 0, TURN_WAIT_US);
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
		cmocka_unit_test(a_call_waits_a_little),
		cmocka_unit_test(who_is_busy_waits_up_to_a_bound),
		cmocka_unit_test(one_long_turn_is_not_load),
		cmocka_unit_test(what_was_long_ago_does_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
