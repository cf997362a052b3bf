/* test_overload.c - a worker that is too busy, at a few per cent of a core. */
#include "tests/integration/relay/pair.h"

#include <errno.h>
#include <unistd.h>

#include "core/clock.h"
#include "sfu/model/placement.h"

/* Several per cent of a core; `viewer` NULL: nobody reads. */
static void flood(struct load_peer *publisher, struct load_peer *viewer, unsigned milliseconds)
{
	uint64_t until_us = clock_now_us() + milliseconds * 1000u;
	uint8_t packet[2048];

	while (clock_now_us() < until_us) {
		for (unsigned i = 0; i < 60; i++)
			load_peer_publish(publisher, PACKET_BYTES, true);
		while (viewer && load_peer_receive(viewer, 1, packet) > 0)
			;
		(void)usleep(2000);
	}
}

static int try_to_publish(struct pair *pair, const char *peer_id)
{
	struct load_peer peer;
	AUTO_FREE char *offer = NULL;
	AUTO_FREE char *answer = NULL;
	int r;

	assert_int_equal(load_peer_init(&peer, pair->identity), 0);
	offer = load_peer_offer(&peer, 0);
	r = fake_hub_join(&pair->hub, "relay", peer_id, "whip", offer, &answer);
	load_peer_fini(&peer);
	return r;
}

/* Once nobody is there any more, that takes some seconds; to be asked is work as well. */
static void assert_is_open_again(struct pair *pair)
{
	fake_hub_close_room(&pair->hub, "relay");
	for (unsigned i = 0; i < 120 && pair_counter(pair, "refuses_publishers"); i++)
		(void)usleep(250000);
	assert_int_equal(try_to_publish(pair, "patient"), 0);
}

static void a_busy_worker_lets_nobody_new_publish(void **state)
{
	struct pair *pair = *state;
	struct load_peer late_viewer;
	struct rtp_header header;
	uint8_t packet[2048];

	(void)pair_start_flow(pair);
	flood(&pair->publisher, &pair->viewer, 4000);
	assert_int_equal(pair_counter(pair, "refuses_publishers"), 1);
	assert_int_equal(try_to_publish(pair, "late"), -EAGAIN);
	assert_string_equal(pair->hub.refusal.code, "media_overloaded");
	/* Who is there goes on, and whoever watches is let in. */
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	assert_true(next_media(&pair->viewer, packet, &header));
	pair_join(pair, &late_viewer, "late viewer", "whep", 1);
	load_peer_fini(&late_viewer);
	assert_is_open_again(pair);
}

/* A room that begins on the other worker than "relay" does. */
static void name_room_elsewhere(char *name, size_t size)
{
	int i = 0;

	do
		(void)snprintf(name, size, "room %d", i++);
	while (placement_home(name, 2) == placement_home("relay", 2));
}

/* Who comes next to "relay" lives on its first worker, which has little to do; the second has its
 * viewer, and too much to do for another room. */
static void nor_does_one_that_has_a_part_of_the_room(void **state)
{
	struct pair *pair = *state;
	struct load_peer noisy;
	char room_id[16];
	AUTO_FREE char *offer = NULL;
	AUTO_FREE char *answer = NULL;

	(void)pair_start_flow(pair);
	name_room_elsewhere(room_id, sizeof(room_id));
	assert_int_equal(load_peer_init(&noisy, pair->identity), 0);
	offer = load_peer_offer(&noisy, 0);
	assert_int_equal(fake_hub_join(&pair->hub, room_id, "noisy", "whip", offer, &answer), 0);
	assert_int_equal(load_peer_connect(&noisy, answer), 0);
	flood(&noisy, NULL, 4000);
	assert_int_equal(pair_counter(pair, "refuses_publishers"), 1);
	assert_int_equal(try_to_publish(pair, "late"), -EAGAIN);
	assert_string_equal(pair->hub.refusal.code, "media_overloaded");
	load_peer_fini(&noisy);
	assert_is_open_again(pair);
}

int main(void)
{
	const struct CMUnitTest busy[] = {
		PAIR_TEST(a_busy_worker_lets_nobody_new_publish),
	};
	const struct CMUnitTest two_busy[] = {
		PAIR_TEST(nor_does_one_that_has_a_part_of_the_room),
	};
	int failed = RUN_ON_A_BUSY_WORKER(busy);

	return failed + RUN_ON_TWO_BUSY_WORKERS(two_busy);
}
