/* The writer against a reader of its own, written from the draft. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sfu/wire/rtcp.h"
#include "tests/unit/sfu/random.h"

enum { PACKETS_MAX = 70000, TICK_US = 250 };

struct feedback {
	uint32_t sender_ssrc, media_ssrc, reference;
	uint16_t base_sequence, count;
	uint8_t feedback_count;
	bool has_arrived[65536];
	int64_t ticks[65536]; /* since the reference time */
};

static void decode(const uint8_t *bytes, size_t length, struct feedback *feedback)
{
	struct reader reader = reader_over(bytes, length);
	static uint8_t symbols[65536 + 8192];
	size_t known = 0;
	int64_t ticks = 0;

	assert_int_equal(read_u16(&reader), 0x8fcd);
	assert_int_equal(read_u16(&reader), length / 4 - 1);
	feedback->sender_ssrc = read_u32(&reader);
	feedback->media_ssrc = read_u32(&reader);
	feedback->base_sequence = read_u16(&reader);
	feedback->count = read_u16(&reader);
	feedback->reference = read_u24(&reader);
	feedback->feedback_count = read_u8(&reader);
	while (known < feedback->count) {
		uint16_t chunk = read_u16(&reader);

		if (chunk >> 15 == 0) {
			assert_true((chunk & 0x1fff) > 0);
			memset(symbols + known, chunk >> 13 & 3, chunk & 0x1fff);
			known += chunk & 0x1fff;
		} else {
			assert_int_equal(chunk >> 14, 3); /* two-bit symbols */
			for (int i = 6; i >= 0; i--)
				symbols[known++] = chunk >> (2 * i) & 3;
		}
	}
	for (size_t i = 0; i < feedback->count; i++) {
		assert_true(symbols[i] < 3);
		feedback->has_arrived[i] = symbols[i] > 0;
		if (symbols[i] == 1)
			ticks += read_u8(&reader);
		else if (symbols[i] == 2)
			ticks += (int16_t)read_u16(&reader);
		feedback->ticks[i] = ticks;
	}
	/* A vector's symbols beyond the count are of no packet. */
	for (size_t i = feedback->count; i < known; i++)
		assert_int_equal(symbols[i], 0);
	assert_false(reader.failed);
	assert_true(reader_left(&reader) < 4);
	while (reader_left(&reader) > 0)
		assert_int_equal(read_u8(&reader), 0);
}

/* Our own reader says the same as the one above. */
struct heard {
	const struct feedback *feedback;
	size_t count;
};

static bool hear(void *data, uint16_t transport_sequence, bool has_arrived, int64_t arrival_us)
{
	struct heard *heard = data;
	const struct feedback *feedback = heard->feedback;
	size_t i = heard->count++;

	assert_int_equal(transport_sequence, (uint16_t)(feedback->base_sequence + i));
	assert_int_equal(has_arrived, feedback->has_arrived[i]);
	if (has_arrived)
		assert_true(arrival_us ==
			    ((int64_t)feedback->reference * 256 + feedback->ticks[i]) * TICK_US);
	return true;
}

static void assert_is_read(const uint8_t *bytes, size_t length, const struct feedback *feedback)
{
	struct heard heard = {.feedback = feedback};

	assert_int_equal(rtcp_read_transport_feedback((struct slice){bytes, length}, hear, &heard),
			 0);
	assert_int_equal(heard.count, feedback->count);
}

