/* test_statistics.c - what the relay tells of calls: of each participant, and of all together. */
#include "tests/integration/relay/pair.h"

#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/metrics.h"
#include "tests/integration/relay/heard.h"

/* What the room's statistics say of a peer; a new reference. */
static json_t *stats_of(struct pair *pair, const char *peer_id)
{
	AUTO_JSON room = fake_hub_room(&pair->hub, "relay");
	json_t *peer;
	size_t i;

	json_array_foreach (json_object_get(room, "peers"), i, peer) {
		if (strcmp(json_string_value(json_object_get(peer, "peer_id")), peer_id) == 0)
			return json_incref(peer);
	}
	fail_msg("%s is not there", peer_id);
	return NULL;
}

static const json_t *first_of(const json_t *peer, const char *list)
{
	const json_t *first = json_array_get(json_object_get(peer, list), 0);

	assert_non_null(first);
	return first;
}

static json_int_t number_of(const json_t *object, const char *name)
{
	assert_true(json_is_integer(json_object_get(object, name)));
	return json_integer_value(json_object_get(object, name));
}

static json_int_t media(struct pair *pair, const char *name)
{
	return pair_counter_of(pair, "media", name);
}

static void wait_for(struct pair *pair, const char *group, const char *name, json_int_t least)
{
	uint64_t until_us = clock_now_us() + 5 * PATIENCE_MS * 1000u;

	while (pair_counter_of(pair, group, name) < least && clock_now_us() < until_us)
		(void)usleep(10000);
	assert_true(pair_counter_of(pair, group, name) >= least);
}

static void send_rtcp(struct load_peer *peer, uint8_t *packet, const struct writer *writer,
		      size_t capacity)
{
	assert_false(writer->failed);
	load_peer_send_rtcp(peer, packet, writer->offset, capacity);
}

/* The viewer reports this of its picture. */
static void report(struct pair *pair, struct rtcp_report_block block)
{
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	block.ssrc = pair->viewer.receive_ssrc;
	rtcp_write_receiver_report(&writer, 1, &block, 1);
	send_rtcp(&pair->viewer, packet, &writer, sizeof(packet));
}

/* It gets a sender report of ours, which is there once the publisher has sent one. */
static uint32_t last_sr_of_viewer(struct pair *pair)
{
	struct rtcp_sender_info info = {.ntp = ntp_from_unix_us(clock_unix_us()),
					.rtp_timestamp = 1};
	struct heard heard = {0};
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	rtcp_write_sender_report(&writer, pair->publisher.ssrc, &info, NULL, 0);
	send_rtcp(&pair->publisher, packet, &writer, sizeof(packet));
	heard_wait(&heard, &pair->viewer, heard_has_sender_report);
	return ntp_middle(heard.report.ntp);
}

static void what_is_not_measured_is_null(void **state)
{
	struct pair *pair = *state;
	AUTO_JSON viewer = NULL;

	(void)pair_start_flow(pair);
	viewer = stats_of(pair, "viewer");
	assert_true(json_is_null(json_object_get(viewer, "rtt_ms")));
	assert_true(json_is_null(json_object_get(viewer, "estimate_bps")));
	assert_true(json_is_null(json_object_get(first_of(viewer, "subscriptions"), "reported")));
}

static void a_viewers_report_is_told(void **state)
{
	struct pair *pair = *state;
	json_int_t lost = media(pair, "lost_out");
	json_int_t trips = pair_counter_of(pair, "round_trips", "sum_us");
	struct rtcp_report_block block = {.fraction_lost = 64, .cumulative_lost = 3, .jitter = 900};
	AUTO_JSON viewer = NULL;
	const json_t *reported;

	(void)pair_start_flow(pair);
	for (int i = 0; i < 10; i++)
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	block.last_sr = last_sr_of_viewer(pair);
	(void)usleep(20000);
	report(pair, block);
	wait_for(pair, "media", "lost_out", lost + 3);
	block.cumulative_lost = 2; /* one was repaired: what was counted stays */
	report(pair, block);
	block.cumulative_lost = 4;
	report(pair, block);
	wait_for(pair, "media", "lost_out", lost + 4);
	assert_int_equal(media(pair, "lost_out"), lost + 4);
	assert_true(pair_counter_of(pair, "round_trips", "sum_us") >= trips + 20000);

	viewer = stats_of(pair, "viewer");
	reported = json_object_get(first_of(viewer, "subscriptions"), "reported");
	assert_float_equal(json_real_value(json_object_get(reported, "fraction_lost")), 0.25, 0.01);
	assert_int_equal(number_of(reported, "lost"), 4);
	assert_float_equal(json_real_value(json_object_get(reported, "jitter_ms")), 10, 0.01);
	assert_in_range(json_real_value(json_object_get(viewer, "rtt_ms")), 19, 2000);
	assert_int_equal(number_of(viewer, "lost_out"), 4);
}

