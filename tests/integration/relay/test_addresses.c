/* test_addresses.c - where peers are: strangers on TCP, other ports, the same one again, goodbyes,
 * and silence. */
#include "tests/integration/relay/pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "sfu/wire/rtcp.h"

static int dial_tcp(const struct pair *pair)
{
	const struct sockaddr_in sfu = {.sin_family = AF_INET,
					.sin_port = htons((uint16_t)pair->hub.media_port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&sfu, sizeof(sfu)), 0);
	return fd;
}

static bool is_closed_within(int fd, unsigned seconds)
{
	const struct timeval patience = {.tv_sec = seconds};
	uint8_t byte;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return recv(fd, &byte, 1, 0) == 0 || errno == ECONNRESET;
}

static void a_stranger_on_tcp_is_counted_and_let_go(void **state)
{
	static const uint8_t nonsense[] = {0, 4,  0xff, 1,   2,	  3, /* of no kind */
					   0, 13, 22,	254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t too_long[] = {0xff, 0xff, 1, 2, 3};
	struct pair *pair = *state;
	json_int_t unknown = pair_counter(pair, "dropped_unknown"),
		   malformed = pair_counter(pair, "dropped_malformed");
	struct rtp_header header;
	uint8_t packet[2048];
	int silent = dial_tcp(pair), noisy = dial_tcp(pair), endless = dial_tcp(pair);
	uint64_t since_us = clock_now_us();

	(void)pair_start_flow(pair);
	assert_int_equal(send(noisy, nonsense, sizeof(nonsense), MSG_NOSIGNAL), sizeof(nonsense));
	assert_int_equal(send(endless, too_long, sizeof(too_long), MSG_NOSIGNAL), sizeof(too_long));
	assert_true(is_closed_within(endless, 2));
	assert_true(pair_counter(pair, "dropped_unknown") >= unknown + 1);
	assert_true(pair_counter(pair, "dropped_malformed") >= malformed + 1);
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	assert_true(next_media(&pair->viewer, packet, &header));
	/* No check of anybody's came on it. */
	assert_true(is_closed_within(silent, 15));
	assert_in_range(clock_now_us() - since_us, 9000000, 14000000);
	(void)close(silent);
	(void)close(noisy);
	(void)close(endless);
}

static void one_address_holds_no_more_than_its_share_of_tcp(void **state)
{
	enum { MORE = 80, SHARE = 64 };
	const struct pair *pair = *state;
	int fds[MORE];

	for (size_t i = 0; i < MORE; i++)
		fds[i] = dial_tcp(pair);
	for (size_t i = 0; i < MORE - SHARE; i++) /* the oldest make room */
		assert_true(is_closed_within(fds[i], 2));
	for (size_t i = 0; i < MORE; i++)
		(void)close(fds[i]);
}

static void who_returns_on_the_same_address_keeps_it(void **state)
{
	struct pair *pair = *state;
	struct sockaddr_in local;
	socklen_t size = sizeof(local);
	AUTO_FREE char *offer = NULL;
	struct load_peer again;
	json_int_t unknown, before;

	(void)pair_start_flow(pair);
	assert_int_equal(getsockname(pair->publisher.fd, (struct sockaddr *)&local, &size), 0);
	(void)close(pair->publisher.fd); /* it crashed, without a goodbye */
	pair->publisher.fd = -1;
	pair->publisher.link = dtls_link_free(pair->publisher.link);
	assert_int_equal(load_peer_init(&again, pair->identity), 0);
	local.sin_addr.s_addr = INADDR_ANY;
	assert_int_equal(bind(again.fd, (struct sockaddr *)&local, sizeof(local)), 0);
	offer = load_peer_offer(&again, 0);
	pair_join_with(pair, &again, "again", "whip", offer);
	for (int i = 0; i < 1000 && pair_counter(pair, "tracks") > 1;
	     i++) { /* until the old one is let go */
		load_peer_publish(&again, PACKET_BYTES, true);
		(void)usleep(20000);
	}
	assert_int_equal(pair_counter(pair, "tracks"), 1);
	unknown = pair_counter(pair, "dropped_unknown");
	before = pair_counter(pair, "packets_in");
	for (int i = 0; i < 20; i++)
		load_peer_publish(&again, PACKET_BYTES, true);
	pair_wait_for_packets(pair, before, 20);
	assert_int_equal(pair_counter(pair, "dropped_unknown"), unknown);
	load_peer_fini(&again);
}

/* A NAT forgot and gives another port; the client does not notice. */
/* A port of `address` (of the loopback's net). */
static void move_to(struct load_peer *peer, const char *address)
{
	struct sockaddr_in own = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(inet_pton(AF_INET, address, &own.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&peer->sfu, sizeof(peer->sfu)), 0);
	(void)close(peer->fd);
	peer->fd = fd;
	(void)usleep(30000);
}

static void report(struct load_peer *peer)
{
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	rtcp_write_receiver_report(&writer, 1, NULL, 0);
	load_peer_send_rtcp(peer, packet, writer.offset, sizeof(packet));
}

static void who_gets_another_address_is_known_by_its_keys(void **state)
{
	static const char *const addresses[] = {"127.0.0.1", "127.0.0.2"};
	struct pair *pair = *state;
	uint8_t forged[64] = {0x80, 96, 0, 1};
	struct load_peer stranger;

	(void)pair_start_flow(pair);
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		move_to(&pair->publisher, addresses[i]);
		assert_true(pair_flows(pair));
		move_to(&pair->viewer, addresses[i]);
		assert_false(pair_flows(pair)); /* it has said nothing from there yet */
		report(&pair->viewer);
		assert_true(pair_flows(pair));
	}
	/* Who has not the keys takes nobody's place. */
	assert_int_equal(load_peer_init(&stranger, pair->identity), 0);
	assert_int_equal(connect(stranger.fd, (struct sockaddr *)&pair->viewer.sfu,
				 sizeof(pair->viewer.sfu)),
			 0);
	(void)usleep(30000);
	for (int i = 0; i < 100; i++)
		assert_true(send(stranger.fd, forged, sizeof(forged), 0) > 0);
	assert_true(pair_flows(pair));
	load_peer_fini(&stranger);
}

