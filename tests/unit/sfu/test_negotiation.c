#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sfu/model/negotiation.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/sfu/random.h"

struct fixture {
	struct negotiation negotiation;
	struct error error;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct negotiation_identity identity = {.ice_ufrag = "ufrag", .ice_password = "password"};

	negotiation_init(&fixture->negotiation, &identity, 42);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	negotiation_fini(&fixture->negotiation);
	free(fixture);
	return 0;
}

static void add_codec(struct sdp_media *media, const char *name, uint8_t payload_type,
		      uint32_t clock_rate_hz, int apt)
{
	struct sdp_codec *codec = &media->codecs[media->codec_count++];

	codec->payload_type = payload_type;
	(void)snprintf(codec->name, sizeof(codec->name), "%s", name);
	codec->clock_rate_hz = clock_rate_hz;
	codec->apt = (int16_t)apt;
}

static void fill_media(struct sdp_media *media, enum media_kind kind, const char *mid,
		       enum sdp_direction direction)
{
	media->kind = kind;
	(void)snprintf(media->mid, sizeof(media->mid), "%s", mid);
	media->direction = direction;
	media->rtcp_mux = true;
	if (kind == MEDIA_AUDIO) {
		add_codec(media, "opus", 109, 48000, -1);
	} else if (kind == MEDIA_VIDEO) {
		add_codec(media, "H265", 103, 90000, -1);
		add_codec(media, "VP8", 120, 90000, -1);
		add_codec(media, "rtx", 124, 90000, 120);
	}
}

/* A browser's offer: audio and video, both to be published. */
static struct sdp *browser_offer(size_t count)
{
	static const char *const mids[] = {"0", "1", "2", "3"};
	struct sdp *offer = sdp_new(count, 0);

	offer->setup = SETUP_ACTPASS;
	offer->has_fingerprint = true;
	for (size_t i = 0; i < count; i++)
		fill_media(&offer->media[i], i % 2 ? MEDIA_VIDEO : MEDIA_AUDIO, mids[i],
			   DIRECTION_SENDRECV);
	return offer;
}

/* What a browser answers: it receives what we send. */
static struct sdp *browser_answer(const struct sdp *offer)
{
	struct sdp *answer = sdp_new(offer->media_count, 0);

	answer->setup = SETUP_ACTIVE;
	answer->has_fingerprint = true;
	for (size_t i = 0; i < offer->media_count; i++) {
		struct sdp_media *media = &answer->media[i];
		unsigned direction = offer->media[i].direction;

		*media = offer->media[i];
		media->direction =
			(enum sdp_direction)((direction & DIRECTION_SEND ? DIRECTION_RECEIVE : 0) |
					     (direction & DIRECTION_RECEIVE ? DIRECTION_SEND : 0));
	}
	return answer;
}

static struct send_stream stream_of(const char *codec, uint32_t clock_rate_hz, void *binding)
{
	struct send_stream stream = {.binding = binding,
				     .format.codec = relay_codec_find(codec, clock_rate_hz),
				     .stream_id = "peer_a",
				     .track_id = "track",
				     .ssrc = 1000,
				     .rtx_ssrc = 1001};
	return stream;
}

static void publishing_is_answered_with_recvonly(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;
	const struct media_line *line;

	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
	assert_int_equal(answer->media_count, 2);
	assert_int_equal(answer->setup, SETUP_PASSIVE);
	assert_int_equal(answer->media[1].direction, DIRECTION_RECEIVE);
	assert_int_equal(answer->media[1].codecs[0].payload_type, 120);
	assert_int_equal(answer->media[1].codecs[1].apt, 120);
	line = fixture->negotiation.lines[1];
	assert_true(line->is_publishing);
	assert_int_equal(line->payload_type, 120);
	assert_int_equal(line->rtx_payload_type, 124);
	assert_false(fixture->negotiation.is_dirty);
}

static void a_track_is_offered_on_a_new_line_with_the_peers_numbers(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) first = NULL;
	AUTO(sdp) ours = NULL;
	AUTO(sdp) answer = NULL;
	struct send_stream stream = stream_of("VP8", 90000, fixture);

	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &first, NULL), 0);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &stream, NULL), 0);
	assert_true(fixture->negotiation.is_dirty);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &ours), 0);
	assert_int_equal(ours->media_count, 3);
	assert_int_equal(ours->setup, SETUP_ACTPASS);
	assert_int_equal(ours->media[2].direction, DIRECTION_SEND);
	assert_int_equal(ours->media[2].codecs[0].payload_type, 120);
	assert_string_equal(ours->media[2].msid_stream, "peer_a");
	assert_int_equal(ours->media[2].ssrcs[0], 1000);
	assert_false(fixture->negotiation.lines[2]->is_sending_live);
	answer = browser_answer(ours);
	assert_int_equal(negotiation_take_answer(&fixture->negotiation, answer, 0, NULL), 0);
	assert_true(fixture->negotiation.lines[2]->is_sending_live);
	assert_true(fixture->negotiation.lines[0]->is_publishing);
}

static void extension_numbers_mean_one_thing_in_the_bundle(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) ours = NULL;
	struct send_stream audio = stream_of("opus", 48000, &audio);
	struct send_stream video = stream_of("VP8", 90000, &video);

	offer->media[0].extensions[0].id = 7;
	offer->media[0].extensions[0].extension = EXTENSION_AUDIO_LEVEL;
	offer->media[0].extension_count = 1;
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &audio, NULL), 0);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &video, NULL), 0);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &ours), 0);
	assert_int_equal(sdp_extension_id(&ours->media[2], EXTENSION_AUDIO_LEVEL), 7);
	/* The peer has no number for orientation, and any of ours might be one of its own. */
	assert_int_equal(ours->media[3].extension_count, 0);
}