/* Nobody can have lost more than it was sent. */
static void a_lie_about_losses_is_bounded(void **state)
{
	struct pair *pair = *state;
	json_int_t lost = media(pair, "lost_out");
	struct rtcp_report_block block = {.cumulative_lost = 0x7fffff};

	(void)pair_start_flow(pair);
	report(pair, block);
	wait_for(pair, "media", "lost_out", lost + 1);
	assert_in_range(media(pair, "lost_out"), lost + 1, lost + 101);
}

static void requests_for_keyframes_are_counted(void **state)
{
	struct pair *pair = *state;
	json_int_t plis = media(pair, "plis_received"), sent = media(pair, "plis_sent");
	json_int_t firs = media(pair, "firs_received");
	json_int_t withheld = pair_counter(pair, "keyframes_withheld");
	AUTO_JSON viewer = NULL;
	AUTO_JSON publisher = NULL;
	const json_t *picture;

	(void)pair_start_flow(pair);
	for (int i = 0; i < 5; i++) {
		uint8_t packet[256];
		struct writer writer = writer_over(packet, sizeof(packet));

		if (i < 3)
			rtcp_write_pli(&writer, 1, pair->viewer.receive_ssrc);
		else
			rtcp_write_fir(&writer, 1, pair->viewer.receive_ssrc, (uint8_t)i);
		send_rtcp(&pair->viewer, packet, &writer, sizeof(packet));
	}
	wait_for(pair, "media", "firs_received", firs + 2);
	assert_int_equal(media(pair, "plis_received"), plis + 3);
	wait_for(pair, "media", "plis_sent", sent + 1); /* it may have been asked just before */
	/* Each of them is passed on or is not; who joined may have asked as well. */
	assert_true(media(pair, "plis_sent") - sent + pair_counter(pair, "keyframes_withheld") -
			    withheld >=
		    5);
	assert_true(pair_counter(pair, "keyframes_withheld") > withheld);
	viewer = stats_of(pair, "viewer");
	picture = first_of(viewer, "subscriptions");
	assert_int_equal(number_of(viewer, "plis_received"), 3);
	assert_int_equal(number_of(picture, "plis_received"), 3);
	assert_int_equal(number_of(picture, "firs_received"), 2);
	publisher = stats_of(pair, "publisher");
	assert_true(number_of(publisher, "plis_sent") > 0);
	assert_true(number_of(first_of(publisher, "receiving"), "plis_sent") > 0);
}

/* All that is kept: more than may be repeated at once. */
static void ask_for_all(struct pair *pair, uint16_t first, uint16_t count)
{
	uint16_t numbers[RTCP_NACK_MAX];
	uint8_t packet[1024];

	while (count > 0) {
		uint16_t now = count < RTCP_NACK_MAX ? count : RTCP_NACK_MAX;
		struct writer writer = writer_over(packet, sizeof(packet) - 64);

		for (uint16_t i = 0; i < now; i++)
			numbers[i] = (uint16_t)(first + i);
		rtcp_write_nack(&writer, 1, pair->viewer.receive_ssrc, numbers, now);
		send_rtcp(&pair->viewer, packet, &writer, sizeof(packet));
		first = (uint16_t)(first + now);
		count = (uint16_t)(count - now);
	}
}

