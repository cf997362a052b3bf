/* The lanes between workers. */
#include <poll.h>
#include <unistd.h>

#include "sfu/edge/bridge.h"
#include "tests/unit/cmocka_all.h"

struct lanes {
	struct bridge *bridge;
	struct bridge_end *ends[2];
};

static int set_up(void **state)
{
	struct lanes *lanes = calloc(1, sizeof(*lanes));

	lanes->bridge = bridge_new(2);
	for (unsigned i = 0; i < 2; i++)
		lanes->ends[i] = bridge_end_new(lanes->bridge, i);
	*state = lanes;
	return 0;
}

static int tear_down(void **state)
{
	struct lanes *lanes = *state;

	for (unsigned i = 0; i < 2; i++)
		(void)bridge_end_free(lanes->ends[i]);
	(void)bridge_free(lanes->bridge);
	free(lanes);
	return 0;
}

/* How often the worker was woken since it last looked. */
static uint64_t wakes(const struct bridge_end *end)
{
	uint64_t count = 0;

	(void)!read(bridge_end_fd(end), &count, sizeof(count));
	return count;
}

static void post(struct lanes *lanes, size_t number)
{
	struct parcel *parcel = parcel_new(PARCEL_WANTED);

	parcel->count = number;
	bridge_post(lanes->ends[0], 1, parcel);
}

static void post_packets(struct lanes *lanes, guint count)
{
	struct parcel *parcel = parcel_new(PARCEL_PACKETS);

	parcel->list = gst_buffer_list_new_sized(count);
	for (guint i = 0; i < count; i++)
		gst_buffer_list_add(parcel->list, gst_buffer_new());
	bridge_post(lanes->ends[0], 1, parcel);
}

static size_t take_all(struct bridge_end *end)
{
	struct parcel *parcel = bridge_take(end);
	size_t count = 0;

	for (; parcel; count++) {
		struct parcel *next = parcel->next;

		(void)parcel_free(parcel);
		parcel = next;
	}
	return count;
}

static void what_is_posted_arrives_in_order_with_one_wake(void **state)
{
	struct lanes *lanes = *state;
	struct parcel *parcel;

	for (size_t i = 0; i < 10; i++)
		post(lanes, i);
	assert_int_equal(wakes(lanes->ends[1]), 0); /* the turn goes on */
	assert_null(bridge_take(lanes->ends[1]));
	bridge_flush(lanes->ends[0]);
	for (size_t i = 10; i < 20; i++)
		post(lanes, i);
	bridge_flush(lanes->ends[0]);
	assert_int_equal(wakes(lanes->ends[1]), 1);
	assert_int_equal(wakes(lanes->ends[0]), 0);
	parcel = bridge_take(lanes->ends[1]);
	for (size_t i = 0; i < 20; i++) {
		struct parcel *next = parcel->next;

		assert_int_equal(parcel->count, i);
		assert_int_equal(parcel->from, 0);
		(void)parcel_free(parcel);
		parcel = next;
	}
	assert_null(parcel);
	post(lanes, 20); /* who has looked is woken again */
	bridge_flush(lanes->ends[0]);
	assert_int_equal(wakes(lanes->ends[1]), 1);
}

static void who_does_not_keep_up_is_given_no_more_packets(void **state)
{
	struct lanes *lanes = *state;

	assert_true(bridge_accepts(lanes->ends[0], 1));
	post_packets(lanes, BRIDGE_PACKETS_MAX / 2);
	bridge_flush(lanes->ends[0]);
	assert_true(bridge_accepts(lanes->ends[0], 1));
	post_packets(lanes, BRIDGE_PACKETS_MAX / 2);
	assert_false(bridge_accepts(lanes->ends[0], 1));
	assert_true(bridge_accepts(lanes->ends[1], 0));
	bridge_flush(lanes->ends[0]);
	assert_false(bridge_accepts(lanes->ends[0], 1));
	post(lanes, 1); /* all else gets through */
	bridge_flush(lanes->ends[0]);
	assert_int_equal(take_all(lanes->ends[1]), 3);
	assert_true(bridge_accepts(lanes->ends[0], 1));
}

static void what_nobody_takes_is_freed(void **state)
{
	struct lanes *lanes = *state;
	struct parcel *parcel = parcel_new(PARCEL_EVENT);

	parcel->event = gst_event_new_eos();
	parcel->body = strdup("body");
	bridge_post(lanes->ends[0], 1, parcel);
	post_packets(lanes, 3);
	bridge_post(lanes->ends[0], 1, NULL);
	assert_int_equal(bridge_dropped(lanes->ends[0]), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_posted_arrives_in_order_with_one_wake),
		TEST(who_does_not_keep_up_is_given_no_more_packets),
		TEST(what_nobody_takes_is_freed),
	};

	gst_init(NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
