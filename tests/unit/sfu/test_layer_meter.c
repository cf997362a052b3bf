/* What a layer carries is told from what came lately, and stays known while nothing comes. */
#include "sfu/model/layer_meter.h"
#include "tests/unit/cmocka_all.h"

enum { BYTES = 1000, PERIODS = 20 };

/* So many packets of each temporal layer come within one period, which then ends. */
static void one_period(struct layer_meter *meter, struct layer_rates *rates, const unsigned *counts,
		       size_t layer_count)
{
	for (uint8_t temporal = 0; temporal < layer_count; temporal++)
		for (unsigned i = 0; i < counts[temporal]; i++)
			layer_meter_on_packet(meter, temporal, BYTES);
	layer_meter_tick(meter, meter->began_us + LAYER_METER_US, rates);
}

static uint64_t bps(unsigned packets_in_a_period)
{
	return packets_in_a_period * (uint64_t)BYTES * 8 * 1000000 / LAYER_METER_US;
}

static void each_rate_is_of_its_temporal_layer_and_those_below(void **state)
{
	struct layer_meter meter = {0};
	struct layer_rates rates = {0};

	(void)state;
	one_period(&meter, &rates, (unsigned[]){10, 20, 30, 5}, 4);
	assert_int_equal(rates.reduced_bps[0], bps(10));
	assert_int_equal(rates.reduced_bps[1], bps(30));
	assert_int_equal(rates.bitrate_bps, bps(65));
}

static void nothing_is_told_before_the_period_ends(void **state)
{
	struct layer_meter meter = {0};
	struct layer_rates rates = {0};

	(void)state;
	layer_meter_on_packet(&meter, 0, BYTES);
	layer_meter_tick(&meter, LAYER_METER_US - 1, &rates);
	assert_int_equal(rates.bitrate_bps, 0);
	layer_meter_interrupt(&meter); /* of what nothing is known any rate is better than none */
	layer_meter_tick(&meter, LAYER_METER_US, &rates);
	assert_int_equal(rates.bitrate_bps, bps(1));
}

static void one_large_picture_counts_half(void **state)
{
	struct layer_meter meter = {0};
	struct layer_rates rates = {0};

	(void)state;
	for (int i = 0; i < PERIODS; i++)
		one_period(&meter, &rates, (unsigned[]){10}, 1);
	assert_int_equal(rates.bitrate_bps, bps(10));
	one_period(&meter, &rates, (unsigned[]){30}, 1);
	assert_int_equal(rates.bitrate_bps, bps(20));
	for (int i = 0; i < PERIODS; i++)
		one_period(&meter, &rates, (unsigned[]){10}, 1);
	assert_in_range(rates.bitrate_bps, bps(10) - 1, bps(10) + 1);
}

static void silence_leaves_the_rate_as_it_was(void **state)
{
	struct layer_meter meter = {0};
	struct layer_rates rates = {0};

	(void)state;
	one_period(&meter, &rates, (unsigned[]){10}, 1);
	for (int i = 0; i < PERIODS; i++)
		one_period(&meter, &rates, (unsigned[]){0}, 1);
	assert_int_equal(rates.bitrate_bps, bps(10));

	/* What came over a time that nobody looked at is no rate either. */
	layer_meter_on_packet(&meter, 0, BYTES);
	layer_meter_tick(&meter, meter.began_us + 2 * LAYER_METER_US, &rates);
	assert_int_equal(rates.bitrate_bps, bps(10));
	one_period(&meter, &rates, (unsigned[]){20}, 1); /* and it does not count later */
	assert_int_equal(rates.bitrate_bps, bps(15));

	/* Nor what came over a time for a part of which the layer was away. */
	layer_meter_interrupt(&meter);
	one_period(&meter, &rates, (unsigned[]){2}, 1);
	assert_int_equal(rates.bitrate_bps, bps(15));
	one_period(&meter, &rates, (unsigned[]){25}, 1);
	assert_int_equal(rates.bitrate_bps, bps(20));
}

static void a_layer_needs_what_those_below_it_carry(void **state)
{
	struct layer_rates rates = {.bitrate_bps = 300, .reduced_bps = {100, 200}};

	(void)state;
	layer_rates_add(&rates, &(struct layer_rates){.bitrate_bps = 30, .reduced_bps = {10, 20}});
	assert_int_equal(rates.bitrate_bps, 330);
	assert_int_equal(rates.reduced_bps[0], 110);
	assert_int_equal(rates.reduced_bps[1], 220);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rate_is_of_its_temporal_layer_and_those_below),
		cmocka_unit_test(nothing_is_told_before_the_period_ends),
		cmocka_unit_test(one_large_picture_counts_half),
		cmocka_unit_test(silence_leaves_the_rate_as_it_was),
		cmocka_unit_test(a_layer_needs_what_those_below_it_carry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