static bool is_answered(struct load_peer *publisher)
{
	uint64_t until_us = clock_now_us() + PATIENCE_MS * 1000u;
	uint8_t packet[2048];

	while (clock_now_us() < until_us) {
		load_peer_publish(publisher, PACKET_BYTES, true);
		if (load_peer_receive(publisher, 60, packet) > 0)
			return true;
	}
	return false;
}

/* All of them silent, so any of them it may be, and more than are tried at a time. */
static void who_is_one_of_many_is_found_as_well(void **state)
{
	enum { MANY = 160, EVERY = 20 };
	struct pair *pair = *state;
	struct load_peer *peers = calloc(MANY, sizeof(*peers));

	assert_non_null(peers);
	for (size_t i = 0; i < MANY; i++) {
		AUTO_FREE char *offer = NULL;
		char id[16];

		(void)snprintf(id, sizeof(id), "one%zu", i);
		assert_int_equal(load_peer_init(&peers[i], pair->identity), 0);
		peers[i].with_transport_cc = true;
		offer = load_peer_offer(&peers[i], 0);
		pair_join_with(pair, &peers[i], id, "whip", offer);
	}
	for (size_t i = 0; i < MANY; i += EVERY) {
		move_to(&peers[i], "127.0.0.1");
		assert_true(is_answered(&peers[i]));
	}
	for (size_t i = 0; i < MANY; i++)
		load_peer_fini(&peers[i]);
	free(peers);
}

