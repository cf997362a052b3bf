/* test_switchboard_moderation.c - who is kicked or muted, and stays so when the SFU was away; the
 * end of a room. */
#include "tests/unit/realtime/exchange.h"

#include <errno.h>
#include <stdio.h>

static void who_is_kicked_hears_why_and_cannot_resume(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob, again;
	struct error error;
	struct peer *peer;

	ann_and_bob_join(exchange, &ann, &bob);
	switchboard_kick(&exchange->board, peer_of(exchange, &bob), "kicked", "be kind");
	{
		AUTO_JSON message = hear(&bob);

		assert_string_equal(text_of(message, "type"), "kicked");
		assert_string_equal(text_of(message, "code"), "kicked");
		assert_string_equal(text_of(message, "reason"), "be kind");
	}
	assert_int_equal(bob.outbox.close_code, CLOSE_KICKED);
	hears(&ann, "peer-left", "reason", "kicked");
	assert_string_equal(text_of(told(exchange, BUS_PEER_LEAVE, 0), "peer_id"), bob.peer_id);
	assert_int_equal(
		switchboard_participant_find(&exchange->board, "r", bob.peer_id, &peer, &error),
		-ENOENT);
	assert_int_equal(
		switchboard_participant_find(&exchange->board, "s", ann.peer_id, &peer, &error),
		-ENOENT);
	client_open(exchange, &again, "Bob");
	signaling_session_set_resume(&again.session, bob.peer_id, bob.token);
	signaling_session_start(&again.session, exchange->anyone, exchange->now_us);
	remember_joined(&again);
	assert_string_not_equal(again.peer_id, bob.peer_id);
	client_close(&again);
	client_close(&bob);
	client_close(&ann);
}

static void kick_and_lose_the_sfu(struct exchange *exchange, bool is_told_in_vain)
{
	struct client ann, bob;
	char hello[400];

	ann_and_bob_join(exchange, &ann, &bob);
	if (is_told_in_vain) {
		switchboard_kick(&exchange->board, peer_of(exchange, &bob), "kicked", NULL);
		switchboard_on_timer(&exchange->board, exchange->now_us);
		switchboard_on_timer(&exchange->board, exchange->now_us + KICK_MEMORY_US - 1);
	}
	switchboard_on_sfu_disconnected(&exchange->board);
	if (!is_told_in_vain)
		switchboard_kick(&exchange->board, peer_of(exchange, &bob), "kicked", NULL);
	switchboard_on_timer(&exchange->board, exchange->now_us + 2 * KICK_MEMORY_US);
	forget_told(exchange);
	(void)snprintf(hello, sizeof(hello),
		       "[{\"room_id\":\"r\",\"peers\":[{\"peer_id\":\"%s\",\"kind\":\"call\"},"
		       "{\"peer_id\":\"%s\",\"kind\":\"call\"}]}]",
		       ann.peer_id, bob.peer_id);
	sfu_says_hello(exchange, hello);
	assert_string_equal(text_of(told(exchange, BUS_PEER_LEAVE, 0), "peer_id"), bob.peer_id);
	assert_null(switchboard_peer_find(&exchange->board, bob.peer_id));
	assert_non_null(switchboard_peer_find(&exchange->board, ann.peer_id));
	client_close(&bob);
	client_close(&ann);
}

static void an_sfu_that_was_away_does_not_bring_the_kicked_back(void **state)
{
	kick_and_lose_the_sfu(*state, false);
}

static void an_sfu_that_went_before_it_read_of_a_kick_does_not_undo_it(void **state)
{
	kick_and_lose_the_sfu(*state, true);
}

static void a_kick_that_was_heard_is_forgotten(void **state)
{
	struct exchange *exchange = *state;
	struct client bob;

	sfu_says_hello(exchange, "[]");
	client_join(exchange, &bob, "Bob");
	switchboard_kick(&exchange->board, peer_of(exchange, &bob), "kicked", NULL);
	assert_int_equal(json_object_size(exchange->board.kicked_ids), 1);
	switchboard_on_timer(&exchange->board, exchange->now_us);
	switchboard_on_timer(&exchange->board, exchange->now_us + KICK_MEMORY_US);
	assert_int_equal(json_object_size(exchange->board.kicked_ids), 0);
	client_close(&bob);
}

static json_t *mute(struct exchange *exchange, const struct client *client, int audio, int video)
{
	json_t *body = NULL;

	assert_int_equal(switchboard_mute(&exchange->board, peer_of(exchange, client), audio, video,
					  &body, NULL),
			 0);
	return body;
}

