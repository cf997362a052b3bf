/* Calls as clients and the SFU see them: joining, signalling, leaving, and either side's restart.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "realtime/model/signaling_session.h"

enum { TOLD_MAX = 64 };

struct world {
	struct switchboard board;
	struct identity *anyone;
	struct list dirty;
	/* what the SFU was told: message and body */
	struct {
		enum bus_message message;
		json_t *body;
	} told[TOLD_MAX];
	size_t told_count;
	json_t *log; /* "joined ID", "left ID reason" */
	char http_peer_id[PEER_ID_SIZE];
	int http_result;
	uint64_t now_us;
};

struct client {
	struct world *world;
	struct outbox outbox;
	struct signaling_session session;
	char peer_id[PEER_ID_SIZE], token[64];
};

static struct world *the_world; /* for look_up(), which is given only a session */

static const struct room_facts room = {.room_id = "r", .max_participants = 3};
static const struct room_facts mesh_room = {.room_id = "r", .max_participants = 3, .is_mesh = true};

/* ---- outward ---- */

static void tell_sfu(struct world *world, enum bus_message message, json_t *body)
{
	assert_true(world->told_count < TOLD_MAX);
	world->told[world->told_count].message = message;
	world->told[world->told_count++].body = body;
}

static void sfu_event(void *data, enum bus_message message, json_t *body)
{
	tell_sfu(data, message, body);
}

static void sfu_join(void *data, const struct peer *peer, uint64_t token, json_t *body)
{
	(void)peer;
	(void)token;
	tell_sfu(data, BUS_PEER_JOIN, body);
}

static void joined(void *data, const struct peer *peer)
{
	struct world *world = data;

	(void)json_array_append_new(world->log, json_sprintf("joined %s", peer->peer_id));
}

static void left(void *data, const struct peer *peer, const char *reason)
{
	struct world *world = data;

	(void)json_array_append_new(world->log, json_sprintf("left %s %s", peer->peer_id, reason));
}

static void http_started(void *data, uint64_t token, const char *peer_id, const json_t *answer,
			 const struct error *error)
{
	struct world *world = data;

	(void)token;
	(void)answer;
	(void)snprintf(world->http_peer_id, sizeof(world->http_peer_id), "%s", peer_id);
	world->http_result = error ? error->number : 1;
}

static json_t *ice_servers(void *data, const struct peer *peer)
{
	(void)data;
	(void)peer;
	return json_array();
}

static json_t *svc(void *data, const struct call_room *call_room)
{
	(void)data;
	(void)call_room;
	return json_pack("{s:s}", "scalability_mode", "L3T3_KEY");
}

static const struct switchboard_events events = {
	.ice_servers = ice_servers,
	.svc = svc,
	.sfu_event = sfu_event,
	.sfu_join = sfu_join,
	.joined = joined,
	.left = left,
	.http_started = http_started,
};

static const struct room_facts *facts = &room;

static void look_up(struct signaling_session *session)
{
	struct error error = {0};

	if (switchboard_join(&the_world->board, session, facts, 1000, &error) < 0)
		signaling_session_refuse(session, &error);
}

static void identify(struct signaling_session *session, const char *credential)
{
	AUTO(identity) identity = identity_new(credential, RIGHTS_USER);
	struct error error = {0};

	if (signaling_session_check_identity(session, identity, &error) < 0)
		signaling_session_on_unidentified(session, &error);
	else
		signaling_session_on_identified(session, identity);
}

/* ---- a world ---- */

static void board_open(struct world *world)
{
	assert_int_equal(switchboard_init(&world->board, &events, world, world->now_us), 0);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->anyone = identity_new_anonymous(true);
	list_init(&world->dirty);
	world->log = json_array();
	world->now_us = 1000000;
	board_open(world);
	the_world = world;
	facts = &room;
	*state = world;
	return 0;
}

static void forget_told(struct world *world)
{
	for (size_t i = 0; i < world->told_count; i++)
		json_decref(world->told[i].body);
	world->told_count = 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	forget_told(world);
	switchboard_fini(&world->board);
	json_decref(world->log);
	(void)identity_unref(world->anyone);
	free(world);
	return 0;
}

static void sfu_says_hello(struct world *world, const char *rooms)
{
	AUTO_JSON said = json_loads(rooms, 0, NULL);

	assert_non_null(said);
	switchboard_on_sfu_connected(&world->board, said, world->now_us);
}

static const json_t *told(const struct world *world, enum bus_message message, size_t back)
{
	for (size_t i = world->told_count; i > 0; i--)
		if (world->told[i - 1].message == message && back-- == 0)
			return world->told[i - 1].body;
	return NULL;
}

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* ---- a client ---- */

