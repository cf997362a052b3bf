#include "sfu/model/send_history.h"
#include "tests/unit/cmocka_all.h"

enum { PACKET_US = 5000 /* 200 packets a second */ };

static void add_many(struct send_history *history, uint64_t *now_us, unsigned count)
{
	for (unsigned i = 0; i < count; i++, *now_us += PACKET_US)
		(void)send_history_add(history, *now_us, (uint16_t)(100 + i), 0);
}

static void feedback_in_time_keeps_it_short(void **state)
{
	AUTO(send_history) history = send_history_new();
	uint64_t now_us = 1;

	(void)state;
	for (unsigned told = 0; told < 5000; told += 20) {
		add_many(history, &now_us, 20);
		for (unsigned i = told; i < told + 20; i++)
			assert_non_null(send_history_take(history, (uint16_t)i));
	}
	assert_int_equal(history->capacity, SEND_HISTORY_PACKETS_MIN);
}

static void what_may_still_be_told_of_is_not_forgotten(void **state)
{
	AUTO(send_history) history = send_history_new();
	uint64_t now_us = (uint64_t)UINT32_MAX - 100 * PACKET_US; /* its clock wraps */

	(void)state;
	history->next_sequence = UINT16_MAX - 50; /* and so do the numbers */
	add_many(history, &now_us, 500);
	assert_int_equal(history->capacity, 512);
	for (uint16_t i = 0; i < 500; i++) {
		uint16_t sequence = (uint16_t)(UINT16_MAX - 50 + i);
		const struct sent_packet *packet = send_history_take(history, sequence);

		assert_non_null(packet);
		assert_int_equal(packet->byte_count, 100 + i);
		assert_null(send_history_take(history, sequence)); /* once */
	}
}

static void feedback_that_never_comes_is_not_waited_for(void **state)
{
	AUTO(send_history) history = send_history_new();
	uint64_t now_us = 1;

	(void)state;
	for (unsigned i = 0; i < 1000; i++, now_us += 30000) /* 128 of these take 3.8 s */
		(void)send_history_add(history, now_us, 100, 0);
	assert_int_equal(history->capacity, SEND_HISTORY_PACKETS_MIN);
	assert_null(send_history_take(history, 871));
	assert_non_null(send_history_take(history, 872));
	assert_null(send_history_take(history, 1000)); /* not sent yet */
}

static void it_does_not_grow_beyond_its_bound(void **state)
{
	AUTO(send_history) history = send_history_new();
	uint64_t now_us = 1;

	(void)state;
	for (unsigned i = 0; i < 5000; i++, now_us += 10)
		(void)send_history_add(history, now_us, 100, 0);
	assert_int_equal(history->capacity, SEND_HISTORY_PACKETS);
	assert_null(send_history_take(history, 5000 - SEND_HISTORY_PACKETS - 1));
	assert_non_null(send_history_take(history, 5000 - SEND_HISTORY_PACKETS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(feedback_in_time_keeps_it_short),
		cmocka_unit_test(what_may_still_be_told_of_is_not_forgotten),
		cmocka_unit_test(feedback_that_never_comes_is_not_waited_for),
		cmocka_unit_test(it_does_not_grow_beyond_its_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