static void a_mute_is_told_once_the_sfu_has_done_it(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob;
	AUTO_JSON done = json_loads("{\"tracks\": [{\"track_id\": \"t\"}]}", 0, NULL);
	AUTO_JSON body = NULL;
	AUTO_JSON both = NULL;

	ann_and_bob_join(exchange, &ann, &bob);
	body = mute(exchange, &bob, 1, -1);
	assert_true(json_is_true(json_object_get(body, "audio_muted")));
	assert_true(json_is_false(json_object_get(body, "video_muted")));
	assert_int_equal(ann.outbox.count, 0);
	both = mute(exchange, &bob, -1, 1); /* another moderator, before it is answered */
	assert_true(json_is_true(json_object_get(both, "audio_muted")));
	assert_true(json_is_true(json_object_get(both, "video_muted")));
	switchboard_on_muted(peer_of(exchange, &bob), done);
	for (int i = 0; i < 2; i++) {
		AUTO_JSON message = hear(i == 0 ? &ann : &bob);
		json_t *peer = json_object_get(message, "peer");

		assert_string_equal(text_of(message, "type"), "peer-updated");
		assert_true(json_is_true(json_object_get(peer, "audio_muted")));
		assert_int_equal(json_array_size(json_object_get(peer, "tracks")), 1);
	}
	client_close(&bob);
	client_close(&ann);
}

static void a_mute_holds_for_a_user_who_comes_again(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob, again;
	AUTO_JSON body = NULL;
	AUTO_JSON back = NULL;

	sfu_says_hello(exchange, "[]");
	client_join_as(exchange, &ann, "ann");
	client_join_as(exchange, &bob, "bob");
	body = mute(exchange, &bob, 1, 0);
	client_close(&bob);
	client_join_as(exchange, &again, "bob");
	assert_true(peer_of(exchange, &again)->audio_muted);
	assert_true(json_is_true(json_object_get(told(exchange, BUS_PEER_JOIN, 0), "audio_muted")));
	back = mute(exchange, &again, 0, 0);
	client_close(&again);
	client_join_as(exchange, &again, "bob");
	assert_false(peer_of(exchange, &again)->audio_muted);
	client_close(&again);
	client_close(&ann);
}

static void one_token_is_one_guest_at_a_time(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob, again;
	AUTO_JSON body = NULL;

	ann_and_bob_join(exchange, &ann, &bob);
	body = mute(exchange, &bob, 1, 0);
	outbox_drop(&ann.outbox, ann.outbox.count);
	client_open(exchange, &again, "Bob");
	signaling_session_set_resume(&again.session, "", bob.token);
	signaling_session_start(&again.session, exchange->anyone, exchange->now_us);
	remember_joined(&again);
	assert_int_equal(bob.outbox.close_code, CLOSE_KICKED);
	hears(&ann, "peer-left", "reason", "replaced");
	assert_true(peer_of(exchange, &again)->audio_muted);
	assert_string_not_equal(again.token, bob.token);
	client_close(&again);
	client_close(&bob);
	client_close(&ann);
}

static void a_deleted_room_ends_for_everybody(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob;

	ann_and_bob_join(exchange, &ann, &bob);
	switchboard_on_room_deleted(&exchange->board, "r");
	hears(&ann, "kicked", "reason", "room_deleted");
	hears(&bob, "kicked", "reason", "room_deleted");
	assert_int_equal(ann.outbox.count, 0);
	assert_int_equal(ann.outbox.close_code, CLOSE_KICKED);
	assert_string_equal(text_of(told(exchange, BUS_ROOM_CLOSED, 0), "room_id"), "r");
	assert_int_equal(exchange->board.peers.count, 0);
	client_close(&ann);
	client_close(&bob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EXCHANGE_TEST(a_deleted_room_ends_for_everybody),
		EXCHANGE_TEST(an_sfu_that_went_before_it_read_of_a_kick_does_not_undo_it),
		EXCHANGE_TEST(a_kick_that_was_heard_is_forgotten),
		EXCHANGE_TEST(who_is_kicked_hears_why_and_cannot_resume),
		EXCHANGE_TEST(an_sfu_that_was_away_does_not_bring_the_kicked_back),
		EXCHANGE_TEST(a_mute_is_told_once_the_sfu_has_done_it),
		EXCHANGE_TEST(a_mute_holds_for_a_user_who_comes_again),
		EXCHANGE_TEST(one_token_is_one_guest_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
