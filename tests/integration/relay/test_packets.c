/* relay.c - what realtime-sfu does with packets, seen from a publisher and a viewer made of its own
 * wire modules: order, retransmission, keyframes, reports, and bytes that nobody should send.
 *
 *   test_relay PATH-OF-REALTIME-SFU [spread]     spread: only what is about rooms in several parts
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "sfu/wire/rtcp.h"
#include "sfu/wire/rtp.h"
#include "tests/bench/fake_hub.h"
#include "tests/bench/load_peer.h"
#include "tests/unit/cmocka_all.h"

enum { MEDIA_PORT = 28500, PACKET_BYTES = 400, PATIENCE_MS = 2000 };

static const char *program;
static struct fake_hub hub;
static struct dtls_identity *identity;

struct pair {
	struct load_peer publisher, viewer;
};

static void join(struct load_peer *peer, const char *peer_id, const char *kind, size_t sections)
{
	AUTO_FREE char *answer = NULL;
	AUTO_FREE char *offer = NULL;

	assert_int_equal(load_peer_init(peer, identity), 0);
	offer = load_peer_offer(peer, sections);
	assert_int_equal(fake_hub_join(&hub, "relay", peer_id, kind, offer, &answer), 0);
	assert_int_equal(load_peer_connect(peer, answer), 0);
}

static int set_up(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	join(&pair->publisher, "publisher", "whip", 0);
	join(&pair->viewer, "viewer", "whep", 1);
	pair->publisher.sequence_number = 65530; /* a wrap is always near */
	*state = pair;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *pair = *state;

	fake_hub_close_room(&hub, "relay");
	load_peer_fini(&pair->publisher);
	load_peer_fini(&pair->viewer);
	free(pair);
	return 0;
}

static int start_sfu(void **state)
{
	(void)state;
	assert_int_equal(dtls_identity_new(&identity, NULL), 0);
	return fake_hub_start(&hub, program, MEDIA_PORT, 1);
}

static int stop_sfu(void **state)
{
	(void)state;
	identity = dtls_identity_free(identity);
	return fake_hub_stop(&hub);
}

/* What is sent from now on waits in its socket, and comes in one batch. */
static void halt_sfu(void)
{
	int status = 0;

	assert_int_equal(kill(hub.sfu, SIGSTOP), 0);
	assert_int_equal(waitpid(hub.sfu, &status, WUNTRACED), hub.sfu); /* it takes a moment */
	assert_true(WIFSTOPPED(status));
}

/* The viewer's next media packet (RTCP is passed over). False: none came. */
static bool next_media(struct load_peer *viewer, uint8_t packet[2048], struct rtp_header *header)
{
	size_t length;

	while ((length = load_peer_receive(viewer, PATIENCE_MS, packet)) > 0)
		if (packet_kind_of(packet, length) == PACKET_RTP &&
		    rtp_header_decode(packet, length, false, header) == 0)
			return true;
	return false;
}

/* Publish until the viewer, once it is linked, gets the first; then everything flows. */
static uint16_t start_flow(struct pair *pair)
{
	struct rtp_header header;
	uint8_t packet[2048];

	for (int i = 0; i < 100; i++) {
		size_t length;

		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		length = load_peer_receive(&pair->viewer, 20, packet);
		if (length > 0 && packet_kind_of(packet, length) == PACKET_RTP &&
		    rtp_header_decode(packet, length, false, &header) == 0)
			return header.sequence_number;
	}
	fail_msg("nothing arrived");
	return 0;
}

