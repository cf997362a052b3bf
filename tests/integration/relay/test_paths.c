/* test_paths.c - somebody who has two ways to the SFU, and nominates both as Firefox does. */
#include "tests/integration/relay/pair.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/id.h"
#include "sfu/wire/rtcp.h"

enum {
	BETTER = LOAD_PRIORITY + 1,
	WORSE = LOAD_PRIORITY - 1,
	SILENCE_US = 1000000,
	MOVED_US = 100000,
	UNPROVEN_US = 7000000
};

/* The viewer's: the one that it connected by, and another. */
enum { FIRST, SECOND };
struct ways {
	struct load_peer *viewer;
	int fds[2];
};

static struct ways ways_of(struct pair *pair)
{
	struct load_peer *viewer = &pair->viewer;
	struct ways ways = {
		.viewer = viewer,
		.fds = {viewer->fd, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)}};

	assert_int_equal(connect(ways.fds[SECOND], (const struct sockaddr *)&viewer->sfu,
				 sizeof(viewer->sfu)),
			 0);
	(void)pair_start_flow(pair);
	return ways;
}

static void ways_close(struct ways *ways)
{
	ways->viewer->fd = ways->fds[FIRST];
	(void)close(ways->fds[SECOND]);
}

static enum packet_kind receive(int fd, int timeout_ms)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	uint8_t packet[2048];
	ssize_t got;

	if (poll(&readable, 1, timeout_ms) <= 0 || (got = recv(fd, packet, sizeof(packet), 0)) <= 0)
		return PACKET_UNKNOWN;
	return packet_kind_of(packet, (size_t)got);
}

/* Until it is answered. */
static void check(struct ways *ways, int way, uint32_t priority, bool is_nominating)
{
	uint64_t until_us = clock_now_us() + PATIENCE_MS * 1000u;

	ways->viewer->fd = ways->fds[way];
	load_peer_check(ways->viewer, priority, is_nominating);
	while (clock_now_us() < until_us)
		if (receive(ways->fds[way], 10) == PACKET_STUN)
			return;
	fail_msg("a check was not answered");
}

/* By which way what is published now reaches the viewer. */
static void assert_flows_by(struct pair *pair, struct ways *ways, int way)
{
	uint64_t until_us = clock_now_us() + PATIENCE_MS * 1000u;

	for (int i = 0; i < 2; i++) /* what was on its way before */
		while (receive(ways->fds[i], 0) != PACKET_UNKNOWN)
			;
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	while (clock_now_us() < until_us) {
		if (receive(ways->fds[way], 10) == PACKET_RTP)
			return;
		assert_int_not_equal(receive(ways->fds[1 - way], 0), PACKET_RTP);
	}
	fail_msg("nothing came");
}

static void the_better_of_two_nominated_ways_stays(void **state)
{
	struct pair *pair = *state;
	struct ways ways = ways_of(pair);

	check(&ways, FIRST, LOAD_PRIORITY, true);
	check(&ways, SECOND, WORSE, true);
	assert_flows_by(pair, &ways, FIRST);
	check(&ways, SECOND, BETTER, false); /* which is not asked for */
	assert_flows_by(pair, &ways, FIRST);
	check(&ways, SECOND, BETTER, true);
	assert_flows_by(pair, &ways, SECOND);
	check(&ways, FIRST, LOAD_PRIORITY, true);
	assert_flows_by(pair, &ways, SECOND);
	ways_close(&ways);
}

static void the_other_takes_over_from_one_that_is_silent(void **state)
{
	struct pair *pair = *state;
	struct ways ways = ways_of(pair);

	check(&ways, FIRST, LOAD_PRIORITY, true);
	(void)usleep(SILENCE_US + 100000);
	check(&ways, SECOND, WORSE, true);
	assert_flows_by(pair, &ways, SECOND);
	ways_close(&ways);
}

static void report(struct load_peer *peer)
{
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	rtcp_write_receiver_report(&writer, 1, NULL, 0);
	load_peer_send_rtcp(peer, packet, writer.offset, sizeof(packet));
}

static void report_by(struct pair *pair, struct ways *ways, int way)
{
	json_int_t before = pair_counter(pair, "packets_in");

	ways->viewer->fd = ways->fds[way];
	report(ways->viewer);
	pair_wait_for_packets(pair, before, 1);
}

/* In one batch. */
static void report_by_both(struct pair *pair, struct ways *ways)
{
	json_int_t before = pair_counter(pair, "packets_in");

	pair_halt_sfu(pair);
	for (int way = FIRST; way <= SECOND; way++) {
		ways->viewer->fd = ways->fds[way];
		report(ways->viewer);
	}
	pair_resume_sfu(pair);
	pair_wait_for_packets(pair, before, 2);
}

