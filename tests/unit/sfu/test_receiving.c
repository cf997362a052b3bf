/* What the SFU knows of an incoming stream: losses, reports, clocks, keyframe wishes. */
#include <string.h>

#include "sfu/model/arrival_log.h"
#include "sfu/model/nack_tracker.h"
#include "sfu/model/packet_ring.h"
#include "sfu/model/receive_stats.h"
#include "sfu/model/round_trip.h"
#include "sfu/model/sender_clock.h"
#include "sfu/model/uplink_health.h"
#include "tests/unit/cmocka_all.h"

static void a_gap_is_asked_for_after_reordering_had_its_chance(void **state)
{
	struct nack_tracker tracker = {0};
	uint16_t due[8];

	(void)state;
	assert_int_equal(nack_tracker_on_packet(&tracker, 65534, 1000), NACK_IN_ORDER);
	assert_int_equal(nack_tracker_on_packet(&tracker, 1, 2000), NACK_IN_ORDER);
	assert_int_equal(nack_tracker_due(&tracker, 3000, 50000, 0, due, 8), 0);
	assert_int_equal(nack_tracker_due(&tracker, 13000, 50000, 0, due, 8), 2);
	assert_int_equal(due[0], 65535);
	assert_int_equal(due[1], 0);
	assert_int_equal(nack_tracker_due(&tracker, 40000, 50000, 0, due, 8), 0);
	assert_int_equal(nack_tracker_on_packet(&tracker, 65535, 50000), NACK_RECOVERED);
	assert_int_equal(nack_tracker_due(&tracker, 64000, 50000, 0, due, 8), 1);
	assert_int_equal(due[0], 0);
	assert_int_equal(nack_tracker_on_packet(&tracker, 65535, 65000), NACK_DUPLICATE_OR_LATE);
}

static void what_stays_missing_is_asked_for_more_and_more_seldom(void **state)
{
	struct nack_tracker tracker = {0};
	unsigned asked_at_ms[NACK_TRIES_MAX], count = 0;
	uint16_t due[8];

	(void)state;
	(void)nack_tracker_on_packet(&tracker, 10, 1000000);
	(void)nack_tracker_on_packet(&tracker, 12, 1000000);
	for (unsigned ms = 0; ms < 200; ms++)
		if (nack_tracker_due(&tracker, 1000000 + ms * 1000, 2000, 0, due, 8) == 1)
			asked_at_ms[count++] = ms;
	assert_int_equal(count, 4);
	assert_int_equal(asked_at_ms[0], 10);
	assert_int_equal(asked_at_ms[1], 30);
	assert_int_equal(asked_at_ms[2], 70);
	assert_int_equal(asked_at_ms[3], 130);
	/* Where the way takes longer, that counts. */
	assert_int_equal(nack_tracker_due(&tracker, 1000000 + 300000, 200000, 0, due, 8), 0);
	assert_int_equal(nack_tracker_due(&tracker, 1000000 + 330000, 200000, 0, due, 8), 1);
}

static void an_answer_to_one_question_tells_the_round_trip(void **state)
{
	struct nack_tracker tracker = {0};
	uint16_t due[8];

	(void)state;
	(void)nack_tracker_on_packet(&tracker, 10, 1000000);
	(void)nack_tracker_on_packet(&tracker, 13, 1000000);
	assert_int_equal(nack_tracker_due(&tracker, 1010000, 50000, 0, due, 8), 2);
	(void)nack_tracker_on_packet(&tracker, 11, 1017000);
	assert_int_equal(nack_tracker_round_trip_us(&tracker), 7000);
	(void)nack_tracker_on_packet(&tracker, 14, 1018000);
	assert_int_equal(nack_tracker_round_trip_us(&tracker), 0);
	assert_int_equal(nack_tracker_due(&tracker, 1060000, 50000, 0, due, 8), 1);
	(void)nack_tracker_on_packet(&tracker, 12, 1061000); /* of which question? */
	assert_int_equal(nack_tracker_round_trip_us(&tracker), 0);
}

