/* test_overload.c - a worker that is too busy, at one per cent of a core. */
#include "tests/integration/relay/pair.h"

#include <errno.h>
#include <unistd.h>

#include "core/clock.h"

static void flood(struct pair *pair, unsigned milliseconds)
{
	uint64_t until_us = clock_now_us() + milliseconds * 1000u;
	uint8_t packet[2048];

	while (clock_now_us() < until_us) {
		for (unsigned i = 0; i < 10; i++)
			load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		while (load_peer_receive(&pair->viewer, 1, packet) > 0)
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

static void a_busy_worker_lets_nobody_new_publish(void **state)
{
	struct pair *pair = *state;
	struct load_peer late_viewer;
	struct rtp_header header;
	uint8_t packet[2048];

	(void)pair_start_flow(pair);
	flood(pair, 4000);
	assert_int_equal(pair_counter(pair, "refuses_publishers"), 1);
	assert_int_equal(try_to_publish(pair, "late"), -EAGAIN);
	assert_string_equal(pair->hub.refusal.code, "media_overloaded");
	/* Who is there goes on, and whoever watches is let in. */
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	assert_true(next_media(&pair->viewer, packet, &header));
	pair_join(pair, &late_viewer, "late viewer", "whep", 1);
	load_peer_fini(&late_viewer);
	for (unsigned i = 0; i < 100 && pair_counter(pair, "refuses_publishers"); i++)
		(void)usleep(100000);
	assert_int_equal(try_to_publish(pair, "patient"), 0);
}

int main(void)
{
	const struct CMUnitTest busy[] = {
		PAIR_TEST(a_busy_worker_lets_nobody_new_publish),
	};

	return RUN_ON_A_BUSY_WORKER(busy);
}
