/* test_packets.c - what realtime-sfu does with packets, seen from a publisher and a viewer: order,
 * retransmission, keyframes, reports, mutes, and the pace in which they leave. */
#include "tests/integration/relay/pair.h"

#include <stdio.h>
#include <unistd.h>

#include "core/clock.h"
#include "tests/integration/relay/heard.h"

static void packets_arrive_in_order_under_one_ssrc(void **state)
{
	struct pair *pair = *state;
	uint16_t first = pair_start_flow(pair);
	struct rtp_header header;
	uint8_t packet[2048];

	for (uint16_t i = 1; i <= 50; i++) {
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		assert_true(next_media(&pair->viewer, packet, &header));
		assert_int_equal(header.sequence_number, (uint16_t)(first + i));
		assert_int_equal(header.ssrc, pair->viewer.receive_ssrc);
		assert_int_equal(header.payload_type, LOAD_VP8);
	}
}

static void a_nack_is_answered_by_rtx(void **state)
{
	struct pair *pair = *state;
	uint16_t wanted = pair_start_flow(pair);
	struct rtp_header header;
	uint8_t packet[2048];
	struct writer writer = writer_over(packet, sizeof(packet));

	rtcp_write_nack(&writer, 1, pair->viewer.receive_ssrc, &wanted, 1);
	load_peer_send_rtcp(&pair->viewer, packet, writer.offset, sizeof(packet));
	assert_true(next_media(&pair->viewer, packet, &header));
	assert_int_equal(header.payload_type, LOAD_RTX);
	assert_int_equal(header.ssrc, pair->viewer.receive_rtx_ssrc);
	assert_int_equal(packet[header.header_bytes] << 8 | packet[header.header_bytes + 1],
			 wanted);
	assert_int_equal(packet[header.header_bytes + 2], 0x10); /* the original's payload */
}

static void a_gap_is_asked_for_at_the_publisher(void **state)
{
	struct pair *pair = *state;
	struct heard heard = {0};
	uint16_t missing;

	(void)pair_start_flow(pair);
	pair->publisher.sends_deltas = true; /* a keyframe would make the loss moot */
	missing = pair->publisher.sequence_number++;
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	heard_wait(&heard, &pair->publisher, heard_has_nack);
	assert_int_equal(heard.nack_ssrc, pair->publisher.ssrc);
	assert_int_equal(heard.nack_sequence, missing);
	assert_int_equal(heard.nack_count, 1);
}

static void a_viewers_pli_reaches_the_publisher(void **state)
{
	struct pair *pair = *state;
	struct heard heard = {0};
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	(void)pair_start_flow(pair);
	rtcp_write_pli(&writer, 1, pair->viewer.receive_ssrc);
	load_peer_send_rtcp(&pair->viewer, packet, writer.offset, sizeof(packet));
	heard_wait(&heard, &pair->publisher, heard_has_pli);
	assert_int_equal(heard.pli_ssrc, pair->publisher.ssrc);
}

/* The last keyframe and what came since, once more for the next viewer; who joins later than half a
 * second after it waits for another one, so a slow machine tries again. */
static void who_joins_soon_after_a_keyframe_begins_with_it(void **state)
{
	enum { DELTAS = 5, SOON_US = 400000, TRIES = 20 };
	struct pair *pair = *state;

	(void)pair_start_flow(pair);
	fake_hub_leave(&pair->hub, "relay", "viewer"); /* where workers share, its place is taken */
	pair_wait_until(pair, "peers", 1);
	for (int i = 0; i < TRIES; i++) {
		AUTO_FREE char *answer = NULL;
		struct load_peer late;
		struct rtp_header header, last;
		uint8_t packet[2048];
		uint64_t began_us;
		char peer_id[16];

		(void)snprintf(peer_id, sizeof(peer_id), "late%d", i);
		answer = pair_admit(pair, &late, peer_id, "whep", 1);
		began_us = clock_now_us();
		for (int j = 0; j <= DELTAS; j++) {
			pair->publisher.sends_deltas = j > 0;
			load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		}
		assert_int_equal(load_peer_connect(&late, answer), 0);
		if (clock_now_us() - began_us > SOON_US) {
			load_peer_fini(&late);
			continue;
		}
		for (int j = 0; j <= DELTAS; j++) { /* with no further word of the publisher's */
			assert_true(next_media(&late, packet, &header));
			assert_int_equal(packet[header.header_bytes + 1] & 1, j > 0);
			if (j > 0)
				assert_int_equal(header.sequence_number,
						 (uint16_t)(last.sequence_number + 1));
			last = header;
		}
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		assert_true(next_media(&late, packet, &header));
		assert_int_equal(header.sequence_number, (uint16_t)(last.sequence_number + 1));
		load_peer_fini(&late);
		return;
	}
	fail_msg("this machine is too slow for this test");
}

