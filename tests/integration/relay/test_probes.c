/* test_probes.c - a way that was narrow, and of which little is used: it is tried out with packets
 * that hold nothing, where nothing can be repeated. */
#include "tests/integration/relay/pair.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"

enum { WAY_PATIENCE_US = 40000000, PAUSED_US = 700000, TURN_US = 10000 };

/* Two pictures, one of them with sound, on their way to somebody who tells how they fare. */
struct way {
	struct pair *pair; /* the group's, for its SFU */
	struct load_peer publishers[2], viewer;
	uint64_t fed_back_us;
	struct {
		uint32_t ssrc;
		uint16_t last;
		uint64_t picture_us; /* when the last one came */
	} streams[2];
	unsigned padding, rtx_padding;
	/* The last padding of a picture's own stream, and the last picture, as they came. */
	uint8_t padded[2048], picture[2048];
	size_t padded_bytes, picture_bytes;
};

static void open_way(struct way *way, struct pair *pair, bool with_rtx)
{
	static const char *const names[2] = {"first", "second"};
	AUTO_FREE char *watch = NULL;

	*way = (struct way){.pair = pair};
	fake_hub_close_room(&pair->hub, "relay");
	for (size_t i = 0; i < 2; i++) {
		AUTO_FREE char *offer = NULL;

		assert_int_equal(load_peer_init(&way->publishers[i], pair->identity), 0);
		way->publishers[i].with_audio = i == 0;
		offer = load_peer_offer(&way->publishers[i], 0);
		pair_join_with(pair, &way->publishers[i], names[i], "whip", offer);
	}
	assert_int_equal(load_peer_init(&way->viewer, pair->identity), 0);
	way->viewer.with_audio = way->viewer.with_transport_cc = true;
	way->viewer.without_rtx = !with_rtx;
	watch = load_peer_offer(&way->viewer, 2);
	pair_join_with(pair, &way->viewer, "viewer", "whep", watch);
}

static void close_way(struct way *way)
{
	fake_hub_close_room(&way->pair->hub, "relay");
	load_peer_fini(&way->publishers[0]);
	load_peer_fini(&way->publishers[1]);
	load_peer_fini(&way->viewer);
}

/* A packet of a picture's stream: its numbers go on whether it holds something or not. */
static void take_picture(struct way *way, const struct rtp_header *header, const uint8_t *raw,
			 size_t raw_bytes, bool is_padding)
{
	size_t i = way->streams[0].ssrc == header->ssrc || !way->streams[0].ssrc ? 0 : 1;

	if (!way->streams[i].ssrc) {
		assert_false(is_padding); /* nothing of that stream has come yet */
		way->streams[i].ssrc = header->ssrc;
		way->streams[i].last = (uint16_t)(header->sequence_number - 1);
	}
	assert_int_equal(header->ssrc, way->streams[i].ssrc);
	assert_int_equal(header->sequence_number, (uint16_t)(way->streams[i].last + 1));
	way->streams[i].last = header->sequence_number;
	if (!is_padding)
		way->streams[i].picture_us = clock_now_us();
	way->padding += is_padding;
	memcpy(is_padding ? way->padded : way->picture, raw, raw_bytes);
	*(is_padding ? &way->padded_bytes : &way->picture_bytes) = raw_bytes;
}

static void take_packet(struct way *way, const uint8_t *raw, size_t raw_bytes)
{
	uint8_t packet[2048];
	size_t length = raw_bytes;
	struct rtp_header header;
	bool is_padding;

	(void)load_peer_note(&way->viewer, raw, raw_bytes, clock_now_us());
	memcpy(packet, raw, raw_bytes);
	assert_int_equal(media_crypto_unprotect_rtp(way->viewer.in, packet, &length), 0);
	assert_int_equal(rtp_header_decode(packet, length, false, &header), 0);
	is_padding = header.padding_bytes > 0 && rtp_payload_bytes(&header, length) == 0;
	if (header.payload_type == LOAD_VP8)
		take_picture(way, &header, raw, raw_bytes, is_padding);
	else if (header.payload_type == LOAD_RTX)
		way->rtx_padding += is_padding;
}

/* A moment of the call. */
static void go_on(struct way *way)
{
	uint64_t now_us = clock_now_us();
	uint8_t raw[2048];
	ssize_t got;

	load_peer_publish(&way->publishers[0], PACKET_BYTES, true);
	load_peer_publish(&way->publishers[1], PACKET_BYTES, true);
	load_peer_publish_audio(&way->publishers[0], 60);
	while ((got = recv(way->viewer.fd, raw, sizeof(raw), 0)) > 0)
		if (packet_kind_of(raw, (size_t)got) == PACKET_RTP)
			take_packet(way, raw, (size_t)got);
	if (now_us - way->fed_back_us >= 50000) {
		way->fed_back_us = now_us;
		load_peer_feed_back(&way->viewer);
	}
	(void)usleep(TURN_US);
}