static void a_round_trip_is_believed_at_once_and_then_smoothed(void **state)
{
	struct round_trip round_trip = {0};

	(void)state;
	assert_int_equal(round_trip_us(&round_trip), ROUND_TRIP_DEFAULT_US);
	round_trip_on_sample(&round_trip, 4000);
	assert_int_equal(round_trip_us(&round_trip), 4000);
	assert_int_equal(round_trip_wait_us(&round_trip), 6000);
	round_trip_on_sample(&round_trip, 60000000); /* a report block may say anything */
	assert_int_equal(round_trip_us(&round_trip), 4000);
	for (unsigned i = 0; i < 50; i++)
		round_trip_on_sample(&round_trip, 20000);
	assert_in_range(round_trip_us(&round_trip), 19000, 20000);
	assert_in_range(round_trip_wait_us(&round_trip), 19000, 21000);
}

static void what_stays_missing_becomes_a_keyframe_wish(void **state)
{
	struct nack_tracker tracker = {0};
	uint16_t due[8];

	(void)state;
	(void)nack_tracker_on_packet(&tracker, 10, 1000);
	(void)nack_tracker_on_packet(&tracker, 12, 1000);
	assert_false(nack_tracker_take_keyframe_wish(&tracker));
	assert_int_equal(nack_tracker_due(&tracker, 1000 + NACK_GIVE_UP_US + 1, 0, 0, due, 8), 0);
	assert_true(nack_tracker_take_keyframe_wish(&tracker));
	assert_false(nack_tracker_take_keyframe_wish(&tracker));
}

static void a_huge_gap_is_not_repaired(void **state)
{
	struct nack_tracker tracker = {0};

	(void)state;
	(void)nack_tracker_on_packet(&tracker, 10, 1000);
	(void)nack_tracker_on_packet(&tracker, 2000, 1000);
	assert_int_equal(tracker.missing_count, 0);
	assert_true(nack_tracker_take_keyframe_wish(&tracker));
}

static void a_keyframe_makes_older_losses_moot(void **state)
{
	struct nack_tracker tracker = {0};
	uint16_t due[8];

	(void)state;
	(void)nack_tracker_on_packet(&tracker, 10, 1000);
	(void)nack_tracker_on_packet(&tracker, 13, 1000);
	(void)nack_tracker_on_packet(&tracker, 15, 1000);
	nack_tracker_on_keyframe(&tracker, 13);
	assert_int_equal(nack_tracker_due(&tracker, 20000, 0, 0, due, 8), 1);
	assert_int_equal(due[0], 14);
}

static void reports_count_losses_and_wraps(void **state)
{
	struct receive_stats stats;
	struct rtcp_report_block block;

	(void)state;
	receive_stats_init(&stats, 90000);
	for (unsigned i = 0; i < 100; i++)
		if (i % 10 != 9)
			receive_stats_on_packet(&stats, (uint16_t)(65500 + i), i * 3000, false, 100,
						1000000 + i * 33333);
	receive_stats_on_packet(&stats, (uint16_t)(65500 + 100), 300000, false, 100, 4333300);
	block = receive_stats_report(&stats, 7, 5000000);
	assert_int_equal(block.highest_sequence, 65500 + 100);
	assert_int_equal(block.cumulative_lost, 10);
	assert_in_range(block.fraction_lost, 24, 26); /* 10 of 101 */
	assert_in_range(block.jitter, 0, 10);
	block = receive_stats_report(&stats, 7, 6000000);
	assert_int_equal(block.fraction_lost, 0);
	assert_int_equal(block.cumulative_lost, 10);
}

/* Every tenth packet of an even stream is lost, and comes 80 ms later because it was asked for. */
static void what_was_asked_for_again_is_no_jitter(void **state)
{
	struct receive_stats stats;
	struct rtcp_report_block block;

	(void)state;
	receive_stats_init(&stats, 90000);
	for (unsigned i = 0; i < 200; i++) {
		if (i % 10 != 5)
			receive_stats_on_packet(&stats, (uint16_t)i, i * 1800, false, 100,
						i * 20000);
		if (i % 10 == 9)
			receive_stats_on_packet(&stats, (uint16_t)(i - 4), (i - 4) * 1800, true,
						100, i * 20000);
	}
	block = receive_stats_report(&stats, 7, 4000000);
	assert_int_equal(block.cumulative_lost, 0);
	assert_int_equal(block.jitter, 0);
}

