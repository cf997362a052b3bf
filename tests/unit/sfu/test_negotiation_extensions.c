/* test_negotiation_extensions.c - header extensions: what is agreed on, and under which number. */
#include "tests/unit/sfu/dialogue.h"

static void add_extension(struct sdp_media *media, uint8_t id, enum header_extension extension)
{
	media->extension_ids[extension] = id;
}

static size_t extension_count(const struct sdp_media *media)
{
	size_t count = 0;

	for (size_t i = 0; i < EXTENSION_COUNT; i++)
		count += media->extension_ids[i] != 0;
	return count;
}

static void extension_numbers_mean_one_thing_in_the_bundle(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) ours = NULL;
	struct send_stream audio = stream_of("opus", 48000, &audio);
	struct send_stream video = stream_of("VP8", 90000, &video);

	add_extension(&offer->media[0], 7, EXTENSION_AUDIO_LEVEL);
	answer = dialogue_take(dialogue, offer);
	dialogue_send(dialogue, &audio);
	dialogue_send(dialogue, &video);
	ours = dialogue_offer(dialogue);
	assert_int_equal(ours->media[2].extension_ids[EXTENSION_AUDIO_LEVEL], 7);
	/* The peer has no number for orientation, and any of ours might be one of its own. */
	assert_int_equal(extension_count(&ours->media[3]), 0);
}

static void what_is_told_of_the_capture_is_passed_on_and_the_time_of_sending_is_ours(void **state)
{
	struct dialogue *dialogue = *state;
	static const enum header_extension offered[] = {
		EXTENSION_ABS_CAPTURE_TIME, EXTENSION_ABS_SEND_TIME, EXTENSION_PLAYOUT_DELAY};
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) ours = NULL;
	struct send_stream video = stream_of("VP8", 90000, &video);

	for (size_t i = 0; i < ARRAY_LEN(offered); i++) {
		add_extension(&offer->media[1], (uint8_t)(10 + i), offered[i]);
	}
	answer = dialogue_take(dialogue, offer);
	assert_int_equal(answer->media[1].extension_ids[EXTENSION_ABS_SEND_TIME], 0);
	assert_int_equal(answer->media[1].extension_ids[EXTENSION_ABS_CAPTURE_TIME], 10);
	dialogue_send(dialogue, &video);
	ours = dialogue_offer(dialogue);
	assert_int_equal(ours->media[2].extension_ids[EXTENSION_ABS_CAPTURE_TIME], 10);
	assert_int_equal(ours->media[2].extension_ids[EXTENSION_PLAYOUT_DELAY], 12);
	/* Who does not tell of each packet estimates by our own times. */
	assert_int_equal(ours->media[2].extension_ids[EXTENSION_ABS_SEND_TIME], 11);
	assert_true(ours->media[2].codecs[0].goog_remb);
	assert_int_equal(extension_count(&ours->media[2]), 3);
	assert_true(negotiation_passes_on(EXTENSION_ABS_CAPTURE_TIME));
	assert_false(negotiation_passes_on(EXTENSION_ABS_SEND_TIME));
}

/* It begins with more than the short form of header extensions takes. */
static void dependencies_are_told_to_who_takes_both_forms_of_extensions(void **state)
{
	struct dialogue *dialogue = *state;

	for (int mixed = 0; mixed < 2; mixed++) {
		AUTO(sdp) offer = browser_offer(2);
		AUTO(sdp) answer = NULL;
		AUTO(sdp) ours = NULL;
		struct send_stream video = stream_of("VP8", 90000, &video);

		offer->extmap_allow_mixed = mixed;
		add_extension(&offer->media[1], 13, EXTENSION_DEPENDENCY_DESCRIPTOR);
		answer = dialogue_take(dialogue, offer);
		assert_int_equal(answer->extmap_allow_mixed, mixed);
		assert_int_equal(answer->media[1].extension_ids[EXTENSION_DEPENDENCY_DESCRIPTOR],
				 13);
		dialogue_send(dialogue, &video);
		ours = dialogue_offer(dialogue);
		assert_true(ours->extmap_allow_mixed);
		assert_int_equal(ours->media[2].extension_ids[EXTENSION_DEPENDENCY_DESCRIPTOR],
				 mixed ? 13 : 0);
	}
}