static json_t *hear(struct client *client)
{
	const struct frame *frame;
	size_t header = 2;
	json_t *message;

	assert_true(client->outbox.count > 0);
	frame = outbox_peek(&client->outbox, 0);
	if (frame->bytes[1] == 126)
		header = 4;
	message = json_loadb((const char *)frame->bytes + header, frame->length - header, 0, NULL);
	assert_non_null(message);
	outbox_drop(&client->outbox, 1);
	return message;
}

static void hears(struct client *client, const char *type, const char *field, const char *value)
{
	AUTO_JSON message = hear(client);

	assert_string_equal(text_of(message, "type"), type);
	if (field)
		assert_string_equal(text_of(message, field), value);
}

static void client_open(struct world *world, struct client *client, const char *name)
{
	client->world = world;
	outbox_init(&client->outbox, 1 << 20, &world->dirty);
	signaling_session_init(&client->session, &world->board, &client->outbox, "r", name, look_up,
			       identify);
}

static void remember_joined(struct client *client)
{
	AUTO_JSON message = hear(client);

	assert_string_equal(text_of(message, "type"), "joined");
	/* To each other nobody sends layers that have to be chosen from. */
	assert_int_equal(json_is_object(json_object_get(message, "svc")),
			 strcmp(text_of(message, "mode"), "sfu") == 0);
	(void)snprintf(client->peer_id, sizeof(client->peer_id), "%s", text_of(message, "peer_id"));
	(void)snprintf(client->token, sizeof(client->token), "%s",
		       text_of(message, "resume_token"));
}

static void client_join(struct world *world, struct client *client, const char *name)
{
	client_open(world, client, name);
	signaling_session_start(&client->session, world->anyone, world->now_us);
	remember_joined(client);
}

static void client_close(struct client *client)
{
	signaling_session_fini(&client->session, false);
	outbox_fini(&client->outbox);
}

static void say(struct client *client, const char *text)
{
	signaling_session_on_text(&client->session, text, strlen(text));
}

static void say_to(struct client *client, const char *target, const char *type)
{
	char text[400];

	(void)snprintf(text, sizeof(text),
		       "{\"signal_type\":\"%s\",\"target_peer_id\":\"%s\",\"room_id\":\"r\","
		       "\"sdp\":\"v=0\",\"id\":5}",
		       type, target);
	say(client, text);
}

/* ---- sentences ---- */

static void everybody_hears_who_comes_and_goes(void **state)
{
	struct world *world = *state;
	struct client ann, bob;

	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	client_join(world, &bob, "Bob");
	{
		AUTO_JSON message = hear(&ann);
		json_t *peer = json_object_get(message, "peer");

		assert_string_equal(text_of(message, "type"), "peer-joined");
		assert_string_equal(text_of(peer, "name"), "Bob");
		assert_true(json_is_null(json_object_get(peer, "user_id")));
	}
	assert_string_equal(text_of(told(world, BUS_PEER_JOIN, 0), "peer_id"), bob.peer_id);
	assert_string_equal(text_of(told(world, BUS_PEER_JOIN, 0), "kind"), "call");
	client_close(&bob);
	hears(&ann, "peer-left", "peer_id", bob.peer_id);
	assert_string_equal(text_of(told(world, BUS_PEER_LEAVE, 0), "peer_id"), bob.peer_id);
	client_close(&ann);
	assert_int_equal(json_array_size(world->log), 4);
	assert_int_equal(world->board.rooms.count, 0);
}

static void full_room_turns_the_next_one_away(void **state)
{
	struct world *world = *state;
	struct client clients[4];

	for (size_t i = 0; i < 3; i++)
		client_join(world, &clients[i], "x");
	client_open(world, &clients[3], "y");
	signaling_session_start(&clients[3].session, world->anyone, world->now_us);
	hears(&clients[3], "error", "code", "room_full");
	assert_int_equal(clients[3].outbox.close_code, CLOSE_FORBIDDEN);
	for (size_t i = 0; i < 4; i++)
		client_close(&clients[i]);
}

