#include <stdlib.h>
#include <string.h>

#include "sfu/model/allocator.h"
#include "tests/unit/cmocka_all.h"

enum { SECOND_US = 1000000 };

/* Three layers, of 150, 500 and 1,700 kbit/s. */
static struct allocator_stream camera(unsigned priority)
{
	static const struct allocator_layer layers[LAYERS_MAX] = {{true, 150000, {320, 180}},
								  {true, 500000, {640, 360}},
								  {true, 1700000, {1280, 720}}};
	struct allocator_stream stream;

	allocator_stream_init(&stream);
	memcpy(stream.layers, layers, sizeof(layers));
	stream.layer_count = 3;
	stream.priority = priority;
	return stream;
}

static uint64_t run(struct allocator_stream *a, struct allocator_stream *b, int64_t budget_bps,
		    uint64_t now_us)
{
	struct allocator_stream *streams[] = {a, b};

	return allocator_run(streams, b ? 2 : 1, budget_bps, now_us);
}

static void without_a_budget_all_get_the_largest(void **state)
{
	struct allocator_stream a = camera(1), b = camera(1);

	(void)state;
	assert_int_equal(run(&a, &b, ALLOCATOR_BUDGET_UNLIMITED, SECOND_US), 0);
	assert_int_equal(a.target, 2);
	assert_int_equal(b.target, 2);
	assert_false(a.is_starved);
}

static void size_and_not_order_tells_the_larger(void **state)
{
	struct allocator_stream a = camera(1);
	struct allocator_layer first = a.layers[0];

	(void)state;
	a.layers[0] = a.layers[2];
	a.layers[2] = first;
	(void)run(&a, NULL, 700000, SECOND_US);
	assert_int_equal(a.target, 1);
	(void)run(&a, NULL, 5000000, SECOND_US);
	assert_int_equal(a.target, 0);
	(void)run(&a, NULL, 200000, 2 * SECOND_US);
	assert_int_equal(a.target, 2);
}

static void nobody_is_sent_more_than_is_shown(void **state)
{
	struct allocator_stream a = camera(1);

	(void)state;
	a.shown = (struct picture_size){300, 170};
	(void)run(&a, NULL, ALLOCATOR_BUDGET_UNLIMITED, SECOND_US);
	assert_int_equal(a.target, 0);
	a.shown = (struct picture_size){600, 340};
	(void)run(&a, NULL, ALLOCATOR_BUDGET_UNLIMITED, SECOND_US);
	assert_int_equal(a.target, 1);
	assert_false(a.is_starved);
	a.is_paused = true;
	(void)run(&a, NULL, ALLOCATOR_BUDGET_UNLIMITED, SECOND_US);
	assert_int_equal(a.target, LAYER_NONE);
}

/* However little the way carries. */
static void who_hides_the_important_picture_sees_the_other(void **state)
{
	struct allocator_stream a = camera(2), b = camera(1);

	(void)state;
	a.is_paused = true;
	assert_true(run(&a, &b, 18000, SECOND_US) > 0);
	assert_int_equal(a.target, LAYER_NONE);
	assert_int_equal(b.target, 0);
}

/* All get something before anybody gets more, and the important one gets it first. */
static void what_is_scarce_is_shared_by_priority(void **state)
{
	struct allocator_stream a = camera(1), b = camera(2);

	(void)state;
	(void)run(&a, &b, 320000, SECOND_US * 10);
	assert_int_equal(a.target,
			 LAYER_NONE); /* 150 and its margin do not fit beside 150 and its */
	assert_int_equal(b.target, 0);
	(void)run(&a, &b, 400000, SECOND_US * 20);
	assert_int_equal(a.target, 0);
	assert_int_equal(b.target, 0);
	(void)run(&a, &b, 800000, SECOND_US * 30);
	assert_int_equal(a.target, 0);
	assert_int_equal(b.target, 1);
}

static void somebody_is_always_seen(void **state)
{
	struct allocator_stream a = camera(1), b = camera(1);

	(void)state;
	assert_true(run(&a, &b, 10000, SECOND_US) > 0);
	assert_int_equal(a.target, 0);
	assert_int_equal(b.target, LAYER_NONE);
	assert_true(b.is_starved);
}

