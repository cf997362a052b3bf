/* test_negotiation_late_answers.c - answers that are lost, told twice, or to an offer that is no
 * more. */
#include "tests/unit/sfu/dialogue.h"

static void an_answer_that_says_to_which_offer_answers_no_other(void **state)
{
	struct dialogue *dialogue = *state;
	struct negotiation *negotiation = &dialogue->negotiation;
	struct send_stream stream = stream_of("VP8", 90000, dialogue);
	AUTO(sdp) offer = NULL;
	AUTO(sdp) again = NULL;
	AUTO(sdp) answer = NULL;
	uint64_t first_id;

	dialogue_send(dialogue, &stream);
	offer = dialogue_offer(dialogue);
	first_id = negotiation->offer_id;
	assert_true(first_id > 0);
	answer = browser_answer(offer);
	/* Made once more, since it may have been lost: the first is void. */
	again = dialogue_offer(dialogue);
	assert_true(negotiation->offer_id > first_id);
	dialogue_refuse_stale_answer(dialogue, answer, first_id);
	assert_string_equal(dialogue->error.field, "offer_id");
	assert_int_equal(negotiation->state, NEGOTIATION_OFFERED);
	assert_int_equal(negotiation_take_answer(negotiation, answer, negotiation->offer_id, NULL),
			 0);
	assert_true(negotiation->lines[0]->is_sending_live);
	dialogue_refuse_stale_answer(dialogue, answer, negotiation->offer_id);
}

/* Told twice by somebody who does not say which offer he answers. */
static void an_answer_with_fewer_lines_answers_an_older_offer(void **state)
{
	struct dialogue *dialogue = *state;
	struct negotiation *negotiation = &dialogue->negotiation;
	struct send_stream stream = stream_of("VP8", 90000, dialogue);
	AUTO(sdp) offer = NULL;
	AUTO(sdp) second = NULL;
	AUTO(sdp) answer = NULL;
	int others[2];

	dialogue_send(dialogue, &stream);
	offer = dialogue_offer(dialogue);
	answer = browser_answer(offer);
	dialogue_answer(dialogue, answer);
	stream.binding = &others[0];
	stream.ssrc = 2000;
	dialogue_send(dialogue, &stream);
	second = dialogue_offer(dialogue);
	stream.binding = &others[1];
	stream.ssrc = 3000;
	dialogue_send(dialogue, &stream);
	dialogue_refuse_stale_answer(dialogue, answer, 0);
	assert_string_equal(dialogue->error.field, "m=");
	(void)sdp_free(answer);
	answer = browser_answer(second);
	dialogue_answer(dialogue, answer);
	assert_true(negotiation->lines[1]->is_sending_live);
	assert_true(negotiation->is_dirty);
}

/* It took our offer, its answer was lost with the connection, and then it offers itself. */
static void lines_that_the_peer_knows_stay_ours_although_its_answer_was_lost(void **state)
{
	struct dialogue *dialogue = *state;
	struct negotiation *negotiation = &dialogue->negotiation;
	struct send_stream stream = stream_of("VP8", 90000, dialogue);
	AUTO(sdp) offer = NULL;
	AUTO(sdp) theirs = browser_offer(1);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) again = NULL;

	dialogue_send(dialogue, &stream);
	offer = dialogue_offer(dialogue);
	(void)sdp_free(theirs);
	theirs = browser_answer(offer);
	theirs->setup = SETUP_ACTPASS;
	answer = dialogue_take(dialogue, theirs);
	assert_int_equal(negotiation->line_count, 1);
	assert_true(negotiation->lines[0]->is_ours);
	assert_true(negotiation->lines[0]->is_sending_live);
	assert_int_equal(answer->media[0].direction, DIRECTION_SEND);
	assert_true(negotiation->is_dirty);
	again = dialogue_offer(dialogue);
	assert_int_equal(again->media_count, 1);
}

