/* test_switchboard.c - calls as clients and the SFU see them: coming, signalling, what is told of
 * media, going. */
#include "tests/unit/realtime/exchange.h"

#include <stdio.h>

static void everybody_hears_who_comes_and_goes(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob;

	sfu_says_hello(exchange, "[]");
	client_join(exchange, &ann, "Ann");
	client_join(exchange, &bob, "Bob");
	{
		AUTO_JSON message = hear(&ann);
		json_t *peer = json_object_get(message, "peer");

		assert_string_equal(text_of(message, "type"), "peer-joined");
		assert_string_equal(text_of(peer, "name"), "Bob");
		assert_true(json_is_null(json_object_get(peer, "user_id")));
	}
	assert_string_equal(text_of(told(exchange, BUS_PEER_JOIN, 0), "peer_id"), bob.peer_id);
	assert_string_equal(text_of(told(exchange, BUS_PEER_JOIN, 0), "kind"), "call");
	client_close(&bob);
	hears(&ann, "peer-left", "peer_id", bob.peer_id);
	assert_string_equal(text_of(told(exchange, BUS_PEER_LEAVE, 0), "peer_id"), bob.peer_id);
	client_close(&ann);
	assert_int_equal(json_array_size(exchange->log), 4);
	assert_int_equal(exchange->board.rooms.count, 0);
}

static void full_room_turns_the_next_one_away(void **state)
{
	struct exchange *exchange = *state;
	struct client clients[4];

	for (size_t i = 0; i < 3; i++)
		client_join(exchange, &clients[i], "x");
	client_open(exchange, &clients[3], "y");
	signaling_session_start(&clients[3].session, exchange->anyone, exchange->now_us);
	hears(&clients[3], "error", "code", "room_full");
	assert_int_equal(clients[3].outbox.close_code, CLOSE_FORBIDDEN);
	for (size_t i = 0; i < 4; i++)
		client_close(&clients[i]);
}

static void signals_in_an_sfu_room_go_to_the_sfu_and_back(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob;
	char text[300];

	ann_and_bob_join(exchange, &ann, &bob);
	forget_told(exchange);
	say(&ann, "{\"signal_type\":\"offer\",\"sdp\":\"v=0\"}");
	say_to(&ann, "sfu", "offer");
	say_to(&ann, bob.peer_id, "offer");
	assert_int_equal(exchange->told_count, 3);
	assert_string_equal(text_of(exchange->told[2].body, "peer_id"), ann.peer_id);
	assert_string_equal(text_of(exchange->told[2].body, "sdp"), "v=0");
	assert_int_equal(bob.outbox.count, 0);

	say_to(&ann, "peer_456", "offer");
	{
		AUTO_JSON answer = hear(&ann);

		assert_string_equal(text_of(answer, "code"), "unknown_peer");
		assert_string_equal(text_of(answer, "field"), "target_peer_id");
		assert_int_equal(json_integer_value(json_object_get(answer, "id")), 5);
	}
	(void)snprintf(text, sizeof(text),
		       "{\"room_id\":\"r\",\"peer_id\":\"%s\",\"signal_type\":\"answer\",\"sdp\":"
		       "\"v=1\"}",
		       ann.peer_id);
	{
		AUTO_JSON body = json_loads(text, 0, NULL);

		switchboard_on_sfu_event(&exchange->board, BUS_PEER_SIGNAL, body);
	}
	{
		AUTO_JSON signal = hear(&ann);

		assert_string_equal(text_of(signal, "type"), "signal");
		assert_string_equal(text_of(signal, "sender_peer_id"), "sfu");
		assert_string_equal(text_of(signal, "target_peer_id"), ann.peer_id);
		assert_string_equal(text_of(signal, "sdp"), "v=1");
	}
	client_close(&ann);
	client_close(&bob);
}

static void signals_in_a_mesh_room_go_to_the_peer_untouched(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob;

	exchange->facts = &mesh_room;
	ann_and_bob_join(exchange, &ann, &bob);
	say_to(&ann, bob.peer_id, "offer");
	hears(&bob, "signal", "sender_peer_id", ann.peer_id);
	say(&ann, "{\"signal_type\":\"offer\",\"sdp\":\"v=0\"}");
	hears(&ann, "error", "field", "target_peer_id");
	assert_int_equal(exchange->told_count, 0);
	client_close(&ann);
	client_close(&bob);
}

