/* Whether less is sent than the way is believed to carry. */
#include "sfu/model/application_limit.h"
#include "tests/unit/cmocka_all.h"

enum { TICK_US = 5000, PACKET_BYTES = 1000, ESTIMATE_BPS = 4000000 };

/* Evenly, for so long. Returns how often it changed its mind. */
static unsigned send_for(struct application_limit *limit, uint64_t *now_us, double seconds,
			 double rate_bps)
{
	uint64_t until_us = *now_us + (uint64_t)(seconds * 1e6);
	double owed_bytes = 0;
	unsigned changes = 0;

	for (; *now_us < until_us; *now_us += TICK_US) {
		bool before = limit->is_limited;

		owed_bytes += rate_bps / 8 * TICK_US / 1e6;
		application_limit_on_sent(limit, *now_us, 0, ESTIMATE_BPS);
		for (; owed_bytes >= PACKET_BYTES; owed_bytes -= PACKET_BYTES)
			application_limit_on_sent(limit, *now_us, PACKET_BYTES, ESTIMATE_BPS);
		changes += limit->is_limited != before;
	}
	return changes;
}

static void who_sends_little_is_limited_within_a_second(void **state)
{
	struct application_limit limit = {0};
	uint64_t now_us = 1000000;

	(void)state;
	(void)send_for(&limit, &now_us, 1, 4e6);
	assert_false(limit.is_limited);
	(void)send_for(&limit, &now_us, 1.2, 300e3);
	assert_true(limit.is_limited);
	(void)send_for(&limit, &now_us, 1, 4e6); /* and no more once it sends all it may */
	assert_false(limit.is_limited);
}

static void nothing_known_is_not_limited(void **state)
{
	struct application_limit limit = {0};

	(void)state;
	application_limit_on_sent(&limit, 5000000, 0, ESTIMATE_BPS);
	assert_false(limit.is_limited);
	application_limit_on_sent(&limit, 5000000, PACKET_BYTES, ESTIMATE_BPS);
	assert_false(limit.is_limited);
}

static void silence_is_limited(void **state)
{
	struct application_limit limit = {0};
	uint64_t now_us = 1000000;

	(void)state;
	(void)send_for(&limit, &now_us, 1, 4e6);
	(void)send_for(&limit, &now_us, 2, 0);
	assert_true(limit.is_limited);
}

/* A keyframe of 30 kB each second is no end of it, nor does it flicker near its bounds. */
static void large_pictures_end_nothing(void **state)
{
	struct application_limit limit = {0};
	uint64_t now_us = 1000000;

	(void)state;
	(void)send_for(&limit, &now_us, 3, 300e3);
	assert_true(limit.is_limited);
	for (int i = 0; i < 10; i++) {
		for (int j = 0; j < 30; j++)
			application_limit_on_sent(&limit, now_us, PACKET_BYTES, ESTIMATE_BPS);
		assert_true(limit.is_limited);
		assert_int_equal(send_for(&limit, &now_us, 1, 300e3), 0);
	}
	for (double share = 0.5; share < 0.9; share += 0.05) {
		unsigned changes = send_for(&limit, &now_us, 10, share * ESTIMATE_BPS);

		assert_in_range(changes, 0, 1);
	}
	assert_false(limit.is_limited);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_sends_little_is_limited_within_a_second),
		cmocka_unit_test(nothing_known_is_not_limited),
		cmocka_unit_test(silence_is_limited),
		cmocka_unit_test(large_pictures_end_nothing),
	};

	return cmocka_run_group_tests_name("sfu/application_limit", tests, NULL, NULL);
}