static void an_offer_of_the_peer_starts_no_stream_that_it_was_not_told_of(void **state)
{
	struct dialogue *dialogue = *state;
	struct negotiation *negotiation = &dialogue->negotiation;
	struct send_stream stream = stream_of("VP8", 90000, dialogue);
	AUTO(sdp) offer = NULL;
	AUTO(sdp) theirs = NULL;
	AUTO(sdp) answer = NULL;
	int other;

	dialogue_send(dialogue, &stream);
	offer = dialogue_offer(dialogue);
	theirs = browser_answer(offer);
	dialogue_answer(dialogue, theirs);
	negotiation_remove_send(negotiation, dialogue);
	stream.binding = &other;
	stream.ssrc = 2000;
	dialogue_send(dialogue, &stream);
	theirs->setup = SETUP_ACTPASS;
	answer = dialogue_take(dialogue, theirs);
	assert_false(negotiation->lines[0]->is_sending_live);
	assert_true(negotiation->is_dirty);
}

/* The answer to the offer before, told twice, ends an offer that it does not know; the browser's
 * own answer is then refused. What is sent is offered once more rather than never. */
static void an_answer_told_twice_leaves_nobody_without_media(void **state)
{
	struct dialogue *dialogue = *state;
	struct send_stream stream = stream_of("VP8", 90000, dialogue);
	AUTO(sdp) idle = NULL;
	AUTO(sdp) offer = NULL;
	AUTO(sdp) stale = NULL;
	AUTO(sdp) answer = NULL;

	dialogue_send(dialogue, &stream);
	negotiation_remove_send(&dialogue->negotiation, dialogue);
	idle = dialogue_offer(dialogue);
	stale = browser_answer(idle);
	dialogue_answer(dialogue, stale);
	dialogue_send(dialogue, &stream);
	for (int i = 0; i < 2; i++) {
		(void)sdp_free(offer);
		offer = dialogue_offer(dialogue);
		stale->media[0].direction = DIRECTION_INACTIVE;
		if (i == 0) {
			sdp_media_keep_codecs(&stale->media[0], 0);
			assert_int_equal(
				sdp_media_add_codec(&stale->media[0], &offer->media[0].codecs[0]),
				0);
			dialogue_answer(dialogue, stale);
			assert_true(dialogue->negotiation.is_dirty);
		}
	}
	answer = browser_answer(offer);
	dialogue_answer(dialogue, answer);
	assert_true(dialogue->negotiation.lines[0]->is_sending_live);
	assert_false(dialogue->negotiation.is_dirty);
}

static void an_answer_to_an_older_stream_starts_no_newer_one(void **state)
{
	struct dialogue *dialogue = *state;
	struct send_stream stream = stream_of("VP8", 90000, dialogue);
	AUTO(sdp) offer = NULL;
	AUTO(sdp) answer = NULL;
	int other;

	dialogue_send(dialogue, &stream);
	offer = dialogue_offer(dialogue);
	negotiation_remove_send(&dialogue->negotiation, dialogue);
	stream.binding = &other;
	stream.ssrc = 2000;
	dialogue_send(dialogue, &stream);
	answer = browser_answer(offer);
	dialogue_answer(dialogue, answer);
	assert_false(dialogue->negotiation.lines[0]->is_sending_live);
	assert_true(dialogue->negotiation.is_dirty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIALOGUE_TEST(an_answer_that_says_to_which_offer_answers_no_other),
		DIALOGUE_TEST(an_answer_with_fewer_lines_answers_an_older_offer),
		DIALOGUE_TEST(lines_that_the_peer_knows_stay_ours_although_its_answer_was_lost),
		DIALOGUE_TEST(an_offer_of_the_peer_starts_no_stream_that_it_was_not_told_of),
		DIALOGUE_TEST(an_answer_told_twice_leaves_nobody_without_media),
		DIALOGUE_TEST(an_answer_to_an_older_stream_starts_no_newer_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