static void signals_in_an_sfu_room_go_to_the_sfu_and_back(void **state)
{
	struct world *world = *state;
	struct client ann, bob;
	char text[300];

	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	client_join(world, &bob, "Bob");
	outbox_drop(&ann.outbox, ann.outbox.count);
	forget_told(world);
	say(&ann, "{\"signal_type\":\"offer\",\"sdp\":\"v=0\"}");
	say_to(&ann, "sfu", "offer");
	say_to(&ann, bob.peer_id, "offer");
	assert_int_equal(world->told_count, 3);
	assert_string_equal(text_of(world->told[2].body, "peer_id"), ann.peer_id);
	assert_string_equal(text_of(world->told[2].body, "sdp"), "v=0");
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

		switchboard_on_sfu_event(&world->board, BUS_PEER_SIGNAL, body);
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
	struct world *world = *state;
	struct client ann, bob;

	facts = &mesh_room;
	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	client_join(world, &bob, "Bob");
	outbox_drop(&ann.outbox, ann.outbox.count);
	say_to(&ann, bob.peer_id, "offer");
	hears(&bob, "signal", "sender_peer_id", ann.peer_id);
	say(&ann, "{\"signal_type\":\"offer\",\"sdp\":\"v=0\"}");
	hears(&ann, "error", "field", "target_peer_id");
	assert_int_equal(world->told_count, 0);
	client_close(&ann);
	client_close(&bob);
}

