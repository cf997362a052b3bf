/* test_sound.c - sound: it is not repeated, has no keyframes, and who speaks has the floor. */
#include "tests/integration/relay/pair.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "sfu/wire/rtcp.h"
#include "tests/integration/relay/heard.h"

enum { CAPTURE_TIME_ID = 3, CLOCK_BEHIND_S = 100 };

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
		sdp_media_keep_codecs(media, 0);
		assert_int_equal(
			sdp_media_add_codec(media, &(struct sdp_codec){.payload_type = LOAD_VP8,
								       .name = "opus",
								       .clock_rate_hz = 48000,
								       .channels = 2,
								       .apt = -1,
								       .transport_cc = true}),
			0);
		media->extension_ids[EXTENSION_TRANSPORT_CC] = 2;
		media->extension_ids[EXTENSION_ABS_CAPTURE_TIME] = CAPTURE_TIME_ID;
	}
	return sdp_format(sound);
}

/* A publisher and a viewer of sound alone, in place of the pair. */
static void join_with_sound(struct pair *pair, struct load_peer *publisher,
			    struct load_peer *viewer)
{
	AUTO_FREE char *pictures = NULL;
	AUTO_FREE char *watched = NULL;
	AUTO_FREE char *spoken = NULL;
	AUTO_FREE char *heard = NULL;

	fake_hub_close_room(&pair->hub, "relay");
	assert_int_equal(load_peer_init(publisher, pair->identity), 0);
	assert_int_equal(load_peer_init(viewer, pair->identity), 0);
	pictures = load_peer_offer(publisher, 0);
	watched = load_peer_offer(viewer, 1);
	spoken = as_sound(pictures);
	heard = as_sound(watched);
	pair_join_with(pair, publisher, "speaker", "whip", spoken);
	pair_join_with(pair, viewer, "listener", "whep", heard);
}

/* Sound has no RTX, and its packets carry a number that no other packet has: again under the same
 * index, it would be another packet under the one nonce. */
static void numbered_sound_is_not_repeated(void **state)
{
	struct pair *pair = *state;
	struct load_peer publisher, viewer;
	uint8_t first[2048], second[2048];
	size_t length = 0;

	join_with_sound(pair, &publisher, &viewer);
	for (int i = 0; i < 100 && length == 0; i++) {
		load_peer_publish(&publisher, PACKET_BYTES, true);
		length = next_sealed(&viewer, first);
	}
	assert_true(length > 0);
	assert_true(first[0] & 0x10); /* the number is there */
	while (next_sealed(&viewer, second) > 0)
		;
	ask_again_for_sealed(&viewer, first);
	assert_int_equal(next_sealed(&viewer, second), 0);
	load_peer_fini(&publisher);
	load_peer_fini(&viewer);
}

/* Sound begins anew at any packet: it has no keyframes to be asked for. */
static void no_keyframe_is_asked_of_sound(void **state)
{
	struct pair *pair = *state;
	struct load_peer publisher, viewer;
	uint8_t packet[2048];
	struct heard heard = {0};

	join_with_sound(pair, &publisher, &viewer);
	for (int i = 0; i < 100 && next_sealed(&viewer, packet) == 0; i++)
		load_peer_publish(&publisher, PACKET_BYTES, true);
	publisher.ssrc ^= 0x5a5a5a5a;
	for (int i = 0; i < 10; i++) {
		size_t length;

		load_peer_publish(&publisher, PACKET_BYTES, true);
		length = load_peer_receive(&publisher, 100, packet);
		if (length > 0 && packet_kind_of(packet, length) == PACKET_RTCP)
			heard_take(&heard, packet, length);
	}
	assert_int_equal(heard.pli_ssrc, 0);
	load_peer_fini(&publisher);
	load_peer_fini(&viewer);
}

/* The publisher's clock is behind ours by CLOCK_BEHIND_S. */
static void report_late_clock(struct load_peer *publisher)
{
	const struct rtcp_sender_info info = {.ntp = ntp_from_unix_us(clock_unix_us()) -
						     ((uint64_t)CLOCK_BEHIND_S << 32)};
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	rtcp_write_sender_report(&writer, publisher->ssrc, &info, NULL, 0);
	load_peer_send_rtcp(publisher, packet, writer.offset, sizeof(packet));
}

/* Sound that was captured at the NTP time 7 by a clock that goes with the publisher's. */
static void publish_captured(struct load_peer *publisher)
{
	uint8_t packet[256] = {0}, payload[100] = {0};
	uint8_t extension[24] = {0xbe, 0xde, 0, 5, CAPTURE_TIME_ID << 4 | 15, 0, 0, 0, 7};
	int r;

	rtp_header_encode(packet, LOAD_VP8, false, true, false, publisher->sequence_number++, 0,
			  publisher->ssrc);
	memcpy(packet + RTP_HEADER_BYTES, extension, sizeof(extension));
	r = media_crypto_protect_rtp(publisher->out, packet, sizeof(packet),
				     RTP_HEADER_BYTES + sizeof(extension), NULL, 0, payload,
				     sizeof(payload));
	assert_true(r > 0);
	assert_int_equal(send(publisher->fd, packet, (size_t)r, 0), r);
}

/* A viewer knows our clock, by our reports, and needs to be told how that of the source stands to
 * it: 100 s behind. Until the publisher has reported we do not know. */