/* Its keyframe is made while it connects; one that was made just before will do, which a machine
 * that was held up has none of. */
static void a_keyframe_is_asked_for_before_who_joins_is_connected(void **state)
{
	enum { QUIET_MS = 100, OLD_MS = 300, SOON_US = 200000 };
	struct pair *pair = *state;
	struct heard heard = {0};
	struct load_peer soon, late;
	AUTO_FREE char *soon_answer = NULL;
	AUTO_FREE char *late_answer = NULL;
	uint64_t began_us;
	bool is_soon;

	(void)pair_start_flow(pair);
	(void)heard_count(&pair->publisher, QUIET_MS);
	began_us = clock_now_us();
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	soon_answer = pair_admit(pair, &soon, "soon", "whep", 1);
	is_soon = clock_now_us() - began_us < SOON_US;
	assert_true(heard_count(&pair->publisher, QUIET_MS).plis == 0 || !is_soon);
	(void)heard_count(&pair->publisher, OLD_MS);
	pair->publisher.sends_deltas = true;
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	late_answer = pair_admit(pair, &late, "late", "whep", 1);
	heard_wait(&heard, &pair->publisher, heard_has_pli);
	assert_int_equal(heard.pli_ssrc, pair->publisher.ssrc);
	load_peer_fini(&soon);
	load_peer_fini(&late);
}

/* The publisher's packet of that number: a keyframe's first, or another one of it. */
static void publish_under(struct pair *pair, uint16_t sequence_number, bool is_first, bool marker)
{
	pair->publisher.sequence_number = sequence_number;
	if (is_first)
		load_peer_publish(&pair->publisher, PACKET_BYTES, marker);
	else
		load_peer_publish_more(&pair->publisher, PACKET_BYTES, marker);
}

/* Lost on its way from the publisher and sent again, say. What of the picture was there before it
 * follows without being asked for. */
static void a_keyframe_whose_first_packet_is_late_is_sent_whole(void **state)
{
	enum { REST = 3 };
	struct pair *pair = *state;
	struct heard heard = {0};
	uint16_t number = pair->publisher.sequence_number;
	uint8_t packet[2048];
	struct rtp_header first, header;

	pair->publisher.sends_deltas = true; /* of no use to who has come, and waits */
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	heard_wait(&heard, &pair->publisher, heard_has_pli);
	for (uint16_t i = 1; i <= REST; i++)
		publish_under(pair, (uint16_t)(number + 1 + i), false, i == REST);
	assert_int_equal(load_peer_receive(&pair->viewer, 100, packet), 0);
	pair->publisher.sends_deltas = false;
	publish_under(pair, (uint16_t)(number + 1), true, false);
	assert_true(next_media(&pair->viewer, packet, &first));
	assert_int_equal(packet[first.header_bytes], 0x10);
	for (uint16_t i = 1; i <= REST; i++) {
		assert_true(next_media(&pair->viewer, packet, &header));
		assert_int_equal(header.payload_type, LOAD_VP8);
		assert_int_equal(header.sequence_number, (uint16_t)(first.sequence_number + i));
		assert_int_equal(header.marker, i == REST);
	}
	/* And goes on behind it. */
	publish_under(pair, (uint16_t)(number + REST + 2), true, true);
	assert_true(next_media(&pair->viewer, packet, &header));
	assert_int_equal(header.sequence_number, (uint16_t)(first.sequence_number + REST + 1));
}