static void a_call_goes_on_in_the_mode_it_began_in(void **state)
{
	struct world *world = *state;
	struct client ann, bob;

	facts = &mesh_room;
	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	facts = &room;
	client_join(world, &bob, "Bob");
	outbox_drop(&ann.outbox, ann.outbox.count);
	say_to(&ann, bob.peer_id, "offer");
	hears(&bob, "signal", "sender_peer_id", ann.peer_id);
	client_close(&ann);
	client_close(&bob);
	assert_int_equal(world->told_count, 0);
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
	struct world *world = *state;
	struct client ann;

	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
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

static void a_peer_survives_our_restart_and_takes_up_where_it_was(void **state)
{
	struct world *world = *state;
	struct client ann, bob, again;
	char rooms[1000];
	AUTO_FREE char *ann_state = NULL, *bob_state = NULL;

	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	client_join(world, &bob, "Bob");
	ann_state = json_dumps(json_object_get(told(world, BUS_PEER_JOIN, 1), "state"), 0);
	bob_state = json_dumps(json_object_get(told(world, BUS_PEER_JOIN, 0), "state"), 0);
	signaling_session_fini(&ann.session, true);
	signaling_session_fini(&bob.session, true);
	outbox_fini(&ann.outbox);
	outbox_fini(&bob.outbox);
	switchboard_fini(&world->board);
	forget_told(world);
	board_open(world);

	/* Ann is faster than the SFU: she waits until it says that she is there. */
	client_open(world, &again, "ignored");
	signaling_session_set_resume(&again.session, ann.peer_id, ann.token);
	signaling_session_start(&again.session, world->anyone, world->now_us);
	assert_int_equal(again.outbox.count, 0);
	(void)snprintf(rooms, sizeof(rooms),
		       "[{\"room_id\":\"r\",\"peers\":[{\"peer_id\":\"%s\",\"kind\":\"call\","
		       "\"state\":%s,\"tracks\":[]},{\"peer_id\":\"%s\",\"kind\":\"call\","
		       "\"state\":%s,\"tracks\":[]}]}]",
		       ann.peer_id, ann_state, bob.peer_id, bob_state);
	sfu_says_hello(world, rooms);
	{
		AUTO_JSON message = hear(&again);

		assert_string_equal(text_of(message, "peer_id"), ann.peer_id);
		assert_true(json_is_true(json_object_get(message, "resumed")));
		assert_int_equal(json_array_size(json_object_get(message, "peers")), 1);
	}
	assert_string_equal(text_of(told(world, BUS_PEER_RESUMED, 0), "peer_id"), ann.peer_id);
	assert_null(told(world, BUS_PEER_JOIN, 0));

	/* Bob never comes back. */
	switchboard_on_timer(&world->board, world->now_us + LINGER_US - 1);
	assert_int_equal(again.outbox.count, 0);
	switchboard_on_timer(&world->board, world->now_us + LINGER_US);
	hears(&again, "peer-left", "reason", "not_resumed");
	assert_string_equal(text_of(told(world, BUS_PEER_LEAVE, 0), "peer_id"), bob.peer_id);
	client_close(&again);
}

static void nobody_takes_over_a_peer_without_its_token(void **state)
{
	struct world *world = *state;
	struct client ann, eve;

	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	client_open(world, &eve, "Eve");
	signaling_session_set_resume(&eve.session, ann.peer_id, "guess");
	signaling_session_start(&eve.session, world->anyone, world->now_us);
	hears(&eve, "error", "code", "bad_resume_token");
	assert_int_equal(eve.outbox.close_code, CLOSE_FORBIDDEN);
	assert_int_equal(ann.outbox.close_code, CLOSE_NONE);
	client_close(&eve);
	client_close(&ann);
}

static void who_wants_to_resume_what_is_gone_joins_anew(void **state)
{
	struct world *world = *state;
	struct client ann;

	client_open(world, &ann, "Ann");
	signaling_session_set_resume(&ann.session, "peer_gone", "token");
	signaling_session_start(&ann.session, world->anyone, world->now_us);
	assert_int_equal(ann.outbox.count, 0);
	switchboard_on_timer(&world->board, world->now_us + RESUME_WAIT_US);
	remember_joined(&ann);
	assert_string_not_equal(ann.peer_id, "peer_gone");
	client_close(&ann);
}

static void peers_are_joined_again_when_the_sfu_was_restarted(void **state)
{
	struct world *world = *state;
	struct client ann;

	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	switchboard_on_sfu_disconnected(&world->board);
	say(&ann, "{\"signal_type\":\"offer\",\"sdp\":\"v=0\"}");
	hears(&ann, "error", "code", "sfu_unavailable");
	forget_told(world);
	sfu_says_hello(world, "[]");
	assert_string_equal(text_of(told(world, BUS_PEER_JOIN, 0), "peer_id"), ann.peer_id);
	hears(&ann, "signal", "reason", "sfu_restarted");
	client_close(&ann);
}

static void the_sfu_is_told_which_codecs_the_room_takes(void **state)
{
	struct world *world = *state;
	AUTO_JSON codecs = json_pack("[s, s]", "VP9", "opus");
	struct room_facts with_codecs = {.room_id = "r", .max_participants = 3, .codecs = codecs};
	struct client ann, bob;

	sfu_says_hello(world, "[]");
	facts = &with_codecs;
	client_join(world, &ann, "Ann");
	assert_int_equal(world->told_count, 1);
	assert_true(json_equal(json_object_get(world->told[0].body, "codecs"), codecs));
	forget_told(world);
	/* Also when it has to be told again. */
	switchboard_on_sfu_disconnected(&world->board);
	sfu_says_hello(world, "[]");
	assert_true(json_equal(json_object_get(world->told[0].body, "codecs"), codecs));
	forget_told(world);
	facts = &room; /* none of its own any more: the SFU's default */
	client_join(world, &bob, "Bob");
	assert_null(json_object_get(world->told[0].body, "codecs"));
	client_close(&ann);
	client_close(&bob);
}

static void tracks_and_loss_of_media_are_told_to_the_room(void **state)
{
	struct world *world = *state;
	struct client ann, bob;
	AUTO_JSON body = NULL;

	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	client_join(world, &bob, "Bob");
	outbox_drop(&ann.outbox, ann.outbox.count);
	body = json_pack("{s:s, s:s, s:[{s:s}], s:s}", "room_id", "r", "peer_id", bob.peer_id,
			 "tracks", "track_id", "t", "reason", "silent");
	switchboard_on_sfu_event(&world->board, BUS_PEER_TRACKS, body);
	hears(&ann, "peer-updated", NULL, NULL);
	hears(&bob, "peer-updated", NULL, NULL);
	switchboard_on_sfu_event(&world->board, BUS_PEER_GONE, body);
	hears(&ann, "peer-left", "reason", "silent");
	hears(&bob, "error", "code", "media_lost");
	assert_int_equal(bob.outbox.close_code, CLOSE_INTERNAL);
	client_close(&ann);
	client_close(&bob);
}

static void views_go_to_the_sfu_and_layers_come_back(void **state)
{
	struct world *world = *state;
	struct client ann;
	AUTO_JSON layers = NULL;
	AUTO_JSON heard = NULL;
	AUTO_JSON slot = NULL;
	AUTO_JSON shown = NULL;
	const json_t *view;

	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	say(&ann, "{\"type\":\"subscription\",\"track_id\":\"t\",\"width\":640,\"height\":360,"
		  "\"priority\":3,\"paused\":false,\"sdp\":\"not passed on\"}");
	view = told(world, BUS_PEER_SUBSCRIPTION, 0);
	assert_string_equal(text_of(view, "peer_id"), ann.peer_id);
	assert_string_equal(text_of(view, "track_id"), "t");
	assert_int_equal(json_integer_value(json_object_get(view, "width")), 640);
	assert_int_equal(json_integer_value(json_object_get(view, "priority")), 3);
	assert_null(json_object_get(view, "sdp"));
	layers = json_pack("{s:s, s:s, s:s, s:[{s:s, s:b}]}", "room_id", "r", "peer_id",
			   ann.peer_id, "mid", "1", "layers", "rid", "f", "active", false);
	switchboard_on_sfu_event(&world->board, BUS_PEER_LAYERS, layers);
	heard = hear(&ann);
	assert_string_equal(text_of(heard, "type"), "layers");
	assert_string_equal(text_of(heard, "mid"), "1");
	assert_true(
		json_equal(json_object_get(heard, "layers"), json_object_get(layers, "layers")));
	slot = json_pack("{s:s, s:s, s:s, s:s, s:s}", "room_id", "r", "peer_id", ann.peer_id, "mid",
			 "s1", "publisher_peer_id", "peer_bob", "track_id", "camera");
	switchboard_on_sfu_event(&world->board, BUS_PEER_SLOT, slot);
	shown = hear(&ann);
	assert_string_equal(text_of(shown, "type"), "slot");
	assert_string_equal(text_of(shown, "mid"), "s1");
	assert_string_equal(text_of(shown, "peer_id"), "peer_bob");
	assert_string_equal(text_of(shown, "track_id"), "camera");
	switchboard_on_sfu_event(&world->board, BUS_PEER_SPEAKS, layers);
	hears(&ann, "active-speaker", "peer_id", ann.peer_id);
	client_close(&ann);
}

static void http_publishers_are_peers_and_http_viewers_are_not(void **state)
{
	struct world *world = *state;
	AUTO_JSON request = json_pack("{s:s, s:s}", "sdp", "v=0", "name", "Camera");
	AUTO_JSON answer = json_pack("{s:s}", "sdp", "v=1");
	AUTO_JSON occupancy = NULL;
	struct error error = {0};
	struct client ann;
	static const struct caller moderator = {.user_id = "", .is_moderator = true};
	struct peer *peer;
	char whip_id[PEER_ID_SIZE];

	assert_int_equal(
		switchboard_http_start(&world->board, &room, PEER_WHIP, request, 7, 1, &error),
		-ENOTCONN);
	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	assert_int_equal(
		switchboard_http_start(&world->board, &room, PEER_WHIP, request, 7, 1, &error), 0);
	(void)snprintf(whip_id, sizeof(whip_id), "%s",
		       text_of(told(world, BUS_PEER_JOIN, 0), "peer_id"));
	assert_int_equal(ann.outbox.count, 0);
	switchboard_on_sfu_answer(&world->board, whip_id, 7, answer, NULL);
	assert_string_equal(world->http_peer_id, whip_id);
	hears(&ann, "peer-joined", NULL, NULL);

	assert_int_equal(
		switchboard_http_start(&world->board, &room, PEER_WHEP, request, 8, 1, &error), 0);
	switchboard_on_sfu_answer(&world->board, text_of(told(world, BUS_PEER_JOIN, 0), "peer_id"),
				  8, answer, NULL);
	assert_int_equal(ann.outbox.count, 0);
	occupancy = switchboard_occupancy(&world->board, NULL);
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(occupancy, "r"), "participants")),
		2);

	/* One that the SFU refuses was never there. */
	assert_int_equal(
		switchboard_http_start(&world->board, &room, PEER_WHIP, request, 9, 1, &error), 0);
	(void)error_set(&error, -EINVAL, "bad_sdp", "no");
	switchboard_on_sfu_answer(&world->board, text_of(told(world, BUS_PEER_JOIN, 0), "peer_id"),
				  9, NULL, &error);
	assert_int_equal(world->http_result, -EINVAL);
	assert_int_equal(ann.outbox.count, 0);

	assert_int_equal(
		switchboard_http_find(&world->board, "other", whip_id, &moderator, &peer, &error),
		-ENOENT);
	assert_int_equal(
		switchboard_http_find(&world->board, "r", ann.peer_id, &moderator, &peer, &error),
		-ENOENT);
	assert_int_equal(
		switchboard_http_find(&world->board, "r", whip_id, &moderator, &peer, &error), 0);
	switchboard_leave(&world->board, peer, "left", true);
	hears(&ann, "peer-left", "peer_id", whip_id);
	client_close(&ann);
}

