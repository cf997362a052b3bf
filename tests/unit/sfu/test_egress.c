/* test_egress.c - what leaves when the kernel or a card refuses trains (UDP GSO).
 *
 * The socket is real, on the loopback; sendmmsg() and sendmsg() are wrapped (-Wl,--wrap), so that
 * trains can be refused as a driver or a small MTU does. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "sfu/edge/egress.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { PACKET = 200, TRAIN = 5, REFUSALS_MAX = 64 };

/* The kernel of a test: what trains meet, and what single packets do. 0: they are taken. */
static int train_error, single_error;
static unsigned trains_sent, trains_refused, singles_sent;
static bool has_no_way_out; /* nothing leaves the machine, so that no queue is ever full */
static size_t bytes_taken;

static bool is_train(const struct msghdr *message)
{
	/* CMSG_NXTHDR() wants a pointer to what is not const. */
	struct msghdr copy = *message;

	for (struct cmsghdr *at = CMSG_FIRSTHDR(&copy); at; at = CMSG_NXTHDR(&copy, at))
		if (at->cmsg_level == IPPROTO_UDP && at->cmsg_type == UDP_SEGMENT)
			return true;
	return false;
}

static size_t length_of(const struct msghdr *message)
{
	size_t length = 0;

	for (size_t i = 0; i < message->msg_iovlen; i++)
		length += message->msg_iov[i].iov_len;
	return length;
}

/* As the kernel does: those before the one that fails are sent. */
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	unsigned taken = 0;

	while (taken < count) {
		bool is_of_many = is_train(&messages[taken].msg_hdr);
		int error = is_of_many ? train_error : single_error;

		trains_refused += is_of_many && error && taken == 0;
		if (error && taken == 0) {
			errno = error;
			return -1;
		}
		if (error)
			break;
		trains_sent += is_of_many;
		singles_sent += !is_of_many;
		bytes_taken += length_of(&messages[taken].msg_hdr);
		taken++;
	}
	return has_no_way_out ? (int)taken : __real_sendmmsg(fd, messages, taken, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (single_error) {
		errno = single_error;
		return -1;
	}
	assert_false(is_train(message));
	singles_sent++;
	return __real_sendmsg(fd, message, flags);
}

struct way {
	int in, out;
	struct egress *egress;
	struct egress_target target;
	uint8_t next_sent, next_received;
};

static int open_socket(struct sockaddr_in6 *ret_address)
{
	const struct in6_addr loopback = {
		{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}}};
	const int off = 0;
	socklen_t size = sizeof(*ret_address);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*ret_address = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = loopback};
	assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)ret_address, sizeof(*ret_address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret_address, &size), 0);
	return fd;
}

static int set_up(void **state)
{
	struct way *way = calloc(1, sizeof(*way));
	struct sockaddr_in6 address, own;
	struct net_path path;

	assert_non_null(way);
	train_error = single_error = 0;
	has_no_way_out = false;
	bytes_taken = 0;
	trains_sent = trains_refused = singles_sent = 0;
	way->out = open_socket(&own);
	way->in = open_socket(&address);
	path = (struct net_path){.remote = address.sin6_addr,
				 .remote_port = address.sin6_port,
				 .local = own.sin6_addr};
	egress_target_set(&way->target, &path);
	way->egress = egress_new(way->out);
	assert_non_null(way->egress);
	*state = way;
	return 0;
}

static int tear_down(void **state)
{
	struct way *way = *state;

	way->egress = egress_free(way->egress);
	(void)close(way->in);
	(void)close(way->out);
	free(way);
	return 0;
}

static void commit(struct way *way, struct egress_target *target, size_t length)
{
	memset(egress_reserve(way->egress), way->next_sent++, length);
	egress_commit(way->egress, target, length);
}

/* Packets of one length, and a shorter one, which is the last that can ride on it. */
static void commit_train(struct way *way)
{
	for (int i = 1; i < TRAIN; i++)
		commit(way, &way->target, PACKET);
	commit(way, &way->target, PACKET / 2);
}

static void assert_next_is(struct way *way, size_t length)
{
	uint8_t packet[4096];

	/* The loopback has it before sendmmsg() returns. */
	assert_int_equal(recv(way->in, packet, sizeof(packet), 0), length);
	for (size_t i = 0; i < length; i++)
		assert_int_equal(packet[i], way->next_received);
	way->next_received++;
}

static void assert_nothing_more(const struct way *way)
{
	uint8_t packet[4096];

	assert_int_equal(recv(way->in, packet, sizeof(packet), 0), -1);
}

/* All of it, each packet by itself and in order. */
static void assert_train_arrives(struct way *way)
{
	for (int i = 1; i < TRAIN; i++)
		assert_next_is(way, PACKET);
	assert_next_is(way, PACKET / 2);
	assert_nothing_more(way);
}

static void send_train(struct way *way)
{
	commit_train(way);
	egress_flush(way->egress);
	assert_train_arrives(way);
}

