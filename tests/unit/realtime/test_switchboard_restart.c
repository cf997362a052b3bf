/* test_switchboard_restart.c - our restart and the SFU's, and who takes up where it was. */
#include "tests/unit/realtime/exchange.h"

#include <stdio.h>

static void a_peer_survives_our_restart_and_takes_up_where_it_was(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob, again;
	char rooms[1000];
	AUTO_FREE char *ann_state = NULL, *bob_state = NULL;

	ann_and_bob_join(exchange, &ann, &bob);
	ann_state = json_dumps(json_object_get(told(exchange, BUS_PEER_JOIN, 1), "state"), 0);
	bob_state = json_dumps(json_object_get(told(exchange, BUS_PEER_JOIN, 0), "state"), 0);
	signaling_session_fini(&ann.session, true);
	signaling_session_fini(&bob.session, true);
	outbox_fini(&ann.outbox);
	outbox_fini(&bob.outbox);
	exchange_restart(exchange);

	/* Ann is faster than the SFU: she waits until it says that she is there. */
	client_open(exchange, &again, "ignored");
	signaling_session_set_resume(&again.session, ann.peer_id, ann.token);
	signaling_session_start(&again.session, exchange->anyone, exchange->now_us);
	assert_int_equal(again.outbox.count, 0);
	(void)snprintf(rooms, sizeof(rooms),
		       "[{\"room_id\":\"r\",\"peers\":[{\"peer_id\":\"%s\",\"kind\":\"call\","
		       "\"state\":%s,\"tracks\":[]},{\"peer_id\":\"%s\",\"kind\":\"call\","
		       "\"state\":%s,\"tracks\":[]}]}]",
		       ann.peer_id, ann_state, bob.peer_id, bob_state);
	sfu_says_hello(exchange, rooms);
	{
		AUTO_JSON message = hear(&again);

		assert_string_equal(text_of(message, "peer_id"), ann.peer_id);
		assert_true(json_is_true(json_object_get(message, "resumed")));
		assert_int_equal(json_array_size(json_object_get(message, "peers")), 1);
	}
	assert_string_equal(text_of(told(exchange, BUS_PEER_RESUMED, 0), "peer_id"), ann.peer_id);
	assert_null(told(exchange, BUS_PEER_JOIN, 0));

	/* Bob never comes back. */
	switchboard_on_timer(&exchange->board, exchange->now_us + LINGER_US - 1);
	assert_int_equal(again.outbox.count, 0);
	switchboard_on_timer(&exchange->board, exchange->now_us + LINGER_US);
	hears(&again, "peer-left", "reason", "not_resumed");
	assert_string_equal(text_of(told(exchange, BUS_PEER_LEAVE, 0), "peer_id"), bob.peer_id);
	client_close(&again);
}

static void nobody_takes_over_a_peer_without_its_token(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, eve;

	sfu_says_hello(exchange, "[]");
	client_join(exchange, &ann, "Ann");
	client_open(exchange, &eve, "Eve");
	signaling_session_set_resume(&eve.session, ann.peer_id, "guess");
	signaling_session_start(&eve.session, exchange->anyone, exchange->now_us);
	hears(&eve, "error", "code", "bad_resume_token");
	assert_int_equal(eve.outbox.close_code, CLOSE_FORBIDDEN);
	assert_int_equal(ann.outbox.close_code, CLOSE_NONE);
	client_close(&eve);
	client_close(&ann);
}

static void who_wants_to_resume_what_is_gone_joins_anew(void **state)
{
	struct exchange *exchange = *state;
	struct client ann;

	client_open(exchange, &ann, "Ann");
	signaling_session_set_resume(&ann.session, "peer_gone", "token");
	signaling_session_start(&ann.session, exchange->anyone, exchange->now_us);
	assert_int_equal(ann.outbox.count, 0);
	switchboard_on_timer(&exchange->board, exchange->now_us + RESUME_WAIT_US);
	remember_joined(&ann);
	assert_string_not_equal(ann.peer_id, "peer_gone");
	client_close(&ann);
}

static void peers_are_joined_again_when_the_sfu_was_restarted(void **state)
{
	struct exchange *exchange = *state;
	struct client ann;

	sfu_says_hello(exchange, "[]");
	client_join(exchange, &ann, "Ann");
	switchboard_on_sfu_disconnected(&exchange->board);
	say(&ann, "{\"signal_type\":\"offer\",\"sdp\":\"v=0\"}");
	hears(&ann, "error", "code", "sfu_unavailable");
	forget_told(exchange);
	sfu_says_hello(exchange, "[]");
	assert_string_equal(text_of(told(exchange, BUS_PEER_JOIN, 0), "peer_id"), ann.peer_id);
	hears(&ann, "signal", "reason", "sfu_restarted");
	client_close(&ann);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EXCHANGE_TEST(a_peer_survives_our_restart_and_takes_up_where_it_was),
		EXCHANGE_TEST(nobody_takes_over_a_peer_without_its_token),
		EXCHANGE_TEST(who_wants_to_resume_what_is_gone_joins_anew),
		EXCHANGE_TEST(peers_are_joined_again_when_the_sfu_was_restarted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