/* Chromium publishes later only with what was agreed on at first. */
static void who_watches_first_can_publish_in_layers_later(void **state)
{
	struct dialogue *dialogue = *state;
	struct send_stream video = stream_of("VP8", 90000, dialogue);
	AUTO(sdp) ours = NULL;

	dialogue_send(dialogue, &video);
	ours = dialogue_offer(dialogue);
	assert_true(ours->media[0].extension_ids[EXTENSION_MID] > 0);
	assert_true(ours->media[0].extension_ids[EXTENSION_RID] > 0);
	assert_true(ours->media[0].extension_ids[EXTENSION_REPAIRED_RID] > 0);
	/* A publisher's names are not for its subscribers. */
	assert_false(negotiation_passes_on(EXTENSION_MID));
	assert_false(negotiation_passes_on(EXTENSION_RID));
}

static void who_tells_of_each_packet_needs_no_times(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) ours = NULL;
	struct send_stream video = stream_of("VP8", 90000, &video);

	add_extension(&offer->media[1], 3, EXTENSION_TRANSPORT_CC);
	add_extension(&offer->media[1], 2, EXTENSION_ABS_SEND_TIME);
	answer = dialogue_take(dialogue, offer);
	dialogue_send(dialogue, &video);
	ours = dialogue_offer(dialogue);
	assert_int_equal(ours->media[2].extension_ids[EXTENSION_TRANSPORT_CC], 3);
	assert_int_equal(ours->media[2].extension_ids[EXTENSION_ABS_SEND_TIME], 0);
	assert_false(ours->media[2].codecs[0].goog_remb);
}

/* WHEP: the line is the viewer's own; what we publish to nobody has no times. */
static void a_viewer_that_knows_times_alone_is_answered_with_them(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) again = NULL;
	struct send_stream video = stream_of("VP8", 90000, &video);

	offer->media[1].direction = DIRECTION_RECEIVE;
	add_extension(&offer->media[1], 2, EXTENSION_ABS_SEND_TIME);
	answer = dialogue_take(dialogue, offer);
	assert_int_equal(answer->media[1].extension_ids[EXTENSION_ABS_SEND_TIME], 0);
	assert_int_equal(negotiation_bind_send(&dialogue->negotiation,
					       dialogue->negotiation.lines[1], &video, NULL),
			 0);
	assert_int_equal(negotiation_write(&dialogue->negotiation, false, &again), 0);
	assert_int_equal(again->media[1].extension_ids[EXTENSION_ABS_SEND_TIME], 2);
	assert_int_equal(negotiation_abs_send_time_id(&dialogue->negotiation,
						      dialogue->negotiation.lines[1]),
			 2);
	/* A number that means something else as well is not used. */
	add_extension(&dialogue->negotiation.lines[0]->remote, 2, EXTENSION_AUDIO_LEVEL);
	assert_int_equal(negotiation_abs_send_time_id(&dialogue->negotiation,
						      dialogue->negotiation.lines[1]),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIALOGUE_TEST(extension_numbers_mean_one_thing_in_the_bundle),
		DIALOGUE_TEST(
			what_is_told_of_the_capture_is_passed_on_and_the_time_of_sending_is_ours),
		DIALOGUE_TEST(dependencies_are_told_to_who_takes_both_forms_of_extensions),
		DIALOGUE_TEST(who_tells_of_each_packet_needs_no_times),
		DIALOGUE_TEST(a_viewer_that_knows_times_alone_is_answered_with_them),
		DIALOGUE_TEST(who_watches_first_can_publish_in_layers_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
