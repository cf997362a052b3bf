#include "sfu/model/repeats.h"
#include "tests/unit/cmocka_all.h"

enum { ROUND_TRIP_US = 200000 };

static void a_repeat_is_on_its_way_for_a_round_trip(void **state)
{
	struct repeats repeats = {0};

	(void)state;
	assert_false(repeats_is_on_its_way(&repeats, 0, 1000, ROUND_TRIP_US));
	repeats_note(&repeats, 65535, 1000);
	assert_true(repeats_is_on_its_way(&repeats, 65535, 1000, ROUND_TRIP_US));
	assert_true(
		repeats_is_on_its_way(&repeats, 65535, 1000 + ROUND_TRIP_US - 1, ROUND_TRIP_US));
	assert_false(repeats_is_on_its_way(&repeats, 65535, 1000 + ROUND_TRIP_US, ROUND_TRIP_US));
	assert_false(repeats_is_on_its_way(&repeats, 65534, 1000, ROUND_TRIP_US));
}

/* Where the round trip is not known nothing is held back. */
static void without_a_round_trip_nothing_is(void **state)
{
	struct repeats repeats = {0};

	(void)state;
	repeats_note(&repeats, 5, 1000);
	assert_false(repeats_is_on_its_way(&repeats, 5, 1000, 0));
}

static void only_the_last_ones_are_remembered(void **state)
{
	struct repeats repeats = {0};

	(void)state;
	for (uint16_t i = 0; i < REPEATS; i++)
		repeats_note(&repeats, i, 1000);
	for (uint16_t i = 0; i < REPEATS; i++)
		assert_true(repeats_is_on_its_way(&repeats, i, 1000, ROUND_TRIP_US));
	repeats_note(&repeats, REPEATS, 1000);
	assert_false(repeats_is_on_its_way(&repeats, 0, 1000, ROUND_TRIP_US));
	assert_true(repeats_is_on_its_way(&repeats, REPEATS, 1000, ROUND_TRIP_US));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_repeat_is_on_its_way_for_a_round_trip),
		cmocka_unit_test(without_a_round_trip_nothing_is),
		cmocka_unit_test(only_the_last_ones_are_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