static void what_is_told_of_the_capture_is_passed_on_and_the_time_of_sending_is_ours(void **state)
{
	struct fixture *fixture = *state;
	static const enum header_extension offered[] = {
		EXTENSION_ABS_CAPTURE_TIME, EXTENSION_ABS_SEND_TIME, EXTENSION_PLAYOUT_DELAY};
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) ours = NULL;
	struct send_stream video = stream_of("VP8", 90000, &video);

	for (size_t i = 0; i < ARRAY_LEN(offered); i++) {
		offer->media[1].extensions[i].id = (uint8_t)(10 + i);
		offer->media[1].extensions[i].extension = offered[i];
	}
	offer->media[1].extension_count = ARRAY_LEN(offered);
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
	assert_int_equal(sdp_extension_id(&answer->media[1], EXTENSION_ABS_SEND_TIME), 0);
	assert_int_equal(sdp_extension_id(&answer->media[1], EXTENSION_ABS_CAPTURE_TIME), 10);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &video, NULL), 0);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &ours), 0);
	assert_int_equal(sdp_extension_id(&ours->media[2], EXTENSION_ABS_CAPTURE_TIME), 10);
	assert_int_equal(sdp_extension_id(&ours->media[2], EXTENSION_PLAYOUT_DELAY), 12);
	/* Who does not tell of each packet estimates by our own times. */
	assert_int_equal(sdp_extension_id(&ours->media[2], EXTENSION_ABS_SEND_TIME), 11);
	assert_true(ours->media[2].codecs[0].goog_remb);
	assert_int_equal(ours->media[2].extension_count, 3);
	assert_true(negotiation_passes_on(EXTENSION_ABS_CAPTURE_TIME));
	assert_false(negotiation_passes_on(EXTENSION_ABS_SEND_TIME));
}

/* It begins with more than the short form of header extensions takes. */
static void dependencies_are_told_to_who_takes_both_forms_of_extensions(void **state)
{
	struct fixture *fixture = *state;

	for (int mixed = 0; mixed < 2; mixed++) {
		AUTO(sdp) offer = browser_offer(2);
		AUTO(sdp) answer = NULL;
		AUTO(sdp) ours = NULL;
		struct send_stream video = stream_of("VP8", 90000, &video);

		offer->extmap_allow_mixed = mixed;
		offer->media[1].extensions[0].id = 13;
		offer->media[1].extensions[0].extension = EXTENSION_DEPENDENCY_DESCRIPTOR;
		offer->media[1].extension_count = 1;
		assert_int_equal(
			negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
		assert_int_equal(answer->extmap_allow_mixed, mixed);
		assert_int_equal(
			sdp_extension_id(&answer->media[1], EXTENSION_DEPENDENCY_DESCRIPTOR), 13);
		assert_int_equal(negotiation_add_send(&fixture->negotiation, &video, NULL), 0);
		assert_int_equal(negotiation_make_offer(&fixture->negotiation, &ours), 0);
		assert_true(ours->extmap_allow_mixed);
		assert_int_equal(sdp_extension_id(&ours->media[2], EXTENSION_DEPENDENCY_DESCRIPTOR),
				 mixed ? 13 : 0);
	}
}

/* Chromium publishes later only with what was agreed on at first. */
static void who_watches_first_can_publish_in_layers_later(void **state)
{
	struct fixture *fixture = *state;
	struct send_stream video = stream_of("VP8", 90000, fixture);
	AUTO(sdp) ours = NULL;

	assert_int_equal(negotiation_add_send(&fixture->negotiation, &video, NULL), 0);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &ours), 0);
	assert_true(sdp_extension_id(&ours->media[0], EXTENSION_MID) > 0);
	assert_true(sdp_extension_id(&ours->media[0], EXTENSION_RID) > 0);
	assert_true(sdp_extension_id(&ours->media[0], EXTENSION_REPAIRED_RID) > 0);
	/* A publisher's names are not for its subscribers. */
	assert_false(negotiation_passes_on(EXTENSION_MID));
	assert_false(negotiation_passes_on(EXTENSION_RID));
}

static void list_red(struct sdp_media *media, size_t at, uint8_t payload_type, const char *fmtp)
{
	memmove(&media->codecs[at + 1], &media->codecs[at],
		(media->codec_count++ - at) * sizeof(media->codecs[0]));
	media->codecs[at] = (struct sdp_codec){.payload_type = payload_type,
					       .name = "red",
					       .clock_rate_hz = 48000,
					       .channels = 2,
					       .apt = -1};
	(void)strcpy(media->codecs[at].fmtp, fmtp);
}

static void redundant_audio_is_taken_from_who_prefers_it(void **state)
{
	struct fixture *fixture = *state;

	for (size_t at = 0; at < 2; at++) {
		AUTO(sdp) offer = browser_offer(2);
		AUTO(sdp) answer = NULL;
		const struct media_line *line;
		uint8_t opus = sdp_codec_find(&offer->media[0], "opus")->payload_type;
		char fmtp[16];

		(void)snprintf(fmtp, sizeof(fmtp), "%u/%u", opus, opus);
		list_red(&offer->media[0], at, 63, fmtp);
		assert_int_equal(
			negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
		line = fixture->negotiation.lines[0];
		assert_int_equal(line->payload_type, opus);
		assert_int_equal(line->red_payload_type, at == 0 ? 63 : 0);
		assert_int_equal(answer->media[0].codecs[0].payload_type, at == 0 ? 63 : opus);
		assert_int_equal(answer->media[0].codec_count, at == 0 ? 2 : 1);
		if (at == 0)
			assert_string_equal(answer->media[0].codecs[0].fmtp, fmtp);
	}
}

static void redundant_audio_is_offered_to_who_knows_it(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) first = NULL;
	AUTO(sdp) ours = NULL;
	AUTO(sdp) answer = NULL;
	struct send_stream stream = stream_of("opus", 48000, fixture);
	uint8_t opus = sdp_codec_find(&offer->media[0], "opus")->payload_type;
	char fmtp[16];

	(void)snprintf(fmtp, sizeof(fmtp), "%u/%u", opus, opus);
	list_red(&offer->media[0], 1, 63, fmtp);
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &first, NULL), 0);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &stream, NULL), 0);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &ours), 0);
	assert_int_equal(ours->media[2].codecs[1].payload_type, 63);
	assert_string_equal(ours->media[2].codecs[1].fmtp, fmtp);
	answer = browser_answer(ours);
	answer->media[2].codec_count = 1; /* it does not want it here */
	assert_int_equal(negotiation_take_answer(&fixture->negotiation, answer, 0, NULL), 0);
	assert_true(fixture->negotiation.lines[2]->is_sending_live);
	assert_int_equal(fixture->negotiation.lines[2]->send_red_payload_type, 0);
	assert_int_equal(negotiation_bind_send(&fixture->negotiation, fixture->negotiation.lines[0],
					       &stream, NULL),
			 0);
	assert_int_equal(fixture->negotiation.lines[0]->send_red_payload_type, 63);
}