/* Write, read back and compare; returns how many packets were covered. */
static size_t round_trip(const uint64_t *arrivals_us, size_t count, size_t capacity)
{
	static struct feedback feedback;
	AUTO_FREE uint8_t *bytes = malloc(capacity);
	struct writer writer = writer_over(bytes, capacity);
	uint64_t first_us = 0;
	size_t covered;

	covered = rtcp_write_transport_feedback(&writer, 1, 2, 0xfff0, arrivals_us, count, 200);
	assert_false(writer.failed);
	assert_true(covered <= count);
	if (covered == 0) {
		assert_int_equal(writer.offset, 0);
		return 0;
	}
	decode(bytes, writer.offset, &feedback);
	assert_is_read(bytes, writer.offset, &feedback);
	assert_int_equal(feedback.sender_ssrc, 1);
	assert_int_equal(feedback.media_ssrc, 2);
	assert_int_equal(feedback.base_sequence, 0xfff0);
	assert_int_equal(feedback.feedback_count, 200);
	assert_int_equal(feedback.count, covered);
	for (size_t i = 0; i < count && first_us == 0; i++)
		first_us = arrivals_us[i];
	assert_int_equal(feedback.reference, first_us / 64000 & 0xffffff);
	for (size_t i = 0; i < covered; i++) {
		int64_t reference_ticks = (int64_t)(first_us / 64000 * 256);

		assert_int_equal(feedback.has_arrived[i], arrivals_us[i] != 0);
		if (arrivals_us[i])
			assert_int_equal(reference_ticks + feedback.ticks[i],
					 arrivals_us[i] / TICK_US);
	}
	return covered;
}

static void losses_reordering_and_gaps_survive_the_round_trip(void **state)
{
	static uint64_t arrivals_us[2000];
	struct random random = random_from_environment();

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t count = 1 + random_below(&random, 1 + random_below(&random, 2000));
		size_t capacity = random_below(&random, 1300), done = 0;
		uint64_t now_us = 1 + random_u64(&random) % UINT64_C(2000000000000);
		uint32_t loss = random_below(&random, 101),
			 spread_us = random_below(&random, 90000);

		for (size_t i = 0; i < count; i++) {
			now_us += random_below(&random, 1 + spread_us);
			if (random_below(&random, 1000) == 0)
				now_us += random_below(&random, 20000000); /* some too long */
			arrivals_us[i] = now_us + random_below(&random, 3000);
			if (random_below(&random, 100) < loss)
				arrivals_us[i] = 0;
		}
		if (round % 7 == 0) /* and the runs of a clean link */
			memset(arrivals_us, 0, count / 3 * sizeof(*arrivals_us));
		/* Several packets take it all, but for a tail of losses. */
		while (done < count) {
			size_t covered = round_trip(arrivals_us + done, count - done, capacity);

			if (covered == 0)
				break;
			done += covered;
		}
		if (capacity >= 28) {
			for (size_t i = done; i < count; i++)
				assert_int_equal(arrivals_us[i], 0);
		}
	}
}

static void runs_are_told_in_few_bytes(void **state)
{
	static uint64_t arrivals_us[1000];
	uint8_t bytes[1200];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(arrivals_us); i++)
		arrivals_us[i] = 1000000 + i * 1000;
	assert_int_equal(rtcp_write_transport_feedback(&writer, 1, 2, 3, arrivals_us, 1000, 0),
			 1000);
	assert_int_equal(writer.offset, 20 + 2 + 1000 + 2);
	/* With no room for all, as many as there is room for. */
	writer = writer_over(bytes, 122);
	assert_int_equal(rtcp_write_transport_feedback(&writer, 1, 2, 3, arrivals_us, 1000, 0), 98);
	assert_int_equal(writer.offset, 120);
}

static void a_delta_over_its_16_bits_ends_the_packet(void **state)
{
	const uint64_t longest_us = UINT64_C(32767) * TICK_US;
	/* The reference time is 64 ms, so the first delta is 0. */
	const uint64_t late[] = {64000, 64000 + longest_us, 64000 + 2 * longest_us + TICK_US, 1};
	const uint64_t early[] = {64000 * 200, 0, 64000 * 200 - UINT64_C(32768) * TICK_US, 5};

	(void)state;
	assert_int_equal(round_trip(late, 4, 100), 2);
	assert_int_equal(round_trip(late + 2, 2, 100), 1);
	assert_int_equal(round_trip(early, 4, 100), 4);
	assert_int_equal(round_trip((const uint64_t[]){64000 * 200, 64000 * 72 - 1}, 2, 100), 1);
}