/* Whose address changes may send a check first from there, of the same priority. */
static void who_sends_by_the_other_way_alone_has_moved(void **state)
{
	struct pair *pair = *state;
	struct ways ways = ways_of(pair);

	check(&ways, FIRST, LOAD_PRIORITY, true);
	check(&ways, SECOND, LOAD_PRIORITY, true);
	report_by_both(pair, &ways);
	assert_flows_by(pair, &ways, FIRST);
	(void)usleep(MOVED_US + 50000);
	report_by(pair, &ways, SECOND);
	assert_flows_by(pair, &ways, SECOND);
	ways_close(&ways);
}

/* A check is heard in the same turn, by a path that is merely tried. */
static void what_does_not_authenticate_moves_nobody(void **state)
{
	static const uint8_t forged[48] = {0x80, 96, 0, 1};
	struct pair *pair = *state;
	struct ways ways = ways_of(pair);
	json_int_t before;

	check(&ways, FIRST, LOAD_PRIORITY, true);
	(void)usleep(MOVED_US + 50000);
	before = pair_counter(pair, "packets_in");
	pair_halt_sfu(pair);
	ways.viewer->fd = ways.fds[SECOND];
	load_peer_check(ways.viewer, WORSE, false);
	assert_int_equal(send(ways.fds[SECOND], forged, sizeof(forged), 0), sizeof(forged));
	pair_resume_sfu(pair);
	pair_wait_for_packets(pair, before, 2);
	assert_flows_by(pair, &ways, FIRST);
	ways_close(&ways);
}

/* The address could be another's, written on packets that were caught on their way. */
static void where_no_check_confirms_it_nobody_stays(void **state)
{
	struct pair *pair = *state;
	struct ways ways = ways_of(pair);

	check(&ways, FIRST, LOAD_PRIORITY, true);
	(void)usleep(MOVED_US);
	report_by(pair, &ways, SECOND);
	assert_flows_by(pair, &ways, SECOND);
	(void)usleep(UNPROVEN_US + 100000);
	assert_flows_by(pair, &ways, FIRST);
	report_by(pair, &ways, SECOND);
	assert_flows_by(pair, &ways, FIRST);
	check(&ways, SECOND, LOAD_PRIORITY, true);
	assert_flows_by(pair, &ways, SECOND);
	ways_close(&ways);
}

/* Checks of consent are seconds apart: by them alone it would be silent. */
static void one_with_media_on_it_is_not_silent(void **state)
{
	struct pair *pair = *state;
	struct ways ways = ways_of(pair);

	check(&ways, FIRST, LOAD_PRIORITY, true);
	(void)usleep(SILENCE_US + 100000);
	report_by(pair, &ways, FIRST);
	check(&ways, SECOND, WORSE, true);
	assert_flows_by(pair, &ways, FIRST);
	ways_close(&ways);
}

/* The credentials that the SFU has from now on. */
static void restart(struct pair *pair)
{
	struct load_peer *viewer = &pair->viewer;
	AUTO_FREE char *fragment = NULL;

	id_random_chars(viewer->ufrag, 8);
	id_random_chars(viewer->password, 24);
	assert_int_equal(fake_hub_restart_ice(&pair->hub, "relay", "viewer", viewer->ufrag,
					      viewer->password, &fragment),
			 0);
	assert_int_equal(sscanf(strstr(fragment, "a=ice-ufrag:"), "a=ice-ufrag:%63[^\r]",
				viewer->remote_ufrag),
			 1);
	assert_int_equal(sscanf(strstr(fragment, "a=ice-pwd:"), "a=ice-pwd:%63[^\r]",
				viewer->remote_password),
			 1);
}

static void after_a_restart_the_new_way_counts(void **state)
{
	struct pair *pair = *state;
	struct ways ways = ways_of(pair);
	const struct load_peer before = pair->viewer;

	check(&ways, FIRST, BETTER, true);
	restart(pair);
	assert_flows_by(pair, &ways, FIRST); /* until there is another */
	check(&ways, SECOND, WORSE, true);
	assert_flows_by(pair, &ways, SECOND);
	/* A straggler of the former credentials changes nothing, however good its way is. */
	memcpy(pair->viewer.remote_ufrag, before.remote_ufrag, sizeof(before.remote_ufrag));
	memcpy(pair->viewer.remote_password, before.remote_password,
	       sizeof(before.remote_password));
	memcpy(pair->viewer.ufrag, before.ufrag, sizeof(before.ufrag));
	check(&ways, FIRST, BETTER, true);
	assert_flows_by(pair, &ways, SECOND);
	ways_close(&ways);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(the_better_of_two_nominated_ways_stays),
		PAIR_TEST(the_other_takes_over_from_one_that_is_silent),
		PAIR_TEST(one_with_media_on_it_is_not_silent),
		PAIR_TEST(who_sends_by_the_other_way_alone_has_moved),
		PAIR_TEST(what_does_not_authenticate_moves_nobody),
		PAIR_TEST(where_no_check_confirms_it_nobody_stays),
		PAIR_TEST(after_a_restart_the_new_way_counts),
	};

	return RUN_ON_ONE_WORKER(tests);
}