static void a_peer_obeys_its_user_and_moderators(void **state)
{
	static const struct caller ann = {.user_id = "ann"}, bob = {.user_id = "bob"},
				   nobody = {.user_id = ""},
				   admin = {.user_id = "", .is_moderator = true};
	struct call_room *call = call_room_new("r");
	struct peer *whip = peer_new(call, PEER_WHIP, "p1"),
		    *whep = peer_new(call, PEER_WHEP, "p2");
	struct error error;

	(void)state;
	assert_int_equal(peer_check_caller(whip, &nobody, &error), -EACCES);
	assert_string_equal(error.code, "forbidden");
	assert_int_equal(peer_check_caller(whip, &ann, &error), -EACCES);
	assert_int_equal(peer_check_caller(whip, &admin, &error), 0);
	assert_int_equal(peer_check_caller(whep, &nobody, &error), 0);
	(void)snprintf(whip->user_id, sizeof(whip->user_id), "ann");
	(void)snprintf(whep->user_id, sizeof(whep->user_id), "ann");
	assert_int_equal(peer_check_caller(whip, &ann, &error), 0);
	assert_int_equal(peer_check_caller(whip, &bob, &error), -EACCES);
	assert_int_equal(peer_check_caller(whep, &bob, &error), -EACCES);
	assert_int_equal(peer_check_caller(whep, &nobody, &error), -EACCES);
	assert_int_equal(peer_check_caller(whep, &admin, &error), 0);
	(void)peer_free(whip);
	(void)peer_free(whep);
	(void)call_room_free(call);
}

