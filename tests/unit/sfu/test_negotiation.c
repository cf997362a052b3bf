/* test_negotiation.c - offers and answers of a browser and the SFU, and the m-lines that come of
 * them. */
#include "tests/unit/sfu/dialogue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void publishing_is_answered_with_recvonly(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;
	const struct media_line *line;

	answer = dialogue_take(dialogue, offer);
	assert_int_equal(answer->media_count, 2);
	assert_int_equal(answer->setup, SETUP_PASSIVE);
	assert_int_equal(answer->media[1].direction, DIRECTION_RECEIVE);
	assert_int_equal(answer->media[1].codecs[0].payload_type, 120);
	assert_int_equal(answer->media[1].codecs[1].apt, 120);
	line = dialogue->negotiation.lines[1];
	assert_true(line->is_publishing);
	assert_int_equal(line->payload_type, 120);
	assert_int_equal(line->rtx_payload_type, 124);
	assert_false(dialogue->negotiation.is_dirty);
}

static void a_track_is_offered_on_a_new_line_with_the_peers_numbers(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) first = NULL;
	AUTO(sdp) ours = NULL;
	AUTO(sdp) answer = NULL;
	struct send_stream stream = stream_of("VP8", 90000, dialogue);

	first = dialogue_take(dialogue, offer);
	dialogue_send(dialogue, &stream);
	assert_true(dialogue->negotiation.is_dirty);
	ours = dialogue_offer(dialogue);
	assert_int_equal(ours->media_count, 3);
	assert_int_equal(ours->setup, SETUP_ACTPASS);
	assert_int_equal(ours->media[2].direction, DIRECTION_SEND);
	assert_int_equal(ours->media[2].codecs[0].payload_type, 120);
	assert_string_equal(ours->media[2].msid_stream, "peer_a");
	assert_int_equal(ours->media[2].ssrcs[0], 1000);
	assert_false(dialogue->negotiation.lines[2]->is_sending_live);
	answer = browser_answer(ours);
	dialogue_answer(dialogue, answer);
	assert_true(dialogue->negotiation.lines[2]->is_sending_live);
	assert_true(dialogue->negotiation.lines[0]->is_publishing);
}

static void a_line_that_is_free_serves_the_next_track(void **state)
{
	struct dialogue *dialogue = *state;
	struct send_stream stream = stream_of("opus", 48000, dialogue);
	int other;

	for (int round = 0; round < 5; round++) {
		AUTO(sdp) offer = NULL;
		AUTO(sdp) answer = NULL;

		stream.binding = &other;
		dialogue_send(dialogue, &stream);
		offer = dialogue_offer(dialogue);
		answer = browser_answer(offer);
		dialogue_answer(dialogue, answer);
		negotiation_remove_send(&dialogue->negotiation, &other);
		assert_int_equal(dialogue->negotiation.line_count, 1);
	}
}

static void when_both_offer_the_peer_wins_and_nothing_is_lost(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) ours = NULL;
	AUTO(sdp) theirs = browser_offer(2);
	AUTO(sdp) answer = NULL;
	AUTO(sdp) again = NULL;
	AUTO(sdp) stale = NULL;
	struct send_stream stream = stream_of("VP8", 90000, dialogue);

	dialogue_send(dialogue, &stream);
	ours = dialogue_offer(dialogue);
	answer = dialogue_take(dialogue, theirs);
	assert_int_equal(answer->media_count, 2);
	assert_true(dialogue->negotiation.is_dirty);
	stale = browser_answer(ours);
	dialogue_refuse_stale_answer(dialogue, stale, 0);
	again = dialogue_offer(dialogue);
	assert_int_equal(again->media_count, 3);
	assert_int_equal(again->media[2].direction, DIRECTION_SEND);
	assert_string_equal(again->media[0].mid, "0");
}

static void tracks_that_wait_give_way_to_the_peers_first_offer(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) theirs = browser_offer(2);
	AUTO(sdp) answer = NULL;
	struct send_stream stream = stream_of("VP8", 90000, dialogue);

	dialogue_send(dialogue, &stream);
	answer = dialogue_take(dialogue, theirs);
	assert_int_equal(answer->media_count, 2);
	assert_int_equal(dialogue->negotiation.line_count, 3);
	assert_true(dialogue->negotiation.lines[2]->is_sending_wanted);
	assert_true(dialogue->negotiation.is_dirty);
}

static void a_codec_that_is_not_relayed_is_refused_whole(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = browser_offer(2);

	sdp_media_keep_codecs(&offer->media[1], 1); /* H265 alone */
	dialogue_refuse(dialogue, offer, -EPROTONOSUPPORT);
	assert_string_equal(dialogue->error.code, "unsupported_codec");
	assert_string_equal(dialogue->error.field, "m=");
	assert_int_equal(dialogue->negotiation.line_count, 0);
}

static void the_certificate_may_not_change(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = browser_offer(1);
	AUTO(sdp) first = NULL;

	first = dialogue_take(dialogue, offer);
	offer->fingerprint_sha256[0] ^= 1;
	dialogue_refuse(dialogue, offer, -EPROTO);
	assert_string_equal(dialogue->error.code, "fingerprint_changed");
}

static void lines_never_vanish_or_change(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) two = browser_offer(2);
	AUTO(sdp) one = browser_offer(1);
	AUTO(sdp) first = NULL;

	first = dialogue_take(dialogue, two);
	dialogue_refuse(dialogue, one, -EPROTO);
	assert_string_equal(dialogue->error.code, "bad_sdp");
	two->media[0].mid[0] = 'x';
	dialogue_refuse(dialogue, two, -EPROTO);
	assert_string_equal(dialogue->error.field, "a=mid");
}

