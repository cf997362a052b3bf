#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "realtime/edge/deadlines.h"

enum { COUNT = 8, START_S = 1700000000 };

/* What came due, by its place among the deadlines, in the order in which it was told. */
struct world {
	struct deadlines wheel;
	struct deadline all[COUNT];
	char told[64];
	int64_t again_at_s; /* the visit sets it anew for then; 0: it does not */
};

static void due(void *data, struct deadline *deadline)
{
	struct world *world = data;
	size_t length = strlen(world->told);

	assert_true(length + 1 < sizeof(world->told));
	world->told[length] = (char)('0' + (deadline - world->all));
	world->told[length + 1] = '\0';
	if (world->again_at_s > 0)
		deadline_set(&world->wheel, deadline, world->again_at_s);
}

static void look(struct world *world, int64_t now_s, const char *wanted)
{
	world->told[0] = '\0';
	deadlines_on_timer(&world->wheel, now_s, due, world);
	assert_string_equal(world->told, wanted);
}

static int make(void **state)
{
	static struct world world;

	world = (struct world){0};
	deadlines_init(&world.wheel, START_S);
	for (int i = 0; i < COUNT; i++)
		deadline_init(&world.all[i]);
	*state = &world;
	return 0;
}

static void set(struct world *world, int i, int64_t due_s)
{
	deadline_set(&world->wheel, &world->all[i], due_s);
}

static void each_comes_at_its_second(void **state)
{
	struct world *world = *state;

	set(world, 0, START_S + 2);
	set(world, 1, START_S + 1);
	set(world, 2, START_S + 2);
	look(world, START_S, "");
	look(world, START_S + 1, "1");
	look(world, START_S + 1, "");
	look(world, START_S + 2, "02");
	look(world, START_S + 5000, "");
}

static void seconds_that_were_not_looked_at_are_made_up_for(void **state)
{
	struct world *world = *state;

	set(world, 0, START_S + 9);
	set(world, 1, START_S + 3);
	set(world, 2, START_S + 11);
	look(world, START_S + 10, "10");
	look(world, START_S + 11, "2");
}

static void what_is_due_already_comes_with_the_next_look(void **state)
{
	struct world *world = *state;

	set(world, 0, START_S);
	set(world, 1, START_S - 100000);
	set(world, 2, -5);
	look(world, START_S, "");
	look(world, START_S + 1, "012");
}

static void a_cleared_one_does_not_come(void **state)
{
	struct world *world = *state;

	set(world, 0, START_S + 1);
	set(world, 1, START_S + 1);
	deadline_clear(&world->all[0]);
	deadline_clear(&world->all[0]);
	look(world, START_S + 1, "1");
}

static void the_last_setting_counts(void **state)
{
	struct world *world = *state;

	set(world, 0, START_S + 1);
	set(world, 0, START_S + 3);
	look(world, START_S + 2, "");
	look(world, START_S + 3, "0");
}

static void the_wheel_turns_more_than_once(void **state)
{
	struct world *world = *state;

	set(world, 0, START_S + DEADLINE_SLOTS);
	set(world, 1, START_S + 5);
	set(world, 2, START_S + 5 + DEADLINE_SLOTS);
	set(world, 3, START_S + 5 + 3 * DEADLINE_SLOTS);
	for (int64_t now_s = START_S; now_s <= START_S + 5 + 3 * DEADLINE_SLOTS; now_s++) {
		const char *wanted = now_s == START_S + 5			 ? "1"
				     : now_s == START_S + DEADLINE_SLOTS	 ? "0"
				     : now_s == START_S + 5 + DEADLINE_SLOTS	 ? "2"
				     : now_s == START_S + 5 + 3 * DEADLINE_SLOTS ? "3"
										 : "";

		look(world, now_s, wanted);
	}
}

static void a_visit_may_set_it_again(void **state)
{
	struct world *world = *state;

	set(world, 0, START_S + 1);
	world->again_at_s = START_S + 1 + DEADLINE_SLOTS; /* the same slot */
	look(world, START_S + 1, "0");
	world->again_at_s = START_S; /* at once, which is the next time */
	look(world, START_S + 1 + DEADLINE_SLOTS, "0");
	world->again_at_s = 0;
	look(world, START_S + 1 + DEADLINE_SLOTS, "");
	look(world, START_S + 2 + DEADLINE_SLOTS, "0");
}

static void a_clock_that_is_put_forward_leaves_none_behind(void **state)
{
	struct world *world = *state;

	for (int i = 0; i < COUNT; i++)
		set(world, i, START_S + 1 + 300 * i);
	set(world, 7, START_S + 10000000);
	world->told[0] = '\0';
	deadlines_on_timer(&world->wheel, START_S + 1000000, due, world);
	assert_int_equal(strlen(world->told), COUNT - 1);
	for (char i = '0'; i < '0' + COUNT - 1; i++)
		assert_non_null(strchr(world->told, i));
	look(world, START_S + 10000000, "7");
}

static void a_clock_that_is_put_back_goes_on(void **state)
{
	struct world *world = *state;
	const int64_t back_s = START_S - 3600;

	set(world, 0, START_S + 10);
	set(world, 1, back_s + 5); /* overdue here, and due later there */
	look(world, back_s, "");
	set(world, 2, back_s + 2);
	look(world, back_s + 1, "");
	look(world, back_s + 2, "2");
	look(world, back_s + 4, "");
	look(world, back_s + 5, "1");
	for (int64_t now_s = back_s + 6; now_s < START_S + 10; now_s++)
		look(world, now_s, "");
	look(world, START_S + 10, "0");
}

static void put_back_by_a_second_nothing_comes_twice(void **state)
{
	struct world *world = *state;

	set(world, 0, START_S + 1);
	set(world, 1, START_S + 2);
	look(world, START_S + 1, "0");
	look(world, START_S, "");
	look(world, START_S + 1, "");
	look(world, START_S + 2, "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, make)
		TEST(each_comes_at_its_second),
		TEST(seconds_that_were_not_looked_at_are_made_up_for),
		TEST(what_is_due_already_comes_with_the_next_look),
		TEST(a_cleared_one_does_not_come),
		TEST(the_last_setting_counts),
		TEST(the_wheel_turns_more_than_once),
		TEST(a_visit_may_set_it_again),
		TEST(a_clock_that_is_put_forward_leaves_none_behind),
		TEST(a_clock_that_is_put_back_goes_on),
		TEST(put_back_by_a_second_nothing_comes_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
