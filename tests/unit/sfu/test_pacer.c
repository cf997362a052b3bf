/* When packets may leave for a narrow network: not much faster than it carries them, usual pictures
 * at once, and nothing later than is bearable. */
#include "sfu/model/pacer.h"
#include "tests/unit/cmocka_all.h"

enum { PACKET_BYTES = 1200 };

/* Packets that go in `for_us`, from `from_us` on, looked at each millisecond. */
static unsigned count_sent(struct pacer *pacer, uint64_t from_us, uint64_t for_us, unsigned most)
{
	unsigned count = 0;

	for (uint64_t now_us = from_us; now_us < from_us + for_us; now_us += 1000)
		for (; count < most && pacer_is_open(pacer, now_us); count++)
			pacer_on_sent(pacer, now_us, PACKET_BYTES);
	return count;
}

static void where_nothing_is_known_nothing_waits(void **state)
{
	struct pacer pacer = {0};

	(void)state;
	assert_int_equal(count_sent(&pacer, 1000000, 1000, 10000), 10000);
	pacer_set_budget(&pacer, 1000000, 0);
	assert_true(count_sent(&pacer, 2000000, 1000, 10000) < 10);
	pacer_set_budget(&pacer, -1, 0);
	assert_int_equal(count_sent(&pacer, 2001000, 1000, 10000), 10000);
}

static void in_the_long_run_it_is_half_as_much_again_as_the_network_carries(void **state)
{
	struct pacer pacer = {0};
	unsigned sent;

	(void)state;
	pacer_set_budget(&pacer, 960000, 0); /* 100 packets a second */
	sent = count_sent(&pacer, 5000000, 10000000, 100000);
	assert_in_range(sent, 1490, 1510);
}

static void a_picture_of_usual_size_goes_at_once_and_a_keyframe_does_not(void **state)
{
	struct pacer pacer = {0};

	(void)state;
	pacer_set_budget(&pacer, 3000000, 0);
	/* 33 ms of 1.5 Mbit/s. */
	assert_int_equal(count_sent(&pacer, 1000000, 1000, 5), 5);
	assert_int_equal(count_sent(&pacer, 1033000, 1000, 5), 5);
	assert_in_range(count_sent(&pacer, 1066000, 1000, 60), 12, 15);
	/* The rest at 4.5 Mbit/s. */
	assert_in_range(count_sent(&pacer, 1067000, 100000, 100), 45, 49);
}

/* The last packet of each would be late otherwise, and cost a turn and a datagram of its own. */
static void a_picture_goes_at_once_where_it_is_all_that_the_network_carries(void **state)
{
	struct pacer pacer = {0};

	(void)state;
	pacer_set_budget(&pacer, 1500000, 0);
	for (uint64_t now_us = 1000000; now_us < 2000000; now_us += 33000)
		assert_int_equal(count_sent(&pacer, now_us, 1000, 5), 5);
}

static void on_the_poorest_network_two_packets_go_together(void **state)
{
	struct pacer pacer = {0};

	(void)state;
	pacer_set_budget(&pacer, 0, 0);
	assert_in_range(count_sent(&pacer, 1000000, 1000, 100), 2, 3);
	assert_in_range(count_sent(&pacer, 1001000, 1000000, 100), 4, 6); /* 50 kbit/s */
}

static void what_waits_is_gone_in_a_quarter_of_a_second(void **state)
{
	struct pacer pacer = {0};
	unsigned sent;

	(void)state;
	pacer_set_budget(&pacer, 100000, 100 * PACKET_BYTES);
	sent = count_sent(&pacer, 1000000, PACER_DELAY_MAX_MS * 1000, 100);
	assert_in_range(sent, 99, 100);
}

static void a_rest_saves_nothing_up(void **state)
{
	struct pacer pacer = {0};
	unsigned first, second;

	(void)state;
	pacer_set_budget(&pacer, 1000000, 0);
	first = count_sent(&pacer, 1000000, 1000, 1000);
	second = count_sent(&pacer, 60000000, 1000, 1000);
	assert_int_equal(first, second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_nothing_is_known_nothing_waits),
		cmocka_unit_test(in_the_long_run_it_is_half_as_much_again_as_the_network_carries),
		cmocka_unit_test(a_picture_of_usual_size_goes_at_once_and_a_keyframe_does_not),
		cmocka_unit_test(a_picture_goes_at_once_where_it_is_all_that_the_network_carries),
		cmocka_unit_test(on_the_poorest_network_two_packets_go_together),
		cmocka_unit_test(what_waits_is_gone_in_a_quarter_of_a_second),
		cmocka_unit_test(a_rest_saves_nothing_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
