#include "sfu/model/layer_switch.h"
#include "tests/unit/cmocka_all.h"

enum { TICK_US = 20000, ALL = 7 };

/* Tick for so long while one layer is used (LAYER_NONE: none); returns how often it switched. */
static unsigned run(struct layer_switch *layers, unsigned sent, uint8_t used, uint64_t *now_us,
		    unsigned seconds)
{
	unsigned switched = 0;

	for (uint64_t end_us = *now_us + seconds * 1000000ull; *now_us < end_us;
	     *now_us += TICK_US) {
		if (used != LAYER_NONE)
			layer_switch_use(layers, used, *now_us);
		switched += layer_switch_run(layers, 3, 0, sent, *now_us);
	}
	return switched;
}

static void what_nobody_needs_is_left_off_until_somebody_does(void **state)
{
	struct layer_switch layers = {0};
	uint64_t now_us = 1000000000;

	(void)state;
	assert_int_equal(run(&layers, ALL, 1, &now_us, 4), 0);
	assert_int_equal(run(&layers, ALL, 1, &now_us, 3), 1);
	assert_int_equal(layers.off, 1 << 2);
	assert_int_equal(run(&layers, 3, 1, &now_us, 60), 0); /* it obeys */
	layer_switch_use(&layers, 2, now_us);
	assert_true(layer_switch_run(&layers, 3, 0, 3, now_us));
	assert_int_equal(layers.off, 0);
	assert_int_equal(run(&layers, ALL, 2, &now_us, 6), 1);
	assert_int_equal(layers.off, 1 << 1);
}

/* Who wants it is not to give it up before the publisher has heard. */
static void what_was_switched_on_may_still_come_for_a_while(void **state)
{
	struct layer_switch layers = {0};
	uint64_t now_us = 1000000000;

	(void)state;
	(void)run(&layers, ALL, 1, &now_us, 7);
	assert_true(layer_switch_may_come(&layers, 2, now_us)); /* it is off */
	assert_false(layer_switch_may_come(&layers, 1, now_us));
	layer_switch_use(&layers, 2, now_us);
	assert_true(layer_switch_run(&layers, 3, 0, 3, now_us));
	assert_true(layer_switch_may_come(&layers, 2, now_us + LAYER_COMING_US - 1));
	assert_false(layer_switch_may_come(&layers, 2, now_us + LAYER_COMING_US));
}

static void the_smallest_stays_on(void **state)
{
	struct layer_switch layers = {0};
	uint64_t now_us = 1000000000;

	(void)state;
	(void)run(&layers, ALL, LAYER_NONE, &now_us, 60);
	assert_int_equal(layers.off, 6);
}

static void who_does_not_obey_is_told_once(void **state)
{
	struct layer_switch layers = {0};
	uint64_t now_us = 1000000000;

	(void)state;
	assert_int_equal(run(&layers, ALL, 0, &now_us, 60), 1);
}

/* A browser whose way is narrow leaves its largest layer off by itself. */
static void what_the_publisher_leaves_off_itself_is_not_switched(void **state)
{
	struct layer_switch layers = {0};
	uint64_t now_us = 1000000000;

	(void)state;
	assert_int_equal(run(&layers, ALL, 2, &now_us, 3), 0);
	layer_switch_use(&layers, 1, now_us);
	assert_int_equal(run(&layers, 3, 1, &now_us, 60), 0);
	/* And when it comes back it has time to be chosen. */
	assert_int_equal(run(&layers, ALL, 1, &now_us, 4), 0);
	assert_int_equal(run(&layers, ALL, 2, &now_us, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_needs_is_left_off_until_somebody_does),
		cmocka_unit_test(what_was_switched_on_may_still_come_for_a_while),
		cmocka_unit_test(the_smallest_stays_on),
		cmocka_unit_test(who_does_not_obey_is_told_once),
		cmocka_unit_test(what_the_publisher_leaves_off_itself_is_not_switched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
