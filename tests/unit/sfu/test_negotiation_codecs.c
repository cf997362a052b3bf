/* test_negotiation_codecs.c - which codecs are taken from whom, offered to whom, and under which
 * number. */
#include "tests/unit/sfu/dialogue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/sfu/random.h"

static void list_red(struct sdp_media *media, size_t at, uint8_t payload_type, const char *fmtp)
{
	const struct sdp_codec red = {.payload_type = payload_type,
				      .name = "red",
				      .clock_rate_hz = 48000,
				      .channels = 2,
				      .apt = -1,
				      .fmtp = fmtp};
	struct sdp_codec added;

	assert_int_equal(sdp_media_add_codec(media, &red), 0);
	added = media->codecs[media->codec_count - 1];
	memmove(&media->codecs[at + 1], &media->codecs[at],
		(media->codec_count - 1 - at) * sizeof(media->codecs[0]));
	media->codecs[at] = added;
}

static void redundant_audio_is_taken_from_who_prefers_it(void **state)
{
	struct dialogue *dialogue = *state;

	for (size_t at = 0; at < 2; at++) {
		AUTO(sdp) offer = browser_offer(2);
		AUTO(sdp) answer = NULL;
		const struct media_line *line;
		uint8_t opus = sdp_codec_find(&offer->media[0], "opus")->payload_type;
		char fmtp[16];

		(void)snprintf(fmtp, sizeof(fmtp), "%u/%u", opus, opus);
		list_red(&offer->media[0], at, 63, fmtp);
		answer = dialogue_take(dialogue, offer);
		line = dialogue->negotiation.lines[0];
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
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) first = NULL;
	AUTO(sdp) ours = NULL;
	AUTO(sdp) answer = NULL;
	struct send_stream stream = stream_of("opus", 48000, dialogue);
	uint8_t opus = sdp_codec_find(&offer->media[0], "opus")->payload_type;
	char fmtp[16];

	(void)snprintf(fmtp, sizeof(fmtp), "%u/%u", opus, opus);
	list_red(&offer->media[0], 1, 63, fmtp);
	first = dialogue_take(dialogue, offer);
	dialogue_send(dialogue, &stream);
	ours = dialogue_offer(dialogue);
	assert_int_equal(ours->media[2].codecs[1].payload_type, 63);
	assert_string_equal(ours->media[2].codecs[1].fmtp, fmtp);
	answer = browser_answer(ours);
	sdp_media_keep_codecs(&answer->media[2], 1); /* it does not want it here */
	dialogue_answer(dialogue, answer);
	assert_true(dialogue->negotiation.lines[2]->is_sending_live);
	assert_int_equal(dialogue->negotiation.lines[2]->send_red_payload_type, 0);
	assert_int_equal(negotiation_bind_send(&dialogue->negotiation,
					       dialogue->negotiation.lines[0], &stream, NULL),
			 0);
	assert_int_equal(dialogue->negotiation.lines[0]->send_red_payload_type, 63);
}

static void allow(struct dialogue *dialogue, const char *name)
{
	assert_int_equal(
		codec_preferences_add(&dialogue->negotiation.preferences, name, &dialogue->error),
		0);
}

/* An offer with one video line that has VP8, VP9 and H264 in two profiles. */
static struct sdp *offer_of_many(enum sdp_direction direction)
{
	struct sdp *offer = browser_offer(1);
	struct sdp_media *media = &offer->media[0];

	sdp_media_fini(media);
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

static void the_answer_takes_what_the_room_wants_most(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = offer_of_many(DIRECTION_SENDRECV);
	AUTO(sdp) answer = NULL;
	const struct media_line *line;

	allow(dialogue, "H264");
	allow(dialogue, "VP9");
	answer = dialogue_take(dialogue, offer);
	assert_int_equal(answer->media[0].codec_count, 2);
	assert_int_equal(answer->media[0].codecs[0].payload_type, 106);
	assert_string_equal(answer->media[0].codecs[0].fmtp,
			    "level-asymmetry-allowed=1;packetization-mode=1;"
			    "profile-level-id=42e01f");
	assert_int_equal(answer->media[0].codecs[1].apt, 106);
	line = dialogue->negotiation.lines[0];
	assert_string_equal(line->format.codec->name, "H264");
	assert_int_equal(line->payload_type, 106);
	assert_int_equal(line->rtx_payload_type, 107);
}

static void a_codec_that_the_room_does_not_list_is_refused(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = offer_of_many(DIRECTION_SEND);
	AUTO(sdp) answer = NULL;

	allow(dialogue, "AV1");
	dialogue_refuse(dialogue, offer, -EPROTONOSUPPORT);
	assert_string_equal(dialogue->error.code, "unsupported_codec");
	assert_non_null(strstr(dialogue->error.message, "(AV1)"));
	/* Who only watches is not asked. */
	offer->media[0].direction = DIRECTION_RECEIVE;
	answer = dialogue_take(dialogue, offer);
	assert_false(answer->media[0].rejected);
}

static void a_track_goes_to_who_lists_its_format_alone(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = offer_of_many(DIRECTION_SENDRECV);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) ours = NULL;
	struct send_stream av1 = stream_in("AV1", "", &av1, 10);
	struct send_stream high =
		stream_in("H264", "packetization-mode=1;profile-level-id=64001f", &high, 20);
	struct send_stream vp9 = stream_in("VP9", "profile-id=0", &vp9, 30);
	struct send_stream h264 =
		stream_in("H264", "packetization-mode=1;profile-level-id=42c034", &h264, 40);