static void who_tells_of_each_packet_needs_no_times(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) ours = NULL;
	struct send_stream video = stream_of("VP8", 90000, &video);

	offer->media[1].extensions[0].id = 3;
	offer->media[1].extensions[0].extension = EXTENSION_TRANSPORT_CC;
	offer->media[1].extensions[1].id = 2;
	offer->media[1].extensions[1].extension = EXTENSION_ABS_SEND_TIME;
	offer->media[1].extension_count = 2;
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &video, NULL), 0);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &ours), 0);
	assert_int_equal(sdp_extension_id(&ours->media[2], EXTENSION_TRANSPORT_CC), 3);
	assert_int_equal(sdp_extension_id(&ours->media[2], EXTENSION_ABS_SEND_TIME), 0);
	assert_false(ours->media[2].codecs[0].goog_remb);
}

/* WHEP: the line is the viewer's own; what we publish to nobody has no times. */
static void a_viewer_that_knows_times_alone_is_answered_with_them(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) again = NULL;
	struct send_stream video = stream_of("VP8", 90000, &video);

	offer->media[1].direction = DIRECTION_RECEIVE;
	offer->media[1].extensions[0].id = 2;
	offer->media[1].extensions[0].extension = EXTENSION_ABS_SEND_TIME;
	offer->media[1].extension_count = 1;
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
	assert_int_equal(sdp_extension_id(&answer->media[1], EXTENSION_ABS_SEND_TIME), 0);
	assert_int_equal(negotiation_bind_send(&fixture->negotiation, fixture->negotiation.lines[1],
					       &video, NULL),
			 0);
	assert_int_equal(negotiation_write(&fixture->negotiation, false, &again), 0);
	assert_int_equal(sdp_extension_id(&again->media[1], EXTENSION_ABS_SEND_TIME), 2);
	assert_int_equal(
		negotiation_abs_send_time_id(&fixture->negotiation, fixture->negotiation.lines[1]),
		2);
	/* A number that means something else as well is not used. */
	fixture->negotiation.lines[0]->remote.extensions[0].id = 2;
	fixture->negotiation.lines[0]->remote.extensions[0].extension = EXTENSION_AUDIO_LEVEL;
	fixture->negotiation.lines[0]->remote.extension_count = 1;
	assert_int_equal(
		negotiation_abs_send_time_id(&fixture->negotiation, fixture->negotiation.lines[1]),
		0);
}

static void a_line_that_is_free_serves_the_next_track(void **state)
{
	struct fixture *fixture = *state;
	struct send_stream stream = stream_of("opus", 48000, fixture);
	int other;

	for (int round = 0; round < 5; round++) {
		AUTO(sdp) offer = NULL;
		AUTO(sdp) answer = NULL;

		stream.binding = &other;
		assert_int_equal(negotiation_add_send(&fixture->negotiation, &stream, NULL), 0);
		assert_int_equal(negotiation_make_offer(&fixture->negotiation, &offer), 0);
		answer = browser_answer(offer);
		assert_int_equal(negotiation_take_answer(&fixture->negotiation, answer, 0, NULL),
				 0);
		negotiation_remove_send(&fixture->negotiation, &other);
		assert_int_equal(fixture->negotiation.line_count, 1);
	}
}

static void when_both_offer_the_peer_wins_and_nothing_is_lost(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) ours = NULL;
	AUTO(sdp) theirs = browser_offer(2);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) again = NULL;
	AUTO(sdp) stale = NULL;
	struct send_stream stream = stream_of("VP8", 90000, fixture);

	assert_int_equal(negotiation_add_send(&fixture->negotiation, &stream, NULL), 0);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &ours), 0);
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, theirs, &answer, NULL), 0);
	assert_int_equal(answer->media_count, 2);
	assert_true(fixture->negotiation.is_dirty);
	stale = browser_answer(ours);
	assert_int_equal(negotiation_take_answer(&fixture->negotiation, stale, 0, &fixture->error),
			 -EPROTO);
	assert_string_equal(fixture->error.code, "stale_answer");
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &again), 0);
	assert_int_equal(again->media_count, 3);
	assert_int_equal(again->media[2].direction, DIRECTION_SEND);
	assert_string_equal(again->media[0].mid, "0");
}

static void tracks_that_wait_give_way_to_the_peers_first_offer(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) theirs = browser_offer(2);
	AUTO(sdp) answer = NULL;
	struct send_stream stream = stream_of("VP8", 90000, fixture);

	assert_int_equal(negotiation_add_send(&fixture->negotiation, &stream, NULL), 0);
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, theirs, &answer, NULL), 0);
	assert_int_equal(answer->media_count, 2);
	assert_int_equal(fixture->negotiation.line_count, 3);
	assert_true(fixture->negotiation.lines[2]->is_sending_wanted);
	assert_true(fixture->negotiation.is_dirty);
}

