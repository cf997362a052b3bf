#include "tests/unit/realtime/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/realtime/next_json.h"

const struct room_facts sfu_room = {.room_id = "r", .max_participants = 3};
const struct room_facts mesh_room = {.room_id = "r", .max_participants = 3, .is_mesh = true};

/* ---- outward ---- */

static void tell_sfu(struct exchange *exchange, enum bus_message message, json_t *body)
{
	assert_true(exchange->told_count < TOLD_MAX);
	exchange->told[exchange->told_count].message = message;
	exchange->told[exchange->told_count++].body = body;
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
	struct exchange *exchange = data;

	(void)json_array_append_new(exchange->log, json_sprintf("joined %s", peer->peer_id));
}

static void left(void *data, const struct peer *peer, const char *reason)
{
	struct exchange *exchange = data;

	(void)json_array_append_new(exchange->log,
				    json_sprintf("left %s %s", peer->peer_id, reason));
}

static void http_started(void *data, uint64_t token, const char *peer_id, const json_t *answer,
			 const struct error *error)
{
	struct exchange *exchange = data;

	(void)token;
	(void)answer;
	(void)snprintf(exchange->http_peer_id, sizeof(exchange->http_peer_id), "%s", peer_id);
	exchange->http_result = error ? error->number : 1;
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

static void look_up(struct signaling_session *session)
{
	struct exchange *exchange = CONTAINER_OF(session, struct client, session)->exchange;
	struct error error = {0};

	if (switchboard_join(&exchange->board, session, exchange->facts, 1000, &error) < 0)
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

/* ---- an exchange ---- */

static void board_open(struct exchange *exchange)
{
	assert_int_equal(switchboard_init(&exchange->board, &events, exchange, exchange->now_us),
			 0);
}

int exchange_set_up(void **state)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	assert_non_null(exchange);
	exchange->anyone = identity_new_anonymous(true);
	list_init(&exchange->dirty);
	exchange->log = json_array();
	exchange->now_us = 1000000;
	board_open(exchange);
	exchange->facts = &sfu_room;
	*state = exchange;
	return 0;
}

int exchange_tear_down(void **state)
{
	struct exchange *exchange = *state;

	forget_told(exchange);
	switchboard_fini(&exchange->board);
	json_decref(exchange->log);
	(void)identity_unref(exchange->anyone);
	free(exchange);
	return 0;
}

void exchange_restart(struct exchange *exchange)
{
	switchboard_fini(&exchange->board);
	forget_told(exchange);
	board_open(exchange);
}

/* ---- the SFU ---- */

void sfu_says_hello(struct exchange *exchange, const char *rooms)
{
	AUTO_JSON said = json_loads(rooms, 0, NULL);

	assert_non_null(said);
	switchboard_on_sfu_connected(&exchange->board, said, exchange->now_us);
}

const json_t *told(const struct exchange *exchange, enum bus_message message, size_t back)
{
	for (size_t i = exchange->told_count; i > 0; i--)
		if (exchange->told[i - 1].message == message && back-- == 0)
			return exchange->told[i - 1].body;
	return NULL;
}

void forget_told(struct exchange *exchange)
{
	for (size_t i = 0; i < exchange->told_count; i++)
		json_decref(exchange->told[i].body);
	exchange->told_count = 0;
}

/* ---- clients ---- */

void client_open(struct exchange *exchange, struct client *client, const char *name)
{
	client->exchange = exchange;
	outbox_init(&client->outbox, 1 << 20, &exchange->dirty);
	signaling_session_init(&client->session, &exchange->board, &client->outbox, "r", name,
			       look_up, identify);
}

void remember_joined(struct client *client)
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

void client_join(struct exchange *exchange, struct client *client, const char *name)
{
	client_open(exchange, client, name);
	signaling_session_start(&client->session, exchange->anyone, exchange->now_us);
	remember_joined(client);
}

void client_join_as(struct exchange *exchange, struct client *client, const char *user_id)
{
	AUTO(identity) identity = identity_new(user_id, RIGHTS_USER);

	client_open(exchange, client, user_id);
	signaling_session_start(&client->session, identity, exchange->now_us);
	remember_joined(client);
}

void client_close(struct client *client)
{
	signaling_session_fini(&client->session, false);
	outbox_fini(&client->outbox);
}

void ann_and_bob_join(struct exchange *exchange, struct client *ann, struct client *bob)
{
	sfu_says_hello(exchange, "[]");
	client_join(exchange, ann, "Ann");
	client_join(exchange, bob, "Bob");
	outbox_drop(&ann->outbox, ann->outbox.count);
}

struct peer *peer_of(struct exchange *exchange, const struct client *client)
{
	struct peer *peer = NULL;

	assert_int_equal(
		switchboard_participant_find(&exchange->board, "r", client->peer_id, &peer, NULL),
		0);
	return peer;
}

void say(struct client *client, const char *text)
{
	signaling_session_on_text(&client->session, text, strlen(text));
}

void say_to(struct client *client, const char *target, const char *type)
{
	char text[400];

	(void)snprintf(text, sizeof(text),
		       "{\"signal_type\":\"%s\",\"target_peer_id\":\"%s\",\"room_id\":\"r\","
		       "\"sdp\":\"v=0\",\"id\":5}",
		       type, target);
	say(client, text);
}

json_t *hear(struct client *client)
{
	return next_json(&client->outbox);
}

void hears(struct client *client, const char *type, const char *field, const char *value)
{
	AUTO_JSON message = hear(client);

	assert_string_equal(text_of(message, "type"), type);
	if (field)
		assert_string_equal(text_of(message, field), value);
}

const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}