/* ---- */

static void equal_packets_leave_as_one_train(void **state)
{
	struct way *way = *state;

	send_train(way);
	assert_int_equal(trains_sent, 1);
	assert_int_equal(singles_sent, 0);
	assert_int_equal(egress_counters(way->egress)->system_calls, 1);
	assert_int_equal(egress_counters(way->egress)->packets, TRAIN);
}

/* Both destinations are the one socket, so what arrives shows what left in front of what. */
static void commit_alternately(struct way *way, struct egress_target *other, int times)
{
	for (int i = 0; i < times; i++) {
		commit(way, &way->target, PACKET);
		commit(way, other, PACKET);
	}
}

static void assert_halves_arrive(struct way *way, int times)
{
	uint8_t first = way->next_received;

	for (int of_other = 0; of_other < 2; of_other++) {
		for (int i = 0; i < times; i++) {
			way->next_received = (uint8_t)(first + 2 * i + of_other);
			assert_next_is(way, PACKET);
		}
	}
	way->next_received = (uint8_t)(first + 2 * times);
}

static void packets_find_their_train_over_those_of_others(void **state)
{
	struct way *way = *state;
	struct egress_target other = way->target;

	for (int flush = 1; flush <= 2; flush++) { /* none rides on what has left */
		commit_alternately(way, &other, TRAIN);
		egress_flush(way->egress);
		assert_halves_arrive(way, TRAIN);
		assert_nothing_more(way);
		assert_int_equal(trains_sent, 2 * flush);
	}
	assert_int_equal(singles_sent, 0);
}

static void one_of_many_pieces_that_is_refused_loses_none(void **state)
{
	struct way *way = *state;
	struct egress_target other = way->target;

	train_error = EINVAL;
	commit_alternately(way, &other, TRAIN);
	egress_flush(way->egress);
	assert_halves_arrive(way, TRAIN);
	assert_nothing_more(way);
	assert_int_equal(singles_sent, 2 * TRAIN);
}

/* It says of itself what was said of the one it was copied from. */
static void what_is_copied_from_a_destination_is_another(void **state)
{
	struct way *way = *state;
	struct egress_target other;

	commit(way, &way->target, PACKET);
	other = way->target;
	commit(way, &other, PACKET);
	egress_flush(way->egress);
	assert_int_equal(trains_sent, 0);
	assert_int_equal(singles_sent, 2);
}

/* As many as the kernel takes without allocating. */
static void a_train_has_eight_pieces_at_most(void **state)
{
	struct way *way = *state;
	struct egress_target other = way->target;

	commit_alternately(way, &other, 9);
	egress_flush(way->egress);
	assert_int_equal(trains_sent, 2);
	assert_int_equal(singles_sent, 2);
}

/* Rather than ride on the train in front of the long one, it leaves behind it. */
static void none_overtakes_another_of_its_destination(void **state)
{
	struct way *way = *state;
	struct egress_target other = way->target;

	commit(way, &way->target, PACKET);
	commit(way, &way->target, PACKET / 2);
	commit(way, &other, PACKET);
	commit(way, &way->target, PACKET);
	commit(way, &way->target, PACKET);
	egress_flush(way->egress);
	assert_next_is(way, PACKET);
	assert_next_is(way, PACKET / 2);
	for (int i = 0; i < 3; i++)
		assert_next_is(way, PACKET);
	assert_nothing_more(way);
	assert_int_equal(trains_sent, 2);
}

/* More than there is room for, in bytes, trains or pieces: it is flushed in between. */
static void what_is_too_much_for_one_flush_leaves_in_several(void **state)
{
	struct way *way = *state;
	enum { PACKETS = 4000 };
	static const struct {
		size_t destinations, length;
		uint64_t flushes; /* at the least */
	} cases[] = {
		{100, 1200, PACKETS * 1200 / (256 << 10)}, /* the arena is full */
		{600, 50, PACKETS / 512},		   /* as many trains as there may be */
		{300, 50, PACKETS / 1024},		   /* as many pieces */
	};
	struct egress_target others[600];
	size_t bytes = 0;

	has_no_way_out = true;
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		others[i] = way->target;
	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		uint64_t before = egress_counters(way->egress)->system_calls;

		for (size_t i = 0; i < PACKETS; i++, bytes += cases[c].length)
			commit(way, &others[i % cases[c].destinations], cases[c].length);
		egress_flush(way->egress);
		assert_int_equal(bytes_taken, bytes);
		assert_int_equal(egress_counters(way->egress)->bytes, bytes);
		assert_in_range(egress_counters(way->egress)->system_calls - before,
				cases[c].flushes, cases[c].flushes + 1);
	}
}

