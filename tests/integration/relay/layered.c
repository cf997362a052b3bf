#include "tests/integration/relay/layered.h"

#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "sfu/wire/rtcp.h"

enum { TURN_US = 5000, WAIT_US = 20000000 };

static const size_t bytes_of_layer[LAYERED_COUNT] = {200, 400, LAYERED_TOP_BYTES};

void layered_join(struct layered *layered, struct pair *pair)
{
	AUTO_FREE char *offer = NULL;

	*layered = (struct layered){.sent_layers = (1 << LAYERED_COUNT) - 1};
	assert_int_equal(load_peer_init(&layered->publisher, pair->identity), 0);
	layered->publisher.layer_count = LAYERED_COUNT;
	layered->publisher.ssrc = layered->publisher.ssrc / 8 * 8 + 1; /* no wrap after it */
	for (uint16_t i = 0; i < LAYERED_COUNT; i++)
		layered->publisher.layer_sequence_numbers[i] = (uint16_t)(65500 + 1000 * i);
	offer = load_peer_offer(&layered->publisher, 0);
	pair_join_with(pair, &layered->publisher, "layered", "whip", offer);
	pair_join(pair, &layered->viewer, "its viewer", "whep", 1);
}

void layered_leave(struct layered *layered, struct pair *pair)
{
	fake_hub_close_room(&pair->hub, "relay");
	load_peer_fini(&layered->publisher);
	load_peer_fini(&layered->viewer);
}

static void hear_pli(void *data, uint32_t ssrc)
{
	struct layered *layered = data;

	assert_in_range(ssrc - layered->publisher.ssrc, 0, LAYERED_COUNT - 1);
	layered->wanted_keyframes |= 1u << (ssrc - layered->publisher.ssrc);
	layered->asked_layers |= 1u << (ssrc - layered->publisher.ssrc);
}

static void hear(struct layered *layered)
{
	static const struct rtcp_visitor visitor = {.pli = hear_pli};
	uint8_t packet[2048];
	ssize_t got;

	while ((got = recv(layered->publisher.fd, packet, sizeof(packet), 0)) > 0) {
		size_t length = (size_t)got;

		if (packet_kind_of(packet, length) == PACKET_RTCP &&
		    media_crypto_unprotect_rtcp(layered->publisher.in, packet, &length) == 0)
			assert_int_equal(rtcp_visit(packet, length, &visitor, layered), 0);
	}
}

static void look_at(struct layered *layered, const uint8_t *packet, const struct rtp_header *header)
{
	const uint8_t *payload = packet + header->header_bytes;
	uint8_t layer = load_peer_layer_of(payload);
	bool is_keyframe = (payload[1] & 1) == 0;

	assert_int_equal(header->ssrc, layered->viewer.receive_ssrc);
	if (!layered->may_lose && (!layered->has_seen || layer != layered->seen_layer))
		assert_true(is_keyframe);
	if (!layered->may_lose && layered->has_seen) {
		assert_int_equal(header->sequence_number, (uint16_t)(layered->seen_sequence + 1));
		assert_true((int32_t)(header->rtp_timestamp - layered->seen_timestamp) >= 0);
	}
	layered->has_seen = true;
	layered->seen_layer = layer;
	layered->seen_sequence = header->sequence_number;
	layered->seen_timestamp = header->rtp_timestamp;
}

static void watch(struct layered *layered)
{
	uint8_t packet[2048];
	ssize_t got;

	while ((got = recv(layered->viewer.fd, packet, sizeof(packet), 0)) > 0) {
		size_t length = (size_t)got;
		struct rtp_header header;

		if (packet_kind_of(packet, length) != PACKET_RTP)
			continue;
		assert_int_equal(media_crypto_unprotect_rtp(layered->viewer.in, packet, &length),
				 0);
		assert_int_equal(rtp_header_decode(packet, length, false, &header), 0);
		if (header.payload_type == LOAD_VP8)
			look_at(layered, packet, &header);
	}
}

void layered_go_on(struct layered *layered)
{
	hear(layered);
	for (uint8_t i = 0; i < LAYERED_COUNT; i++) {
		if (!(layered->sent_layers & 1u << i))
			continue;
		load_peer_publish_layer(&layered->publisher, i, bytes_of_layer[i],
					layered->wanted_keyframes & ~layered->refused_layers &
						1u << i);
		layered->wanted_keyframes &= ~(1u << i);
	}
	watch(layered);
	(void)usleep(TURN_US);
}

void layered_go_on_until(struct layered *layered, uint8_t layer)
{
	uint64_t until_us = clock_now_us() + WAIT_US;

	while (!(layered->has_seen && layered->seen_layer == layer) && clock_now_us() < until_us)
		layered_go_on(layered);
	assert_true(layered->has_seen);
	assert_int_equal(layered->seen_layer, layer);
}