static void a_data_channel_is_declined_politely(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;

	fill_media(&offer->media[1], MEDIA_APPLICATION, "1", DIRECTION_SENDRECV);
	sdp_media_keep_codecs(&offer->media[1], 0);
	answer = dialogue_take(dialogue, offer);
	assert_true(answer->media[1].rejected);
	assert_false(answer->media[0].rejected);
}

static void a_rejected_line_may_come_back_as_another(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) again = browser_offer(2);
	AUTO(sdp) first = NULL;
	AUTO(sdp) second = NULL;

	fill_media(&offer->media[1], MEDIA_APPLICATION, "1", DIRECTION_SENDRECV);
	sdp_media_keep_codecs(&offer->media[1], 0);
	first = dialogue_take(dialogue, offer);
	again->media[1].mid[0] = '7';
	second = dialogue_take(dialogue, again);
	assert_true(dialogue->negotiation.lines[1]->is_publishing);
	assert_string_equal(second->media[1].mid, "7");
}

/* A browser that has stopped all it had says nothing of the transport. */
static void who_stops_everything_goes_on(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) nothing = browser_offer(1);
	AUTO(sdp) offer = browser_offer(1);
	AUTO(sdp) first = NULL;
	AUTO(sdp) second = NULL;

	nothing->media[0].rejected = true;
	nothing->has_fingerprint = false;
	nothing->setup = SETUP_NONE;
	dialogue_refuse(dialogue, nothing, -EPROTO); /* not to begin with */
	assert_string_equal(dialogue->error.field, "a=ice-ufrag");
	memset(offer->fingerprint_sha256, 7, sizeof(offer->fingerprint_sha256));
	(void)snprintf(offer->ice_ufrag, sizeof(offer->ice_ufrag), "once");
	first = dialogue_take(dialogue, offer);
	assert_false(negotiation_is_ice_restart(&dialogue->negotiation, nothing));
	second = dialogue_take(dialogue, nothing);
	assert_false(dialogue->negotiation.lines[0]->is_publishing);
	assert_true(second->media[0].rejected);
	assert_string_equal(dialogue->negotiation.remote_ufrag, "once");
	assert_int_equal(dialogue->negotiation.remote_fingerprint_sha256[0], 7);
}

static void nobody_publishes_without_end(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = sdp_new(PUBLISHED_TRACKS_MAX + 1, 0);
	char mid[8];

	offer->setup = SETUP_ACTPASS;
	offer->has_fingerprint = true;
	for (size_t i = 0; i < offer->media_count; i++) {
		(void)snprintf(mid, sizeof(mid), "%u", (unsigned)i);
		fill_media(&offer->media[i], MEDIA_VIDEO, mid, DIRECTION_SEND);
	}
	dialogue_refuse(dialogue, offer, -E2BIG);
	assert_string_equal(dialogue->error.code, "too_many_tracks");
	assert_int_equal(dialogue->negotiation.line_count, 0);
}

static void ice_is_restarted_outside_of_offers_as_well(void **state)
{
	struct dialogue *dialogue = *state;
	struct negotiation *negotiation = &dialogue->negotiation;
	AUTO(sdp) offer = browser_offer(2);
	AUTO(sdp) answer = NULL;

	(void)snprintf(offer->ice_ufrag, sizeof(offer->ice_ufrag), "once");
	answer = dialogue_take(dialogue, offer);
	assert_false(negotiation_restart_ice(negotiation, "once"));
	assert_true(negotiation_restart_ice(negotiation, "again"));
	assert_false(negotiation_restart_ice(negotiation, "again"));
	assert_true(negotiation_is_ice_restart(negotiation, offer));
	(void)snprintf(offer->ice_ufrag, sizeof(offer->ice_ufrag), "again");
	assert_false(negotiation_is_ice_restart(negotiation, offer));
}

static void the_sfu_is_the_dtls_server(void **state)
{
	struct dialogue *dialogue = *state;
	AUTO(sdp) offer = browser_offer(1);

	offer->setup = SETUP_PASSIVE;
	dialogue_refuse(dialogue, offer, -EPROTO);
	assert_string_equal(dialogue->error.field, "a=setup");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIALOGUE_TEST(publishing_is_answered_with_recvonly),
		DIALOGUE_TEST(a_track_is_offered_on_a_new_line_with_the_peers_numbers),
		DIALOGUE_TEST(a_line_that_is_free_serves_the_next_track),
		DIALOGUE_TEST(when_both_offer_the_peer_wins_and_nothing_is_lost),
		DIALOGUE_TEST(tracks_that_wait_give_way_to_the_peers_first_offer),
		DIALOGUE_TEST(a_codec_that_is_not_relayed_is_refused_whole),
		DIALOGUE_TEST(the_certificate_may_not_change),
		DIALOGUE_TEST(lines_never_vanish_or_change),
		DIALOGUE_TEST(a_data_channel_is_declined_politely),
		DIALOGUE_TEST(a_rejected_line_may_come_back_as_another),
		DIALOGUE_TEST(who_stops_everything_goes_on),
		DIALOGUE_TEST(nobody_publishes_without_end),
		DIALOGUE_TEST(ice_is_restarted_outside_of_offers_as_well),
		DIALOGUE_TEST(the_sfu_is_the_dtls_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