static void a_call_goes_on_in_the_mode_it_began_in(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob;

	exchange->facts = &mesh_room;
	sfu_says_hello(exchange, "[]");
	client_join(exchange, &ann, "Ann");
	exchange->facts = &sfu_room;
	client_join(exchange, &bob, "Bob");
	outbox_drop(&ann.outbox, ann.outbox.count);
	say_to(&ann, bob.peer_id, "offer");
	hears(&bob, "signal", "sender_peer_id", ann.peer_id);
	client_close(&ann);
	client_close(&bob);
	assert_int_equal(exchange->told_count, 0);
}

static void bad_signals_name_the_field(void **state)
{
	static const struct {
		const char *text, *code, *field;
	} cases[] = {
		{"nonsense", "bad_json", NULL},
		{"{\"type\":\"dance\"}", "unknown_type", "type"},
		{"{}", "missing_field", "signal_type"},
		{"{\"signal_type\":\"shout\"}", "bad_field", "signal_type"},
		{"{\"signal_type\":\"offer\"}", "missing_field", "sdp"},
		{"{\"signal_type\":\"offer\",\"sdp\":{}}", "bad_field", "sdp"},
		{"{\"signal_type\":\"ice-candidate\"}", "missing_field", "ice_candidate"},
		{"{\"signal_type\":\"ice-candidate\",\"ice_candidate\":5}", "bad_field",
		 "ice_candidate"},
		{"{\"signal_type\":\"bye\",\"room_id\":\"other\"}", "bad_field", "room_id"},
		{"{\"type\":\"track\"}", "missing_field", "mid"},
		{"{\"type\":\"subscription\",\"width\":1}", "missing_field", "track_id"},
		{"{\"type\":\"subscription\",\"track_id\":\"t\",\"width\":-1}", "bad_field",
		 "width"},
		{"{\"type\":\"subscription\",\"track_id\":\"t\",\"height\":16385}", "bad_field",
		 "height"},
		{"{\"type\":\"subscription\",\"track_id\":\"t\",\"priority\":1.5}", "bad_field",
		 "priority"},
		{"{\"type\":\"subscription\",\"track_id\":\"t\",\"paused\":\"no\"}", "bad_field",
		 "paused"},
		{"{\"type\":\"track\",\"mid\":\"0\",\"muted\":1}", "bad_field", "muted"},
	};
	struct exchange *exchange = *state;
	struct client ann;

	sfu_says_hello(exchange, "[]");
	client_join(exchange, &ann, "Ann");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_JSON answer = NULL;

		say(&ann, cases[i].text);
		answer = hear(&ann);
		assert_string_equal(text_of(answer, "code"), cases[i].code);
		if (cases[i].field)
			assert_string_equal(text_of(answer, "field"), cases[i].field);
	}
	client_close(&ann);
}

static void tracks_and_loss_of_media_are_told_to_the_room(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, bob;
	AUTO_JSON body = NULL;

	ann_and_bob_join(exchange, &ann, &bob);
	body = json_pack("{s:s, s:s, s:[{s:s}], s:s}", "room_id", "r", "peer_id", bob.peer_id,
			 "tracks", "track_id", "t", "reason", "silent");
	switchboard_on_sfu_event(&exchange->board, BUS_PEER_TRACKS, body);
	hears(&ann, "peer-updated", NULL, NULL);
	hears(&bob, "peer-updated", NULL, NULL);
	switchboard_on_sfu_event(&exchange->board, BUS_PEER_GONE, body);
	hears(&ann, "peer-left", "reason", "silent");
	hears(&bob, "connection-state", "state", "failed");
	hears(&bob, "error", "code", "media_lost");
	assert_int_equal(bob.outbox.close_code, CLOSE_INTERNAL);
	client_close(&ann);
	client_close(&bob);
}

