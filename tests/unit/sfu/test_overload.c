#include "sfu/model/overload.h"
#include "tests/unit/cmocka_all.h"

enum { LIMIT = 85, TICK_US = 20000, SECOND_US = 1000000 };

struct busy {
	struct overload overload;
	uint64_t now_us;
	unsigned changes;
};

static struct busy begin(unsigned limit)
{
	struct busy busy = {.now_us = 7000000};

	overload_init(&busy.overload, limit);
	return busy;
}

static void spend(struct busy *busy, unsigned seconds, unsigned load_percent)
{
	uint64_t until_us = busy->now_us + (uint64_t)seconds * SECOND_US;

	for (; busy->now_us < until_us; busy->now_us += TICK_US)
		busy->changes += overload_update(&busy->overload, load_percent, busy->now_us);
}

static void a_moment_of_work_is_no_overload(void **state)
{
	struct busy busy = begin(LIMIT);

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		spend(&busy, 1, 100);
		spend(&busy, 1, 60);
	}
	assert_false(busy.overload.refuses);
	assert_int_equal(busy.overload.share_percent, OVERLOAD_SHARE_ALL);
	assert_int_equal(busy.changes, 0);
}

static void past_the_limit_nobody_new_may_publish(void **state)
{
	struct busy busy = begin(LIMIT);

	(void)state;
	spend(&busy, 3, 88);
	assert_true(busy.overload.refuses);
	assert_int_equal(busy.overload.share_percent, OVERLOAD_SHARE_ALL);
	spend(&busy, 3, 80); /* not yet: it would come and go */
	assert_true(busy.overload.refuses);
	spend(&busy, 3, 70);
	assert_false(busy.overload.refuses);
	assert_int_equal(busy.changes, 2);
}

static void what_is_sent_shrinks_until_there_is_room_and_comes_back(void **state)
{
	struct busy busy = begin(LIMIT);
	unsigned lowest;

	(void)state;
	spend(&busy, 4, 99);
	assert_in_range(busy.overload.share_percent, 40, 75);
	lowest = busy.overload.share_percent;
	spend(&busy, 10, 87); /* busy, but not overfull: no further down */
	assert_int_equal(busy.overload.share_percent, lowest);
	spend(&busy, 30, 60);
	assert_int_equal(busy.overload.share_percent, OVERLOAD_SHARE_ALL);
	assert_false(busy.overload.refuses);
}

static void something_is_always_sent(void **state)
{
	struct busy busy = begin(LIMIT);

	(void)state;
	spend(&busy, 60, 100);
	assert_int_equal(busy.overload.share_percent, OVERLOAD_SHARE_MIN);
}

static void without_a_limit_nothing_happens(void **state)
{
	struct busy busy = begin(0);

	(void)state;
	spend(&busy, 60, 100);
	assert_int_equal(busy.changes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_moment_of_work_is_no_overload),
		cmocka_unit_test(past_the_limit_nobody_new_may_publish),
		cmocka_unit_test(what_is_sent_shrinks_until_there_is_room_and_comes_back),
		cmocka_unit_test(something_is_always_sent),
		cmocka_unit_test(without_a_limit_nothing_happens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