static void a_codec_that_is_not_relayed_is_refused_whole(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;

	offer->media[1].codec_count = 1; /* H265 alone */
	assert_int_equal(
		negotiation_take_offer(&fixture->negotiation, offer, &answer, &fixture->error),
		-EPROTONOSUPPORT);
	assert_string_equal(fixture->error.code, "unsupported_codec");
	assert_string_equal(fixture->error.field, "m=");
	assert_int_equal(fixture->negotiation.line_count, 0);
}

static void the_certificate_may_not_change(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = browser_offer(1);
	AUTO(sdp) first = NULL;
	AUTO(sdp) second = NULL;

	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &first, NULL), 0);
	offer->fingerprint_sha256[0] ^= 1;
	assert_int_equal(
		negotiation_take_offer(&fixture->negotiation, offer, &second, &fixture->error),
		-EPROTO);
	assert_string_equal(fixture->error.code, "fingerprint_changed");
}

static void lines_never_vanish_or_change(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) two = browser_offer(2);
	AUTO(sdp) one = browser_offer(1);
	AUTO(sdp) first = NULL;
	AUTO(sdp) second = NULL;

	assert_int_equal(negotiation_take_offer(&fixture->negotiation, two, &first, NULL), 0);
	assert_int_equal(
		negotiation_take_offer(&fixture->negotiation, one, &second, &fixture->error),
		-EPROTO);
	assert_string_equal(fixture->error.code, "bad_sdp");
	two->media[0].mid[0] = 'x';
	assert_int_equal(
		negotiation_take_offer(&fixture->negotiation, two, &second, &fixture->error),
		-EPROTO);
	assert_string_equal(fixture->error.field, "a=mid");
}

static void a_data_channel_is_declined_politely(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;

	fill_media(&offer->media[1], MEDIA_APPLICATION, "1", DIRECTION_SENDRECV);
	offer->media[1].codec_count = 0;
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
	assert_true(answer->media[1].rejected);
	assert_false(answer->media[0].rejected);
}

static void a_rejected_line_may_come_back_as_another(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) again = browser_offer(2);
	AUTO(sdp) first = NULL;
	AUTO(sdp) second = NULL;

	fill_media(&offer->media[1], MEDIA_APPLICATION, "1", DIRECTION_SENDRECV);
	offer->media[1].codec_count = 0;
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &first, NULL), 0);
	again->media[1].mid[0] = '7';
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, again, &second, NULL), 0);
	assert_true(fixture->negotiation.lines[1]->is_publishing);
	assert_string_equal(second->media[1].mid, "7");
}

/* A browser that has stopped all it had says nothing of the transport. */
static void who_stops_everything_goes_on(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) nothing = browser_offer(1);
	AUTO(sdp) offer = browser_offer(1);
	AUTO(sdp) first = NULL;
	AUTO(sdp) second = NULL;

	nothing->media[0].rejected = true;
	nothing->has_fingerprint = false;
	nothing->setup = SETUP_NONE;
	assert_int_equal(
		negotiation_take_offer(&fixture->negotiation, nothing, &first, &fixture->error),
		-EPROTO); /* not to begin with */
	assert_string_equal(fixture->error.field, "a=ice-ufrag");
	memset(offer->fingerprint_sha256, 7, sizeof(offer->fingerprint_sha256));
	(void)snprintf(offer->ice_ufrag, sizeof(offer->ice_ufrag), "once");
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &first, NULL), 0);
	assert_false(negotiation_is_ice_restart(&fixture->negotiation, nothing));
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, nothing, &second, NULL), 0);
	assert_false(fixture->negotiation.lines[0]->is_publishing);
	assert_true(second->media[0].rejected);
	assert_string_equal(fixture->negotiation.remote_ufrag, "once");
	assert_int_equal(fixture->negotiation.remote_fingerprint_sha256[0], 7);
}

static void an_answer_that_says_to_which_offer_answers_no_other(void **state)
{
	struct fixture *fixture = *state;
	struct negotiation *negotiation = &fixture->negotiation;
	struct send_stream stream = stream_of("VP8", 90000, fixture);
	AUTO(sdp) offer = NULL;
	AUTO(sdp) again = NULL;
	AUTO(sdp) answer = NULL;
	uint64_t first_id;

	assert_int_equal(negotiation_add_send(negotiation, &stream, NULL), 0);
	assert_int_equal(negotiation_make_offer(negotiation, &offer), 0);
	first_id = negotiation->offer_id;
	assert_true(first_id > 0);
	answer = browser_answer(offer);
	/* Made once more, since it may have been lost: the first is void. */
	assert_int_equal(negotiation_make_offer(negotiation, &again), 0);
	assert_true(negotiation->offer_id > first_id);
	assert_int_equal(negotiation_take_answer(negotiation, answer, first_id, &fixture->error),
			 -EPROTO);
	assert_string_equal(fixture->error.code, "stale_answer");
	assert_string_equal(fixture->error.field, "offer_id");
	assert_int_equal(negotiation->state, NEGOTIATION_OFFERED);
	assert_int_equal(negotiation_take_answer(negotiation, answer, negotiation->offer_id, NULL),
			 0);
	assert_true(negotiation->lines[0]->is_sending_live);
	assert_int_equal(negotiation_take_answer(negotiation, answer, negotiation->offer_id,
						 &fixture->error),
			 -EPROTO);
	assert_string_equal(fixture->error.code, "stale_answer");
}

