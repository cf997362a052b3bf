/* What is kept of a layer: enough for who missed a packet, and for who begins. */
#include "sfu/edge/kept_packets.h"
#include "tests/unit/cmocka_all.h"

enum { MS = 1000, CAPACITY = 512, BYTES = 100, NOW_US = 10000 * MS };

struct fixture {
	struct packet_pool *pool;
	struct kept_packets kept;
	uint64_t now_us;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){.pool = packet_pool_new(), .now_us = NOW_US};
	*state = &fixture;
	return fixture.pool ? kept_packets_init(&fixture.kept, CAPACITY) : -1;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	kept_packets_end(&fixture->kept);
	packet_pool_release(fixture->pool);
	return 0;
}

static bool put(struct fixture *fixture, uint16_t sequence_number, uint32_t rtp_timestamp,
		bool is_keyframe_start)
{
	struct packet *packet = packet_take(fixture->pool);
	bool is_new;

	assert_non_null(packet);
	packet_set_length(packet, BYTES);
	packet->arrival_us = fixture->now_us;
	packet->header.sequence_number = sequence_number;
	packet->header.rtp_timestamp = rtp_timestamp;
	packet->is_keyframe_start = is_keyframe_start;
	is_new = kept_packets_put(&fixture->kept, packet);
	packet_release(packet);
	return is_new;
}

/* Who begins now is sent these, none at all for a `count` of 0. */
static void assert_begins_with(struct fixture *fixture, size_t bytes_max, const uint16_t *numbers,
			       guint count)
{
	GstBufferList *list =
		kept_packets_since_keyframe(&fixture->kept, fixture->now_us, bytes_max);

	if (count == 0) {
		assert_null(list);
		return;
	}
	assert_non_null(list);
	assert_int_equal(gst_buffer_list_length(list), count);
	for (guint i = 0; i < count; i++)
		assert_int_equal(
			packet_of_buffer(gst_buffer_list_get(list, i))->header.sequence_number,
			numbers[i]);
	gst_buffer_list_unref(list);
}

#define ASSERT_BEGINS_WITH(fixture, ...)                                                           \
	assert_begins_with(fixture, SIZE_MAX - 1, (const uint16_t[]){__VA_ARGS__},                 \
			   sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))

static void assert_begins_with_nothing(struct fixture *fixture)
{
	assert_begins_with(fixture, SIZE_MAX - 1, NULL, 0);
}

static void a_packet_is_found_for_a_second_and_a_half(void **state)
{
	struct fixture *fixture = *state;

	assert_null(kept_packets_find(&fixture->kept, 7));
	assert_true(put(fixture, 7, 0, false));
	assert_non_null(kept_packets_find(&fixture->kept, 7));
	fixture->now_us += 1500 * MS;
	assert_true(put(fixture, 8, 0, false));
	assert_non_null(kept_packets_find(&fixture->kept, 7));
	fixture->now_us++;
	assert_true(put(fixture, 9, 0, false));
	assert_null(kept_packets_find(&fixture->kept, 7));
	assert_non_null(kept_packets_find(&fixture->kept, 8));
}

static void the_first_one_under_a_number_stays(void **state)
{
	struct fixture *fixture = *state;

	assert_true(put(fixture, 7, 100, false));
	assert_false(put(fixture, 7, 200, true));
	assert_int_equal(kept_packets_find(&fixture->kept, 7)->header.rtp_timestamp, 100);
	assert_begins_with_nothing(fixture); /* nor was it the start of anything */
}

static void who_begins_gets_all_since_the_keyframe_in_order(void **state)
{
	struct fixture *fixture = *state;

	assert_begins_with_nothing(fixture);
	(void)put(fixture, 65533, 100, false);
	assert_begins_with_nothing(fixture);
	(void)put(fixture, 65534, 200, true);
	(void)put(fixture, 0, 200, false); /* overtook */
	assert_begins_with_nothing(fixture);
	(void)put(fixture, 65535, 200, false);
	ASSERT_BEGINS_WITH(fixture, 65534, 65535, 0);
	assert_begins_with(fixture, 3 * BYTES, (const uint16_t[]){65534, 65535, 0}, 3);
	assert_begins_with(fixture, 3 * BYTES - 1, NULL, 0);
}

static void a_keyframe_begins_with_its_parameter_sets(void **state)
{
	struct fixture *fixture = *state;

	(void)put(fixture, 10, 100, true);
	(void)put(fixture, 11, 100, true);
	ASSERT_BEGINS_WITH(fixture, 10, 11);
	(void)put(fixture, 12, 200, true);
	ASSERT_BEGINS_WITH(fixture, 12);
}

static void an_old_or_long_group_of_pictures_is_nothing_to_begin_with(void **state)
{
	struct fixture *fixture = *state;
	GstBufferList *list;

	(void)put(fixture, 1, 100, true);
	fixture->now_us += 500 * MS;
	ASSERT_BEGINS_WITH(fixture, 1);
	fixture->now_us++;
	assert_begins_with_nothing(fixture);

	(void)put(fixture, 2, 200, true);
	for (uint16_t i = 1; i < 256; i++)
		(void)put(fixture, 2 + i, 200, false);
	list = kept_packets_since_keyframe(&fixture->kept, fixture->now_us, SIZE_MAX - 1);
	assert_non_null(list);
	gst_buffer_list_unref(list);
	(void)put(fixture, 2 + 256, 200, false);
	assert_begins_with_nothing(fixture);
}

static void only_the_newest_may_still_come(void **state)
{
	struct fixture *fixture = *state;

	(void)put(fixture, 3, 100, false);
	assert_true(kept_packets_may_still_come(&fixture->kept, 2));
	assert_true(kept_packets_may_still_come(&fixture->kept, 65535));
	assert_false(kept_packets_may_still_come(&fixture->kept, 30000));
	assert_false(kept_packets_may_still_come(&fixture->kept, 4));
}

static void what_is_forgotten_is_neither_found_nor_begun_with(void **state)
{
	struct fixture *fixture = *state;

	(void)put(fixture, 1, 100, true);
	kept_packets_forget(&fixture->kept);
	assert_null(kept_packets_find(&fixture->kept, 1));
	assert_begins_with_nothing(fixture);
	(void)put(fixture, 1, 900, true); /* another source's, under the same number */
	ASSERT_BEGINS_WITH(fixture, 1);
	assert_int_equal(kept_packets_find(&fixture->kept, 1)->header.rtp_timestamp, 900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_packet_is_found_for_a_second_and_a_half, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_first_one_under_a_number_stays, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(who_begins_gets_all_since_the_keyframe_in_order,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_keyframe_begins_with_its_parameter_sets, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			an_old_or_long_group_of_pictures_is_nothing_to_begin_with, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(only_the_newest_may_still_come, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_forgotten_is_neither_found_nor_begun_with,
						set_up, tear_down),
	};

	gst_init(NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
