#include "tests/unit/cmocka_all.h"

#include "core/cleanup.h"
#include "sfu/model/forward_delay.h"
#include "sfu/model/rate_meter.h"

enum { TURN_US = 1000000 };

static uint64_t count_of(const struct histogram *histogram)
{
	uint64_t count = 0;

	for (int i = 0; i <= HISTOGRAM_BOUNDS; i++)
		count += histogram->counts[i];
	return count;
}

/* 900 us in the socket, 2 ms of turn. */
static void a_packet_counts_from_its_arrival_to_the_end_of_the_turn(void **state)
{
	struct forward_delay delay = {0};
	struct histogram histogram = {0};

	(void)state;
	forward_delay_begin_turn(&delay, TURN_US);
	for (int i = 0; i < 3; i++) /* to three subscribers */
		forward_delay_on_packet(&delay, TURN_US - 900);
	forward_delay_on_sent(&delay, TURN_US + 2000, &histogram);
	assert_int_equal(count_of(&histogram), 3);
	assert_int_equal(histogram.sum_us, 3 * 2900);
	assert_int_equal(histogram.counts[5], 3); /* up to 5 ms */

	forward_delay_on_sent(&delay, TURN_US + 9000, &histogram); /* nothing more */
	assert_int_equal(count_of(&histogram), 3);
}

static void what_comes_while_the_turn_goes_on_is_younger_than_it(void **state)
{
	struct forward_delay delay = {0};
	struct histogram histogram = {0};

	(void)state;
	forward_delay_begin_turn(&delay, TURN_US);
	forward_delay_on_packet(&delay, TURN_US + 1500);
	forward_delay_on_sent(&delay, TURN_US + 1800, &histogram);
	assert_int_equal(histogram.sum_us, 300);
	assert_int_equal(histogram.counts[2], 1); /* up to 0.5 ms */
	/* Of the future: no time at all. */
	forward_delay_on_packet(&delay, TURN_US + 90000);
	forward_delay_on_sent(&delay, TURN_US + 1800, &histogram);
	assert_int_equal(histogram.sum_us, 300);
	assert_int_equal(histogram.counts[0], 1);
}

/* At any age the histogram is right to the resolution that was kept. */
static void old_ones_are_kept_apart_too(void **state)
{
	static const uint64_t ages_us[] = {70, 700, 7000, 30000, 70000, 150000, 400000, 900000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ages_us); i++) {
		struct forward_delay delay = {0};
		struct histogram histogram = {0}, expected = {0};

		forward_delay_begin_turn(&delay, TURN_US);
		forward_delay_on_packet(&delay, TURN_US - ages_us[i]);
		forward_delay_on_sent(&delay, TURN_US, &histogram);
		histogram_observe(&expected, ages_us[i]);
		assert_memory_equal(&histogram, &expected, sizeof(histogram));
	}
}

static void older_than_all_is_as_old_as_the_last(void **state)
{
	struct forward_delay delay = {0};
	struct histogram histogram = {0};

	(void)state;
	forward_delay_begin_turn(&delay, 100 * TURN_US);
	forward_delay_on_packet(&delay, TURN_US);
	forward_delay_on_sent(&delay, 100 * TURN_US, &histogram);
	assert_int_equal(histogram.sum_us, 99 * TURN_US); /* which is exact */
	assert_int_equal(count_of(&histogram), 1);
	assert_int_equal(histogram.counts[13], 1); /* 1 to 5 s */
}

static void a_rate_is_known_after_a_second(void **state)
{
	struct rate_meter meter = {0};

	(void)state;
	rate_meter_tick(&meter, 500, TURN_US);
	assert_false(meter.is_known);
	rate_meter_tick(&meter, 1500, TURN_US + RATE_METER_US / 2);
	assert_false(meter.is_known);
	rate_meter_tick(&meter, 2500, TURN_US + 2 * RATE_METER_US);
	assert_true(meter.is_known);
	assert_int_equal(meter.bitrate_bps, 8000);
	rate_meter_tick(&meter, 2500, TURN_US + 3 * RATE_METER_US);
	assert_int_equal(meter.bitrate_bps, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_counts_from_its_arrival_to_the_end_of_the_turn),
		cmocka_unit_test(what_comes_while_the_turn_goes_on_is_younger_than_it),
		cmocka_unit_test(old_ones_are_kept_apart_too),
		cmocka_unit_test(older_than_all_is_as_old_as_the_last),
		cmocka_unit_test(a_rate_is_known_after_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