static void a_new_token_of_the_same_user_goes_in_place_of_the_old(void **state)
{
	struct world *world = *state;
	AUTO(identity) ann = identity_new("ann", RIGHTS_USER);
	struct client client;

	client_open(world, &client, "Ann");
	signaling_session_start(&client.session, ann, world->now_us);
	remember_joined(&client);
	say(&client, "{\"type\":\"refresh\",\"token\":\"ann\",\"id\":7}");
	hears(&client, "ack", "user_id", "ann");
	say(&client, "{\"type\":\"refresh\",\"token\":\"bob\"}");
	hears(&client, "error", "code", "other_user");
	say(&client, "{\"type\":\"refresh\"}");
	hears(&client, "error", "code", "missing_field");
	assert_non_null(client.session.peer);
	client_close(&client);
}

static void a_new_token_must_allow_what_the_old_one_did(void **state)
{
	struct world *world = *state;
	AUTO(identity) ann = identity_new("ann", RIGHTS_USER);
	AUTO(identity) reader = identity_new("ann", RIGHTS_READER);
	struct client client;
	struct error error = {0};

	client_open(world, &client, "Ann");
	signaling_session_start(&client.session, ann, world->now_us);
	remember_joined(&client);
	assert_int_equal(signaling_session_check_identity(&client.session, reader, &error),
			 -EACCES);
	assert_string_equal(error.code, "forbidden");
	client_close(&client);
	client_open(world, &client, "Ann");
	signaling_session_start(&client.session, reader, world->now_us);
	remember_joined(&client);
	assert_int_equal(signaling_session_check_identity(&client.session, reader, &error), 0);
	client_close(&client);
}

/* The resume token may have got into other hands, and rights differ. */
static void only_the_same_user_takes_a_peer_over(void **state)
{
	struct world *world = *state;
	struct client ann, eve;
	AUTO(identity) eve_herself = identity_new("eve", RIGHTS_USER);

	client_join(world, &ann, "Ann");
	client_open(world, &eve, "Eve");
	signaling_session_set_resume(&eve.session, ann.peer_id, ann.token);
	signaling_session_start(&eve.session, eve_herself, world->now_us);
	hears(&eve, "error", "code", "forbidden");
	assert_non_null(ann.session.peer);
	client_close(&eve);
	client_close(&ann);
}

static void a_deleted_room_ends_for_everybody(void **state)
{
	struct world *world = *state;
	struct client ann, bob;

	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	client_join(world, &bob, "Bob");
	outbox_drop(&ann.outbox, ann.outbox.count);
	switchboard_on_room_deleted(&world->board, "r");
	hears(&ann, "kicked", "reason", "room_deleted");
	hears(&bob, "kicked", "reason", "room_deleted");
	assert_int_equal(ann.outbox.count, 0);
	assert_int_equal(ann.outbox.close_code, CLOSE_KICKED);
	assert_string_equal(text_of(told(world, BUS_ROOM_CLOSED, 0), "room_id"), "r");
	assert_int_equal(world->board.peers.count, 0);
	client_close(&ann);
	client_close(&bob);
}

/* ---- moderation ---- */

static void client_join_as(struct world *world, struct client *client, const char *user_id)
{
	AUTO(identity) identity = identity_new(user_id, RIGHTS_USER);

	client_open(world, client, user_id);
	signaling_session_start(&client->session, identity, world->now_us);
	remember_joined(client);
}

static struct peer *peer_of(struct world *world, const struct client *client)
{
	struct peer *peer = NULL;

	assert_int_equal(
		switchboard_participant_find(&world->board, "r", client->peer_id, &peer, NULL), 0);
	return peer;
}