static void repeats_and_refusals_are_counted(void **state)
{
	enum { COUNT = 400, BYTES = 1200 };
	struct pair *pair = *state;
	json_int_t asked = media(pair, "nacks_received"), repeated = media(pair, "retransmitted");
	json_int_t bytes = media(pair, "retransmitted_bytes");
	json_int_t refused = media(pair, "retransmissions_refused");
	AUTO_JSON viewer = NULL;
	const json_t *picture;
	struct rtp_header header;
	uint8_t packet[2048];
	uint16_t first;

	first = pair_start_flow(pair);
	for (int i = 0; i < COUNT; i++) {
		load_peer_publish(&pair->publisher, BYTES, true);
		assert_true(next_media(&pair->viewer, packet, &header));
	}
	pair_halt_sfu(pair); /* so that all questions come at once */
	ask_for_all(pair, (uint16_t)(first + 1), COUNT);
	pair_resume_sfu(pair);
	wait_for(pair, "media", "nacks_received", asked + COUNT);
	assert_int_equal(media(pair, "nacks_received"), asked + COUNT);
	repeated = media(pair, "retransmitted") - repeated;
	refused = media(pair, "retransmissions_refused") - refused;
	assert_true(repeated > 0 && refused > 0 && repeated + refused <= COUNT);
	assert_true(media(pair, "retransmitted_bytes") - bytes >= repeated * (BYTES - 100));
	viewer = stats_of(pair, "viewer");
	picture = first_of(viewer, "subscriptions");
	assert_int_equal(number_of(picture, "nacks_received"), COUNT);
	assert_int_equal(number_of(picture, "retransmitted"), repeated);
	assert_int_equal(number_of(viewer, "retransmissions_refused"), refused);
}

static void what_the_publisher_does_not_repeat_is_lost(void **state)
{
	struct pair *pair = *state;
	json_int_t lost = media(pair, "lost_in"), asked = media(pair, "nacks_sent");
	AUTO_JSON publisher = NULL;

	(void)pair_start_flow(pair);
	pair->publisher.sends_deltas = true; /* what is lost before a keyframe is not asked for */
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	pair->publisher.sequence_number += 3;
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	wait_for(pair, "media", "nacks_sent", asked + 3);
	wait_for(pair, "media", "lost_in", lost + 3);
	assert_int_equal(media(pair, "lost_in"), lost + 3);
	publisher = stats_of(pair, "publisher");
	assert_int_equal(number_of(first_of(publisher, "receiving"), "lost"), 3);
	assert_true(number_of(first_of(publisher, "receiving"), "nacks_sent") >= 3);
}

static bool has_bitrates(struct pair *pair)
{
	AUTO_JSON viewer = stats_of(pair, "viewer");
	AUTO_JSON publisher = stats_of(pair, "publisher");
	const json_t *picture = first_of(viewer, "subscriptions");

	return json_integer_value(json_object_get(publisher, "bitrate_in_bps")) > 0 &&
	       json_integer_value(json_object_get(viewer, "bitrate_out_bps")) > 0 &&
	       json_integer_value(json_object_get(picture, "bitrate_bps")) > 0;
}

static void bitrates_are_of_the_last_second(void **state)
{
	struct pair *pair = *state;
	uint64_t until_us = clock_now_us() + 5 * PATIENCE_MS * 1000u;

	(void)pair_start_flow(pair);
	while (!has_bitrates(pair) && clock_now_us() < until_us) {
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		(void)usleep(10000);
	}
	assert_true(has_bitrates(pair));
	while (has_bitrates(pair) && clock_now_us() < until_us) /* nothing comes any more */
		(void)usleep(50000);
	assert_false(has_bitrates(pair));
}

/* Who has gone is not missing from the sums. */
static void totals_never_go_back(void **state)
{
	struct pair *pair = *state;
	json_int_t in, out, bytes;

	(void)pair_start_flow(pair);
	in = media(pair, "packets_in");
	out = media(pair, "packets_out");
	bytes = media(pair, "bytes_out");
	assert_true(in > 0 && out > 0 && bytes > out);
	assert_int_equal(pair_counter_of(pair, "transports", "connected"), 2);
	fake_hub_leave(&pair->hub, "relay", "viewer");
	fake_hub_leave(&pair->hub, "relay", "publisher");
	pair_wait_until(pair, "peers", 0);
	assert_true(media(pair, "packets_in") >= in);
	assert_true(media(pair, "packets_out") >= out);
	assert_true(media(pair, "bytes_out") >= bytes);
	assert_int_equal(pair_counter_of(pair, "transports", "connected"), 0);
}