/* Told twice by somebody who does not say which offer he answers. */
static void an_answer_with_fewer_lines_answers_an_older_offer(void **state)
{
	struct fixture *fixture = *state;
	struct negotiation *negotiation = &fixture->negotiation;
	struct send_stream stream = stream_of("VP8", 90000, fixture);
	AUTO(sdp) offer = NULL;
	AUTO(sdp) second = NULL;
	AUTO(sdp) answer = NULL;
	int others[2];

	assert_int_equal(negotiation_add_send(negotiation, &stream, NULL), 0);
	assert_int_equal(negotiation_make_offer(negotiation, &offer), 0);
	answer = browser_answer(offer);
	assert_int_equal(negotiation_take_answer(negotiation, answer, 0, NULL), 0);
	stream.binding = &others[0];
	stream.ssrc = 2000;
	assert_int_equal(negotiation_add_send(negotiation, &stream, NULL), 0);
	assert_int_equal(negotiation_make_offer(negotiation, &second), 0);
	stream.binding = &others[1];
	stream.ssrc = 3000;
	assert_int_equal(negotiation_add_send(negotiation, &stream, NULL), 0);
	assert_int_equal(negotiation_take_answer(negotiation, answer, 0, &fixture->error), -EPROTO);
	assert_string_equal(fixture->error.code, "stale_answer");
	assert_string_equal(fixture->error.field, "m=");
	(void)sdp_free(answer);
	answer = browser_answer(second);
	assert_int_equal(negotiation_take_answer(negotiation, answer, 0, NULL), 0);
	assert_true(negotiation->lines[1]->is_sending_live);
	assert_true(negotiation->is_dirty);
}

/* It took our offer, its answer was lost with the connection, and then it offers itself. */
static void lines_that_the_peer_knows_stay_ours_although_its_answer_was_lost(void **state)
{
	struct fixture *fixture = *state;
	struct negotiation *negotiation = &fixture->negotiation;
	struct send_stream stream = stream_of("VP8", 90000, fixture);
	AUTO(sdp) offer = NULL;
	AUTO(sdp) theirs = browser_offer(1);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) again = NULL;

	assert_int_equal(negotiation_add_send(negotiation, &stream, NULL), 0);
	assert_int_equal(negotiation_make_offer(negotiation, &offer), 0);
	(void)sdp_free(theirs);
	theirs = browser_answer(offer);
	theirs->setup = SETUP_ACTPASS;
	assert_int_equal(negotiation_take_offer(negotiation, theirs, &answer, NULL), 0);
	assert_int_equal(negotiation->line_count, 1);
	assert_true(negotiation->lines[0]->is_ours);
	assert_true(negotiation->lines[0]->is_sending_live);
	assert_int_equal(answer->media[0].direction, DIRECTION_SEND);
	assert_true(negotiation->is_dirty);
	assert_int_equal(negotiation_make_offer(negotiation, &again), 0);
	assert_int_equal(again->media_count, 1);
}

static void an_offer_of_the_peer_starts_no_stream_that_it_was_not_told_of(void **state)
{
	struct fixture *fixture = *state;
	struct negotiation *negotiation = &fixture->negotiation;
	struct send_stream stream = stream_of("VP8", 90000, fixture);
	AUTO(sdp) offer = NULL;
	AUTO(sdp) theirs = NULL;
	AUTO(sdp) answer = NULL;
	int other;

	assert_int_equal(negotiation_add_send(negotiation, &stream, NULL), 0);
	assert_int_equal(negotiation_make_offer(negotiation, &offer), 0);
	theirs = browser_answer(offer);
	assert_int_equal(negotiation_take_answer(negotiation, theirs, 0, NULL), 0);
	negotiation_remove_send(negotiation, fixture);
	stream.binding = &other;
	stream.ssrc = 2000;
	assert_int_equal(negotiation_add_send(negotiation, &stream, NULL), 0);
	theirs->setup = SETUP_ACTPASS;
	assert_int_equal(negotiation_take_offer(negotiation, theirs, &answer, NULL), 0);
	assert_false(negotiation->lines[0]->is_sending_live);
	assert_true(negotiation->is_dirty);
}

/* The answer to the offer before, told twice, ends an offer that it does not know; the browser's
 * own answer is then refused. What is sent is offered once more rather than never. */
static void an_answer_told_twice_leaves_nobody_without_media(void **state)
{
	struct fixture *fixture = *state;
	struct send_stream stream = stream_of("VP8", 90000, fixture);
	AUTO(sdp) idle = NULL;
	AUTO(sdp) offer = NULL;
	AUTO(sdp) stale = NULL;
	AUTO(sdp) answer = NULL;

	assert_int_equal(negotiation_add_send(&fixture->negotiation, &stream, NULL), 0);
	negotiation_remove_send(&fixture->negotiation, fixture);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &idle), 0);
	stale = browser_answer(idle);
	assert_int_equal(negotiation_take_answer(&fixture->negotiation, stale, 0, NULL), 0);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &stream, NULL), 0);
	for (int i = 0; i < 2; i++) {
		(void)sdp_free(offer);
		offer = NULL;
		assert_int_equal(negotiation_make_offer(&fixture->negotiation, &offer), 0);
		stale->media[0].direction = DIRECTION_INACTIVE;
		if (i == 0) {
			stale->media[0].codecs[0] = offer->media[0].codecs[0];
			stale->media[0].codec_count = 1;
			assert_int_equal(
				negotiation_take_answer(&fixture->negotiation, stale, 0, NULL), 0);
			assert_true(fixture->negotiation.is_dirty);
		}
	}
	answer = browser_answer(offer);
	assert_int_equal(negotiation_take_answer(&fixture->negotiation, answer, 0, NULL), 0);
	assert_true(fixture->negotiation.lines[0]->is_sending_live);
	assert_false(fixture->negotiation.is_dirty);
}

static void nobody_publishes_without_end(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = sdp_new(PUBLISHED_TRACKS_MAX + 1, 0);
	AUTO(sdp) answer = NULL;
	char mid[8];

	offer->setup = SETUP_ACTPASS;
	offer->has_fingerprint = true;
	for (size_t i = 0; i < offer->media_count; i++) {
		(void)snprintf(mid, sizeof(mid), "%u", (unsigned)i);
		fill_media(&offer->media[i], MEDIA_VIDEO, mid, DIRECTION_SEND);
	}
	assert_int_equal(
		negotiation_take_offer(&fixture->negotiation, offer, &answer, &fixture->error),
		-E2BIG);
	assert_string_equal(fixture->error.code, "too_many_tracks");
	assert_int_equal(fixture->negotiation.line_count, 0);
}