/* Down at once; up with a margin and not right after. */
static void a_budget_that_wavers_does_not_make_the_picture_waver(void **state)
{
	struct allocator_stream a = camera(1);
	uint64_t now_us = 10 * SECOND_US;

	(void)state;
	(void)run(&a, NULL, 2200000, now_us);
	assert_int_equal(a.target, 2);
	(void)run(&a, NULL, 1710000, now_us); /* what it has it keeps without the margin */
	assert_int_equal(a.target, 2);
	(void)run(&a, NULL, 1690000, now_us);
	assert_int_equal(a.target, 1);
	now_us += ALLOCATOR_DWELL_US - 1;
	(void)run(&a, NULL, 3000000, now_us);
	assert_int_equal(a.target, 1);
	(void)run(&a, NULL, 1710000, now_us + 1);
	assert_int_equal(a.target, 1);
	(void)run(&a, NULL, 2200000, now_us + 1);
	assert_int_equal(a.target, 2);
}

/* A network that seems to carry the larger layer until that begins: how often it is tried in
 * `seconds`. */
static unsigned count_trials(struct allocator_stream *stream, uint64_t *now_us, unsigned seconds)
{
	uint64_t end_us = *now_us + (uint64_t)seconds * SECOND_US;
	int64_t budget_bps = 550000;
	unsigned trials = 0;

	for (; *now_us < end_us; *now_us += 20000) {
		uint8_t before = stream->target;

		(void)run(stream, NULL, budget_bps, *now_us);
		trials += stream->target == 1 && before == 0;
		if (stream->target == 1)
			budget_bps -= 20000;
		else if (budget_bps < 590000)
			budget_bps += 2000;
	}
	return trials;
}

static void a_layer_that_failed_is_tried_ever_more_seldom(void **state)
{
	struct allocator_stream a = camera(1);
	uint64_t now_us = SECOND_US;

	(void)state;
	(void)run(&a, NULL, 300000, now_us);
	assert_int_equal(a.target, 0);
	assert_in_range(count_trials(&a, &now_us, 30), 3, 5);
	assert_in_range(count_trials(&a, &now_us, 300), 6, 11);
}

static void a_network_that_is_clearly_better_is_used_at_once(void **state)
{
	struct allocator_stream a = camera(1);
	uint64_t now_us = SECOND_US;

	(void)state;
	(void)run(&a, NULL, 300000, now_us);
	(void)count_trials(&a, &now_us, 60);
	now_us += ALLOCATOR_DWELL_US;
	(void)run(&a, NULL, 800000, now_us);
	assert_int_equal(a.target, 1);
}

static void after_one_that_lasted_it_is_as_at_first(void **state)
{
	struct allocator_stream a = camera(1);
	uint64_t now_us = SECOND_US;

	(void)state;
	(void)run(&a, NULL, 300000, now_us);
	(void)count_trials(&a, &now_us, 60);
	(void)run(&a, NULL, 800000, now_us += ALLOCATOR_DWELL_MAX_US);
	assert_int_equal(a.target, 1);
	(void)run(&a, NULL, 300000, now_us += ALLOCATOR_TRIAL_US);
	assert_int_equal(a.target, 0);
	(void)run(&a, NULL, 590000, now_us += ALLOCATOR_DWELL_US);
	assert_int_equal(a.target, 1);
}

static void a_silent_layer_is_left(void **state)
{
	struct allocator_stream a = camera(1);

	(void)state;
	(void)run(&a, NULL, ALLOCATOR_BUDGET_UNLIMITED, SECOND_US);
	a.layers[2].is_live = false;
	(void)run(&a, NULL, ALLOCATOR_BUDGET_UNLIMITED, SECOND_US);
	assert_int_equal(a.target, 1);
	a.layers[2].is_live = true; /* and taken again: it was not the budget */
	(void)run(&a, NULL, 3000000, SECOND_US);
	assert_int_equal(a.target, 2);
}

/* The same camera with three temporal layers in each. */
static struct allocator_stream layered_camera(void)
{
	static const uint64_t reduced_bps[LAYERS_MAX][TEMPORAL_REDUCED] = {
		{60000, 100000}, {200000, 330000}, {700000, 1100000}};
	struct allocator_stream stream = camera(1);