static void lip_sync_survives_the_relay(void **state)
{
	const ntp_time second = (ntp_time)1 << 32;
	struct sender_clock clock = {0};
	struct rtcp_sender_info audio = {.ntp = 100 * second, .rtp_timestamp = 48000};
	struct rtcp_sender_info video = {.ntp = 101 * second, .rtp_timestamp = 900000};
	ntp_time now = 5000 * second;

	(void)state;
	/* The publisher's clock is 4900 s behind ours; the second report travelled slower. */
	sender_clock_on_report(&clock, audio.ntp, now);
	sender_clock_on_report(&clock, video.ntp, now + second + second / 10);
	/* Two seconds after the first report, both streams stand at the same instant. */
	assert_int_equal(sender_clock_rtp_time(&clock, &audio, 48000, now + 2 * second),
			 48000 + 2 * 48000);
	assert_int_equal(sender_clock_rtp_time(&clock, &video, 90000, now + 2 * second),
			 900000 + 90000);
	/* And an instant before a report is reached backwards. */
	assert_int_equal(sender_clock_rtp_time(&clock, &video, 90000, now), 900000 - 90000);
}

/* Half of all times away, which has no positive counterpart. */
static void a_timestamp_that_says_anything_is_borne(void **state)
{
	struct receive_stats stats;

	(void)state;
	receive_stats_init(&stats, 90000);
	receive_stats_on_packet(&stats, 1, 0, false, 100, 0);
	receive_stats_on_packet(&stats, 2, UINT32_C(1) << 31, false, 100, 0);
	assert_in_range(receive_stats_report(&stats, 1, 0).jitter, (1u << 27) - 1, (1u << 27) + 1);
}

static void a_clock_that_says_anything_is_followed(void **state)
{
	struct sender_clock clock = {0};

	(void)state;
	sender_clock_on_report(&clock, 0, UINT64_C(1) << 63);
	assert_true(clock.offset_ntp == INT64_MIN);
	sender_clock_on_report(&clock, 0, (UINT64_C(1) << 63) - 1);
	assert_true(clock.offset_ntp == INT64_MAX);
}

/* Packets of 1,000 bytes, one a millisecond from `from` on; of each ten, `lost` do not arrive. */
static uint64_t uplink_runs(struct uplink_health *health, uint16_t *sequence, uint64_t from_us,
			    unsigned count, unsigned lost)
{
	for (unsigned i = 0; i < count; i++, from_us += 1000)
		if ((*sequence)++ % 10 >= lost)
			uplink_health_on_packet(health, (uint16_t)(*sequence - 1), 1000, from_us);
	return from_us;
}

static void a_way_that_loses_most_has_collapsed(void **state)
{
	struct uplink_health health = {0};
	uint16_t sequence = 65500;
	uint64_t now_us = uplink_runs(&health, &sequence, 1000000, 500, 3);

	(void)state;
	assert_false(uplink_is_collapsing(&health, now_us)); /* 30 % is much, but no collapse */
	now_us = uplink_runs(&health, &sequence, now_us, 400, 8);
	assert_true(uplink_is_collapsing(&health, now_us));
	assert_in_range(health.carried_bps, 1400000, 1800000); /* 200 of 1,000 packets a second */
	now_us = uplink_runs(&health, &sequence, now_us, 400, 1);
	assert_false(uplink_is_collapsing(&health, now_us));
	assert_true(uplink_has_collapsed(&health, now_us)); /* just now */
	assert_false(uplink_has_collapsed(&health, now_us + UPLINK_HOLD_US));
}

/* As on the air, when somebody else has it for a moment. */
static void a_burst_of_losses_is_no_collapse(void **state)
{
	struct uplink_health health = {0};
	uint16_t sequence = 65500;
	uint64_t now_us = 1000000;

	(void)state;
	for (int i = 0; i < 300; i++, now_us += 4000) {
		sequence = (uint16_t)(sequence + (i % 75 == 20 ? 40 : 1)); /* 39 of 114 missing */
		uplink_health_on_packet(&health, sequence, 1000, now_us);
		assert_false(uplink_is_collapsing(&health, now_us));
	}
}

/* Who sends little after that, or nothing, is not judged anew; keyframes must be asked for again.
 */