static void a_refused_train_leaves_packet_by_packet(void **state)
{
	static const int errors[] = {EINVAL, EMSGSIZE, EIO};
	struct way *way = *state;

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		train_error = errors[i];
		send_train(way);
	}
	assert_int_equal(trains_refused, ARRAY_LEN(errors));
	assert_int_equal(singles_sent, ARRAY_LEN(errors) * TRAIN);
	assert_int_equal(egress_counters(way->egress)->packets, ARRAY_LEN(errors) * TRAIN);
	assert_int_equal(egress_counters(way->egress)->bytes,
			 ARRAY_LEN(errors) * ((TRAIN - 1) * PACKET + PACKET / 2));
	assert_int_equal(egress_counters(way->egress)->dropped, 0);
}

/* What comes before and behind it in the same flush is not touched. */
static void one_that_is_refused_holds_up_nothing(void **state)
{
	struct way *way = *state;
	/* Other destinations: nothing rides along. */
	struct egress_target before = way->target, behind = way->target;

	train_error = EMSGSIZE;
	commit(way, &before, 1000);
	commit_train(way);
	commit(way, &behind, 900);
	egress_flush(way->egress);
	assert_next_is(way, 1000);
	for (int i = 1; i < TRAIN; i++)
		assert_next_is(way, PACKET);
	assert_next_is(way, PACKET / 2);
	assert_next_is(way, 900);
	assert_nothing_more(way);
	assert_int_equal(egress_counters(way->egress)->dropped, 0);
}

static void a_card_that_cannot_is_asked_no_more(void **state)
{
	struct way *way = *state;

	train_error = EIO;
	send_train(way);
	train_error = 0; /* though it would */
	send_train(way);
	send_train(way);
	assert_int_equal(trains_refused, 1);
	assert_int_equal(trains_sent, 0);
	assert_int_equal(singles_sent, 3 * TRAIN);
}

static void one_small_mtu_does_not_end_it_for_all(void **state)
{
	struct way *way = *state;

	for (int i = 1; i < REFUSALS_MAX; i++) {
		train_error = EINVAL;
		send_train(way);
	}
	train_error = 0;
	send_train(way);
	assert_int_equal(trains_sent, 1);
	/* That one counts as a new beginning. */
	for (int i = 1; i < REFUSALS_MAX; i++) {
		train_error = EINVAL;
		send_train(way);
	}
	train_error = 0;
	send_train(way);
	assert_int_equal(trains_sent, 2);
	assert_int_equal(trains_refused, 2 * (REFUSALS_MAX - 1));
}

static void nothing_but_refusals_end_it(void **state)
{
	struct way *way = *state;

	train_error = EINVAL;
	for (int i = 0; i < REFUSALS_MAX; i++)
		send_train(way);
	assert_int_equal(trains_refused, REFUSALS_MAX);
	train_error = 0;
	send_train(way);
	assert_int_equal(trains_sent, 0);
	assert_int_equal(trains_refused, REFUSALS_MAX);
	assert_int_equal(singles_sent, (REFUSALS_MAX + 1) * TRAIN);
	assert_int_equal(egress_counters(way->egress)->dropped, 0);
}

static void what_cannot_leave_either_way_is_counted(void **state)
{
	struct way *way = *state;

	train_error = single_error = EINVAL;
	commit_train(way);
	commit(way, &way->target, PACKET); /* longer than the train's last: on its own */
	egress_flush(way->egress);
	assert_nothing_more(way);
	assert_int_equal(egress_counters(way->egress)->dropped, TRAIN + 1);
}

/* That is not of its being a train: coupling goes on. */
static void an_unreachable_destination_costs_its_packets_alone(void **state)
{
	struct way *way = *state;

	train_error = ENETUNREACH;
	commit_train(way);
	egress_flush(way->egress);
	assert_nothing_more(way);
	assert_int_equal(egress_counters(way->egress)->dropped, TRAIN);
	assert_int_equal(singles_sent, 0);
	way->next_received = way->next_sent;
	train_error = 0;
	send_train(way);
	assert_int_equal(trains_sent, 1);
}

#define EGRESS_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EGRESS_TEST(equal_packets_leave_as_one_train),
		EGRESS_TEST(packets_find_their_train_over_those_of_others),
		EGRESS_TEST(one_of_many_pieces_that_is_refused_loses_none),
		EGRESS_TEST(what_is_copied_from_a_destination_is_another),
		EGRESS_TEST(a_train_has_eight_pieces_at_most),
		EGRESS_TEST(none_overtakes_another_of_its_destination),
		EGRESS_TEST(what_is_too_much_for_one_flush_leaves_in_several),
		EGRESS_TEST(a_refused_train_leaves_packet_by_packet),
		EGRESS_TEST(one_that_is_refused_holds_up_nothing),
		EGRESS_TEST(a_card_that_cannot_is_asked_no_more),
		EGRESS_TEST(one_small_mtu_does_not_end_it_for_all),
		EGRESS_TEST(nothing_but_refusals_end_it),
		EGRESS_TEST(what_cannot_leave_either_way_is_counted),
		EGRESS_TEST(an_unreachable_destination_costs_its_packets_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