static void a_packet_tells_of_65535_packets_at_most(void **state)
{
	static uint64_t arrivals_us[PACKETS_MAX];

	(void)state;
	memset(arrivals_us, 0, sizeof(arrivals_us));
	arrivals_us[0] = 5;
	arrivals_us[PACKETS_MAX - 1] = 6;
	assert_int_equal(round_trip(arrivals_us, PACKETS_MAX, 1200), 65535);
	assert_int_equal(round_trip(arrivals_us + 1, PACKETS_MAX - 1, 1200), 65535);
	for (size_t i = 0; i < PACKETS_MAX; i++)
		arrivals_us[i] = 1 + i * 100000;
	assert_int_equal(round_trip(arrivals_us, PACKETS_MAX, 300000), 65535);
}

static void without_arrivals_or_room_nothing_is_written(void **state)
{
	const uint64_t lost[3] = {0}, arrived[] = {1000};

	(void)state;
	assert_int_equal(round_trip(lost, 3, 100), 0);
	assert_int_equal(round_trip(lost, 0, 100), 0);
	assert_int_equal(round_trip(arrived, 1, 23), 0);
	assert_int_equal(round_trip(arrived, 1, 24), 1);
}

static bool ignore(void *data, uint16_t transport_sequence, bool has_arrived, int64_t arrival_us)
{
	(void)transport_sequence;
	(void)has_arrived;
	(void)arrival_us;
	(*(size_t *)data)++;
	return true;
}

static void one_bit_vectors_are_read(void **state)
{
	/* Two packets told in a vector of one bit each: the first arrived, the second did not. */
	static const uint8_t packet[] = {0x8f, 0xcd, 0, 5, 0, 0, 0, 1, 0,    0,	   0, 2,
					 0,    7,    0, 2, 0, 0, 1, 0, 0xa0, 0x00, 4, 0};
	static const uint8_t empty_run[] = {0x8f, 0xcd, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2,
					    0,	  7,	0, 2, 0, 0, 1, 0, 0, 0, 4, 0};
	size_t told = 0;

	(void)state;
	assert_int_equal(
		rtcp_read_transport_feedback((struct slice){packet, sizeof(packet)}, ignore, &told),
		0);
	assert_int_equal(told, 2);
	for (size_t length = 0; length < sizeof(packet) - 1; length++)
		assert_int_equal(
			rtcp_read_transport_feedback((struct slice){packet, length}, ignore, &told),
			length < 23 ? -EBADMSG : 0);
	assert_int_equal(rtcp_read_transport_feedback((struct slice){empty_run, sizeof(empty_run)},
						      ignore, &told),
			 -EBADMSG);
}

static bool hear_ten(void *data, uint16_t transport_sequence, bool has_arrived, int64_t arrival_us)
{
	(void)ignore(data, transport_sequence, has_arrived, arrival_us);
	return *(size_t *)data < 10;
}

/* 24 bytes that tell of 8191 packets: whoever listens may stop. */
static void who_has_heard_enough_hears_no_more(void **state)
{
	static const uint8_t packet[] = {0x8f, 0xcd, 0,	   5,	 0, 0, 0, 1, 0,	   0,	 0, 2,
					 0,    7,    0x1f, 0xff, 0, 0, 1, 0, 0x1f, 0xff, 0, 0};
	size_t told = 0;

	(void)state;
	assert_int_equal(
		rtcp_read_transport_feedback((struct slice){packet, sizeof(packet)}, ignore, &told),
		0);
	assert_int_equal(told, 8191);
	told = 0;
	assert_int_equal(rtcp_read_transport_feedback((struct slice){packet, sizeof(packet)},
						      hear_ten, &told),
			 0);
	assert_int_equal(told, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(losses_reordering_and_gaps_survive_the_round_trip),
		cmocka_unit_test(runs_are_told_in_few_bytes),
		cmocka_unit_test(a_delta_over_its_16_bits_ends_the_packet),
		cmocka_unit_test(a_packet_tells_of_65535_packets_at_most),
		cmocka_unit_test(one_bit_vectors_are_read),
		cmocka_unit_test(who_has_heard_enough_hears_no_more),
		cmocka_unit_test(without_arrivals_or_room_nothing_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