static void a_collapse_is_over_when_nothing_more_is_known_of_it(void **state)
{
	struct uplink_health health = {0};
	uint16_t sequence = 0;
	uint64_t now_us = uplink_runs(&health, &sequence, 1000000, 400, 8);

	(void)state;
	assert_true(uplink_is_collapsing(&health, now_us));
	assert_false(uplink_is_collapsing(&health, now_us + UPLINK_HOLD_US));
}

static void the_ring_keeps_the_newest(void **state)
{
	struct packet_ring *ring = packet_ring_new(4);
	int packets[6];
	void *replaced = NULL;

	(void)state;
	for (uint16_t i = 0; i < 6; i++)
		replaced = packet_ring_put(ring, (uint16_t)(65533 + i), i, &packets[i]);
	assert_ptr_equal(replaced, &packets[1]);
	assert_null(packet_ring_find(ring, 65533));
	assert_null(packet_ring_find(ring, 65534));
	assert_ptr_equal(packet_ring_find(ring, 65535), &packets[2]);
	assert_ptr_equal(packet_ring_find(ring, 2), &packets[5]);
	assert_null(packet_ring_find(ring, 6)); /* the same place, another number */
	for (int i = 0; i < 4; i++)
		assert_non_null(packet_ring_take_any(ring));
	assert_null(packet_ring_take_any(ring));
	(void)packet_ring_free(ring);
}

/* Takes out what is older and counts it. */
static int older_count(struct packet_ring *ring, uint64_t before_us)
{
	int count = 0;

	while (packet_ring_take_older(ring, before_us))
		count++;
	return count;
}

static void the_ring_gives_the_oldest_back(void **state)
{
	struct packet_ring *ring = packet_ring_new(16);
	int packet;

	(void)state;
	assert_int_equal(older_count(ring, UINT64_MAX), 0);
	for (uint16_t i = 0; i < 8; i++)
		if (i != 1) /* lost */
			(void)!packet_ring_put(ring, (uint16_t)(65532 + i), 100 + i, &packet);
	assert_int_equal(older_count(ring, 100), 0);
	assert_int_equal(older_count(ring, 104), 3);
	assert_null(packet_ring_find(ring, 65535));
	assert_non_null(packet_ring_find(ring, 0));
	/* The lost one comes, when all about it is gone: it waits for its place to be needed. */
	assert_null(packet_ring_put(ring, 65533, 110, &packet));
	assert_int_equal(older_count(ring, 106), 2);
	assert_non_null(packet_ring_find(ring, 65533));
	/* The numbers jump: what cannot be reached is not looked for. The newest stays. */
	assert_null(packet_ring_put(ring, 30000, 120, &packet));
	assert_int_equal(older_count(ring, UINT64_MAX), 0);
	assert_non_null(packet_ring_find(ring, 30000));
	while (packet_ring_take_any(ring))
		;
	assert_null(packet_ring_put(ring, 7, 130, &packet)); /* begins anew */
	assert_null(packet_ring_put(ring, 8, 131, &packet));
	assert_int_equal(older_count(ring, UINT64_MAX), 1);
	while (packet_ring_take_any(ring))
		;
	(void)packet_ring_free(ring);
}

static void arrivals_are_told_once_and_late_ones_again(void **state)
{
	struct arrival_log *log = calloc(1, sizeof(*log));
	uint8_t bytes[1200];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	(void)state;
	assert_non_null(log);
	assert_false(arrival_log_write(log, 1, 1030000, &writer));
	arrival_log_on_packet(log, 65535, 9, 1000000);
	arrival_log_on_packet(log, 1, 9, 1020000);
	assert_true(arrival_log_write(log, 1, 1030000, &writer));
	assert_int_equal((bytes[12] << 8) | bytes[13], 65535);
	assert_int_equal((bytes[14] << 8) | bytes[15], 3);
	writer = writer_over(bytes, sizeof(bytes));
	assert_false(arrival_log_write(log, 1, 1030000, &writer));
	arrival_log_on_packet(log, 0, 9, 1030000);
	assert_true(arrival_log_write(log, 1, 1030000, &writer));
	assert_int_equal((bytes[12] << 8) | bytes[13], 0);
	assert_int_equal((bytes[14] << 8) | bytes[15], 2);
	free(log);
}