static void packets_arrive_in_order_under_one_ssrc(void **state)
{
	struct pair *pair = *state;
	uint16_t first = start_flow(pair);
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
	uint16_t wanted = start_flow(pair);
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

struct heard {
	uint32_t nack_ssrc, pli_ssrc;
	uint16_t nack_sequence;
	size_t nack_count;
	struct rtcp_sender_info report;
	uint32_t report_ssrc;
	struct rtcp_report_block block;
};

static void hear_nack(void *data, uint32_t ssrc, const uint16_t *sequence_numbers, size_t count)
{
	struct heard *heard = data;

	heard->nack_ssrc = ssrc;
	heard->nack_sequence = sequence_numbers[0];
	heard->nack_count = count;
}

static void hear_pli(void *data, uint32_t ssrc)
{
	((struct heard *)data)->pli_ssrc = ssrc;
}

static void hear_sender_report(void *data, uint32_t ssrc, const struct rtcp_sender_info *info)
{
	struct heard *heard = data;

	heard->report_ssrc = ssrc;
	heard->report = *info;
}

static void hear_block(void *data, uint32_t reporter, const struct rtcp_report_block *block)
{
	(void)reporter;
	((struct heard *)data)->block = *block;
}

/* Listen until `is_enough` or time is up. */
static void listen_for(struct load_peer *peer, struct heard *heard,
		       bool (*is_enough)(const struct heard *))
{
	static const struct rtcp_visitor visitor = {.nack = hear_nack,
						    .pli = hear_pli,
						    .sender_report = hear_sender_report,
						    .report_block = hear_block};
	uint64_t until_us = clock_now_us() + PATIENCE_MS * 1000u;
	uint8_t packet[2048];

	while (!is_enough(heard) && clock_now_us() < until_us) {
		size_t length = load_peer_receive(peer, 100, packet);

		if (length > 0 && packet_kind_of(packet, length) == PACKET_RTCP)
			assert_int_equal(rtcp_visit(packet, length, &visitor, heard), 0);
	}
	assert_true(is_enough(heard));
}

static bool has_nack(const struct heard *heard)
{
	return heard->nack_count > 0;
}
static bool has_pli(const struct heard *heard)
{
	return heard->pli_ssrc != 0;
}
static bool has_sender_report(const struct heard *heard)
{
	return heard->report_ssrc != 0;
}
static bool has_block(const struct heard *heard)
{
	return heard->block.ssrc != 0;
}

static void a_gap_is_asked_for_at_the_publisher(void **state)
{
	struct pair *pair = *state;
	struct heard heard = {0};
	uint16_t missing;

	(void)start_flow(pair);
	pair->publisher.sends_deltas = true; /* a keyframe would make the loss moot */
	missing = pair->publisher.sequence_number++;
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	listen_for(&pair->publisher, &heard, has_nack);
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

	(void)start_flow(pair);
	rtcp_write_pli(&writer, 1, pair->viewer.receive_ssrc);
	load_peer_send_rtcp(&pair->viewer, packet, writer.offset, sizeof(packet));
	listen_for(&pair->publisher, &heard, has_pli);
	assert_int_equal(heard.pli_ssrc, pair->publisher.ssrc);
}

static json_int_t counter(const char *name)
{
	AUTO_JSON status = fake_hub_status(&hub);
	const json_t *worker;
	json_int_t sum = 0;
	size_t i;

	json_array_foreach (json_object_get(status, "workers"), i, worker)
		sum += json_integer_value(json_object_get(worker, name));
	return sum;
}

static void wait_until(const char *name, json_int_t value)
{
	for (int i = 0; i < 200 && counter(name) != value; i++)
		(void)usleep(10000);
	assert_int_equal(counter(name), value);
}

/* The last keyframe and what came since, once more for the next viewer; who joins later than half a
 * second after it waits for another one, so a slow machine tries again. */
static void who_joins_soon_after_a_keyframe_begins_with_it(void **state)
{
	enum { DELTAS = 5, SOON_US = 400000, TRIES = 20 };
	struct pair *pair = *state;

	(void)start_flow(pair);
	fake_hub_leave(&hub, "relay", "viewer"); /* where workers share, its place is taken */
	wait_until("peers", 1);
	for (int i = 0; i < TRIES; i++) {
		AUTO_FREE char *answer = NULL;
		AUTO_FREE char *offer = NULL;
		struct load_peer late;
		struct rtp_header header, last;
		uint8_t packet[2048];
		uint64_t began_us;
		char peer_id[16];

		(void)snprintf(peer_id, sizeof(peer_id), "late%d", i);
		assert_int_equal(load_peer_init(&late, identity), 0);
		offer = load_peer_offer(&late, 1);
		assert_int_equal(fake_hub_join(&hub, "relay", peer_id, "whep", offer, &answer), 0);
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

static void both_ends_get_reports(void **state)
{
	struct pair *pair = *state;
	struct heard at_publisher = {0}, at_viewer = {0};
	struct rtcp_sender_info info = {.ntp = ntp_from_unix_us(clock_unix_us()),
					.rtp_timestamp = 123456};
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	(void)start_flow(pair);
	rtcp_write_sender_report(&writer, pair->publisher.ssrc, &info, NULL, 0);
	load_peer_send_rtcp(&pair->publisher, packet, writer.offset, sizeof(packet));
	listen_for(&pair->viewer, &at_viewer, has_sender_report);
	assert_int_equal(at_viewer.report_ssrc, pair->viewer.receive_ssrc);
	assert_true(at_viewer.report.packet_count > 0);
	listen_for(&pair->publisher, &at_publisher, has_block);
	assert_int_equal(at_publisher.block.ssrc, pair->publisher.ssrc);
	assert_int_equal(at_publisher.block.fraction_lost, 0);
}

static void a_new_ssrc_of_the_publisher_is_not_seen_by_the_viewer(void **state)
{
	struct pair *pair = *state;
	uint16_t first = start_flow(pair);
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
	uint16_t last = start_flow(pair);
	struct heard heard = {0};
	struct rtp_header header;
	uint8_t packet[2048];

	assert_int_equal(fake_hub_mute(&hub, "relay", "publisher", true), 0);
	for (int i = 0; i < 20; i++)
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	assert_false(next_media(&pair->viewer, packet, &header));

	assert_int_equal(fake_hub_mute(&hub, "relay", "publisher", false), 0);
	listen_for(&pair->publisher, &heard, has_pli);
	assert_int_equal(heard.pli_ssrc, pair->publisher.ssrc);
	pair->publisher.sends_deltas = true;
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	pair->publisher.sends_deltas = false;
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	assert_true(next_media(&pair->viewer, packet, &header));
	assert_int_equal(header.sequence_number, (uint16_t)(last + 1));
	assert_int_equal(header.ssrc, pair->viewer.receive_ssrc);
}

/* Until the SFU has read `more` datagrams since it had `before`. */
static void wait_for_packets(json_int_t before, json_int_t more)
{
	for (int i = 0; i < 200 && counter("packets_in") < before + more; i++)
		(void)usleep(10000);
	assert_true(counter("packets_in") >= before + more);
}

static void nonsense_is_counted_and_dropped(void **state)
{
	struct pair *pair = *state;
	uint8_t bytes[4096] = {0x80, 96, 0, 1};
	struct rtp_header header;
	uint8_t packet[2048];
	struct sockaddr_in sfu = pair->publisher.sfu;
	int stranger = socket(AF_INET, SOCK_DGRAM, 0);
	json_int_t unknown = counter("dropped_unknown"), forged = counter("dropped_forged"),
		   malformed = counter("dropped_malformed");
	const uint8_t hello[] = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

	(void)start_flow(pair);
	/* From nowhere: media, and a handshake (no tuple of its own was ever checked). */
	(void)sendto(stranger, bytes, 200, 0, (struct sockaddr *)&sfu, sizeof(sfu));
	(void)sendto(stranger, hello, sizeof(hello), 0, (struct sockaddr *)&sfu, sizeof(sfu));
	/* From a peer: packets that do not authenticate, too short, too long, of no kind. */
	(void)send(pair->publisher.fd, bytes, 200, 0);
	(void)send(pair->publisher.fd, bytes, 5, 0);
	(void)send(pair->publisher.fd, bytes, sizeof(bytes), 0);
	bytes[0] = 0xff;
	(void)send(pair->publisher.fd, bytes, 100, 0);
	for (int i = 0; i < 10; i++) {
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		assert_true(next_media(&pair->viewer, packet, &header));
	}
	assert_true(counter("dropped_unknown") >= unknown + 2);
	assert_true(counter("dropped_forged") >= forged + 1);
	assert_true(counter("dropped_malformed") >= malformed + 2);
	(void)close(stranger);
}

/* Extensions longer than the packet, or padding, which is seen only once it is decrypted. */
static void send_lie(struct load_peer *peer, bool has_extension, bool has_padding)
{
	static const uint8_t payload[] = {0xbe, 0xde, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 250};
	uint8_t packet[256];
	int r;

	rtp_header_encode(packet, LOAD_VP8, true, has_extension, has_padding,
			  peer->sequence_number++, 1, peer->ssrc);
	if (has_extension) {
		memcpy(packet + RTP_HEADER_BYTES, payload, sizeof(payload));
		(void)send(peer->fd, packet, RTP_HEADER_BYTES + sizeof(payload), 0);
		return;
	}
	r = media_crypto_protect_rtp(peer->out, packet, sizeof(packet), RTP_HEADER_BYTES, NULL, 0,
				     payload, sizeof(payload));
	assert_true(r > 0);
	(void)send(peer->fd, packet, (size_t)r, 0);
}

static void lengths_that_lie_are_counted_and_dropped(void **state)
{
	struct pair *pair = *state;
	struct rtp_header header;
	uint8_t packet[2048];
	uint16_t last = start_flow(pair);
	json_int_t malformed = counter("dropped_malformed"), forged = counter("dropped_forged");

	for (int i = 0; i < 5; i++) {
		send_lie(&pair->publisher, true, false);
		send_lie(&pair->publisher, false, true);
	}
	pair->publisher.sequence_number = (uint16_t)(pair->publisher.sequence_number - 10);
	load_peer_publish(&pair->publisher, PACKET_BYTES, true); /* the next by its number */
	pair->publisher.sequence_number = (uint16_t)(pair->publisher.sequence_number + 10);
	for (int i = 0; i < 3; i++)
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	assert_true(next_media(&pair->viewer, packet, &header));
	assert_true(rtp_sequence_is_newer(header.sequence_number, last));
	assert_true(rtp_payload_bytes(&header, PACKET_BYTES) > 100);
	assert_int_equal(counter("dropped_forged"), forged + 5); /* seen before it is decrypted */
	assert_int_equal(counter("dropped_malformed"), malformed + 5);
}

/* Does a packet that is published now reach the viewer? */
static bool flows(struct pair *pair)
{
	uint8_t packet[2048];

	for (int i = 0; i < 20; i++) {
		size_t length;

		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		length = load_peer_receive(&pair->viewer, 20, packet);
		if (length > 0 && packet_kind_of(packet, length) == PACKET_RTP)
			return true;
	}
	return false;
}

/* How many packets of each kind the peer gets until none came for `quiet_ms`. */
static void count_received(struct load_peer *peer, int quiet_ms, int *ret_rtx, int *ret_plis)
{
	static const struct rtcp_visitor visitor = {.pli = hear_pli};
	uint8_t packet[2048];
	size_t length;

	*ret_rtx = *ret_plis = 0;
	while ((length = load_peer_receive(peer, quiet_ms, packet)) > 0) {
		struct heard heard = {0};
		struct rtp_header header;

		if (packet_kind_of(packet, length) == PACKET_RTP) {
			assert_int_equal(rtp_header_decode(packet, length, false, &header), 0);
			*ret_rtx += header.payload_type == LOAD_RTX;
		} else if (rtcp_visit(packet, length, &visitor, &heard) == 0) {
			*ret_plis += heard.pli_ssrc != 0;
		}
	}
}

/* Who asks for everything again and again gets what one that asks may get, not more. */
static void a_nack_for_everything_is_bounded(void **state)
{
	struct pair *pair = *state;
	uint16_t newest = start_flow(pair), all[RTCP_NACK_MAX];
	uint8_t packet[2048];
	struct rtp_header header;
	int rtx, plis;

	for (int i = 0; i < 300; i++) {
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		assert_true(next_media(&pair->viewer, packet, &header));
		newest = header.sequence_number;
	}
	for (uint16_t i = 0; i < ARRAY_LEN(all); i++)
		all[i] = (uint16_t)(newest - ARRAY_LEN(all) + 1 + i);
	for (int i = 0; i < 50; i++) { /* 12650 wishes within one tick or two */
		struct writer writer = writer_over(packet, sizeof(packet));

		rtcp_write_nack(&writer, 1, pair->viewer.receive_ssrc, all, ARRAY_LEN(all));
		load_peer_send_rtcp(&pair->viewer, packet, writer.offset, sizeof(packet));
	}
	count_received(&pair->viewer, 300, &rtx, &plis);
	assert_in_range(rtx, 1, 1000);
	assert_true(flows(pair)); /* and nobody was hurt */
}

static void a_storm_of_plis_becomes_a_few(void **state)
{
	struct pair *pair = *state;
	uint8_t packet[256];
	int rtx, plis;

	(void)start_flow(pair);
	count_received(&pair->publisher, 500, &rtx, &plis); /* those of the beginning */
	for (int i = 0; i < 500; i++) {
		struct writer writer = writer_over(packet, sizeof(packet));

		rtcp_write_pli(&writer, 1, pair->viewer.receive_ssrc);
		load_peer_send_rtcp(&pair->viewer, packet, writer.offset, sizeof(packet));
	}
	(void)usleep(200000);
	load_peer_publish(&pair->publisher, PACKET_BYTES, true); /* the keyframe */
	count_received(&pair->publisher, 500, &rtx, &plis);
	assert_in_range(plis, 1, 5);
}

/* An SSRC is a connection's own: another's under the same number takes nothing from it. */
static void two_publishers_may_have_one_ssrc(void **state)
{
	struct pair *pair = *state;
	struct load_peer twin;
	AUTO_FREE char *answer = NULL;
	AUTO_FREE char *offer = NULL;
	struct rtp_header header;
	uint8_t packet[2048];

	(void)start_flow(pair);
	assert_int_equal(load_peer_init(&twin, identity), 0);
	twin.ssrc = pair->publisher.ssrc;
	offer = load_peer_offer(&twin, 0);
	assert_int_equal(fake_hub_join(&hub, "relay", "twin", "whip", offer, &answer), 0);
	assert_int_equal(load_peer_connect(&twin, answer), 0);
	for (int i = 0; i < 10; i++) {
		load_peer_publish(&twin, PACKET_BYTES / 2, true);
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		assert_true(next_media(&pair->viewer, packet, &header));
		assert_int_equal(header.ssrc, pair->viewer.receive_ssrc);
	}
	load_peer_fini(&twin);
}

static void a_change_of_ssrc_within_one_batch_loses_nothing_after_it(void **state)
{
	struct pair *pair = *state;
	struct rtp_header header;
	uint8_t packet[2048];
	int got = 0;

	(void)start_flow(pair);
	halt_sfu(); /* so that both come in one batch */
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	pair->publisher.ssrc ^= 0x5a5a5a5a;
	pair->publisher.sequence_number = 5000;
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	assert_int_equal(kill(hub.sfu, SIGCONT), 0);
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

	(void)start_flow(pair);
	halt_sfu(); /* so that all come in one batch */
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		load_peer_publish(&pair->publisher, lengths[i], false);
	assert_int_equal(kill(hub.sfu, SIGCONT), 0);
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

/* ---- TCP ---- */

static int dial_tcp(void)
{
	const struct sockaddr_in sfu = {.sin_family = AF_INET,
					.sin_port = htons(MEDIA_PORT),
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
	AUTO_FREE char *answer = NULL;
	uint64_t spread_us;
	int came = 0;

	assert_int_equal(load_peer_init(&narrow, identity), 0);
	narrow.with_transport_cc = true;
	offer = load_peer_offer(&narrow, 1);
	assert_int_equal(fake_hub_join(&hub, "relay", "narrow", "whep", offer, &answer), 0);
	assert_int_equal(load_peer_connect(&narrow, answer), 0);
	(void)start_flow(pair);
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

static void a_stranger_on_tcp_is_counted_and_let_go(void **state)
{
	static const uint8_t nonsense[] = {0, 4,  0xff, 1,   2,	  3, /* of no kind */
					   0, 13, 22,	254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t too_long[] = {0xff, 0xff, 1, 2, 3};
	struct pair *pair = *state;
	json_int_t unknown = counter("dropped_unknown"), malformed = counter("dropped_malformed");
	struct rtp_header header;
	uint8_t packet[2048];
	int silent = dial_tcp(), noisy = dial_tcp(), endless = dial_tcp();
	uint64_t since_us = clock_now_us();

	(void)start_flow(pair);
	assert_int_equal(send(noisy, nonsense, sizeof(nonsense), MSG_NOSIGNAL), sizeof(nonsense));
	assert_int_equal(send(endless, too_long, sizeof(too_long), MSG_NOSIGNAL), sizeof(too_long));
	assert_true(is_closed_within(endless, 2));
	assert_true(counter("dropped_unknown") >= unknown + 1);
	assert_true(counter("dropped_malformed") >= malformed + 1);
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
	int fds[MORE];

	(void)state;
	for (size_t i = 0; i < MORE; i++)
		fds[i] = dial_tcp();
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
	AUTO_FREE char *answer = NULL;
	AUTO_FREE char *offer = NULL;
	struct load_peer again;
	json_int_t unknown, before;

	(void)start_flow(pair);
	assert_int_equal(getsockname(pair->publisher.fd, (struct sockaddr *)&local, &size), 0);
	(void)close(pair->publisher.fd); /* it crashed, without a goodbye */
	pair->publisher.fd = -1;
	pair->publisher.link = dtls_link_free(pair->publisher.link);
	assert_int_equal(load_peer_init(&again, identity), 0);
	local.sin_addr.s_addr = INADDR_ANY;
	assert_int_equal(bind(again.fd, (struct sockaddr *)&local, sizeof(local)), 0);
	offer = load_peer_offer(&again, 0);
	assert_int_equal(fake_hub_join(&hub, "relay", "again", "whip", offer, &answer), 0);
	assert_int_equal(load_peer_connect(&again, answer), 0);
	for (int i = 0; i < 400 && counter("tracks") > 1; i++) { /* until the old one is let go */
		load_peer_publish(&again, PACKET_BYTES, true);
		(void)usleep(20000);
	}
	assert_int_equal(counter("tracks"), 1);
	unknown = counter("dropped_unknown");
	before = counter("packets_in");
	for (int i = 0; i < 20; i++)
		load_peer_publish(&again, PACKET_BYTES, true);
	wait_for_packets(before, 20);
	assert_int_equal(counter("dropped_unknown"), unknown);
	load_peer_fini(&again);
}

/* A NAT forgot and gives another port; the client does not notice. */
static void move_to_another_port(struct load_peer *peer)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&peer->sfu, sizeof(peer->sfu)), 0);
	(void)close(peer->fd);
	peer->fd = fd;
	(void)usleep(30000);
}

static void who_gets_another_port_is_known_by_its_keys(void **state)
{
	struct pair *pair = *state;
	uint8_t report[256], forged[64] = {0x80, 96, 0, 1};
	struct writer writer = writer_over(report, sizeof(report));
	struct load_peer stranger;

	(void)start_flow(pair);
	move_to_another_port(&pair->publisher);
	assert_true(flows(pair));
	move_to_another_port(&pair->viewer);
	assert_false(flows(pair)); /* it has said nothing from there yet */
	rtcp_write_receiver_report(&writer, 1, NULL, 0);
	load_peer_send_rtcp(&pair->viewer, report, writer.offset, sizeof(report));
	assert_true(flows(pair));
	/* Who has not the keys takes nobody's place. */
	assert_int_equal(load_peer_init(&stranger, identity), 0);
	assert_int_equal(connect(stranger.fd, (struct sockaddr *)&pair->viewer.sfu,
				 sizeof(pair->viewer.sfu)),
			 0);
	(void)usleep(30000);
	for (int i = 0; i < 100; i++)
		assert_true(send(stranger.fd, forged, sizeof(forged), 0) > 0);
	assert_true(flows(pair));
	load_peer_fini(&stranger);
}

/* Take every line that begins so out of an SDP. */
static void cut_lines(char *text, const char *start)
{
	char *at;

	while ((at = strstr(text, start))) {
		const char *end = strchr(at, '\n') + 1;

		memmove(at, end, strlen(end) + 1);
	}
}

static void join_with(struct load_peer *peer, const char *peer_id, const char *kind, char *offer)
{
	AUTO_FREE char *answer = NULL;

	assert_int_equal(fake_hub_join(&hub, "relay", peer_id, kind, offer, &answer), 0);
	assert_int_equal(load_peer_connect(peer, answer), 0);
}

static size_t next_raw_media(const struct load_peer *peer, uint8_t packet[2048])
{
	for (int i = 0; i < 100; i++) {
		ssize_t got = recv(peer->fd, packet, 2048, 0);

		if (got > 0 && packet_kind_of(packet, (size_t)got) == PACKET_RTP)
			return (size_t)got;
		if (got <= 0)
			(void)usleep(5000);
	}
	return 0;
}

/* A publisher that repeats a number with other contents, and a viewer without RTX that asks for
 * that number: were both sealed under the one nonce, their key stream would be known. */
static void one_number_is_never_sealed_twice_with_different_contents(void **state)
{
	struct pair *pair = *state;
	struct load_peer publisher, viewer;
	AUTO_FREE char *offer = NULL;
	AUTO_FREE char *watch = NULL;
	uint8_t first[2048], second[2048], packet[2048], payload[PACKET_BYTES];
	struct writer writer = writer_over(packet, sizeof(packet));
	uint16_t wanted, original;
	json_int_t before;
	size_t length;
	char *formats;
	int r;

	(void)pair;
	assert_int_equal(load_peer_init(&publisher, identity), 0);
	offer = load_peer_offer(&publisher, 0);
	cut_lines(offer, "a=rtcp-fb:96 nack");
	join_with(&publisher, "repeater", "whip", offer);
	assert_int_equal(load_peer_init(&viewer, identity), 0);
	watch = load_peer_offer(&viewer, 2);
	cut_lines(watch, "a=rtpmap:97");
	cut_lines(watch, "a=fmtp:97");
	while ((formats = strstr(watch, "SAVPF 96 97")))
		memmove(formats + 8, formats + 11, strlen(formats + 11) + 1);
	join_with(&viewer, "asker", "whep", watch);
	for (int i = 0; i < 100 && next_raw_media(&viewer, first) == 0; i++)
		load_peer_publish(&publisher, PACKET_BYTES, true);
	while (load_peer_receive(&viewer, 100, packet) > 0)
		;
	load_peer_publish(&publisher, PACKET_BYTES, true);
	length = next_raw_media(&viewer, first);
	assert_true(length > 0);

	original = (uint16_t)(publisher.sequence_number - 1);
	memset(payload, 0xff, sizeof(payload));
	payload[0] = (uint8_t)(original >> 8);
	payload[1] = (uint8_t)original;
	rtp_header_encode(packet, LOAD_RTX, true, false, false, 77, 12345, publisher.ssrc + 1);
	r = media_crypto_protect_rtp(publisher.out, packet, sizeof(packet), 12, NULL, 0, payload,
				     PACKET_BYTES - 26);
	assert_true(r > 0);
	before = counter("packets_in");
	(void)send(publisher.fd, packet, (size_t)r, 0);
	wait_for_packets(before, 1);
	wanted = (uint16_t)(first[2] << 8 | first[3]);
	rtcp_write_nack(&writer, 1,
			(uint32_t)first[8] << 24 | (uint32_t)first[9] << 16 |
				(uint32_t)first[10] << 8 | first[11],
			&wanted, 1);
	load_peer_send_rtcp(&viewer, packet, writer.offset, sizeof(packet));
	assert_int_equal(next_raw_media(&viewer, second), length); /* asked for, and repeated */
	assert_memory_equal(first, second, length);
	load_peer_fini(&publisher);
	load_peer_fini(&viewer);
}

/* An offer of sound in place of the picture, with packets that are numbered for feedback. */
static char *as_sound(const char *offer)
{
	AUTO(sdp) sound = NULL;
	struct error error;
	struct sdp_media *media;

	assert_int_equal(sdp_parse(offer, strlen(offer), &sound, &error), 0);
	for (size_t i = 0; i < sound->media_count; i++) {
		media = &sound->media[i];
		media->kind = MEDIA_AUDIO;
		media->codec_count = 1;
		media->codecs[0] = (struct sdp_codec){.payload_type = LOAD_VP8,
						      .name = "opus",
						      .clock_rate_hz = 48000,
						      .channels = 2,
						      .apt = -1,
						      .transport_cc = true};
		media->extensions[0].id = 2;
		media->extensions[0].extension = EXTENSION_TRANSPORT_CC;
		media->extension_count = 1;
	}
	return sdp_format(sound);
}

/* A publisher and a viewer of sound alone, in place of the pair. */
static void join_with_sound(struct load_peer *publisher, struct load_peer *viewer)
{
	AUTO_FREE char *pictures = NULL;
	AUTO_FREE char *watched = NULL;
	AUTO_FREE char *spoken = NULL;
	AUTO_FREE char *heard = NULL;

	fake_hub_close_room(&hub, "relay");
	assert_int_equal(load_peer_init(publisher, identity), 0);
	assert_int_equal(load_peer_init(viewer, identity), 0);
	pictures = load_peer_offer(publisher, 0);
	watched = load_peer_offer(viewer, 1);
	spoken = as_sound(pictures);
	heard = as_sound(watched);
	join_with(publisher, "speaker", "whip", spoken);
	join_with(viewer, "listener", "whep", heard);
}

/* Sound has no RTX, and its packets carry a number that no other packet has: again under the same
 * index, it would be another packet under the one nonce. */
static void numbered_sound_is_not_repeated(void **state)
{
	struct load_peer publisher, viewer;
	uint8_t first[2048], second[2048], packet[2048];
	struct writer writer = writer_over(packet, sizeof(packet));
	uint16_t wanted;
	size_t length = 0;

	(void)state;
	join_with_sound(&publisher, &viewer);
	for (int i = 0; i < 100 && length == 0; i++) {
		load_peer_publish(&publisher, PACKET_BYTES, true);
		length = next_raw_media(&viewer, first);
	}
	assert_true(length > 0);
	wanted = (uint16_t)(first[2] << 8 | first[3]);
	assert_true(first[0] & 0x10); /* the number is there */
	while (next_raw_media(&viewer, second) > 0)
		;
	rtcp_write_nack(&writer, 1,
			(uint32_t)first[8] << 24 | (uint32_t)first[9] << 16 |
				(uint32_t)first[10] << 8 | first[11],
			&wanted, 1);
	load_peer_send_rtcp(&viewer, packet, writer.offset, sizeof(packet));
	assert_int_equal(next_raw_media(&viewer, second), 0);
	load_peer_fini(&publisher);
	load_peer_fini(&viewer);
}

/* Sound begins anew at any packet: it has no keyframes to be asked for. */
static void no_keyframe_is_asked_of_sound(void **state)
{
	struct load_peer publisher, viewer;
	uint8_t packet[2048];
	struct heard heard = {0};
	const struct rtcp_visitor visitor = {.pli = hear_pli};

	(void)state;
	join_with_sound(&publisher, &viewer);
	for (int i = 0; i < 100 && next_raw_media(&viewer, packet) == 0; i++)
		load_peer_publish(&publisher, PACKET_BYTES, true);
	publisher.ssrc ^= 0x5a5a5a5a;
	for (int i = 0; i < 10; i++) {
		size_t length;

		load_peer_publish(&publisher, PACKET_BYTES, true);
		length = load_peer_receive(&publisher, 100, packet);
		if (length > 0 && packet_kind_of(packet, length) == PACKET_RTCP)
			assert_int_equal(rtcp_visit(packet, length, &visitor, &heard), 0);
	}
	assert_int_equal(heard.pli_ssrc, 0);
	load_peer_fini(&publisher);
	load_peer_fini(&viewer);
}

/* An offer to publish two voices, whose packets tell how loud they are. */
static char *two_voices(const struct load_peer *peer)
{
	AUTO_FREE char *watched = load_peer_offer(peer, 2);
	AUTO_FREE char *sound = as_sound(watched);
	AUTO(sdp) offer = NULL;
	struct error error;

	assert_int_equal(sdp_parse(sound, strlen(sound), &offer, &error), 0);
	for (uint32_t i = 0; i < 2; i++) {
		struct sdp_media *media = &offer->media[i];

		media->direction = DIRECTION_SEND;
		media->extensions[0].id = 1;
		media->extensions[0].extension = EXTENSION_AUDIO_LEVEL;
		media->ssrcs[0] = peer->ssrc + i;
		media->ssrc_count = 1;
		memcpy(media->cname, "load", 5);
	}
	return sdp_format(offer);
}

/* `level`: -dBov. */
static void speak(struct load_peer *peer, uint32_t ssrc, uint8_t level)
{
	uint8_t packet[256] = {0}, payload[100] = {0};
	const uint8_t extension[8] = {0xbe, 0xde, 0, 1, 1 << 4, level, 0, 0};
	int r;

	rtp_header_encode(packet, LOAD_VP8, false, true, false, peer->sequence_number++, 0, ssrc);
	memcpy(packet + RTP_HEADER_BYTES, extension, sizeof(extension));
	r = media_crypto_protect_rtp(peer->out, packet, sizeof(packet),
				     RTP_HEADER_BYTES + sizeof(extension), NULL, 0, payload,
				     sizeof(payload));
	assert_true(r > 0);
	(void)send(peer->fd, packet, (size_t)r, 0);
}

/* The floor is a peer's: which of its voices speaks is no news. */
static void who_has_two_voices_gets_the_floor_once(void **state)
{
	struct load_peer publisher;
	AUTO_FREE char *offer = NULL;
	unsigned before;

	(void)state;
	fake_hub_close_room(&hub, "relay");
	assert_int_equal(load_peer_init(&publisher, identity), 0);
	offer = two_voices(&publisher);
	join_with(&publisher, "speaker", "whip", offer);
	before = hub.speaker_count;
	for (int i = 0; i < 75; i++) {
		speak(&publisher, publisher.ssrc, 20);
		speak(&publisher, publisher.ssrc + 1, 127);
		(void)usleep(20000);
	}
	assert_int_equal(fake_hub_mute(&hub, "relay", "speaker", false), 0);
	assert_int_equal(hub.speaker_count - before, 1);
	load_peer_fini(&publisher);
}

static void a_viewer_cannot_publish(void **state)
{
	struct pair *pair = *state;
	struct load_peer intruder;
	AUTO_FREE char *offer = NULL;
	AUTO_FREE char *answer = NULL;

	(void)pair;
	assert_int_equal(load_peer_init(&intruder, identity), 0);
	offer = load_peer_offer(&intruder, 0);
	assert_int_equal(fake_hub_join(&hub, "relay", "intruder", "whep", offer, &answer), 0);
	assert_int_equal(counter("tracks"), 1); /* the publisher's */
	load_peer_fini(&intruder);
}

static void who_falls_silent_is_let_go_within_5_s(void **state)
{
	struct pair *pair = *state;
	uint64_t since_us;

	(void)start_flow(pair);
	assert_int_equal(counter("peers"), 2);
	since_us = clock_now_us();
	while (counter("peers") == 2 && clock_now_us() - since_us < 6000000)
		(void)usleep(50000);
	/* It sent media until now, so 4.5 s of nothing are enough; the viewer has longer. */
	assert_int_equal(counter("peers"), 1);
	assert_in_range(clock_now_us() - since_us, 4000000, 5000000);
}

/* ---- a worker that is too busy at one per cent of a core ---- */

static int start_limited_sfu(void **state)
{
	(void)setenv("WEBRTC_CPU_LIMIT", "1", 1);
	return start_sfu(state);
}

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

static int try_to_publish(const char *peer_id)
{
	struct load_peer peer;
	AUTO_FREE char *offer = NULL;
	AUTO_FREE char *answer = NULL;
	int r;

	assert_int_equal(load_peer_init(&peer, identity), 0);
	offer = load_peer_offer(&peer, 0);
	r = fake_hub_join(&hub, "relay", peer_id, "whip", offer, &answer);
	load_peer_fini(&peer);
	return r;
}

static void a_busy_worker_lets_nobody_new_publish(void **state)
{
	struct pair *pair = *state;
	struct load_peer late_viewer;
	struct rtp_header header;
	uint8_t packet[2048];

	(void)start_flow(pair);
	flood(pair, 4000);
	assert_int_equal(counter("refuses_publishers"), 1);
	assert_int_equal(try_to_publish("late"), -EAGAIN);
	assert_string_equal(hub.refusal.code, "media_overloaded");
	/* Who is there goes on, and whoever watches is let in. */
	load_peer_publish(&pair->publisher, PACKET_BYTES, true);
	assert_true(next_media(&pair->viewer, packet, &header));
	join(&late_viewer, "late viewer", "whep", 1);
	load_peer_fini(&late_viewer);
	for (unsigned i = 0; i < 100 && counter("refuses_publishers"); i++)
		(void)usleep(100000);
	assert_int_equal(try_to_publish("patient"), 0);
}

/* ---- a room with a part on each of two workers, the publisher on one and the viewer on the other
 * ---- */

static int start_spread_sfu(void **state)
{
	(void)state;
	(void)unsetenv("WEBRTC_CPU_LIMIT");
	(void)setenv("WEBRTC_PEERS_PER_WORKER", "1", 1);
	(void)setenv("G_DEBUG", "fatal-warnings", 1); /* GStreamer's are of our making */
	assert_int_equal(dtls_identity_new(&identity, NULL), 0);
	return fake_hub_start(&hub, program, MEDIA_PORT, 2);
}

static json_int_t peers_of_worker(size_t i)
{
	AUTO_JSON status = fake_hub_status(&hub);

	return json_integer_value(
		json_object_get(json_array_get(json_object_get(status, "workers"), i), "peers"));
}

static void each_lives_on_a_worker_and_the_room_is_one(void **state)
{
	struct pair *pair = *state;
	AUTO_JSON room = NULL;

	(void)start_flow(pair);
	assert_int_equal(peers_of_worker(0), 1);
	assert_int_equal(peers_of_worker(1), 1);
	assert_int_equal(counter("rooms"), 1);
	assert_int_equal(counter("tracks"), 1);
	assert_int_equal(counter("subscriptions"), 1);
	room = fake_hub_room(&hub, "relay");
	assert_int_equal(json_array_size(json_object_get(room, "peers")), 2);
}

/* What stats say of the publisher's picture. */
static bool picture_is_wanted(void)
{
	AUTO_JSON room = fake_hub_room(&hub, "relay");
	const json_t *peer, *track, *layer;
	size_t i;

	json_array_foreach (json_object_get(room, "peers"), i, peer) {
		track = json_array_get(json_object_get(peer, "tracks"), 0);
		layer = json_array_get(json_object_get(track, "layers"), 0);
		if (layer)
			return json_is_true(json_object_get(layer, "wanted"));
	}
	return false;
}

static void what_nobody_on_the_other_worker_watches_is_not_handed_over(void **state)
{
	struct pair *pair = *state;

	(void)start_flow(pair);
	assert_true(picture_is_wanted());
	fake_hub_leave(&hub, "relay", "viewer");
	wait_until("peers", 1);
	for (int i = 0; i < 100 && picture_is_wanted(); i++)
		(void)usleep(10000);
	assert_false(picture_is_wanted());
	assert_int_equal(counter("rooms"), 1);
}

static void who_left_is_watched_nowhere(void **state)
{
	struct pair *pair = *state;
	struct load_peer late;
	AUTO_FREE char *offer = NULL;
	AUTO_FREE char *answer = NULL;

	(void)start_flow(pair);
	fake_hub_leave(&hub, "relay", "publisher");
	wait_until("tracks", 0);
	wait_until("subscriptions", 0);
	/* Another takes its place, on the worker that is free again. */
	assert_int_equal(load_peer_init(&late, identity), 0);
	offer = load_peer_offer(&late, 0);
	assert_int_equal(fake_hub_join(&hub, "relay", "next", "whip", offer, &answer), 0);
	assert_int_equal(peers_of_worker(0), 1);
	assert_int_equal(peers_of_worker(1), 1);
	load_peer_fini(&late);
}

static void a_closed_room_is_gone_on_both(void **state)
{
	struct pair *pair = *state;

	(void)start_flow(pair);
	fake_hub_close_room(&hub, "relay");
	wait_until("peers", 0);
	wait_until("rooms", 0);
	assert_null(fake_hub_room(&hub, "relay"));
}

static void a_viewer_names_a_publisher_of_the_other_worker(void **state)
{
	struct load_peer late;
	AUTO_FREE char *offer = NULL;
	AUTO_FREE char *answer = NULL;

	(void)state;
	/* Right after one another, many times: a part that begins waits for what the others have.
	 */
	for (int i = 0; i < 50; i++) {
		struct load_peer publisher;
		AUTO_FREE char *publish = NULL;
		AUTO_FREE char *taken = NULL;
		AUTO_FREE char *watch = NULL;
		AUTO_FREE char *shown = NULL;
		struct load_peer viewer;

		fake_hub_close_room(&hub, "relay");
		assert_int_equal(load_peer_init(&publisher, identity), 0);
		assert_int_equal(load_peer_init(&viewer, identity), 0);
		publish = load_peer_offer(&publisher, 0);
		watch = load_peer_offer(&viewer, 1);
		assert_int_equal(fake_hub_join(&hub, "relay", "one", "whip", publish, &taken), 0);
		assert_int_equal(fake_hub_join(&hub, "relay", "two", "whep", watch, &shown), 0);
		assert_non_null(strstr(shown, "a=sendonly"));
		load_peer_fini(&publisher);
		load_peer_fini(&viewer);
	}
	assert_int_equal(load_peer_init(&late, identity), 0);
	offer = load_peer_offer(&late, 1);
	assert_int_equal(fake_hub_join(&hub, "nowhere", "three", "whep", offer, &answer), 0);
	assert_null(strstr(answer, "a=sendonly"));
	fake_hub_close_room(&hub, "nowhere");
	load_peer_fini(&late);
}

/* The other way round, and told of before its first packet. */
static void who_publishes_on_the_second_worker_is_seen_on_the_first(void **state)
{
	struct pair pair;
	struct load_peer idle;
	AUTO_FREE char *offer = NULL;
	AUTO_FREE char *answer = NULL;
	struct rtp_header header;
	uint8_t packet[2048];
	uint16_t first;

	(void)state;
	fake_hub_close_room(&hub, "relay");
	assert_int_equal(load_peer_init(&idle, identity), 0);
	offer = load_peer_offer(&idle, 1);
	assert_int_equal(fake_hub_join(&hub, "relay", "idle", "whep", offer, &answer), 0);
	join(&pair.publisher, "second", "whip", 0);
	join(&pair.viewer, "third", "whep", 1);
	first = start_flow(&pair);
	for (uint16_t i = 1; i <= 20; i++) {
		load_peer_publish(&pair.publisher, PACKET_BYTES, true);
		assert_true(next_media(&pair.viewer, packet, &header));
		assert_int_equal(header.sequence_number, (uint16_t)(first + i));
	}
	load_peer_fini(&idle);
	load_peer_fini(&pair.publisher);
	load_peer_fini(&pair.viewer);
}

static void both_voices_are_heard_and_one_has_the_floor(void **state)
{
	struct load_peer speakers[2];
	unsigned before;

	(void)state;
	fake_hub_close_room(&hub, "relay");
	for (size_t i = 0; i < 2; i++) {
		AUTO_FREE char *offer = NULL;

		assert_int_equal(load_peer_init(&speakers[i], identity), 0);
		offer = two_voices(&speakers[i]);
		join_with(&speakers[i], i == 0 ? "loud" : "quiet", "whip", offer);
	}
	assert_int_equal(peers_of_worker(0), 1);
	assert_int_equal(peers_of_worker(1), 1);
	before = hub.speaker_count;
	for (int i = 0; i < 75; i++) {
		speak(&speakers[0], speakers[0].ssrc, 10);
		speak(&speakers[1], speakers[1].ssrc, 40);
		(void)usleep(20000);
	}
	assert_int_equal(fake_hub_mute(&hub, "relay", "loud", false), 0);
	assert_in_range(hub.speaker_count - before, 1, 2); /* who came in first may have had it */
	assert_string_equal(hub.speaker, "loud");
	/* It goes over to the other when that one alone speaks. */
	for (int i = 0; i < 150; i++) {
		speak(&speakers[0], speakers[0].ssrc, 127);
		speak(&speakers[1], speakers[1].ssrc, 20);
		(void)usleep(20000);
	}
	assert_int_equal(fake_hub_mute(&hub, "relay", "loud", false), 0);
	assert_string_equal(hub.speaker, "quiet");
	load_peer_fini(&speakers[0]);
	load_peer_fini(&speakers[1]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(packets_arrive_in_order_under_one_ssrc),
		TEST(a_nack_is_answered_by_rtx),
		TEST(a_gap_is_asked_for_at_the_publisher),
		TEST(a_viewers_pli_reaches_the_publisher),
		TEST(who_joins_soon_after_a_keyframe_begins_with_it),
		TEST(both_ends_get_reports),
		TEST(a_new_ssrc_of_the_publisher_is_not_seen_by_the_viewer),
		TEST(a_muted_track_is_not_forwarded_until_it_is_unmuted),
		TEST(nonsense_is_counted_and_dropped),
		TEST(lengths_that_lie_are_counted_and_dropped),
		TEST(a_nack_for_everything_is_bounded),
		TEST(a_storm_of_plis_becomes_a_few),
		TEST(two_publishers_may_have_one_ssrc),
		TEST(a_change_of_ssrc_within_one_batch_loses_nothing_after_it),
		TEST(pieces_of_a_picture_are_padded_to_one_length),
		TEST(a_burst_leaves_in_the_pace_of_the_network),
		TEST(a_stranger_on_tcp_is_counted_and_let_go),
		TEST(one_address_holds_no_more_than_its_share_of_tcp),
		TEST(who_returns_on_the_same_address_keeps_it),
		TEST(who_gets_another_port_is_known_by_its_keys),
		TEST(one_number_is_never_sealed_twice_with_different_contents),
		TEST(numbered_sound_is_not_repeated),
		TEST(no_keyframe_is_asked_of_sound),
		TEST(who_has_two_voices_gets_the_floor_once),
		TEST(a_viewer_cannot_publish),
		TEST(who_falls_silent_is_let_go_within_5_s),
	};
	const struct CMUnitTest spread[] = {
		TEST(each_lives_on_a_worker_and_the_room_is_one),
		TEST(packets_arrive_in_order_under_one_ssrc),
		TEST(a_nack_is_answered_by_rtx),
		TEST(a_gap_is_asked_for_at_the_publisher),
		TEST(a_viewers_pli_reaches_the_publisher),
		TEST(who_joins_soon_after_a_keyframe_begins_with_it),
		TEST(both_ends_get_reports),
		TEST(a_new_ssrc_of_the_publisher_is_not_seen_by_the_viewer),
		TEST(a_muted_track_is_not_forwarded_until_it_is_unmuted),
		TEST(a_change_of_ssrc_within_one_batch_loses_nothing_after_it),
		TEST(pieces_of_a_picture_are_padded_to_one_length),
		TEST(one_number_is_never_sealed_twice_with_different_contents),
		TEST(numbered_sound_is_not_repeated),
		TEST(no_keyframe_is_asked_of_sound),
		TEST(what_nobody_on_the_other_worker_watches_is_not_handed_over),
		TEST(who_left_is_watched_nowhere),
		TEST(a_closed_room_is_gone_on_both),
		TEST(a_viewer_names_a_publisher_of_the_other_worker),
		TEST(who_publishes_on_the_second_worker_is_seen_on_the_first),
		TEST(both_voices_are_heard_and_one_has_the_floor),
		TEST(who_falls_silent_is_let_go_within_5_s),
	};
	const struct CMUnitTest busy[] = {TEST(a_busy_worker_lets_nobody_new_publish)};
	int failed;

	if (argc < 2)
		return 2;
	program = argv[1];
	failed = argc == 3 ? 0 : cmocka_run_group_tests(tests, start_sfu, stop_sfu);
	failed += cmocka_run_group_tests(spread, start_spread_sfu, stop_sfu);
	(void)unsetenv("WEBRTC_PEERS_PER_WORKER");
	(void)unsetenv("G_DEBUG");
	return argc == 3 ? failed
			 : failed + cmocka_run_group_tests(busy, start_limited_sfu, stop_sfu);
}
