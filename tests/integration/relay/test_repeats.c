/* test_repeats.c - how often a viewer who asks again and again is sent the same packet. */
#include "tests/integration/relay/pair.h"

#include <unistd.h>

#include "core/clock.h"
#include "tests/integration/relay/heard.h"

enum { FAR_US = 400000, QUIET_MS = 100 };

static void ask_for(struct load_peer *viewer, uint16_t wanted)
{
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	rtcp_write_nack(&writer, 1, viewer->receive_ssrc, &wanted, 1);
	load_peer_send_rtcp(viewer, packet, writer.offset, sizeof(packet));
}

static int repeats_of(struct load_peer *viewer, uint16_t wanted, int questions)
{
	int answers = 0;

	for (int i = 0; i < questions; i++)
		ask_for(viewer, wanted);
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && answers == 0; i++)
		answers = heard_count(viewer, QUIET_MS).rtx;
	return answers;
}

static void who_may_be_near_is_sent_whatever_it_asks_for(void **state)
{
	struct pair *pair = *state;
	uint16_t first = pair_start_flow(pair);

	assert_int_equal(repeats_of(&pair->viewer, first, 3), 3);
}

/* By a report block, as if our SR had been long on its way. */
static void be_far_by_report(struct load_peer *viewer)
{
	struct rtcp_report_block block = {
		.ssrc = viewer->receive_ssrc,
		.last_sr = ntp_middle(ntp_from_unix_us(clock_unix_us() - FAR_US))};
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	rtcp_write_receiver_report(&writer, 1, &block, 1);
	load_peer_send_rtcp(viewer, packet, writer.offset, sizeof(packet));
}

/* The first answer cannot have arrived when the next questions were asked. */
static void who_is_far_is_sent_it_once_in_a_round_trip(void **state)
{
	struct pair *pair = *state;
	uint16_t first = pair_start_flow(pair);

	be_far_by_report(&pair->viewer);
	assert_int_equal(repeats_of(&pair->viewer, first, 3), 1);
	(void)usleep(FAR_US);
	assert_int_equal(repeats_of(&pair->viewer, first, 2), 1); /* that one was lost */
}

/* Feedback tells of a queue long before a report block does, and when it is gone. */
static void feed_back_late(struct pair *pair, struct load_peer *viewer, unsigned late_us)
{
	uint64_t until_us = clock_now_us() + PATIENCE_MS * 1000u;

	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	while (load_peer_drain(viewer).media == 0)
		assert_true(clock_now_us() < until_us);
	(void)usleep(late_us);
	load_peer_feed_back(viewer);
}

static void a_queue_on_the_way_is_seen_at_once(void **state)
{
	struct pair *pair = *state;
	struct load_peer viewer;
	AUTO_FREE char *offer = NULL;
	uint8_t packet[2048];
	struct rtp_header header;
	bool has_begun = false;
	uint16_t wanted;

	(void)pair_start_flow(pair);
	assert_int_equal(load_peer_init(&viewer, pair->identity), 0);
	viewer.with_transport_cc = true;
	offer = load_peer_offer(&viewer, 1);
	pair_join_with(pair, &viewer, "queued", "whep", offer);
	for (int i = 0; i < 5 && !has_begun; i++) { /* once it is linked */
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		has_begun = next_media(&viewer, packet, &header);
	}
	assert_true(has_begun);
	wanted = header.sequence_number;
	for (int i = 0; i < 2; i++)
		feed_back_late(pair, &viewer, FAR_US);
	assert_int_equal(repeats_of(&viewer, wanted, 3), 1);
	for (int i = 0; i < 2; i++)
		feed_back_late(pair, &viewer, 0);
	assert_int_equal(repeats_of(&viewer, wanted, 1), 1);
	load_peer_fini(&viewer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(who_may_be_near_is_sent_whatever_it_asks_for),
		PAIR_TEST(who_is_far_is_sent_it_once_in_a_round_trip),
		PAIR_TEST(a_queue_on_the_way_is_seen_at_once),
	};

	return RUN_ON_ONE_WORKER(tests);
}