static unsigned told_count(const uint8_t feedback[1200])
{
	return (unsigned)(feedback[14] << 8 | feedback[15]);
}

/* Some overtake the others by 20 ms: feedback that is due meanwhile does not call those lost. */
static void what_was_overtaken_is_not_told_of_as_lost(void **state)
{
	struct arrival_log *log = calloc(1, sizeof(*log));
	uint8_t bytes[1200];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	(void)state;
	assert_non_null(log);
	arrival_log_on_packet(log, 1, 9, 1000000);
	arrival_log_on_packet(log, 3, 9, 1001000);
	assert_int_equal(arrival_log_late_us(log, 1001000), 0);
	arrival_log_on_packet(log, 2, 9, 1021000);
	assert_int_equal(arrival_log_late_us(log, 1021000), 20000);
	assert_true(arrival_log_write(log, 1, 1021000, &writer));
	assert_int_equal(told_count(bytes), 3);
	/* The sixth overtakes the fourth and the fifth, and the seventh as well. */
	arrival_log_on_packet(log, 6, 9, 1040000);
	arrival_log_on_packet(log, 7, 9, 1041000);
	writer = writer_over(bytes, sizeof(bytes));
	assert_false(arrival_log_write(log, 1, 1050000, &writer));
	arrival_log_on_packet(log, 4, 9, 1055000);
	writer = writer_over(bytes, sizeof(bytes));
	assert_true(arrival_log_write(log, 1, 1056000, &writer));
	assert_int_equal(told_count(bytes), 1);
	/* What does not come in that time is lost. */
	writer = writer_over(bytes, sizeof(bytes));
	assert_true(arrival_log_write(log, 1, 1060000, &writer));
	assert_int_equal(told_count(bytes), 3);
	/* Where all come in order again nothing is held back. */
	arrival_log_on_packet(log, 9, 9, 9000000);
	writer = writer_over(bytes, sizeof(bytes));
	assert_true(arrival_log_write(log, 1, 9000000, &writer));
	assert_int_equal(told_count(bytes), 2);
	free(log);
}

static void what_was_overtaken_is_not_asked_for(void **state)
{
	struct nack_tracker tracker = {0};
	uint16_t due[8];

	(void)state;
	(void)nack_tracker_on_packet(&tracker, 10, 1000000);
	(void)nack_tracker_on_packet(&tracker, 12, 1000000);
	assert_int_equal(nack_tracker_due(&tracker, 1024000, 50000, 25000, due, 8), 0);
	assert_int_equal(nack_tracker_due(&tracker, 1025000, 50000, 25000, due, 8), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gap_is_asked_for_after_reordering_had_its_chance),
		cmocka_unit_test(what_stays_missing_is_asked_for_more_and_more_seldom),
		cmocka_unit_test(an_answer_to_one_question_tells_the_round_trip),
		cmocka_unit_test(a_round_trip_is_believed_at_once_and_then_smoothed),
		cmocka_unit_test(what_stays_missing_becomes_a_keyframe_wish),
		cmocka_unit_test(a_huge_gap_is_not_repaired),
		cmocka_unit_test(a_keyframe_makes_older_losses_moot),
		cmocka_unit_test(reports_count_losses_and_wraps),
		cmocka_unit_test(what_was_asked_for_again_is_no_jitter),
		cmocka_unit_test(lip_sync_survives_the_relay),
		cmocka_unit_test(a_timestamp_that_says_anything_is_borne),
		cmocka_unit_test(a_clock_that_says_anything_is_followed),
		cmocka_unit_test(a_way_that_loses_most_has_collapsed),
		cmocka_unit_test(a_collapse_is_over_when_nothing_more_is_known_of_it),
		cmocka_unit_test(the_ring_keeps_the_newest),
		cmocka_unit_test(the_ring_gives_the_oldest_back),
		cmocka_unit_test(a_burst_of_losses_is_no_collapse),
		cmocka_unit_test(arrivals_are_told_once_and_late_ones_again),
		cmocka_unit_test(what_was_overtaken_is_not_told_of_as_lost),
		cmocka_unit_test(what_was_overtaken_is_not_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