static void an_answer_to_an_older_stream_starts_no_newer_one(void **state)
{
	struct fixture *fixture = *state;
	struct send_stream stream = stream_of("VP8", 90000, fixture);
	AUTO(sdp) offer = NULL;
	AUTO(sdp) answer = NULL;
	int other;

	assert_int_equal(negotiation_add_send(&fixture->negotiation, &stream, NULL), 0);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &offer), 0);
	negotiation_remove_send(&fixture->negotiation, fixture);
	stream.binding = &other;
	stream.ssrc = 2000;
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &stream, NULL), 0);
	answer = browser_answer(offer);
	assert_int_equal(negotiation_take_answer(&fixture->negotiation, answer, 0, NULL), 0);
	assert_false(fixture->negotiation.lines[0]->is_sending_live);
	assert_true(fixture->negotiation.is_dirty);
}

static void ice_is_restarted_outside_of_offers_as_well(void **state)
{
	struct fixture *fixture = *state;
	struct negotiation *negotiation = &fixture->negotiation;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;

	(void)snprintf(offer->ice_ufrag, sizeof(offer->ice_ufrag), "once");
	assert_int_equal(negotiation_take_offer(negotiation, offer, &answer, NULL), 0);
	assert_false(negotiation_restart_ice(negotiation, "once"));
	assert_true(negotiation_restart_ice(negotiation, "again"));
	assert_false(negotiation_restart_ice(negotiation, "again"));
	assert_true(negotiation_is_ice_restart(negotiation, offer));
	(void)snprintf(offer->ice_ufrag, sizeof(offer->ice_ufrag), "again");
	assert_false(negotiation_is_ice_restart(negotiation, offer));
}

static void the_sfu_is_the_dtls_server(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = browser_offer(1);
	AUTO(sdp) answer = NULL;

	offer->setup = SETUP_PASSIVE;
	assert_int_equal(
		negotiation_take_offer(&fixture->negotiation, offer, &answer, &fixture->error),
		-EPROTO);
	assert_string_equal(fixture->error.field, "a=setup");
}

/* ---- codecs ---- */

static void set_fmtp(struct sdp_media *media, size_t index, const char *fmtp)
{
	(void)snprintf(media->codecs[index].fmtp, sizeof(media->codecs[index].fmtp), "%s", fmtp);
}

static void allow(struct fixture *fixture, const char *name)
{
	assert_int_equal(
		codec_preferences_add(&fixture->negotiation.preferences, name, &fixture->error), 0);
}

/* An offer with one video line that has VP8, VP9 and H264 in two profiles. */
static struct sdp *offer_of_many(enum sdp_direction direction)
{
	struct sdp *offer = browser_offer(1);
	struct sdp_media *media = &offer->media[0];

	*media = (struct sdp_media){0};
	fill_media(media, MEDIA_VIDEO, "0", direction);
	add_codec(media, "VP9", 98, 90000, -1);
	add_codec(media, "rtx", 99, 90000, 98);
	add_codec(media, "H264", 108, 90000, -1);
	set_fmtp(media, media->codec_count - 1,
		 "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f");
	add_codec(media, "H264", 106, 90000, -1);
	set_fmtp(media, media->codec_count - 1,
		 "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
	add_codec(media, "rtx", 107, 90000, 106);
	return offer;
}

static struct send_stream stream_in(const char *codec, const char *fmtp, void *binding,
				    uint32_t ssrc)
{
	struct send_stream stream = stream_of(codec, 90000, binding);

	(void)snprintf(stream.format.fmtp, sizeof(stream.format.fmtp), "%s", fmtp);
	stream.ssrc = ssrc;
	stream.rtx_ssrc = ssrc + 1;
	return stream;
}

static void the_answer_takes_what_the_room_wants_most(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = offer_of_many(DIRECTION_SENDRECV);
	AUTO(sdp) answer = NULL;
	const struct media_line *line;

	allow(fixture, "H264");
	allow(fixture, "VP9");
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
	assert_int_equal(answer->media[0].codec_count, 2);
	assert_int_equal(answer->media[0].codecs[0].payload_type, 106);
	assert_string_equal(answer->media[0].codecs[0].fmtp,
			    "level-asymmetry-allowed=1;packetization-mode=1;"
			    "profile-level-id=42e01f");
	assert_int_equal(answer->media[0].codecs[1].apt, 106);
	line = fixture->negotiation.lines[0];
	assert_string_equal(line->format.codec->name, "H264");
	assert_int_equal(line->payload_type, 106);
	assert_int_equal(line->rtx_payload_type, 107);
}

static void a_codec_that_the_room_does_not_list_is_refused(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = offer_of_many(DIRECTION_SEND);
	AUTO(sdp) answer = NULL;

	allow(fixture, "AV1");
	assert_int_equal(
		negotiation_take_offer(&fixture->negotiation, offer, &answer, &fixture->error),
		-EPROTONOSUPPORT);
	assert_string_equal(fixture->error.code, "unsupported_codec");
	assert_non_null(strstr(fixture->error.message, "(AV1)"));
	/* Who only watches is not asked. */
	offer->media[0].direction = DIRECTION_RECEIVE;
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
	assert_false(answer->media[0].rejected);
}

static void a_track_goes_to_who_lists_its_format_alone(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = offer_of_many(DIRECTION_SENDRECV);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) ours = NULL;
	struct send_stream av1 = stream_in("AV1", "", &av1, 10);
	struct send_stream high =
		stream_in("H264", "packetization-mode=1;profile-level-id=64001f", &high, 20);
	struct send_stream vp9 = stream_in("VP9", "profile-id=0", &vp9, 30);
	struct send_stream h264 =
		stream_in("H264", "packetization-mode=1;profile-level-id=42c034", &h264, 40);

	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &av1, &fixture->error),
			 -EPROTONOSUPPORT);
	assert_string_equal(fixture->error.code, "unsupported_codec");
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &high, NULL),
			 -EPROTONOSUPPORT);
	assert_int_equal(fixture->negotiation.line_count, 1);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &vp9, NULL), 0);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &h264, NULL), 0);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &ours), 0);
	assert_int_equal(ours->media[1].codecs[0].payload_type, 98);
	assert_int_equal(ours->media[1].codecs[1].payload_type, 99);
	/* Its number, the publisher's level. */
	assert_int_equal(ours->media[2].codecs[0].payload_type, 106);
	assert_string_equal(ours->media[2].codecs[0].fmtp,
			    "packetization-mode=1;profile-level-id=42c034");
}