static void views_go_to_the_sfu_and_layers_come_back(void **state)
{
	struct exchange *exchange = *state;
	struct client ann;
	AUTO_JSON layers = NULL;
	AUTO_JSON heard = NULL;
	AUTO_JSON slot = NULL;
	AUTO_JSON shown = NULL;
	const json_t *view;

	sfu_says_hello(exchange, "[]");
	client_join(exchange, &ann, "Ann");
	say(&ann, "{\"type\":\"subscription\",\"track_id\":\"t\",\"width\":640,\"height\":360,"
		  "\"priority\":3,\"paused\":false,\"sdp\":\"not passed on\"}");
	view = told(exchange, BUS_PEER_SUBSCRIPTION, 0);
	assert_string_equal(text_of(view, "peer_id"), ann.peer_id);
	assert_string_equal(text_of(view, "track_id"), "t");
	assert_int_equal(json_integer_value(json_object_get(view, "width")), 640);
	assert_int_equal(json_integer_value(json_object_get(view, "priority")), 3);
	assert_null(json_object_get(view, "sdp"));
	layers = json_pack("{s:s, s:s, s:s, s:[{s:s, s:b}]}", "room_id", "r", "peer_id",
			   ann.peer_id, "mid", "1", "layers", "rid", "f", "active", false);
	switchboard_on_sfu_event(&exchange->board, BUS_PEER_LAYERS, layers);
	heard = hear(&ann);
	assert_string_equal(text_of(heard, "type"), "layers");
	assert_string_equal(text_of(heard, "mid"), "1");
	assert_true(
		json_equal(json_object_get(heard, "layers"), json_object_get(layers, "layers")));
	slot = json_pack("{s:s, s:s, s:s, s:s, s:s}", "room_id", "r", "peer_id", ann.peer_id, "mid",
			 "s1", "publisher_peer_id", "peer_bob", "track_id", "camera");
	switchboard_on_sfu_event(&exchange->board, BUS_PEER_SLOT, slot);
	shown = hear(&ann);
	assert_string_equal(text_of(shown, "type"), "slot");
	assert_string_equal(text_of(shown, "mid"), "s1");
	assert_string_equal(text_of(shown, "peer_id"), "peer_bob");
	assert_string_equal(text_of(shown, "track_id"), "camera");
	switchboard_on_sfu_event(&exchange->board, BUS_PEER_SPEAKS, layers);
	hears(&ann, "active-speaker", "peer_id", ann.peer_id);
	client_close(&ann);
}

static void the_sfu_is_told_which_codecs_the_room_takes(void **state)
{
	struct exchange *exchange = *state;
	AUTO_JSON codecs = json_pack("[s, s]", "VP9", "opus");
	struct room_facts with_codecs = {.room_id = "r", .max_participants = 3, .codecs = codecs};
	struct client ann, bob;

	sfu_says_hello(exchange, "[]");
	exchange->facts = &with_codecs;
	client_join(exchange, &ann, "Ann");
	assert_int_equal(exchange->told_count, 1);
	assert_true(json_equal(json_object_get(exchange->told[0].body, "codecs"), codecs));
	forget_told(exchange);
	/* Also when it has to be told again. */
	switchboard_on_sfu_disconnected(&exchange->board);
	sfu_says_hello(exchange, "[]");
	assert_true(json_equal(json_object_get(exchange->told[0].body, "codecs"), codecs));
	forget_told(exchange);
	exchange->facts = &sfu_room; /* none of its own any more: the SFU's default */
	client_join(exchange, &bob, "Bob");
	assert_null(json_object_get(exchange->told[0].body, "codecs"));
	client_close(&ann);
	client_close(&bob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EXCHANGE_TEST(everybody_hears_who_comes_and_goes),
		EXCHANGE_TEST(full_room_turns_the_next_one_away),
		EXCHANGE_TEST(signals_in_an_sfu_room_go_to_the_sfu_and_back),
		EXCHANGE_TEST(signals_in_a_mesh_room_go_to_the_peer_untouched),
		EXCHANGE_TEST(a_call_goes_on_in_the_mode_it_began_in),
		EXCHANGE_TEST(bad_signals_name_the_field),
		EXCHANGE_TEST(the_sfu_is_told_which_codecs_the_room_takes),
		EXCHANGE_TEST(tracks_and_loss_of_media_are_told_to_the_room),
		EXCHANGE_TEST(views_go_to_the_sfu_and_layers_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
