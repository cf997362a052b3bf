/* test_switchboard_connection.c - whether somebody's media gets through, told to them and to the
 * API.
 */
#include "tests/unit/realtime/exchange.h"

#include <errno.h>
#include <stdio.h>

/* `code` NULL: there is nothing to explain. */
static void sfu_says_state(struct exchange *exchange, const char *peer_id, const char *state,
			   const char *code)
{
	AUTO_JSON body =
		json_pack("{s:s, s:s, s:s, s:s*, s:s*}", "room_id", "r", "peer_id", peer_id,
			  "state", state, "code", code, "detail", code ? "because" : NULL);

	switchboard_on_sfu_event(&exchange->board, BUS_PEER_STATE, body);
}

static void sfu_lets_go(struct exchange *exchange, const char *peer_id, const char *reason)
{
	AUTO_JSON body = json_pack("{s:s, s:s, s:s, s:s}", "room_id", "r", "peer_id", peer_id,
				   "reason", reason, "detail", "because");

	switchboard_on_sfu_event(&exchange->board, BUS_PEER_GONE, body);
}

/* As the API shows the peer. */
static json_t *shown(struct exchange *exchange, const char *peer_id)
{
	AUTO_JSON occupancy = switchboard_occupancy(&exchange->board, NULL);
	json_t *participant;
	size_t i;

	json_array_foreach (json_object_get(json_object_get(occupancy, "r"), "participants"), i,
			    participant)
		if (strcmp(text_of(participant, "peer_id"), peer_id) == 0)
			return json_incref(participant);
	fail_msg("%s is not there", peer_id);
	return NULL;
}

static void is_shown(struct exchange *exchange, const struct client *client, const char *state,
		     const char *code)
{
	AUTO_JSON participant = shown(exchange, client->peer_id);
	const json_t *failure = json_object_get(participant, "failure");

	assert_string_equal(text_of(participant, "connection_state"), state);
	if (code)
		assert_string_equal(text_of(failure, "code"), code);
	else
		assert_true(json_is_null(failure));
}

static void last_left(const struct exchange *exchange, const char *peer_id, const char *reason)
{
	char expected[200];

	(void)snprintf(expected, sizeof(expected), "left %s %s", peer_id, reason);
	assert_string_equal(json_string_value(json_array_get(exchange->log,
							     json_array_size(exchange->log) - 1)),
			    expected);
}

static void a_client_hears_how_its_media_gets_on(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob;

	ann_and_bob_join(exchange, &ann, &bob);
	is_shown(exchange, &bob, "new", NULL);
	sfu_says_state(exchange, bob.peer_id, "connecting", NULL);
	hears(&bob, "connection-state", "state", "connecting");
	is_shown(exchange, &bob, "connecting", NULL);
	sfu_says_state(exchange, bob.peer_id, "failed", "never_connected");
	{
		AUTO_JSON news = hear(&bob);

		assert_string_equal(text_of(news, "type"), "connection-state");
		assert_string_equal(text_of(news, "room_id"), "r");
		assert_string_equal(text_of(news, "state"), "failed");
		assert_string_equal(text_of(news, "code"), "never_connected");
		assert_string_equal(text_of(news, "detail"), "because");
	}
	is_shown(exchange, &bob, "failed", "never_connected");
	assert_int_equal(bob.outbox.close_code, CLOSE_NONE); /* it may try again */
	sfu_says_state(exchange, bob.peer_id, "connected", NULL);
	hears(&bob, "connection-state", "state", "connected");
	is_shown(exchange, &bob, "connected", NULL);
	sfu_says_state(exchange, bob.peer_id, "dancing", NULL); /* of a later version */
	is_shown(exchange, &bob, "connected", NULL);
	assert_int_equal(ann.outbox.count, 0); /* it is nobody else's */
	assert_int_equal(bob.outbox.count, 0);
	client_close(&bob);
	last_left(exchange, bob.peer_id, "left");
	client_close(&ann);
}

static void who_leaves_since_nothing_got_through_left_for_that(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob;

	ann_and_bob_join(exchange, &ann, &bob);
	sfu_says_state(exchange, bob.peer_id, "failed", "never_connected");
	client_close(&bob);
	last_left(exchange, bob.peer_id, "never_connected");
	hears(&ann, "peer-left", "reason", "never_connected");
	client_close(&ann);
}