static void who_is_kicked_hears_why_and_cannot_resume(void **state)
{
	struct world *world = *state;
	struct client ann, bob, again;
	struct error error;
	struct peer *peer;

	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	client_join(world, &bob, "Bob");
	outbox_drop(&ann.outbox, ann.outbox.count);
	switchboard_kick(&world->board, peer_of(world, &bob), "kicked", "be kind");
	{
		AUTO_JSON message = hear(&bob);

		assert_string_equal(text_of(message, "type"), "kicked");
		assert_string_equal(text_of(message, "code"), "kicked");
		assert_string_equal(text_of(message, "reason"), "be kind");
	}
	assert_int_equal(bob.outbox.close_code, CLOSE_KICKED);
	hears(&ann, "peer-left", "reason", "kicked");
	assert_string_equal(text_of(told(world, BUS_PEER_LEAVE, 0), "peer_id"), bob.peer_id);
	assert_int_equal(
		switchboard_participant_find(&world->board, "r", bob.peer_id, &peer, &error),
		-ENOENT);
	assert_int_equal(
		switchboard_participant_find(&world->board, "s", ann.peer_id, &peer, &error),
		-ENOENT);
	client_open(world, &again, "Bob");
	signaling_session_set_resume(&again.session, bob.peer_id, bob.token);
	signaling_session_start(&again.session, world->anyone, world->now_us);
	remember_joined(&again);
	assert_string_not_equal(again.peer_id, bob.peer_id);
	client_close(&again);
	client_close(&bob);
	client_close(&ann);
}

static void kick_and_lose_the_sfu(struct world *world, bool is_told_in_vain)
{
	struct client ann, bob;
	char hello[400];

	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	client_join(world, &bob, "Bob");
	if (is_told_in_vain) {
		switchboard_kick(&world->board, peer_of(world, &bob), "kicked", NULL);
		switchboard_on_timer(&world->board, world->now_us);
		switchboard_on_timer(&world->board, world->now_us + KICK_MEMORY_US - 1);
	}
	switchboard_on_sfu_disconnected(&world->board);
	if (!is_told_in_vain)
		switchboard_kick(&world->board, peer_of(world, &bob), "kicked", NULL);
	switchboard_on_timer(&world->board, world->now_us + 2 * KICK_MEMORY_US);
	forget_told(world);
	(void)snprintf(hello, sizeof(hello),
		       "[{\"room_id\":\"r\",\"peers\":[{\"peer_id\":\"%s\",\"kind\":\"call\"},"
		       "{\"peer_id\":\"%s\",\"kind\":\"call\"}]}]",
		       ann.peer_id, bob.peer_id);
	sfu_says_hello(world, hello);
	assert_string_equal(text_of(told(world, BUS_PEER_LEAVE, 0), "peer_id"), bob.peer_id);
	assert_null(switchboard_peer_find(&world->board, bob.peer_id));
	assert_non_null(switchboard_peer_find(&world->board, ann.peer_id));
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
	struct world *world = *state;
	struct client bob;

	sfu_says_hello(world, "[]");
	client_join(world, &bob, "Bob");
	switchboard_kick(&world->board, peer_of(world, &bob), "kicked", NULL);
	assert_int_equal(json_object_size(world->board.kicked_ids), 1);
	switchboard_on_timer(&world->board, world->now_us);
	switchboard_on_timer(&world->board, world->now_us + KICK_MEMORY_US);
	assert_int_equal(json_object_size(world->board.kicked_ids), 0);
	client_close(&bob);
}

static json_t *mute(struct world *world, const struct client *client, int audio, int video)
{
	json_t *body = NULL;

	assert_int_equal(
		switchboard_mute(&world->board, peer_of(world, client), audio, video, &body, NULL),
		0);
	return body;
}

static void a_mute_is_told_once_the_sfu_has_done_it(void **state)
{
	struct world *world = *state;
	struct client ann, bob;
	AUTO_JSON done = json_loads("{\"tracks\": [{\"track_id\": \"t\"}]}", 0, NULL);
	AUTO_JSON body = NULL;
	AUTO_JSON both = NULL;

	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	client_join(world, &bob, "Bob");
	outbox_drop(&ann.outbox, ann.outbox.count);
	body = mute(world, &bob, 1, -1);
	assert_true(json_is_true(json_object_get(body, "audio_muted")));
	assert_true(json_is_false(json_object_get(body, "video_muted")));
	assert_int_equal(ann.outbox.count, 0);
	both = mute(world, &bob, -1, 1); /* another moderator, before it is answered */
	assert_true(json_is_true(json_object_get(both, "audio_muted")));
	assert_true(json_is_true(json_object_get(both, "video_muted")));
	switchboard_on_muted(peer_of(world, &bob), done);
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
	struct world *world = *state;
	struct client ann, bob, again;
	AUTO_JSON body = NULL;
	AUTO_JSON back = NULL;

	sfu_says_hello(world, "[]");
	client_join_as(world, &ann, "ann");
	client_join_as(world, &bob, "bob");
	body = mute(world, &bob, 1, 0);
	client_close(&bob);
	client_join_as(world, &again, "bob");
	assert_true(peer_of(world, &again)->audio_muted);
	assert_true(json_is_true(json_object_get(told(world, BUS_PEER_JOIN, 0), "audio_muted")));
	back = mute(world, &again, 0, 0);
	client_close(&again);
	client_join_as(world, &again, "bob");
	assert_false(peer_of(world, &again)->audio_muted);
	client_close(&again);
	client_close(&ann);
}

