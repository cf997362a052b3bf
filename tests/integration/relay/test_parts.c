/* test_parts.c - a room with a part on each of two workers.
 *
 * That packets go between them as within one is in the other tests, which run on two workers too.
 */
#include "tests/integration/relay/pair.h"

#include <string.h>
#include <unistd.h>

static void each_lives_on_a_worker_and_the_room_is_one(void **state)
{
	struct pair *pair = *state;
	AUTO_JSON room = NULL;

	(void)pair_start_flow(pair);
	assert_int_equal(pair_peers_of_worker(pair, 0), 1);
	assert_int_equal(pair_peers_of_worker(pair, 1), 1);
	assert_int_equal(pair_counter(pair, "rooms"), 1);
	assert_int_equal(pair_counter(pair, "tracks"), 1);
	assert_int_equal(pair_counter(pair, "subscriptions"), 1);
	room = fake_hub_room(&pair->hub, "relay");
	assert_int_equal(json_array_size(json_object_get(room, "peers")), 2);
}

/* What stats say of the publisher's picture. */
static bool picture_is_wanted(struct pair *pair)
{
	AUTO_JSON room = fake_hub_room(&pair->hub, "relay");
	const json_t *peer, *track, *layer;
	size_t i;

	json_array_foreach (json_object_get(room, "peers"), i, peer) {
		track = json_array_get(json_object_get(peer, "tracks"), 0);
		layer = json_array_get(json_object_get(track, "layers"), 0);
		if (layer)
			return json_is_true(json_object_get(layer, "wanted"));
	}
	return false;
}

static void what_nobody_on_the_other_worker_watches_is_not_handed_over(void **state)
{
	struct pair *pair = *state;

	(void)pair_start_flow(pair);
	assert_true(picture_is_wanted(pair));
	fake_hub_leave(&pair->hub, "relay", "viewer");
	pair_wait_until(pair, "peers", 1);
	for (int i = 0; i < 100 && picture_is_wanted(pair); i++)
		(void)usleep(10000);
	assert_false(picture_is_wanted(pair));
	assert_int_equal(pair_counter(pair, "rooms"), 1);
}

static void who_left_is_watched_nowhere(void **state)
{
	struct pair *pair = *state;
	struct load_peer late;
	AUTO_FREE char *answer = NULL;

	(void)pair_start_flow(pair);
	fake_hub_leave(&pair->hub, "relay", "publisher");
	pair_wait_until(pair, "tracks", 0);
	pair_wait_until(pair, "subscriptions", 0);
	/* Another takes its place, on the worker that is free again. */
	answer = pair_admit(pair, &late, "next", "whip", 0);
	assert_int_equal(pair_peers_of_worker(pair, 0), 1);
	assert_int_equal(pair_peers_of_worker(pair, 1), 1);
	load_peer_fini(&late);
}

static void a_closed_room_is_gone_on_both(void **state)
{
	struct pair *pair = *state;

	(void)pair_start_flow(pair);
	fake_hub_close_room(&pair->hub, "relay");
	pair_wait_until(pair, "peers", 0);
	pair_wait_until(pair, "rooms", 0);
	assert_null(fake_hub_room(&pair->hub, "relay"));
}

static void a_viewer_names_a_publisher_of_the_other_worker(void **state)
{
	struct pair *pair = *state;
	struct load_peer late;
	AUTO_FREE char *offer = NULL;
	AUTO_FREE char *answer = NULL;

	/* Right after one another, many times: a part that begins waits for what the others have.
	 */
	for (int i = 0; i < 50; i++) {
		struct load_peer publisher, viewer;
		AUTO_FREE char *taken = NULL;
		AUTO_FREE char *shown = NULL;

		fake_hub_close_room(&pair->hub, "relay");
		taken = pair_admit(pair, &publisher, "one", "whip", 0);
		shown = pair_admit(pair, &viewer, "two", "whep", 1);
		assert_non_null(strstr(shown, "a=sendonly"));
		load_peer_fini(&publisher);
		load_peer_fini(&viewer);
	}
	assert_int_equal(load_peer_init(&late, pair->identity), 0);
	offer = load_peer_offer(&late, 1);
	assert_int_equal(fake_hub_join(&pair->hub, "nowhere", "three", "whep", offer, &answer), 0);
	assert_null(strstr(answer, "a=sendonly"));
	fake_hub_close_room(&pair->hub, "nowhere");
	load_peer_fini(&late);
}

/* The other way round, and told of before its first packet. */
static void who_publishes_on_the_second_worker_is_seen_on_the_first(void **state)
{
	struct pair *pair = *state;
	struct load_peer idle;
	AUTO_FREE char *answer = NULL;
	struct rtp_header header;
	uint8_t packet[2048];
	uint16_t first;

	assert_int_equal(pair_tear_down(state), 0);
	answer = pair_admit(pair, &idle, "idle", "whep", 1);
	assert_int_equal(pair_set_up(state), 0);
	first = pair_start_flow(pair);
	for (uint16_t i = 1; i <= 20; i++) {
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		assert_true(next_media(&pair->viewer, packet, &header));
		assert_int_equal(header.sequence_number, (uint16_t)(first + i));
	}
	load_peer_fini(&idle);
}

int main(void)
{
	const struct CMUnitTest two[] = {
		PAIR_TEST(each_lives_on_a_worker_and_the_room_is_one),
		PAIR_TEST(what_nobody_on_the_other_worker_watches_is_not_handed_over),
		PAIR_TEST(who_left_is_watched_nowhere),
		PAIR_TEST(a_closed_room_is_gone_on_both),
		PAIR_TEST(a_viewer_names_a_publisher_of_the_other_worker),
		PAIR_TEST(who_publishes_on_the_second_worker_is_seen_on_the_first),
	};

	return RUN_ON_TWO_WORKERS(two);
}