static void who_is_let_go_hears_why(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob;

	ann_and_bob_join(exchange, &ann, &bob);
	sfu_lets_go(exchange, bob.peer_id, "dtls_fingerprint");
	hears(&bob, "connection-state", "code", "dtls_fingerprint");
	{
		AUTO_JSON error = hear(&bob);

		assert_string_equal(text_of(error, "code"), "media_lost");
		assert_non_null(strstr(text_of(error, "detail"), "because"));
	}
	last_left(exchange, bob.peer_id, "dtls_fingerprint");
	outbox_drop(&ann.outbox, ann.outbox.count);
	sfu_lets_go(exchange, ann.peer_id, "bye"); /* as it said itself */
	hears(&ann, "connection-state", "state", "closed");
	client_close(&ann);
	client_close(&bob);
}

static void states_outlive_our_restart_and_not_that_of_the_sfu(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob;
	char rooms[600];

	ann_and_bob_join(exchange, &ann, &bob);
	(void)snprintf(rooms, sizeof(rooms),
		       "[{\"room_id\":\"r\",\"peers\":[{\"peer_id\":\"%s\",\"kind\":\"call\","
		       "\"tracks\":[],\"connection_state\":\"failed\",\"failure\":{\"code\":"
		       "\"never_connected\",\"detail\":\"because\"}}]}]",
		       ann.peer_id);
	sfu_says_state(exchange, bob.peer_id, "connected", NULL);
	sfu_says_hello(exchange, rooms);
	is_shown(exchange, &ann, "failed", "never_connected");
	is_shown(exchange, &bob, "new", NULL); /* of whom the SFU knows nothing: it joins anew */
	client_close(&ann);
	client_close(&bob);
}

static void a_mesh_room_has_no_media_server_to_connect_to(void **state)
{
	struct exchange *exchange = *state;
	struct client ann;
	AUTO_JSON participant = NULL;

	exchange->facts = &mesh_room;
	sfu_says_hello(exchange, "[]");
	client_join(exchange, &ann, "Ann");
	participant = shown(exchange, ann.peer_id);
	assert_true(json_is_null(json_object_get(participant, "connection_state")));
	assert_true(json_is_null(json_object_get(participant, "failure")));
	client_close(&ann);
}

static void start_whip(struct exchange *exchange, char ret_id[PEER_ID_SIZE])
{
	AUTO_JSON request = json_pack("{s:s, s:s}", "sdp", "v=0", "user_id", "ann");
	AUTO_JSON answer = json_pack("{s:s}", "sdp", "v=1");
	struct error error;

	assert_int_equal(switchboard_http_start(&exchange->board, &sfu_room, PEER_WHIP, request, 7,
						1, &error),
			 0);
	(void)snprintf(ret_id, PEER_ID_SIZE, "%s",
		       text_of(told(exchange, BUS_PEER_JOIN, 0), "peer_id"));
	switchboard_on_sfu_answer(&exchange->board, ret_id, 7, answer, NULL);
}

static bool is_told_why(struct exchange *exchange, const char *room_id, const char *peer_id,
			const char *user_id)
{
	const struct caller caller = {.user_id = user_id};
	struct peer *peer;
	struct error error;

	assert_int_equal(
		switchboard_http_find(&exchange->board, room_id, peer_id, &caller, &peer, &error),
		-ENOENT);
	assert_string_equal(error.code, "session_not_found");
	return strstr(error.message, "never_connected") && strstr(error.message, "because");
}

static void whoever_asks_for_a_session_that_ended_hears_why(void **state)
{
	struct exchange *exchange = *state;
	char first[PEER_ID_SIZE], next[PEER_ID_SIZE];

	sfu_says_hello(exchange, "[]");
	start_whip(exchange, first);
	sfu_lets_go(exchange, first, "never_connected");
	last_left(exchange, first, "never_connected");
	assert_true(is_told_why(exchange, "r", first, "ann"));
	assert_false(is_told_why(exchange, "r", first, "bob"));
	assert_false(is_told_why(exchange, "other", first, "ann"));
	for (size_t i = 0; i < ENDED_MAX; i++) {
		start_whip(exchange, next);
		sfu_lets_go(exchange, next, "never_connected");
		forget_told(exchange);
	}
	assert_true(is_told_why(exchange, "r", next, "ann"));
	assert_false(is_told_why(exchange, "r", first, "ann")); /* it is long ago */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EXCHANGE_TEST(a_client_hears_how_its_media_gets_on),
		EXCHANGE_TEST(who_leaves_since_nothing_got_through_left_for_that),
		EXCHANGE_TEST(who_is_let_go_hears_why),
		EXCHANGE_TEST(states_outlive_our_restart_and_not_that_of_the_sfu),
		EXCHANGE_TEST(a_mesh_room_has_no_media_server_to_connect_to),
		EXCHANGE_TEST(whoever_asks_for_a_session_that_ended_hears_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