static void the_clock_of_the_source_is_told_by_ours(void **state)
{
	struct pair *pair = *state;
	struct load_peer publisher, viewer;
	uint64_t until_us = clock_now_us() + PATIENCE_MS * 1000u;
	double behind_s = 0;

	join_with_sound(pair, &publisher, &viewer);
	while (behind_s == 0 && clock_now_us() < until_us) {
		uint8_t packet[2048];
		struct rtp_header header;
		size_t length;

		report_late_clock(&publisher);
		publish_captured(&publisher);
		length = load_peer_receive(&viewer, 100, packet);
		if (packet_kind_of(packet, length) == PACKET_RTP &&
		    rtp_header_decode(packet, length, false, &header) == 0) {
			struct slice told = rtp_extension_find(&header, packet, CAPTURE_TIME_ID);
			struct reader reader = reader_over(told.data, told.length);

			assert_int_equal(told.length, 16);
			assert_int_equal(read_uint(&reader, 4), 7);
			(void)read_uint(&reader, 4);
			behind_s = (double)(int64_t)read_uint(&reader, 8) / 4294967296.0;
		}
	}
	assert_true(behind_s < 0.5 - CLOCK_BEHIND_S && behind_s > -0.5 - CLOCK_BEHIND_S);
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
		media->extension_ids[EXTENSION_TRANSPORT_CC] = 0;
		media->extension_ids[EXTENSION_AUDIO_LEVEL] = 1;
		media->ssrcs[0] = peer->ssrc + i;
		media->ssrc_count = 1;
		assert_int_equal(sdp_set_text(&media->cname, "load"), 0);
	}
	return sdp_format(offer);
}

/* `level`: -dBov. */
static void speak(struct load_peer *peer, uint32_t ssrc, uint8_t level)
{
	pair_speak(peer, &(struct spoken){.payload_type = LOAD_VP8, /* as_sound() */
					  .sequence_number = peer->sequence_number++,
					  .ssrc = ssrc,
					  .level_id = 1,
					  .level = level});
}

/* The floor is a peer's: which of its voices speaks is no news. */
static void who_has_two_voices_gets_the_floor_once(void **state)
{
	struct pair *pair = *state;
	struct load_peer publisher;
	AUTO_FREE char *offer = NULL;
	unsigned before;

	fake_hub_close_room(&pair->hub, "relay");
	assert_int_equal(load_peer_init(&publisher, pair->identity), 0);
	offer = two_voices(&publisher);
	pair_join_with(pair, &publisher, "speaker", "whip", offer);
	before = pair->hub.speaker_count;
	for (int i = 0; i < 75; i++) {
		speak(&publisher, publisher.ssrc, 20);
		speak(&publisher, publisher.ssrc + 1, 127);
		(void)usleep(20000);
	}
	assert_int_equal(fake_hub_mute(&pair->hub, "relay", "speaker", false), 0);
	assert_int_equal(pair->hub.speaker_count - before, 1);
	load_peer_fini(&publisher);
}

static void both_voices_are_heard_and_one_has_the_floor(void **state)
{
	struct pair *pair = *state;
	struct load_peer speakers[2];
	unsigned before;

	fake_hub_close_room(&pair->hub, "relay");
	for (size_t i = 0; i < 2; i++) {
		AUTO_FREE char *offer = NULL;

		assert_int_equal(load_peer_init(&speakers[i], pair->identity), 0);
		offer = two_voices(&speakers[i]);
		pair_join_with(pair, &speakers[i], i == 0 ? "loud" : "quiet", "whip", offer);
	}
	assert_int_equal(pair_peers_of_worker(pair, 0), 1);
	assert_int_equal(pair_peers_of_worker(pair, 1), 1);
	before = pair->hub.speaker_count;
	for (int i = 0; i < 75; i++) {
		speak(&speakers[0], speakers[0].ssrc, 10);
		speak(&speakers[1], speakers[1].ssrc, 40);
		(void)usleep(20000);
	}
	assert_int_equal(fake_hub_mute(&pair->hub, "relay", "loud", false), 0);
	assert_in_range(pair->hub.speaker_count - before, 1,
			2); /* who came in first may have had it */
	assert_string_equal(pair->hub.speaker, "loud");
	/* It goes over to the other when that one alone speaks. */
	for (int i = 0; i < 150; i++) {
		speak(&speakers[0], speakers[0].ssrc, 127);
		speak(&speakers[1], speakers[1].ssrc, 20);
		(void)usleep(20000);
	}
	assert_int_equal(fake_hub_mute(&pair->hub, "relay", "loud", false), 0);
	assert_string_equal(pair->hub.speaker, "quiet");
	load_peer_fini(&speakers[0]);
	load_peer_fini(&speakers[1]);
}

int main(void)
{
	const struct CMUnitTest one[] = {
		PAIR_TEST(numbered_sound_is_not_repeated),
		PAIR_TEST(no_keyframe_is_asked_of_sound),
		PAIR_TEST(the_clock_of_the_source_is_told_by_ours),
		PAIR_TEST(who_has_two_voices_gets_the_floor_once),
	};
	const struct CMUnitTest two[] = {
		PAIR_TEST(numbered_sound_is_not_repeated),
		PAIR_TEST(no_keyframe_is_asked_of_sound),
		PAIR_TEST(both_voices_are_heard_and_one_has_the_floor),
	};
	int failed = RUN_ON_ONE_WORKER(one);

	return failed + RUN_ON_TWO_WORKERS(two);
}
