/* test_attacks.c - bytes that nobody should send, and wishes that nobody should have. */
#include "tests/integration/relay/pair.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/relay/heard.h"

static void nonsense_is_counted_and_dropped(void **state)
{
	struct pair *pair = *state;
	uint8_t bytes[4096] = {0x80, 96, 0, 1};
	struct rtp_header header;
	uint8_t packet[2048];
	struct sockaddr_in sfu = pair->publisher.sfu;
	int stranger = socket(AF_INET, SOCK_DGRAM, 0);
	json_int_t unknown = pair_counter(pair, "dropped_unknown"),
		   forged = pair_counter(pair, "dropped_forged"),
		   malformed = pair_counter(pair, "dropped_malformed");
	const uint8_t hello[] = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

	(void)pair_start_flow(pair);
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
	assert_true(pair_counter(pair, "dropped_unknown") >= unknown + 2);
	assert_true(pair_counter(pair, "dropped_forged") >= forged + 1);
	assert_true(pair_counter(pair, "dropped_malformed") >= malformed + 2);
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
	uint16_t last = pair_start_flow(pair);
	json_int_t malformed = pair_counter(pair, "dropped_malformed"),
		   forged = pair_counter(pair, "dropped_forged");

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
	/* The extensions are looked at before it is decrypted. */
	assert_int_equal(pair_counter(pair, "dropped_forged"), forged + 5);
	assert_int_equal(pair_counter(pair, "dropped_malformed"), malformed + 5);
}

/* Who asks for everything again and again gets what one that asks may get, not more. */
static void a_nack_for_everything_is_bounded(void **state)
{
	struct pair *pair = *state;
	uint16_t newest = pair_start_flow(pair), all[RTCP_NACK_MAX];
	uint8_t packet[2048];
	struct rtp_header header;

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
	assert_in_range(heard_count(&pair->viewer, 300).rtx, 1, 1000);
	assert_true(pair_flows(pair)); /* and nobody was hurt */
}

static void a_storm_of_plis_becomes_a_few(void **state)
{
	struct pair *pair = *state;
	uint8_t packet[256];

	(void)pair_start_flow(pair);
	(void)heard_count(&pair->publisher, 500); /* those of the beginning */
	for (int i = 0; i < 500; i++) {
		struct writer writer = writer_over(packet, sizeof(packet));

		rtcp_write_pli(&writer, 1, pair->viewer.receive_ssrc);
		load_peer_send_rtcp(&pair->viewer, packet, writer.offset, sizeof(packet));
	}
	(void)usleep(200000);
	load_peer_publish(&pair->publisher, PACKET_BYTES, true); /* the keyframe */
	assert_in_range(heard_count(&pair->publisher, 500).plis, 1, 5);
}

/* An SSRC is a connection's own: another's under the same number takes nothing from it. */
static void two_publishers_may_have_one_ssrc(void **state)
{
	struct pair *pair = *state;
	struct load_peer twin;
	AUTO_FREE char *offer = NULL;
	struct rtp_header header;
	uint8_t packet[2048];

	(void)pair_start_flow(pair);
	assert_int_equal(load_peer_init(&twin, pair->identity), 0);
	twin.ssrc = pair->publisher.ssrc;
	offer = load_peer_offer(&twin, 0);
	pair_join_with(pair, &twin, "twin", "whip", offer);
	for (int i = 0; i < 10; i++) {
		load_peer_publish(&twin, PACKET_BYTES / 2, true);
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		assert_true(next_media(&pair->viewer, packet, &header));
		assert_int_equal(header.ssrc, pair->viewer.receive_ssrc);
	}
	load_peer_fini(&twin);
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

/* A publisher that repeats a number with other contents, and a viewer without RTX that asks for
 * that number: were both sealed under the one nonce, their key stream would be known. */
static void one_number_is_never_sealed_twice_with_different_contents(void **state)
{
	struct pair *pair = *state;
	struct load_peer publisher, viewer;
	AUTO_FREE char *offer = NULL;
	AUTO_FREE char *watch = NULL;
	uint8_t first[2048], second[2048], packet[2048], payload[PACKET_BYTES];
	uint16_t original;
	json_int_t before;
	size_t length;
	int r;

	assert_int_equal(load_peer_init(&publisher, pair->identity), 0);
	offer = load_peer_offer(&publisher, 0);
	cut_lines(offer, "a=rtcp-fb:96 nack");
	pair_join_with(pair, &publisher, "repeater", "whip", offer);
	assert_int_equal(load_peer_init(&viewer, pair->identity), 0);
	viewer.without_rtx = true;
	watch = load_peer_offer(&viewer, 2);
	pair_join_with(pair, &viewer, "asker", "whep", watch);
	for (int i = 0; i < 100 && next_sealed(&viewer, first) == 0; i++)
		load_peer_publish(&publisher, PACKET_BYTES, true);
	while (load_peer_receive(&viewer, 100, packet) > 0)
		;
	load_peer_publish(&publisher, PACKET_BYTES, true);
	length = next_sealed(&viewer, first);
	assert_true(length > 0);

	original = (uint16_t)(publisher.sequence_number - 1);
	memset(payload, 0xff, sizeof(payload));
	payload[0] = (uint8_t)(original >> 8);
	payload[1] = (uint8_t)original;
	rtp_header_encode(packet, LOAD_RTX, true, false, false, 77, 12345, publisher.ssrc + 1);
	r = media_crypto_protect_rtp(publisher.out, packet, sizeof(packet), 12, NULL, 0, payload,
				     PACKET_BYTES - 26);
	assert_true(r > 0);
	before = pair_counter(pair, "packets_in");
	(void)send(publisher.fd, packet, (size_t)r, 0);
	pair_wait_for_packets(pair, before, 1);
	ask_again_for_sealed(&viewer, first);
	assert_int_equal(next_sealed(&viewer, second), length); /* asked for, and repeated */
	assert_memory_equal(first, second, length);
	load_peer_fini(&publisher);
	load_peer_fini(&viewer);
}

static void a_viewer_cannot_publish(void **state)
{
	struct pair *pair = *state;
	struct load_peer intruder;
	AUTO_FREE char *answer = pair_admit(pair, &intruder, "intruder", "whep", 0);

	assert_null(strstr(answer, "a=recvonly"));
	assert_int_equal(pair_counter(pair, "tracks"), 1); /* the publisher's */
	load_peer_fini(&intruder);
}

int main(void)
{
	const struct CMUnitTest one[] = {
		PAIR_TEST(nonsense_is_counted_and_dropped),
		PAIR_TEST(lengths_that_lie_are_counted_and_dropped),
		PAIR_TEST(a_nack_for_everything_is_bounded),
		PAIR_TEST(a_storm_of_plis_becomes_a_few),
		PAIR_TEST(two_publishers_may_have_one_ssrc),
		PAIR_TEST(one_number_is_never_sealed_twice_with_different_contents),
		PAIR_TEST(a_viewer_cannot_publish),
	};
	const struct CMUnitTest two[] = {
		PAIR_TEST(one_number_is_never_sealed_twice_with_different_contents),
	};
	int failed = RUN_ON_ONE_WORKER(one);

	return failed + RUN_ON_TWO_WORKERS(two);
}
