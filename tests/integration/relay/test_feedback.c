/* test_feedback.c - what a publisher is told of its way: when its packets came, and how soon it is
 * asked again for what was lost. */
#include "tests/integration/relay/pair.h"

#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "tests/integration/relay/heard.h"

/* What has been fed back of the last packets. */
struct told {
	uint16_t first, count;
	int64_t arrivals_us[8];
	unsigned known; /* as bits */
};

static bool take_arrival(void *data, uint16_t transport_sequence, bool has_arrived,
			 int64_t arrival_us)
{
	struct told *told = data;
	uint16_t at = (uint16_t)(transport_sequence - told->first);

	if (has_arrived && at < told->count) {
		told->arrivals_us[at] = arrival_us;
		told->known |= 1u << at;
	}
	return true;
}

static void take_feedback(void *data, struct slice packet)
{
	assert_int_equal(rtcp_read_transport_feedback(packet, take_arrival, data), 0);
}

static void wait_for_all(struct told *told, struct load_peer *peer)
{
	static const struct rtcp_visitor visitor = {.transport_feedback = take_feedback};
	uint64_t until_us = clock_now_us() + PATIENCE_MS * 1000u;
	unsigned all = (1u << told->count) - 1;
	uint8_t packet[2048];

	while (told->known != all && clock_now_us() < until_us) {
		size_t length = load_peer_receive(peer, 100, packet);

		if (length > 0 && packet_kind_of(packet, length) == PACKET_RTCP)
			assert_int_equal(rtcp_visit(packet, length, &visitor, told), 0);
	}
	assert_int_equal(told->known, all);
}

/* One more publisher, whose packets are numbered for feedback. */
static void join_numbered(struct pair *pair, struct load_peer *publisher)
{
	AUTO_FREE char *offer = NULL;

	assert_int_equal(load_peer_init(publisher, pair->identity), 0);
	publisher->with_transport_cc = true;
	offer = load_peer_offer(publisher, 0);
	pair_join_with(pair, publisher, "numbered", "whip", offer);
}

/* It would take its way for faster than it is, or slower, and probes of it for failed. */
static void a_busy_moment_does_not_look_like_the_way(void **state)
{
	enum { COUNT = 5, GAP_US = 20000 };
	struct pair *pair = *state;
	struct load_peer publisher;
	struct told told = {.count = COUNT};

	join_numbered(pair, &publisher);
	told.first = publisher.transport_sequence;
	pair_halt_sfu(pair);
	for (int i = 0; i < COUNT; i++) {
		load_peer_publish(&publisher, PACKET_BYTES, true);
		(void)usleep(GAP_US);
	}
	pair_resume_sfu(pair);
	wait_for_all(&told, &publisher);
	for (int i = 1; i < COUNT; i++)
		assert_in_range(told.arrivals_us[i] - told.arrivals_us[i - 1], GAP_US * 3 / 4,
				GAP_US * 5);
	load_peer_fini(&publisher);
}

/* The next packet is lost; the one after it tells. */
static uint16_t lose_one(struct load_peer *publisher)
{
	uint16_t lost;

	load_peer_publish(publisher, PACKET_BYTES, true);
	lost = publisher->sequence_number++;
	load_peer_publish(publisher, PACKET_BYTES, true);
	return lost;
}

static void send_again(struct load_peer *publisher, uint16_t lost, uint16_t rtx_sequence)
{
	uint8_t packet[256] = {0};
	const uint8_t payload[100] = {(uint8_t)(lost >> 8), (uint8_t)lost, 0x10};
	int r;

	rtp_header_encode(packet, LOAD_RTX, true, false, false, rtx_sequence, 0,
			  publisher->ssrc + 1);
	r = media_crypto_protect_rtp(publisher->out, packet, sizeof(packet), RTP_HEADER_BYTES, NULL,
				     0, payload, sizeof(payload));
	assert_true(r > 0);
	assert_int_equal(send(publisher->fd, packet, (size_t)r, 0), r);
}

/* Questions for what was sent again meanwhile are passed over. */
static uint64_t until_asked_for(struct load_peer *publisher, uint16_t lost)
{
	uint64_t began_us = clock_now_us();
	struct heard heard;

	do {
		heard = (struct heard){0};
		heard_wait(&heard, publisher, heard_has_nack);
	} while (heard.nack_sequence != lost);
	return clock_now_us() - began_us;
}

/* Who only sends writes no report blocks: its answers tell how near it is. Measured some times, as
 * this machine may be busy; who is taken for far is never asked again within 100 ms. */
static void a_near_publisher_is_soon_asked_again(void **state)
{
	struct pair *pair = *state;
	struct load_peer *publisher = &pair->publisher;
	uint64_t soonest_us = UINT64_MAX;

	(void)pair_start_flow(pair);
	publisher->sends_deltas = true; /* what is lost before a keyframe is not asked for */
	for (uint16_t i = 0; i < 10; i++) {
		uint16_t lost = lose_one(publisher);
		uint64_t again_us;

		(void)until_asked_for(publisher, lost);
		if (i % 2 == 0) { /* an answer to the first question */
			send_again(publisher, lost, i);
			continue;
		}
		again_us = until_asked_for(publisher, lost);
		if (again_us < soonest_us)
			soonest_us = again_us;
		send_again(publisher, lost, i);
	}
	assert_in_range(soonest_us, 5000, 80000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(a_busy_moment_does_not_look_like_the_way),
		PAIR_TEST(a_near_publisher_is_soon_asked_again),
	};

	return RUN_ON_ONE_WORKER(tests);
}