/* What the room's statistics say of the viewer; -1: null. */
static json_int_t viewers(struct way *way, const char *name)
{
	AUTO_JSON room = fake_hub_room(&way->pair->hub, "relay");
	const json_t *peer, *value;
	size_t i;

	json_array_foreach (json_object_get(room, "peers"), i, peer) {
		value = json_object_get(peer, name);
		if (strcmp(json_string_value(json_object_get(peer, "peer_id")), "viewer") == 0)
			return json_is_integer(value) ? json_integer_value(value) : -1;
	}
	return -1;
}

static bool flows_now(const struct way *way, size_t i)
{
	return clock_now_us() - way->streams[i].picture_us < PAUSED_US;
}

static bool both_flow(struct way *way)
{
	return way->streams[1].ssrc && flows_now(way, 0) && flows_now(way, 1);
}
static bool one_is_paused(struct way *way)
{
	return flows_now(way, 0) != flows_now(way, 1);
}
static bool both_are_paused(struct way *way)
{
	return !flows_now(way, 0) && !flows_now(way, 1);
}
static bool seems_narrow(struct way *way)
{
	json_int_t estimate_bps = viewers(way, "estimate_bps");

	return estimate_bps >= 0 && estimate_bps < 60000;
}
static bool seems_wide_enough(struct way *way)
{
	json_int_t wanted_bps = viewers(way, "wanted_bps");

	return wanted_bps > 0 && viewers(way, "estimate_bps") >= wanted_bps;
}

static void go_on_until(struct way *way, bool (*is_so)(struct way *), const char *what)
{
	uint64_t until_us = clock_now_us() + WAY_PATIENCE_US;

	while (!is_so(way)) {
		if (clock_now_us() > until_us)
			fail_msg("never came: %s; estimate %lld, wanted %lld, padding %u and %u",
				 what, (long long)viewers(way, "estimate_bps"),
				 (long long)viewers(way, "wanted_bps"), way->padding,
				 way->rtx_padding);
		for (int i = 0; i < 10; i++)
			go_on(way);
	}
}

/* What comes after a NACK for it is the very same. */
static void expect_again(struct way *way, const uint8_t *raw, size_t raw_bytes)
{
	uint8_t packet[2048];
	size_t length;

	ask_again_for_sealed(&way->viewer, raw);
	while ((length = next_sealed(&way->viewer, packet)) > 0)
		if (memcmp(packet + 2, raw + 2, 2) == 0 && memcmp(packet + 8, raw + 8, 4) == 0)
			break;
	assert_int_equal(length, raw_bytes);
	assert_memory_equal(packet, raw, raw_bytes);
}

/* Without RTX nothing is repeated that was not asked for: a way that seemed narrow once is tried
 * out with packets that hold nothing, between the pictures. */
static void who_has_no_rtx_is_probed_with_padding(void **state)
{
	struct way way;

	open_way(&way, *state, false);
	go_on_until(&way, both_flow, "both pictures");
	way.viewer.conceals = 4;
	go_on_until(&way, one_is_paused, "a narrow way");
	way.viewer.conceals = 0;
	go_on_until(&way, both_flow, "both pictures once more");
	assert_true(way.padding > 0);
	assert_int_equal(way.rtx_padding, 0);
	assert_true(viewers(&way, "padding") >= (json_int_t)way.padding);
	assert_true(pair_counter_of(way.pair, "media", "padding") >= (json_int_t)way.padding);
	expect_again(&way, way.padded, way.padded_bytes);
	expect_again(&way, way.picture, way.picture_bytes);
	close_way(&way);
}

static void pause_all(struct way *way, bool is_paused)
{
	AUTO_JSON room = fake_hub_room(&way->pair->hub, "relay");
	const json_t *peer, *track;
	size_t i, j;

	json_array_foreach (json_object_get(room, "peers"), i, peer)
		json_array_foreach (json_object_get(peer, "tracks"), j, track)
			fake_hub_pause(&way->pair->hub, "relay", "viewer",
				       json_string_value(json_object_get(track, "track_id")),
				       is_paused);
}

/* Nothing but sound flows, which proves little: what it would take to see somebody again is tried
 * out meanwhile. */
static void who_sees_nobody_for_now_is_probed_with_padding(void **state)
{
	struct way way;

	open_way(&way, *state, true);
	go_on_until(&way, both_flow, "both pictures");
	pause_all(&way, true);
	go_on_until(&way, both_are_paused, "quiet");
	way.viewer.conceals = 4;
	go_on_until(&way, seems_narrow, "a low estimate");
	way.viewer.conceals = 0;
	go_on_until(&way, seems_wide_enough, "an estimate that is enough");
	assert_true(both_are_paused(&way));
	assert_true(way.rtx_padding > 0);
	assert_int_equal(way.padding, 0);
	pause_all(&way, false);
	go_on_until(&way, both_flow, "both pictures once more");
	close_way(&way);
}

int main(void)
{
	const struct CMUnitTest one[] = {
		PAIR_TEST(who_has_no_rtx_is_probed_with_padding),
		PAIR_TEST(who_sees_nobody_for_now_is_probed_with_padding),
	};

	return RUN_ON_ONE_WORKER(one);
}