static void one_token_is_one_guest_at_a_time(void **state)
{
	struct world *world = *state;
	struct client ann, bob, again;
	AUTO_JSON body = NULL;

	sfu_says_hello(world, "[]");
	client_join(world, &ann, "Ann");
	client_join(world, &bob, "Bob");
	body = mute(world, &bob, 1, 0);
	outbox_drop(&ann.outbox, ann.outbox.count);
	client_open(world, &again, "Bob");
	signaling_session_set_resume(&again.session, "", bob.token);
	signaling_session_start(&again.session, world->anyone, world->now_us);
	remember_joined(&again);
	assert_int_equal(bob.outbox.close_code, CLOSE_KICKED);
	hears(&ann, "peer-left", "reason", "replaced");
	assert_true(peer_of(world, &again)->audio_muted);
	assert_string_not_equal(again.token, bob.token);
	client_close(&again);
	client_close(&bob);
	client_close(&ann);
}

static void an_invite_lets_in_who_may_nothing(void **state)
{
	struct world *world = *state;
	AUTO(identity) nobody = identity_new("eve", RIGHTS_NONE);
	struct entry_pass *pass = calloc(1, sizeof(*pass));
	struct client eve;

	sfu_says_hello(world, "[]");
	client_open(world, &eve, "Eve");
	signaling_session_start(&eve.session, nobody, world->now_us);
	hears(&eve, "error", "code", "forbidden");
	client_close(&eve);
	client_open(world, &eve, "Eve");
	(void)strcpy(pass->invite, "inv_x");
	signaling_session_set_pass(&eve.session, pass);
	signaling_session_start(&eve.session, nobody, world->now_us); /* the door looks at it */
	remember_joined(&eve);
	assert_true(peer_of(world, &eve)->may_publish);
	assert_int_equal(signaling_session_check_identity(&eve.session, nobody, NULL), 0);
	client_close(&eve);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(everybody_hears_who_comes_and_goes),
		TEST(full_room_turns_the_next_one_away),
		TEST(signals_in_an_sfu_room_go_to_the_sfu_and_back),
		TEST(signals_in_a_mesh_room_go_to_the_peer_untouched),
		TEST(a_call_goes_on_in_the_mode_it_began_in),
		TEST(bad_signals_name_the_field),
		TEST(a_peer_survives_our_restart_and_takes_up_where_it_was),
		TEST(nobody_takes_over_a_peer_without_its_token),
		TEST(who_wants_to_resume_what_is_gone_joins_anew),
		TEST(only_the_same_user_takes_a_peer_over),
		TEST(a_new_token_of_the_same_user_goes_in_place_of_the_old),
		TEST(a_new_token_must_allow_what_the_old_one_did),
		TEST(a_peer_obeys_its_user_and_moderators),
		TEST(peers_are_joined_again_when_the_sfu_was_restarted),
		TEST(the_sfu_is_told_which_codecs_the_room_takes),
		TEST(tracks_and_loss_of_media_are_told_to_the_room),
		TEST(views_go_to_the_sfu_and_layers_come_back),
		TEST(http_publishers_are_peers_and_http_viewers_are_not),
		TEST(a_deleted_room_ends_for_everybody),
		TEST(an_sfu_that_went_before_it_read_of_a_kick_does_not_undo_it),
		TEST(a_kick_that_was_heard_is_forgotten),
		TEST(who_is_kicked_hears_why_and_cannot_resume),
		TEST(an_sfu_that_was_away_does_not_bring_the_kicked_back),
		TEST(a_mute_is_told_once_the_sfu_has_done_it),
		TEST(a_mute_holds_for_a_user_who_comes_again),
		TEST(one_token_is_one_guest_at_a_time),
		TEST(an_invite_lets_in_who_may_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