static void what_waits_is_dropped_when_the_first_offer_shows_that_it_cannot_be_taken(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = offer_of_many(DIRECTION_SENDRECV);
	AUTO(sdp) answer = NULL;
	struct send_stream av1 = stream_in("AV1", "", &av1, 10);
	struct send_stream vp9 = stream_in("VP9", "", &vp9, 20);

	assert_int_equal(negotiation_add_send(&fixture->negotiation, &av1, NULL), 0);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &vp9, NULL), 0);
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
	assert_false(negotiation_has_send(&fixture->negotiation, &av1));
	assert_true(negotiation_has_send(&fixture->negotiation, &vp9));
	assert_int_equal(fixture->negotiation.line_count, 2);
}

static void who_said_nothing_is_offered_it_once_and_its_refusal_is_kept(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = offer_of_many(DIRECTION_SEND);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) ours = NULL;
	AUTO(sdp) theirs = NULL;
	AUTO(sdp) again = NULL;
	struct send_stream av1 = stream_in("AV1", "", &av1, 10);
	struct send_stream vp9 = stream_in("VP9", "", &vp9, 20);

	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &av1, NULL), 0);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &vp9, NULL), 0);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &ours), 0);
	theirs = browser_answer(ours);
	theirs->media[1].rejected = true;
	assert_int_equal(negotiation_take_answer(&fixture->negotiation, theirs, 0, NULL), 0);
	assert_false(negotiation_has_send(&fixture->negotiation, &av1));
	assert_true(fixture->negotiation.lines[2]->is_sending_live);
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &av1, &fixture->error),
			 -EPROTONOSUPPORT);
	/* The line is stopped on its side, so it is not used again. */
	vp9.binding = &again;
	assert_int_equal(negotiation_add_send(&fixture->negotiation, &vp9, NULL), 0);
	assert_int_equal(fixture->negotiation.line_count, 4);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &again), 0);
	assert_true(again->media[1].rejected);
}

static void an_answer_without_the_format_is_a_refusal_as_well(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) ours = NULL;
	AUTO(sdp) theirs = NULL;
	AUTO(sdp) again = NULL;
	struct send_stream av1 = stream_in("AV1", "", &av1, 10);

	assert_int_equal(negotiation_add_send(&fixture->negotiation, &av1, NULL), 0);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &ours), 0);
	theirs = browser_answer(ours);
	theirs->media[0].codec_count = 0;
	assert_int_equal(negotiation_take_answer(&fixture->negotiation, theirs, 0, NULL), 0);
	assert_false(negotiation_has_send(&fixture->negotiation, &av1));
	assert_true(fixture->negotiation.is_dirty);
	assert_int_equal(negotiation_make_offer(&fixture->negotiation, &again), 0);
	assert_int_equal(again->media[0].direction, DIRECTION_INACTIVE);
}

static void opus_goes_on_with_the_publishers_parameters(void **state)
{
	struct fixture *fixture = *state;
	AUTO(sdp) offer = browser_offer(1);
	AUTO(sdp) answer = NULL;

	set_fmtp(&offer->media[0], 0, "minptime=10;useinbandfec=1;sprop-stereo=1;usedtx=1");
	assert_int_equal(negotiation_take_offer(&fixture->negotiation, offer, &answer, NULL), 0);
	assert_string_equal(answer->media[0].codecs[0].fmtp,
			    "minptime=10;useinbandfec=1;sprop-stereo=1;usedtx=1;stereo=1");
	assert_string_equal(fixture->negotiation.lines[0]->format.fmtp,
			    answer->media[0].codecs[0].fmtp);
}

/* What a payload type means in one m-line. */
struct meaning {
	char name[16];
	struct media_format format;
	int16_t apt;
};

static void note_meanings(struct meaning meanings[128], const struct sdp_media *media)
{
	for (size_t i = 0; i < media->codec_count; i++) {
		const struct sdp_codec *codec = &media->codecs[i];
		struct meaning *meaning = &meanings[codec->payload_type],
			       said = {.apt = codec->apt};

		memcpy(said.name, codec->name, sizeof(said.name));
		(void)media_format_read(codec, &said.format);
		if (*meaning->name) {
			assert_string_equal(meaning->name, said.name);
			assert_int_equal(meaning->apt, said.apt);
			assert_true(!said.format.codec ||
				    media_format_is_same(&meaning->format, &said.format));
		}
		*meaning = said;
	}
}

/* A peer whose codecs have any numbers, each meaning one thing. */
static struct sdp *offer_in_any_numbers(struct random *random)
{
	static const char *const names[] = {"VP8", "VP9", "AV1", "H264", "H264", "H265"};
	static const char *const fmtps[] = {"",
					    "profile-id=0",
					    "",
					    "profile-level-id=42e01f",
					    "profile-level-id=64001f;packetization-mode=1",
					    ""};
	struct sdp *offer = browser_offer(1);
	struct sdp_media *media = &offer->media[0];
	uint8_t next = (uint8_t)(96 + random_u64(random) % 8);

