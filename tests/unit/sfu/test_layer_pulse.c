#include <string.h>

#include "sfu/model/layer_pulse.h"
#include "tests/unit/cmocka_all.h"

enum { MS = 1000, TICKS_PER_MS = 90 };

/* Two layers of one picture, of a camera that takes one each 50 ms. */
struct layers {
	struct layer_pulse large, small;
	uint64_t now_us;
	uint32_t timestamp;
};

static struct layers begin(void)
{
	/* The timestamps of both wrap, and have nothing to do with each other. */
	return (struct layers){.now_us = 1000 * MS, .timestamp = UINT32_MAX - 2000};
}

static void send(struct layer_pulse *pulse, uint32_t timestamp, unsigned packet_count,
		 uint64_t now_us)
{
	for (unsigned i = 0; i < packet_count; i++)
		layer_pulse_on_packet(pulse, timestamp, now_us + i * 100);
}

/* `count` pictures, of so many packets of each layer. */
static void go_on(struct layers *layers, unsigned count, unsigned large, unsigned small)
{
	for (unsigned i = 0; i < count; i++) {
		layers->now_us += 50 * MS;
		layers->timestamp += 50 * TICKS_PER_MS;
		send(&layers->small, layers->timestamp + 77, small, layers->now_us);
		send(&layers->large, layers->timestamp, large, layers->now_us + MS);
	}
}

static bool large_is_gone(const struct layers *layers)
{
	return layer_pulse_is_gone(&layers->large, &layers->small);
}

static bool small_is_gone(const struct layers *layers)
{
	return layer_pulse_is_gone(&layers->small, &layers->large);
}

static void a_layer_that_misses_two_pictures_is_gone(void **state)
{
	struct layers layers = begin();

	(void)state;
	go_on(&layers, 20, 8, 1);
	assert_false(large_is_gone(&layers));
	go_on(&layers, 1, 0, 1);
	assert_false(large_is_gone(&layers));
	go_on(&layers, 1, 0, 1);
	assert_true(large_is_gone(&layers));
	assert_false(small_is_gone(&layers));
}

static void it_is_back_with_its_next_packet(void **state)
{
	struct layers layers = begin();

	(void)state;
	go_on(&layers, 20, 8, 1);
	go_on(&layers, 30, 0, 1);
	assert_true(large_is_gone(&layers));
	go_on(&layers, 1, 1, 1);
	assert_false(large_is_gone(&layers));
	/* And the pause has not become its rhythm. */
	go_on(&layers, 10, 8, 1);
	go_on(&layers, 2, 0, 1);
	assert_true(large_is_gone(&layers));
}

/* As an encoder makes them that has spent too much on a keyframe. */
static void one_that_comes_back_at_once_is_waited_for_longer(void **state)
{
	struct layers layers = begin();
	unsigned alarms = 0;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		go_on(&layers, 20, 8, 1);
		go_on(&layers, 3, 0, 1);
		if (!large_is_gone(&layers))
			continue;
		alarms++;
		layer_pulse_on_return(&layers.large, layers.now_us + 50 * MS);
	}
	assert_in_range(alarms, 1, 2);
	go_on(&layers, 20, 8, 1);
	go_on(&layers, 6, 0, 1);
	assert_true(large_is_gone(&layers));
}

static void of_a_small_layer_as_many_packets_must_be_missing(void **state)
{
	struct layers layers = begin();

	(void)state;
	go_on(&layers, 20, 8, 1);
	go_on(&layers, 5, 8, 0);
	assert_false(small_is_gone(&layers));
	go_on(&layers, 1, 8, 0);
	assert_true(small_is_gone(&layers));
}

static void where_all_are_silent_the_picture_stands_still(void **state)
{
	struct layers layers = begin();

	(void)state;
	go_on(&layers, 20, 8, 1);
	layers.now_us += 2000 * MS;
	layers.timestamp += 2000 * TICKS_PER_MS;
	send(&layers.small, layers.timestamp, 1, layers.now_us);
	assert_false(large_is_gone(&layers));
}

static void a_layer_of_fewer_pictures_has_a_rhythm_of_its_own(void **state)
{
	struct layers layers = begin();

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		go_on(&layers, 4, 0, 1);
		assert_false(i > 2 && large_is_gone(&layers));
		go_on(&layers, 1, 8, 1);
	}
}

static void what_never_came_is_gone(void **state)
{
	struct layers layers = begin();

	(void)state;
	assert_false(large_is_gone(&layers)); /* nor did the other */
	go_on(&layers, 10, 0, 1);
	assert_true(large_is_gone(&layers));
}

/* Of eight packets a picture, every third lost at random: a minute of it. */
static void loss_does_not_look_like_it(void **state)
{
	struct layers layers = begin();
	uint32_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 1200; i++) {
		unsigned large = 0, small = 0;

		for (unsigned j = 0; j < 9; j++) {
			seed = seed * 1664525u + 1013904223u;
			if (seed >> 24 > 85)
				*(j < 8 ? &large : &small) += 1;
		}
		go_on(&layers, 1, large, small);
		assert_false(large_is_gone(&layers));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_layer_that_misses_two_pictures_is_gone),
		cmocka_unit_test(it_is_back_with_its_next_packet),
		cmocka_unit_test(one_that_comes_back_at_once_is_waited_for_longer),
		cmocka_unit_test(of_a_small_layer_as_many_packets_must_be_missing),
		cmocka_unit_test(where_all_are_silent_the_picture_stands_still),
		cmocka_unit_test(a_layer_of_fewer_pictures_has_a_rhythm_of_its_own),
		cmocka_unit_test(what_never_came_is_gone),
		cmocka_unit_test(loss_does_not_look_like_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