static void both_ends_get_reports(void **state)
{
	struct pair *pair = *state;
	struct heard at_publisher = {0}, at_viewer = {0};
	struct rtcp_sender_info info = {.ntp = ntp_from_unix_us(clock_unix_us()),
					.rtp_timestamp = 123456};
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	(void)pair_start_flow(pair);
	rtcp_write_sender_report(&writer, pair->publisher.ssrc, &info, NULL, 0);
	load_peer_send_rtcp(&pair->publisher, packet, writer.offset, sizeof(packet));
	heard_wait(&at_viewer, &pair->viewer, heard_has_sender_report);
	assert_int_equal(at_viewer.report_ssrc, pair->viewer.receive_ssrc);
	assert_true(at_viewer.report.packet_count > 0);
	heard_wait(&at_publisher, &pair->publisher, heard_has_block);
	assert_int_equal(at_publisher.block.ssrc, pair->publisher.ssrc);
	assert_int_equal(at_publisher.block.fraction_lost, 0);
}

static void a_new_ssrc_of_the_publisher_is_not_seen_by_the_viewer(void **state)
{
	struct pair *pair = *state;
	uint16_t first = pair_start_flow(pair);
	struct rtp_header header;
	uint8_t packet[2048];

	pair->publisher.ssrc ^= 0x5a5a5a5a;
	pair->publisher.sequence_number = 20000;
	for (uint16_t i = 1; i <= 5; i++) {
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		assert_true(next_media(&pair->viewer, packet, &header));
		assert_int_equal(header.sequence_number, (uint16_t)(first + i));
		assert_int_equal(header.ssrc, pair->viewer.receive_ssrc);
	}
}

/* What comes while a moderator has muted it goes nowhere and is not kept; afterwards the viewer
 * sees a keyframe under the next number, as if nothing had been. */
static void a_muted_track_is_not_forwarded_until_it_is_unmuted(void **state)
{
	struct pair *pair = *state;
	uint16_t last = pair_start_flow(pair);
	struct heard heard = {0};
	struct rtp_header header;
	uint8_t packet[2048];

	assert_int_equal(fake_hub_mute(&pair->hub, "relay", "publisher", true), 0);
	while (next_media(&pair->viewer, packet, &header)) /* what was on its way before */
		last = header.sequence_number;
	for (int i = 0; i < 20; i++)
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	assert_false(next_media(&pair->viewer, packet, &header));

	assert_int_equal(fake_hub_mute(&pair->hub, "relay", "publisher", false), 0);
	heard_wait(&heard, &pair->publisher, heard_has_pli);
	assert_int_equal(heard.pli_ssrc, pair->publisher.ssrc);
	pair->publisher.sends_deltas = true;
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	pair->publisher.sends_deltas = false;
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	assert_true(next_media(&pair->viewer, packet, &header));
	assert_int_equal(header.sequence_number, (uint16_t)(last + 1));
	assert_int_equal(header.ssrc, pair->viewer.receive_ssrc);
}

static void a_change_of_ssrc_within_one_batch_loses_nothing_after_it(void **state)
{
	struct pair *pair = *state;
	struct rtp_header header;
	uint8_t packet[2048];
	int got = 0;

	(void)pair_start_flow(pair);
	pair_halt_sfu(pair); /* so that both come in one batch */
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	pair->publisher.ssrc ^= 0x5a5a5a5a;
	pair->publisher.sequence_number = 5000;
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	pair_resume_sfu(pair);
	for (int i = 0; i < 20; i++) {
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		got += next_media(&pair->viewer, packet, &header);
	}
	assert_int_equal(got, 20);
}

