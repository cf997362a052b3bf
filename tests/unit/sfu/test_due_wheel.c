/* test_due_wheel.c - who is due when. */
#include "tests/unit/cmocka_all.h"

#include "core/cleanup.h"
#include "sfu/model/due_wheel.h"

struct one {
	struct list link;
};

static struct due_wheel wheel;
static struct one ones[4];

static int set_up(void **state)
{
	(void)state;
	due_wheel_init(&wheel);
	for (size_t i = 0; i < ARRAY_LEN(ones); i++)
		list_init(&ones[i].link);
	return 0;
}

/* The index of the one who is due first; -1: nobody. */
static int take(void)
{
	struct list *link = due_wheel_take(&wheel);

	if (!link)
		return -1;
	assert_true(list_is_empty(link));
	return (int)(LIST_ITEM(link, struct one, link) - ones);
}

static void each_comes_at_its_own_tick(void **state)
{
	(void)state;
	for (int round = 0; round < 2 * DUE_TICKS_MAX; round++) { /* wherever the wheel stands */
		due_wheel_add(&wheel, &ones[0].link, 3);
		due_wheel_add(&wheel, &ones[1].link, 1);
		due_wheel_add(&wheel, &ones[2].link, DUE_TICKS_MAX);
		due_wheel_add(&wheel, &ones[3].link, 3);
		for (int tick = 1; tick <= DUE_TICKS_MAX; tick++) {
			assert_int_equal(take(), -1);
			due_wheel_tick(&wheel);
			if (tick == 1) {
				assert_int_equal(take(), 1);
			} else if (tick == 3) {
				assert_int_equal(take(), 0);
				assert_int_equal(take(), 3);
			} else if (tick == DUE_TICKS_MAX) {
				assert_int_equal(take(), 2);
			}
		}
		assert_int_equal(take(), -1);
	}
}

static void who_is_late_comes_before_the_next(void **state)
{
	(void)state;
	due_wheel_add(&wheel, &ones[0].link, 1);
	due_wheel_add(&wheel, &ones[1].link, 1);
	due_wheel_add(&wheel, &ones[2].link, 2);
	due_wheel_tick(&wheel);
	assert_int_equal(take(), 0);
	due_wheel_add(&wheel, &ones[0].link, 1); /* it is in time */
	due_wheel_tick(&wheel);
	assert_int_equal(take(), 1);
	assert_int_equal(take(), 2);
	assert_int_equal(take(), 0);
	assert_int_equal(take(), -1);
}

static void who_is_hurried_comes_once_and_now(void **state)
{
	(void)state;
	due_wheel_add(&wheel, &ones[0].link, 2);
	due_wheel_add(&wheel, &ones[1].link, 2);
	due_wheel_hurry(&wheel, &ones[1].link);
	due_wheel_hurry(&wheel, &ones[1].link);
	assert_int_equal(take(), 1);
	assert_int_equal(take(), -1);
	due_wheel_tick(&wheel);
	due_wheel_tick(&wheel);
	assert_int_equal(take(), 0);
	assert_int_equal(take(), -1);
}

static void who_leaves_is_not_due(void **state)
{
	(void)state;
	due_wheel_add(&wheel, &ones[0].link, 1);
	due_wheel_add(&wheel, &ones[1].link, 1);
	list_remove(&ones[0].link);
	due_wheel_tick(&wheel);
	list_remove(&ones[1].link);
	assert_int_equal(take(), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_comes_at_its_own_tick, set_up),
		cmocka_unit_test_setup(who_is_late_comes_before_the_next, set_up),
		cmocka_unit_test_setup(who_is_hurried_comes_once_and_now, set_up),
		cmocka_unit_test_setup(who_leaves_is_not_due, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