	*media = (struct sdp_media){0};
	fill_media(media, MEDIA_OTHER, "0",
		   random_u64(random) % 2 ? DIRECTION_SEND : DIRECTION_SENDRECV);
	media->kind = MEDIA_VIDEO;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (random_u64(random) % 3 == 0 && i > 0)
			continue;
		add_codec(media, names[i], next, 90000, -1);
		set_fmtp(media, media->codec_count - 1, fmtps[i]);
		if (random_u64(random) % 2) {
			add_codec(media, "rtx", (uint8_t)(next + 1), 90000, next);
			next++;
		}
		next = (uint8_t)(next + 1 + random_u64(random) % 2);
	}
	return offer;
}

/* Any streams come and go, any peer takes them or not: in no offer or answer does a number mean
 * something else than in another line of the bundle. */
static void a_number_means_one_thing_in_the_whole_bundle(void **state)
{
	static const char *const names[] = {"VP8", "VP9", "AV1", "H264", "H264"};
	static const char *const fmtps[] = {"", "profile-id=2", "", "profile-level-id=42e01f",
					    "profile-level-id=64001f;packetization-mode=1"};
	struct random random = random_from_environment();
	struct negotiation_identity identity = {.ice_ufrag = "ufrag", .ice_password = "password"};

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct negotiation negotiation;
		AUTO(sdp) offer = offer_in_any_numbers(&random);
		AUTO(sdp) first = NULL;
		char bindings[8];
		bool has_offered = false;

		negotiation_init(&negotiation, &identity, 42);
		for (unsigned step = 0; step < 12; step++) {
			size_t which = random_u64(&random) % ARRAY_LEN(names);
			void *binding = &bindings[random_u64(&random) % sizeof(bindings)];
			struct send_stream stream =
				stream_in(names[which], fmtps[which], binding, 100 + 2 * step);
			struct meaning meanings[128] = {0};
			AUTO(sdp) ours = NULL;
			AUTO(sdp) theirs = NULL;

			negotiation_remove_send(&negotiation, binding);
			if (random_u64(&random) % 3 &&
			    negotiation_add_send(&negotiation, &stream, NULL) < 0)
				assert_false(negotiation_can_take(&negotiation, &stream.format));
			/* Before our first offer, or in the middle of it. */
			if (step == 0 && random_u64(&random) % 2) {
				AUTO(sdp) lost = NULL;

				assert_int_equal(negotiation_make_offer(&negotiation, &lost), 0);
			}
			if (step == 0 && round % 3) {
				assert_int_equal(
					negotiation_take_offer(&negotiation, offer, &first, NULL),
					0);
				note_meanings(meanings, &first->media[0]);
				has_offered = true;
			}
			assert_int_equal(negotiation_make_offer(&negotiation, &ours), 0);
			if (has_offered)
				note_meanings(meanings, &offer->media[0]);
			for (size_t i = 0; i < ours->media_count; i++)
				note_meanings(meanings, &ours->media[i]);
			theirs = browser_answer(ours);
			for (size_t i = 0; i < theirs->media_count; i++)
				if (negotiation.lines[i]->is_ours && random_u64(&random) % 6 == 0)
					theirs->media[i].rejected = true;
			assert_int_equal(negotiation_take_answer(&negotiation, theirs, 0, NULL), 0);
		}
		negotiation_fini(&negotiation);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(publishing_is_answered_with_recvonly),
		TEST(a_track_is_offered_on_a_new_line_with_the_peers_numbers),
		TEST(extension_numbers_mean_one_thing_in_the_bundle),
		TEST(what_is_told_of_the_capture_is_passed_on_and_the_time_of_sending_is_ours),
		TEST(dependencies_are_told_to_who_takes_both_forms_of_extensions),
		TEST(redundant_audio_is_taken_from_who_prefers_it),
		TEST(redundant_audio_is_offered_to_who_knows_it),
		TEST(who_tells_of_each_packet_needs_no_times),
		TEST(a_viewer_that_knows_times_alone_is_answered_with_them),
		TEST(a_line_that_is_free_serves_the_next_track),
		TEST(when_both_offer_the_peer_wins_and_nothing_is_lost),
		TEST(tracks_that_wait_give_way_to_the_peers_first_offer),
		TEST(a_codec_that_is_not_relayed_is_refused_whole),
		TEST(the_certificate_may_not_change),
		TEST(lines_never_vanish_or_change),
		TEST(a_data_channel_is_declined_politely),
		TEST(a_rejected_line_may_come_back_as_another),
		TEST(who_stops_everything_goes_on),
		TEST(an_answer_that_says_to_which_offer_answers_no_other),
		TEST(an_answer_with_fewer_lines_answers_an_older_offer),
		TEST(lines_that_the_peer_knows_stay_ours_although_its_answer_was_lost),
		TEST(an_offer_of_the_peer_starts_no_stream_that_it_was_not_told_of),
		TEST(an_answer_told_twice_leaves_nobody_without_media),
		TEST(nobody_publishes_without_end),
		TEST(an_answer_to_an_older_stream_starts_no_newer_one),
		TEST(ice_is_restarted_outside_of_offers_as_well),
		TEST(the_sfu_is_the_dtls_server),
		TEST(the_answer_takes_what_the_room_wants_most),
		TEST(who_watches_first_can_publish_in_layers_later),
		TEST(a_codec_that_the_room_does_not_list_is_refused),
		TEST(a_track_goes_to_who_lists_its_format_alone),
		TEST(what_waits_is_dropped_when_the_first_offer_shows_that_it_cannot_be_taken),
		TEST(who_said_nothing_is_offered_it_once_and_its_refusal_is_kept),
		TEST(an_answer_without_the_format_is_a_refusal_as_well),
		TEST(opus_goes_on_with_the_publishers_parameters),
		TEST(a_number_means_one_thing_in_the_whole_bundle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
