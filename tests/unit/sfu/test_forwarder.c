#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sfu/model/forwarder.h"
#include "sfu/wire/rtp.h"
#include "tests/unit/cmocka_all.h"

static void video_waits_for_a_keyframe(void **state)
{
	struct forwarder forwarder;
	uint16_t sequence;
	uint32_t timestamp;

	(void)state;
	forwarder_init(&forwarder, true, 500, 1000);
	assert_false(forwarder_map(&forwarder, 10, 90000, false, 1, &sequence, &timestamp));
	assert_true(forwarder_map(&forwarder, 11, 93000, true, 2, &sequence, &timestamp));
	assert_int_equal(sequence, 502);
	assert_int_equal(timestamp, 94000);
	assert_true(forwarder_map(&forwarder, 12, 93000, false, 3, &sequence, &timestamp));
	assert_int_equal(sequence, 503);
}

static void audio_flows_at_once(void **state)
{
	struct forwarder forwarder;
	uint16_t sequence;
	uint32_t timestamp;

	(void)state;
	forwarder_init(&forwarder, false, 0, 0);
	assert_true(forwarder_map(&forwarder, 65535, 0, false, 1, &sequence, &timestamp));
}

static void what_came_before_the_start_is_not_sent(void **state)
{
	struct forwarder forwarder;
	uint16_t sequence;
	uint32_t timestamp;

	(void)state;
	forwarder_init(&forwarder, true, 500, 0);
	assert_true(forwarder_map(&forwarder, 100, 0, true, 1, &sequence, &timestamp));
	assert_false(forwarder_map(&forwarder, 99, 0, false, 2, &sequence, &timestamp));
	assert_true(forwarder_map(&forwarder, 102, 0, false, 3, &sequence, &timestamp));
	assert_true(forwarder_map(&forwarder, 101, 0, false, 4, &sequence, &timestamp));
}

static void a_restart_continues_the_numbers(void **state)
{
	struct forwarder forwarder;
	uint16_t first, second;
	uint32_t before, after;

	(void)state;
	forwarder_init(&forwarder, true, 500, 0);
	assert_true(forwarder_map(&forwarder, 7, 1000, true, 1000000, &first, &before));
	forwarder_restart(&forwarder);
	assert_false(forwarder_map(&forwarder, 40000, 77, false, 1100000, &second, &after));
	assert_true(forwarder_map(&forwarder, 40001, 77, true, 1100000, &second, &after));
	assert_int_equal(second, (uint16_t)(first + 1));
	assert_int_equal(after - before, 9000); /* 100 ms of 90 kHz */
}

/* Any order, loss and wrap: what leaves has the same distances as what came, and every number that
 * was sent leads back to its packet. */
static void numbers_keep_their_distances(void **state)
{
	const char *text = getenv("RT_SEED");
	unsigned seed = text ? (unsigned)strtoul(text, NULL, 10) : 20261122;
	struct forwarder forwarder;
	uint16_t base = 65000, first_out = 0;

	(void)state;
	(void)printf("seed %u\n", seed);
	srand(seed);
	forwarder_init(&forwarder, false, (uint16_t)rand(), (uint32_t)rand());
	for (unsigned i = 0; i < 200000; i++) {
		uint16_t jitter = (uint16_t)(i > 50 ? rand() % 30 : 0);
		uint16_t input = (uint16_t)(base + i - jitter), output, back;
		uint32_t timestamp;

		if (rand() % 20 == 0)
			continue;
		if (!forwarder_map(&forwarder, input, i * 160, false, i * 1000 + 1, &output,
				   &timestamp))
			continue;
		if (i == 0 || first_out == 0)
			first_out = (uint16_t)(output - (uint16_t)(input - base));
		assert_int_equal((uint16_t)(output - first_out), (uint16_t)(input - base));
		assert_true(forwarder_unmap(&forwarder, output, &back));
		assert_int_equal(back, input);
	}
	assert_false(forwarder_unmap(&forwarder, (uint16_t)(forwarder.highest_output_sequence + 1),
				     &base));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(video_waits_for_a_keyframe),
		cmocka_unit_test(audio_flows_at_once),
		cmocka_unit_test(what_came_before_the_start_is_not_sent),
		cmocka_unit_test(a_restart_continues_the_numbers),
		cmocka_unit_test(numbers_keep_their_distances),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