/* How many packets took longer than that, once they had come; core/metrics.h has the bounds. */
static json_int_t slower_than_50_ms(struct pair *pair)
{
	enum { FIRST_ABOVE_50_MS = 9 };
	AUTO_JSON status = fake_hub_status(&pair->hub);
	const json_t *worker = json_array_get(json_object_get(status, "workers"), 0);
	const json_t *counts = json_object_get(json_object_get(worker, "forwarding"), "counts");
	json_int_t sum = 0;

	assert_int_equal(json_array_size(counts), HISTOGRAM_BOUNDS + 1);
	for (size_t i = FIRST_ABOVE_50_MS; i < json_array_size(counts); i++)
		sum += json_integer_value(json_array_get(counts, i));
	return sum;
}

/* Each packet counts, once for who is sent it, from when it was there to be read. */
static void time_in_the_socket_is_time(void **state)
{
	enum { COUNT = 5, WAIT_US = 80000 };
	struct pair *pair = *state;
	struct rtp_header header;
	uint8_t packet[2048];
	json_int_t before, sum_us;

	(void)pair_start_flow(pair);
	while (heard_count(&pair->viewer, 50).rtx > 0) /* until it is still */
		;
	before = slower_than_50_ms(pair);
	sum_us = pair_counter_of(pair, "forwarding", "sum_us");
	pair_halt_sfu(pair);
	for (int i = 0; i < COUNT; i++)
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	(void)usleep(WAIT_US);
	pair_resume_sfu(pair);
	for (int i = 0; i < COUNT; i++)
		assert_true(next_media(&pair->viewer, packet, &header));
	wait_for(pair, "forwarding", "sum_us", sum_us + COUNT * WAIT_US);
	assert_int_equal(slower_than_50_ms(pair), before + COUNT);
}

static void what_is_refused_is_counted_by_reason(void **state)
{
	struct pair *pair = *state;
	json_int_t bad = pair_counter_of(pair, "refused_offers", "bad_sdp");
	char *answer = NULL;

	assert_true(fake_hub_join(&pair->hub, "relay", "joker", "whip", "v=0 not quite", &answer) <
		    0);
	assert_int_equal(pair_counter_of(pair, "refused_offers", "bad_sdp"), bad + 1);
	free(answer);
	fake_hub_signal(&pair->hub, "relay", "publisher", "offer", "v=0 nor this");
	wait_for(pair, "refused_offers", "bad_sdp", bad + 2);
	fake_hub_signal(&pair->hub, "relay", "publisher", "answer", "v=0 nor that");
	wait_for(pair, "refused_answers", "bad_sdp", 1);
	assert_int_equal(pair_counter_of(pair, "refused_offers", "bad_sdp"), bad + 2);
}

/* Another's certificate than its offer says. */
static void a_wrong_certificate_is_counted(void **state)
{
	struct pair *pair = *state;
	struct dtls_identity *other = NULL;
	json_int_t before = pair_counter_of(pair, "failed_handshakes", "dtls_fingerprint");
	struct load_peer impostor;
	AUTO_FREE char *answer = NULL;

	assert_int_equal(dtls_identity_new(&other, NULL), 0);
	answer = pair_admit(pair, &impostor, "impostor", "whep", 1);
	impostor.identity = other;
	if (load_peer_connect(&impostor, answer) < 0)
		(void)0; /* it may learn of it later, by silence */
	wait_for(pair, "failed_handshakes", "dtls_fingerprint", before + 1);
	load_peer_fini(&impostor);
	other = dtls_identity_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(what_is_not_measured_is_null),
		PAIR_TEST(a_viewers_report_is_told),
		PAIR_TEST(a_lie_about_losses_is_bounded),
		PAIR_TEST(requests_for_keyframes_are_counted),
		PAIR_TEST(repeats_and_refusals_are_counted),
		PAIR_TEST(what_the_publisher_does_not_repeat_is_lost),
		PAIR_TEST(bitrates_are_of_the_last_second),
		PAIR_TEST(totals_never_go_back),
		PAIR_TEST(time_in_the_socket_is_time),
		PAIR_TEST(what_is_refused_is_counted_by_reason),
		PAIR_TEST(a_wrong_certificate_is_counted),
	};

	return RUN_ON_ONE_WORKER(tests);
}