/* As anybody can send it in the peer's name: records that look like DTLS, and media of no key. */
static void send_forgeries(const struct load_peer *peer)
{
	static const uint8_t forgeries[][48] = {
		{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 35, 1}, /* a hello */
		{23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 1, 0, 35},	  /* data */
		{21, 254, 253, 0, 1, 0, 0, 0, 0, 0, 2, 0, 35},	  /* an alert */
		{0x80, 96, 0, 1},
		{0x80, 201, 0, 11},
	};

	for (size_t i = 0; i < ARRAY_LEN(forgeries); i++)
		(void)send(peer->fd, forgeries[i], sizeof(forgeries[i]), 0);
}

static void who_falls_silent_is_let_go_after_10_s(void **state)
{
	struct pair *pair = *state;
	uint64_t since_us;

	(void)pair_start_flow(pair);
	assert_int_equal(pair_counter(pair, "peers"), 2);
	since_us = clock_now_us();
	while (pair_counter(pair, "peers") == 2 && clock_now_us() - since_us < 14000000) {
		send_forgeries(&pair->publisher); /* of this nothing counts */
		(void)usleep(50000);
	}
	/* It sent media until now; the viewer has longer. */
	assert_int_equal(pair_counter(pair, "peers"), 1);
	assert_in_range(clock_now_us() - since_us, 9000000, 13000000);
}

/* Time to notice, and to restart ICE in another network (RFC 9725 section 4.3.2). */
static void a_gap_of_7_s_ends_no_session(void **state)
{
	struct pair *pair = *state;

	(void)pair_start_flow(pair);
	(void)usleep(7000000);
	assert_int_equal(pair_counter(pair, "peers"), 2);
	assert_true(pair_flows(pair));
}

static bool hears_goodbye(const struct pair *pair, struct load_peer *peer)
{
	uint8_t packet[2048];

	for (int i = 0; i < 1000 && dtls_link_state(peer->link) == DTLS_CONNECTED; i++) {
		ssize_t got = recv(peer->fd, packet, sizeof(packet), 0);

		if (got <= 0)
			(void)usleep(10000);
		else if (packet_kind_of(packet, (size_t)got) == PACKET_DTLS)
			assert_int_equal(
				dtls_link_receive(peer->link, packet, (size_t)got,
						  dtls_identity_fingerprint_sha256(pair->identity),
						  NULL),
				0);
	}
	return dtls_link_state(peer->link) == DTLS_CLOSED;
}

/* The SFU has let go of the handshake's memory by then, but for the keys of this. */
static void goodbyes_are_said_and_heard_once_media_flows(void **state)
{
	struct pair *pair = *state;

	(void)pair_start_flow(pair);
	report(&pair->publisher);
	report(&pair->viewer);
	assert_true(pair_flows(pair)); /* the reports came before */
	dtls_link_close(pair->publisher.link);
	pair_wait_until(pair, "peers", 1); /* its silence would be borne for longer */
	fake_hub_leave(&pair->hub, "relay", "viewer");
	assert_true(hears_goodbye(pair, &pair->viewer));
}

int main(void)
{
	const struct CMUnitTest one[] = {
		PAIR_TEST(a_stranger_on_tcp_is_counted_and_let_go),
		PAIR_TEST(one_address_holds_no_more_than_its_share_of_tcp),
		PAIR_TEST(who_returns_on_the_same_address_keeps_it),
		PAIR_TEST(who_gets_another_address_is_known_by_its_keys),
		PAIR_TEST(who_is_one_of_many_is_found_as_well),
		PAIR_TEST(goodbyes_are_said_and_heard_once_media_flows),
		PAIR_TEST(a_gap_of_7_s_ends_no_session),
		PAIR_TEST(who_falls_silent_is_let_go_after_10_s),
	};
	const struct CMUnitTest two[] = {
		PAIR_TEST(who_falls_silent_is_let_go_after_10_s),
	};
	int failed = RUN_ON_ONE_WORKER(one);

	return failed + RUN_ON_TWO_WORKERS(two);
}