	answer = dialogue_take(dialogue, offer);
	assert_int_equal(negotiation_add_send(&dialogue->negotiation, &av1, &dialogue->error),
			 -EPROTONOSUPPORT);
	assert_string_equal(dialogue->error.code, "unsupported_codec");
	assert_int_equal(negotiation_add_send(&dialogue->negotiation, &high, NULL),
			 -EPROTONOSUPPORT);
	assert_int_equal(dialogue->negotiation.line_count, 1);
	dialogue_send(dialogue, &vp9);
	dialogue_send(dialogue, &h264);
	ours = dialogue_offer(dialogue);
	assert_int_equal(ours->media[1].codecs[0].payload_type, 98);
	assert_int_equal(ours->media[1].codecs[1].payload_type, 99);
	/* Its number, the publisher's level. */
	assert_int_equal(ours->media[2].codecs[0].payload_type, 106);
	assert_string_equal(ours->media[2].codecs[0].fmtp,
			    "packetization-mode=1;profile-level-id=42c034");
}

static void what_waits_is_dropped_when_the_first_offer_shows_that_it_cannot_be_taken(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = offer_of_many(DIRECTION_SENDRECV);
	AUTO(sdp) answer = NULL;
	struct send_stream av1 = stream_in("AV1", "", &av1, 10);
	struct send_stream vp9 = stream_in("VP9", "", &vp9, 20);

	dialogue_send(dialogue, &av1);
	dialogue_send(dialogue, &vp9);
	answer = dialogue_take(dialogue, offer);
	assert_false(negotiation_has_send(&dialogue->negotiation, &av1));
	assert_true(negotiation_has_send(&dialogue->negotiation, &vp9));
	assert_int_equal(dialogue->negotiation.line_count, 2);
}

static void who_said_nothing_is_offered_it_once_and_its_refusal_is_kept(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = offer_of_many(DIRECTION_SEND);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) ours = NULL;
	AUTO(sdp) theirs = NULL;
	AUTO(sdp) again = NULL;
	struct send_stream av1 = stream_in("AV1", "", &av1, 10);
	struct send_stream vp9 = stream_in("VP9", "", &vp9, 20);

	answer = dialogue_take(dialogue, offer);
	dialogue_send(dialogue, &av1);
	dialogue_send(dialogue, &vp9);
	ours = dialogue_offer(dialogue);
	theirs = browser_answer(ours);
	theirs->media[1].rejected = true;
	dialogue_answer(dialogue, theirs);
	assert_false(negotiation_has_send(&dialogue->negotiation, &av1));
	assert_true(dialogue->negotiation.lines[2]->is_sending_live);
	assert_int_equal(negotiation_add_send(&dialogue->negotiation, &av1, &dialogue->error),
			 -EPROTONOSUPPORT);
	/* The line is stopped on its side, so it is not used again. */
	vp9.binding = &again;
	dialogue_send(dialogue, &vp9);
	assert_int_equal(dialogue->negotiation.line_count, 4);
	again = dialogue_offer(dialogue);
	assert_true(again->media[1].rejected);
}

static void an_answer_without_the_format_is_a_refusal_as_well(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) ours = NULL;
	AUTO(sdp) theirs = NULL;
	AUTO(sdp) again = NULL;
	struct send_stream av1 = stream_in("AV1", "", &av1, 10);

	dialogue_send(dialogue, &av1);
	ours = dialogue_offer(dialogue);
	theirs = browser_answer(ours);
	sdp_media_keep_codecs(&theirs->media[0], 0);
	dialogue_answer(dialogue, theirs);
	assert_false(negotiation_has_send(&dialogue->negotiation, &av1));
	assert_true(dialogue->negotiation.is_dirty);
	again = dialogue_offer(dialogue);
	assert_int_equal(again->media[0].direction, DIRECTION_INACTIVE);
}

static void opus_goes_on_with_the_publishers_parameters(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = browser_offer(1);
	AUTO(sdp) answer = NULL;

	set_fmtp(&offer->media[0], 0, "minptime=10;useinbandfec=1;sprop-stereo=1;usedtx=1");
	answer = dialogue_take(dialogue, offer);
	assert_string_equal(answer->media[0].codecs[0].fmtp,
			    "minptime=10;useinbandfec=1;sprop-stereo=1;usedtx=1;stereo=1");
	assert_string_equal(dialogue->negotiation.lines[0]->format.fmtp,
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

	sdp_media_fini(media);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIALOGUE_TEST(redundant_audio_is_taken_from_who_prefers_it),
		DIALOGUE_TEST(redundant_audio_is_offered_to_who_knows_it),
		DIALOGUE_TEST(the_answer_takes_what_the_room_wants_most),
		DIALOGUE_TEST(a_codec_that_the_room_does_not_list_is_refused),
		DIALOGUE_TEST(a_track_goes_to_who_lists_its_format_alone),
		DIALOGUE_TEST(
			what_waits_is_dropped_when_the_first_offer_shows_that_it_cannot_be_taken),
		DIALOGUE_TEST(who_said_nothing_is_offered_it_once_and_its_refusal_is_kept),
		DIALOGUE_TEST(an_answer_without_the_format_is_a_refusal_as_well),
		DIALOGUE_TEST(opus_goes_on_with_the_publishers_parameters),
		DIALOGUE_TEST(a_number_means_one_thing_in_the_whole_bundle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