/* The pieces of a picture leave equally long; what they hold stays what it was. */
static void pieces_of_a_picture_are_padded_to_one_length(void **state)
{
	static const size_t lengths[] = {PACKET_BYTES - 2, PACKET_BYTES, PACKET_BYTES - 1,
					 PACKET_BYTES - 4, PACKET_BYTES - 100};
	struct pair *pair = *state;
	uint8_t packet[2048];

	(void)pair_start_flow(pair);
	pair_halt_sfu(pair); /* so that all come in one batch */
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		load_peer_publish(&pair->publisher, lengths[i], false);
	pair_resume_sfu(pair);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		/* Without the tag of SRTP; the viewer has agreed to no extensions. */
		size_t length = load_peer_receive(&pair->viewer, PATIENCE_MS, packet), added;
		struct rtp_header header;

		while (length > 0 && packet_kind_of(packet, length) != PACKET_RTP)
			length = load_peer_receive(&pair->viewer, PATIENCE_MS, packet);
		assert_int_equal(rtp_header_decode(packet, length, false, &header), 0);
		added = i < 3 ? PACKET_BYTES - lengths[i] : 0;
		assert_int_equal(header.padding_bytes, added);
		assert_int_equal(length + 16, lengths[i] + added);
		assert_int_equal(packet[header.header_bytes], 0x10);
	}
}

/* What comes within so long: packets of media, and from the first to the last of them. */
static int drain_for(struct load_peer *viewer, uint64_t for_us, uint64_t *ret_spread_us)
{
	uint64_t now_us = clock_now_us(), end_us = now_us + for_us, first_us = 0, last_us = 0;
	int count = 0;

	for (; now_us < end_us; now_us = clock_now_us()) {
		int media = load_peer_drain(viewer).media;

		if (media > 0) {
			count += media;
			last_us = now_us;
			first_us = first_us ? first_us : now_us;
			load_peer_feed_back(viewer);
		}
		(void)usleep(1000);
	}
	*ret_spread_us = last_us - first_us;
	return count;
}

/* Of who tells how its network fares; the other gets everything at once. */
static void a_burst_leaves_in_the_pace_of_the_network(void **state)
{
	enum { STEADY = 100, BURST = 100, BYTES = 1200 };
	struct pair *pair = *state;
	struct load_peer narrow;
	AUTO_FREE char *offer = NULL;
	uint64_t spread_us;
	int came = 0;

	assert_int_equal(load_peer_init(&narrow, pair->identity), 0);
	narrow.with_transport_cc = true;
	offer = load_peer_offer(&narrow, 1);
	pair_join_with(pair, &narrow, "narrow", "whep", offer);
	(void)pair_start_flow(pair);
	for (int i = 0; i < STEADY; i++) {
		load_peer_publish(&pair->publisher, BYTES, true);
		came += drain_for(&narrow, 10000, &spread_us);
	}
	assert_true(came > STEADY / 2);
	(void)drain_for(&pair->viewer, 20000, &spread_us);

	load_peer_publish(&pair->publisher, BYTES, false);
	for (int i = 1; i < BURST; i++)
		load_peer_publish_more(&pair->publisher, BYTES, i == BURST - 1);
	assert_int_equal(drain_for(&narrow, 1500000, &spread_us), BURST);
	assert_in_range(spread_us, 40000, 1000000);
	load_peer_fini(&narrow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(packets_arrive_in_order_under_one_ssrc),
		PAIR_TEST(a_nack_is_answered_by_rtx),
		PAIR_TEST(a_gap_is_asked_for_at_the_publisher),
		PAIR_TEST(a_viewers_pli_reaches_the_publisher),
		PAIR_TEST(who_joins_soon_after_a_keyframe_begins_with_it),
		PAIR_TEST(a_keyframe_is_asked_for_before_who_joins_is_connected),
		PAIR_TEST(a_keyframe_whose_first_packet_is_late_is_sent_whole),
		PAIR_TEST(both_ends_get_reports),
		PAIR_TEST(a_new_ssrc_of_the_publisher_is_not_seen_by_the_viewer),
		PAIR_TEST(a_muted_track_is_not_forwarded_until_it_is_unmuted),
		PAIR_TEST(a_change_of_ssrc_within_one_batch_loses_nothing_after_it),
		PAIR_TEST(pieces_of_a_picture_are_padded_to_one_length),
		PAIR_TEST(a_burst_leaves_in_the_pace_of_the_network),
	};
	int failed = RUN_ON_ONE_WORKER(tests);

	return failed + RUN_ON_TWO_WORKERS(tests);
}