	for (size_t i = 0; i < LAYERS_MAX; i++)
		memcpy(stream.layers[i].reduced_bps, reduced_bps[i], sizeof(reduced_bps[i]));
	return stream;
}

static void the_frame_rate_falls_before_the_picture_shrinks(void **state)
{
	static const struct {
		int64_t budget_bps;
		uint8_t layer, temporal;
	} steps[] = {{10000, 0, 0},
		     {120000, 0, 1},
		     {180000, 0, TEMPORAL_LAYER_MAX},
		     {250000, 0, TEMPORAL_LAYER_MAX}, /* 7 pictures a second are no step up */
		     {400000, 1, 1},
		     {600000, 1, TEMPORAL_LAYER_MAX},
		     {1300000, 2, 1},
		     {2200000, 2, TEMPORAL_LAYER_MAX}};
	struct allocator_stream a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		a = layered_camera();
		(void)run(&a, NULL, steps[i].budget_bps, SECOND_US);
		assert_int_equal(a.target, steps[i].layer);
		assert_int_equal(a.target_temporal, steps[i].temporal);
	}
	/* From the top down, without the margin; and not up again at once. */
	(void)run(&a, NULL, 1690000, 2 * SECOND_US);
	assert_int_equal(a.target, 2);
	assert_int_equal(a.target_temporal, 1);
	assert_int_equal(allocator_stream_bps(&a), 1100000);
	assert_true(a.is_starved);
	(void)run(&a, NULL, 2200000, 2 * SECOND_US + ALLOCATOR_DWELL_US - 1);
	assert_int_equal(a.target_temporal, 1);
	(void)run(&a, NULL, 2200000, 2 * SECOND_US + ALLOCATOR_DWELL_US);
	assert_int_equal(a.target_temporal, TEMPORAL_LAYER_MAX);
}

/* So much is probed for: half a frame rate would be found in small steps. */
static void what_is_missing_is_the_whole_of_the_next_layer(void **state)
{
	struct allocator_stream a = layered_camera();

	(void)state;
	assert_int_equal(run(&a, NULL, 180000, SECOND_US), 500000 * 115 / 100 - 150000);
	assert_int_equal(run(&a, NULL, 400000, SECOND_US), 500000 * 115 / 100 - 330000);
}

/* The publisher goes on without temporal layers, or leaves off the one that flows. */
static void steps_that_are_gone_do_no_harm(void **state)
{
	struct allocator_stream a = layered_camera();

	(void)state;
	(void)run(&a, NULL, 400000, SECOND_US);
	assert_int_equal(a.target_temporal, 1);
	memset(a.layers[1].reduced_bps, 0, sizeof(a.layers[1].reduced_bps));
	(void)run(&a, NULL, 510000, SECOND_US); /* it stands there already: no margin */
	assert_int_equal(a.target, 1);
	assert_int_equal(a.target_temporal, TEMPORAL_LAYER_MAX);
	a.layers[1].reduced_bps[0] = 495000; /* saves nothing */
	(void)run(&a, NULL, 499000, SECOND_US);
	assert_int_equal(a.target, 0);
}

static void a_layer_is_taken_once_its_cost_is_known(void **state)
{
	struct allocator_stream a = camera(1);

	(void)state;
	a.layers[2].bitrate_bps = 0;
	(void)run(&a, NULL, 700000, SECOND_US);
	assert_int_equal(a.target, 1);
	a.layers[0].bitrate_bps = a.layers[1].bitrate_bps =
		0; /* nothing is known: it just begins */
	(void)run(&a, NULL, 700000, SECOND_US);
	assert_int_equal(a.target, 2);
}

