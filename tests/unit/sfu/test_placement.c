/* Which worker each peer of a room lives on. */
#include <stdio.h>

#include "sfu/model/placement.h"
#include "tests/unit/cmocka_all.h"

static size_t join(struct placement *placement, unsigned i)
{
	char peer_id[16];

	(void)snprintf(peer_id, sizeof(peer_id), "peer%u", i);
	return placement_choose(placement, "team", peer_id);
}

static void a_small_room_stays_at_home(void **state)
{
	struct placement *placement = placement_new(4, 3);
	size_t home = placement_home("team", 4);

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(join(placement, i), home);
	assert_int_equal(placement_find(placement, "team", "nobody"), home);
	(void)placement_free(placement);
}

static void who_comes_when_home_is_full_goes_where_fewest_are(void **state)
{
	struct placement *placement = placement_new(4, 3);
	size_t home = placement_home("team", 4);
	unsigned counts[4] = {0};

	(void)state;
	for (unsigned i = 0; i < 12; i++)
		counts[join(placement, i)]++;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(counts[i], 3);
	assert_int_equal(placement_choose(placement, "other", "peer0"),
			 placement_home("other", 4)); /* rooms are counted each by itself */
	placement_forget(placement, "team", "peer0");
	assert_int_equal(join(placement, 12), home);
	(void)placement_free(placement);
}

static void who_is_there_stays_there(void **state)
{
	struct placement *placement = placement_new(2, 1);
	size_t home = placement_home("team", 2);

	(void)state;
	assert_int_equal(join(placement, 0), home);
	assert_int_equal(join(placement, 1), 1 - home);
	assert_int_equal(join(placement, 1), 1 - home);
	placement_forget(placement, "team", "peer0");
	assert_int_equal(join(placement, 1), 1 - home);
	assert_int_equal(placement_find(placement, "team", "peer1"), 1 - home);
	placement_forget_room(placement, "team");
	assert_int_equal(join(placement, 1), home);
	placement_confirm(placement, "team", "peer1", 1 - home);
	assert_int_equal(placement_find(placement, "team", "peer1"), 1 - home);
	placement_forget(placement, "team", "peer1");
	placement_forget(placement, "team", "peer1"); /* twice is no matter */
	(void)placement_free(placement);
}

static void without_a_number_nothing_is_spread_or_remembered(void **state)
{
	struct placement *placement = placement_new(4, 0);

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(join(placement, i), placement_home("team", 4));
	placement_confirm(placement, "team", "peer1", placement_home("team", 4) ^ 1);
	assert_int_equal(placement_find(placement, "team", "peer1"), placement_home("team", 4));
	(void)placement_free(placement);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_room_stays_at_home),
		cmocka_unit_test(who_comes_when_home_is_full_goes_where_fewest_are),
		cmocka_unit_test(who_is_there_stays_there),
		cmocka_unit_test(without_a_number_nothing_is_spread_or_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
