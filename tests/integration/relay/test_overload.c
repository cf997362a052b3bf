/* test_overload.c - a worker that is too busy, at a few per cent of a core. */
#include "tests/integration/relay/layered.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/clock.h"
#include "sfu/model/overload.h"
#include "sfu/model/placement.h"
#include "sfu/wire/rtcp.h"

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

/* ---- layers ---- */

/* Another room on the same worker, in which every packet goes to many. */
enum { CROWD = 24 };
struct crowd {
	struct load_peer publisher, viewers[CROWD];
	unsigned turn;
};

static void join_crowd(struct pair *pair, struct load_peer *peer, const char *peer_id,
		       const char *kind, size_t sections)
{
	AUTO_FREE char *offer = NULL;
	AUTO_FREE char *answer = NULL;

	assert_int_equal(load_peer_init(peer, pair->identity), 0);
	offer = load_peer_offer(peer, sections);
	assert_int_equal(fake_hub_join(&pair->hub, "crowd", peer_id, kind, offer, &answer), 0);
	assert_int_equal(load_peer_connect(peer, answer), 0);
}

static void report_nothing(struct load_peer *peer)
{
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	rtcp_write_receiver_report(&writer, 1, NULL, 0);
	load_peer_send_rtcp(peer, packet, writer.offset, sizeof(packet));
}

static struct crowd *crowd_new(struct pair *pair)
{
	struct crowd *crowd = calloc(1, sizeof(*crowd));

	assert_non_null(crowd);
	join_crowd(pair, &crowd->publisher, "speaker", "whip", 0);
	for (unsigned i = 0; i < CROWD; i++) {
		char peer_id[16];

		(void)snprintf(peer_id, sizeof(peer_id), "%u", i);
		join_crowd(pair, &crowd->viewers[i], peer_id, "whep", 1);
	}
	return crowd;
}

static void crowd_free(struct crowd *crowd, struct pair *pair)
{
	fake_hub_close_room(&pair->hub, "crowd");
	load_peer_fini(&crowd->publisher);
	for (unsigned i = 0; i < CROWD; i++)
		load_peer_fini(&crowd->viewers[i]);
	free(crowd);
}

/* As much as the worker can do: the next burst comes when the last of them has this one. */
static void crowd_go_on(struct crowd *crowd)
{
	enum { BURST = 300, LOST_US = 2000000 };
	struct load_peer *last = &crowd->viewers[CROWD - 1];
	uint64_t until_us = clock_now_us() + LOST_US;

	for (unsigned i = 0; i < BURST; i++)
		load_peer_publish(&crowd->publisher, PACKET_BYTES, true);
	for (int got = 0; got < BURST && clock_now_us() < until_us;)
		got += load_peer_drain(last).media;
	report_nothing(&crowd->viewers[crowd->turn++ % CROWD]); /* it is still there */
}

/* The viewer's own way would carry all of it: it is sent less for the worker's sake. That takes
 * two thirds of a core for some seconds, however long it takes to get there. */
static void a_busy_worker_sends_smaller_layers(void **state)
{
	enum { PATIENCE_US = 60000000 };
	struct pair *pair = *state;
	struct layered layered;
	struct crowd *crowd = crowd_new(pair);
	uint64_t until_us;

	layered_join(&layered, pair);
	layered_go_on_until(&layered, 2);
	layered.may_lose = true;
	until_us = clock_now_us() + PATIENCE_US;
	while (layered.seen_layer == 2 && clock_now_us() < until_us) {
		crowd_go_on(crowd);
		layered_go_on(&layered);
	}
	assert_in_range(layered.seen_layer, 0, 1);
	assert_true(pair_counter(pair, "share_percent") < OVERLOAD_SHARE_ALL);
	layered_leave(&layered, pair);
	crowd_free(crowd, pair);
}

int main(void)
{
	const struct CMUnitTest busy[] = {
		PAIR_TEST(a_busy_worker_lets_nobody_new_publish),
		cmocka_unit_test(a_busy_worker_sends_smaller_layers),
	};
	const struct CMUnitTest two_busy[] = {
		PAIR_TEST(nor_does_one_that_has_a_part_of_the_room),
	};
	int failed = RUN_ON_A_BUSY_WORKER(busy);

	return failed + RUN_ON_TWO_BUSY_WORKERS(two_busy);
}