/* Whatever the numbers: never over the budget but for the first layer of the first stream. */
static void the_budget_holds(void **state)
{
	(void)state;
	srand(11);
	for (unsigned round = 0; round < 20000; round++) {
		struct allocator_stream streams[5], *list[5];
		int64_t budget_bps = rand() % 6000000, used_bps = 0;
		unsigned shown = 0;

		for (unsigned i = 0; i < 5; i++) {
			streams[i] = camera((unsigned)(rand() % 3));
			streams[i].target = (uint8_t)(rand() % 4 == 3 ? LAYER_NONE : rand() % 3);
			for (unsigned layer = 0; layer < LAYERS_MAX; layer++) {
				streams[i].layers[layer].is_live = rand() % 8 != 0;
				streams[i].layers[layer].bitrate_bps = (uint64_t)(rand() % 2000000);
				streams[i].layers[layer].reduced_bps[0] =
					(uint64_t)(rand() % 1000000);
				streams[i].layers[layer].reduced_bps[1] =
					(uint64_t)(rand() % 2 * (rand() % 1500000));
			}
			list[i] = &streams[i];
		}
		(void)allocator_run(list, 5, budget_bps, (uint64_t)(rand() % 100) * SECOND_US);
		for (unsigned i = 0; i < 5; i++) {
			if (streams[i].target == LAYER_NONE)
				continue;
			assert_true(streams[i].layers[streams[i].target].is_live);
			used_bps += (int64_t)allocator_stream_bps(&streams[i]);
			shown++;
		}
		assert_true(used_bps <= budget_bps || shown == 1);
	}
}

static void a_share_is_of_the_largest_that_is_wanted(void **state)
{
	struct allocator_stream a = camera(2), b = camera(1);
	struct allocator_stream *const streams[] = {&a, &b};

	(void)state;
	assert_int_equal(allocator_bound_by_share(streams, 2, 75, ALLOCATOR_BUDGET_UNLIMITED),
			 2550000);
	assert_int_equal(allocator_bound_by_share(streams, 2, 75, 2550001), 2550000);
	assert_int_equal(allocator_bound_by_share(streams, 2, 75, 2549999), 2549999);
	b.is_paused = true;
	assert_int_equal(allocator_bound_by_share(streams, 2, 75, ALLOCATOR_BUDGET_UNLIMITED),
			 1275000);
	a.layers[2].is_live = false;
	assert_int_equal(allocator_bound_by_share(streams, 2, 20, ALLOCATOR_BUDGET_UNLIMITED),
			 100000);
}

static void less_of_a_share_is_smaller_layers_and_then_fewer(void **state)
{
	static const struct {
		unsigned share_percent;
		uint8_t first, second;
	} steps[] = {{99, 2, 1}, {56, 1, 1}, {20, 1, 0}};
	struct allocator_stream a = camera(2), b = camera(1);
	struct allocator_stream *const streams[] = {&a, &b};

	(void)state;
	(void)run(&a, &b, ALLOCATOR_BUDGET_UNLIMITED, SECOND_US);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		int64_t bound_bps = allocator_bound_by_share(streams, 2, steps[i].share_percent,
							     ALLOCATOR_BUDGET_UNLIMITED);

		(void)run(&a, &b, bound_bps, (i + 2) * SECOND_US);
		assert_int_equal(a.target, steps[i].first);
		assert_int_equal(b.target, steps[i].second);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_budget_all_get_the_largest),
		cmocka_unit_test(size_and_not_order_tells_the_larger),
		cmocka_unit_test(nobody_is_sent_more_than_is_shown),
		cmocka_unit_test(who_hides_the_important_picture_sees_the_other),
		cmocka_unit_test(what_is_scarce_is_shared_by_priority),
		cmocka_unit_test(somebody_is_always_seen),
		cmocka_unit_test(a_budget_that_wavers_does_not_make_the_picture_waver),
		cmocka_unit_test(a_silent_layer_is_left),
		cmocka_unit_test(a_layer_that_failed_is_tried_ever_more_seldom),
		cmocka_unit_test(a_network_that_is_clearly_better_is_used_at_once),
		cmocka_unit_test(after_one_that_lasted_it_is_as_at_first),
		cmocka_unit_test(the_frame_rate_falls_before_the_picture_shrinks),
		cmocka_unit_test(what_is_missing_is_the_whole_of_the_next_layer),
		cmocka_unit_test(steps_that_are_gone_do_no_harm),
		cmocka_unit_test(a_layer_is_taken_once_its_cost_is_known),
		cmocka_unit_test(the_budget_holds),
		cmocka_unit_test(a_share_is_of_the_largest_that_is_wanted),
		cmocka_unit_test(less_of_a_share_is_smaller_layers_and_then_fewer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
