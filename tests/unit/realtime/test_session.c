/* What a chat connection says and hears, sentence by sentence, on a store that answers on demand.
 */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "realtime/model/session.h"
#include "tests/unit/realtime/fake_store.h"

enum { NOW_US = 1700000000 };

static const struct session_limits limits = {.ping_interval_s = 30, .max_message_bytes = 1000};

struct person {
	struct outbox outbox;
	struct session session;
};

struct world {
	struct namespaces *namespaces;
	struct hub hub;
	struct fake_store store;
	struct list dirty;
	struct person ann, bob;
	uint64_t now_unix_us;
};

static void person_join_as(struct world *world, struct person *person, struct identity *taken)
{
	AUTO(identity) identity = taken;
	char id[CONNECTION_ID_SIZE];

	assert_non_null(identity);
	outbox_init(&person->outbox, 1 << 20, &world->dirty);
	id_new("conn", id, sizeof(id));
	session_init(&person->session, &world->hub, &limits, id, &person->outbox);
	session_start(&person->session, identity, world->now_unix_us);
}

static void person_join(struct world *world, struct person *person, bool may_publish)
{
	person_join_as(world, person, identity_new_anonymous(may_publish));
}

static void person_leave(struct person *person)
{
	session_fini(&person->session);
	outbox_fini(&person->outbox);
}

static void hub_open(struct world *world)
{
	assert_int_equal(hub_init(&world->hub, world->namespaces, 300000000, 0, &fake_store_calls,
				  &world->store),
			 0);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->now_unix_us = NOW_US;
	list_init(&world->dirty);
	world->namespaces = fake_namespaces(3, NULL);
	hub_open(world);
	person_join(world, &world->ann, true);
	person_join(world, &world->bob, false);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	fake_store_answer_all(&world->store, &world->hub, world->now_unix_us);
	person_leave(&world->ann);
	person_leave(&world->bob);
	hub_fini(&world->hub);
	fake_store_fini(&world->store);
	(void)namespaces_free(world->namespaces);
	free(world);
	return 0;
}

static void say(struct world *world, struct person *person, const char *text)
{
	world->now_unix_us += 1000;
	session_on_text(&person->session, text, strlen(text), world->now_unix_us);
}

static void let_store_answer(struct world *world)
{
	fake_store_answer_all(&world->store, &world->hub, world->now_unix_us);
}

/* The next message for this person; the caller's. */
static json_t *hear(struct person *person)
{
	const struct frame *frame;
	size_t header = 2;
	json_t *message;

	assert_true(person->outbox.count > 0);
	frame = outbox_peek(&person->outbox, 0);
	assert_int_equal(frame->bytes[0], 0x81);
	if (frame->bytes[1] == 126)
		header = 4;
	message = json_loadb((const char *)frame->bytes + header, frame->length - header, 0, NULL);
	assert_non_null(message);
	outbox_drop(&person->outbox, 1);
	return message;
}

static void hears(struct person *person, const char *type, const char *field, const char *value)
{
	AUTO_JSON message = hear(person);
	json_t *found = json_object_get(message, field);
	AUTO_FREE char *text = json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT);

	assert_string_equal(json_string_value(json_object_get(message, "type")), type);
	assert_non_null(found);
	assert_string_equal(json_is_string(found) ? json_string_value(found) : text, value);
}

static void hears_nothing(const struct person *person)
{
	assert_int_equal(person->outbox.count, 0);
}

static void is_welcomed(struct world *world)
{
	hears(&world->ann, "welcome", "max_message_size", "1000");
	hears(&world->bob, "welcome", "ping_interval", "30");
}

static void one_that_was_turned_away_has_no_channels(void **state)
{
	struct world *world = *state;
	struct session session;
	AUTO_JSON names = json_array();

	session_init(&session, &world->hub, &limits, "conn_x", &world->ann.outbox);
	hub_channels_list(&session.subscriber, names);
	assert_int_equal(json_array_size(names), 0);
	session_fini(&session);
}

static void a_message_reaches_who_subscribed_and_is_acknowledged(void **state)
{
	struct world *world = *state;

	is_welcomed(world);
	say(world, &world->bob, "{\"type\":\"subscribe\",\"channel\":\"c\",\"id\":7}");
	let_store_answer(world);
	hears(&world->bob, "subscribed", "id", "7");
	say(world, &world->ann,
	    "{\"type\":\"message\",\"channel\":\"c\",\"data\":{\"a\":[1]},"
	    "\"id\":\"x\"}");
	hears(&world->ann, "ack", "id", "x");
	hears(&world->bob, "message", "data", "{\"a\":[1]}");
	hears_nothing(&world->ann);
}

static void a_persistent_message_is_heard_of_only_when_it_is_stored(void **state)
{
	struct world *world = *state;

	is_welcomed(world);
	say(world, &world->bob, "{\"type\":\"subscribe\",\"channel\":\"c\"}");
	let_store_answer(world);
	hears(&world->bob, "subscribed", "offset", "0");
	say(world, &world->ann,
	    "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true}");
	/* A passing message that came later must not overtake it. */
	say(world, &world->ann, "{\"type\":\"message\",\"channel\":\"c\",\"data\":2}");
	hears_nothing(&world->ann);
	hears_nothing(&world->bob);
	let_store_answer(world);
	hears(&world->ann, "ack", "offset", "1");
	hears(&world->ann, "ack", "offset", "2");
	hears(&world->bob, "message", "persistent", "true");
	hears(&world->bob, "message", "data", "2");
}

static void a_failing_store_is_told_to_the_publisher_and_nobody_else(void **state)
{
	struct world *world = *state;

	is_welcomed(world);
	say(world, &world->bob, "{\"type\":\"subscribe\",\"channel\":\"c\"}");
	let_store_answer(world);
	hears(&world->bob, "subscribed", "channel", "c");
	world->store.is_broken = true;
	say(world, &world->ann,
	    "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true,\"id\":5}");
	let_store_answer(world);
	hears(&world->ann, "error", "code", "store_failed");
	hears_nothing(&world->bob);
	world->store.is_broken = false;
	say(world, &world->ann,
	    "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true,\"id\":5}");
	let_store_answer(world);
	hears(&world->ann, "ack", "offset", "2"); /* the number of the lost one is not used again */
}

static void a_new_subscriber_gets_the_newest_stored_ones_oldest_first(void **state)
{
	struct world *world = *state;

	is_welcomed(world);
	for (int i = 0; i < 5; i++) {
		say(world, &world->ann,
		    "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true}");
		let_store_answer(world);
		hears(&world->ann, "ack", "channel", "c");
	}
	say(world, &world->bob, "{\"type\":\"subscribe\",\"channel\":\"c\"}");
	let_store_answer(world);
	hears(&world->bob, "subscribed", "replay_count", "3");
	hears(&world->bob, "message", "offset", "3");
	hears(&world->bob, "message", "replayed", "true");
	hears(&world->bob, "message", "offset", "5");
	hears_nothing(&world->bob);
}

static void what_passes_during_the_replay_is_kept_in_order(void **state)
{
	struct world *world = *state;

	is_welcomed(world);
	say(world, &world->ann,
	    "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true}");
	let_store_answer(world);
	say(world, &world->bob, "{\"type\":\"subscribe\",\"channel\":\"c\"}");
	world->hub.retired_offset = 0;
	say(world, &world->ann, "{\"type\":\"message\",\"channel\":\"c\",\"data\":2}");
	let_store_answer(world);
	hears(&world->bob, "subscribed", "replay_count", "1");
	hears(&world->bob, "message", "offset", "1");
	hears(&world->bob, "message", "offset", "2");
	hears_nothing(&world->bob);
}

static void offsets_go_on_after_the_process_died(void **state)
{
	struct world *world = *state;

	is_welcomed(world);
	for (int i = 0; i < 2; i++) {
		say(world, &world->ann,
		    i == 0 ? "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":"
			     "true}"
			   : "{\"type\":\"message\",\"channel\":\"c\",\"data\":2}");
		let_store_answer(world);
		hears(&world->ann, "ack", "offset", i == 0 ? "1" : "2");
	}
	person_leave(&world->ann);
	person_leave(&world->bob);
	hub_fini(&world->hub);
	hub_open(world);
	person_join(world, &world->ann, true);
	person_join(world, &world->bob, false);
	is_welcomed(world);
	say(world, &world->ann,
	    "{\"type\":\"message\",\"channel\":\"c\",\"data\":3,\"persistent\":true}");
	let_store_answer(world);
	{
		AUTO_JSON ack = hear(&world->ann);

		assert_true(json_integer_value(json_object_get(ack, "offset")) > 2);
	}
}

static void resuming_replays_what_was_missed_or_says_why_not(void **state)
{
	struct world *world = *state;
	const char *epoch = world->hub.epoch;
	char text[200];

	is_welcomed(world);
	for (int i = 0; i < 5; i++)
		say(world, &world->ann,
		    "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true}");
	let_store_answer(world);
	(void)snprintf(text, sizeof(text),
		       "{\"type\":\"subscribe\",\"channel\":\"c\",\"recover\":{\"epoch\":\"%s\","
		       "\"offset\":1}}",
		       epoch);
	say(world, &world->bob, text);
	let_store_answer(world);
	hears(&world->bob, "subscribed", "recovered", "true");
	for (int i = 2; i <= 5; i++) {
		char offset[2] = {(char)('0' + i), '\0'};

		hears(&world->bob, "message", "offset", offset);
	}
	say(world, &world->bob, "{\"type\":\"unsubscribe\",\"channel\":\"c\"}");
	hears(&world->bob, "unsubscribed", "channel", "c");

	say(world, &world->bob,
	    "{\"type\":\"subscribe\",\"channel\":\"c\",\"recover\":{\"epoch\":"
	    "\"other\",\"offset\":1}}");
	let_store_answer(world);
	hears(&world->bob, "subscribed", "reason", "epoch_changed");
	outbox_drop(&world->bob.outbox, world->bob.outbox.count);
	say(world, &world->bob, "{\"type\":\"unsubscribe\",\"channel\":\"c\"}");
	outbox_drop(&world->bob.outbox, world->bob.outbox.count);

	fake_store_channel(&world->store, "c")->state.trimmed_offset = 2;
	say(world, &world->bob, text);
	let_store_answer(world);
	hears(&world->bob, "subscribed", "reason", "history_trimmed");
	outbox_drop(&world->ann.outbox, world->ann.outbox.count);
}

static void a_channel_without_store_counts_gaps(void **state)
{
	struct world *world = *state;
	char text[200];

	is_welcomed(world);
	for (int i = 0; i < 2; i++)
		say(world, &world->ann, "{\"type\":\"message\",\"channel\":\"c\",\"data\":1}");
	let_store_answer(world);
	outbox_drop(&world->ann.outbox, world->ann.outbox.count);
	for (int offset = 2; offset >= 1; offset--) {
		(void)snprintf(text, sizeof(text),
			       "{\"type\":\"subscribe\",\"channel\":\"c\",\"recover\":{\"epoch\":"
			       "\"%s\",\"offset\":%d}}",
			       world->hub.epoch, offset);
		say(world, &world->bob, text);
		let_store_answer(world);
		hears(&world->bob, "subscribed", "recovered", offset == 2 ? "true" : "false");
		say(world, &world->bob, "{\"type\":\"unsubscribe\",\"channel\":\"c\"}");
		hears(&world->bob, "unsubscribed", "channel", "c");
	}
}

static void bad_messages_are_answered_and_change_nothing(void **state)
{
	static const struct {
		const char *text, *code, *field;
	} cases[] = {
		{"{", "bad_json", NULL},
		{"[]", "bad_json", NULL},
		{"{}", "missing_field", "type"},
		{"{\"type\":5}", "bad_field", "type"},
		{"{\"type\":\"dance\"}", "unknown_type", "type"},
		{"{\"type\":\"ping\",\"id\":{}}", "bad_field", "id"},
		{"{\"type\":\"subscribe\"}", "missing_field", "channel"},
		{"{\"type\":\"subscribe\",\"channel\":7}", "bad_field", "channel"},
		{"{\"type\":\"subscribe\",\"channel\":\"a\\nb\"}", "bad_field", "channel"},
		{"{\"type\":\"subscribe\",\"channels\":[]}", "bad_field", "channels"},
		{"{\"type\":\"subscribe\",\"channel\":\"c\",\"recover\":{}}", "missing_field",
		 "epoch"},
		{"{\"type\":\"message\",\"channel\":\"c\"}", "missing_field", "data"},
		{"{\"type\":\"message\",\"data\":1}", "missing_field", "channel"},
		{"{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":1}",
		 "bad_field", "persistent"},
		{"{\"type\":\"text\",\"data\":1}", "bad_field", "data"},
		{"{\"type\":\"unsubscribe\",\"channel\":\"never\"}", "not_subscribed", "channel"},
	};
	struct world *world = *state;

	is_welcomed(world);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_JSON answer = NULL;

		say(world, &world->ann, cases[i].text);
		answer = hear(&world->ann);
		assert_string_equal(json_string_value(json_object_get(answer, "code")),
				    cases[i].code);
		if (cases[i].field)
			assert_string_equal(json_string_value(json_object_get(answer, "field")),
					    cases[i].field);
		hears_nothing(&world->ann);
	}
	say(world, &world->ann, "{\"type\":\"ping\",\"id\":\"still here\",\"unknown\":1}");
	hears(&world->ann, "pong", "id", "still here");
}

static void publishing_needs_the_right_to(void **state)
{
	struct world *world = *state;

	is_welcomed(world);
	say(world, &world->bob, "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"id\":3}");
	hears(&world->bob, "error", "code", "forbidden");
	hears_nothing(&world->ann);
}

static void a_users_own_channel_is_for_that_user_alone(void **state)
{
	static const char *const requests[] = {"{\"type\":\"subscribe\",\"channel\":\"user_ann\"}",
					       "{\"type\":\"subscribe\",\"channels\":[\"user_\"]}",
					       "{\"type\":\"history\",\"channel\":\"user_ann\"}"};
	struct world *world = *state;

	is_welcomed(world);
	strcpy(world->ann.session.subscriber.identity->user_id, "ann");
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		say(world, &world->bob, requests[i]);
		hears(&world->bob, "error", "code", "forbidden");
	}
	assert_int_equal(world->store.count, 0);
	say(world, &world->ann, requests[0]);
	let_store_answer(world);
	hears(&world->ann, "subscribed", "channel", "user_ann");
}

static void an_ended_subscription_does_not_answer_for_the_next(void **state)
{
	static const char subscribe[] = "{\"type\":\"subscribe\",\"channel\":\"c\"}";
	struct world *world = *state;

	is_welcomed(world);
	say(world, &world->ann,
	    "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true}");
	let_store_answer(world);
	say(world, &world->bob, subscribe);
	say(world, &world->bob, "{\"type\":\"unsubscribe\",\"channel\":\"c\"}");
	say(world, &world->bob, subscribe);
	hears(&world->bob, "unsubscribed", "channel", "c");
	world->store.is_broken = true;
	assert_true(fake_store_answer(&world->store, &world->hub, world->now_unix_us));
	hears(&world->bob, "error", "code", "store_failed");
	assert_int_equal(world->bob.session.subscriber.subscription_count, 1);
	world->store.is_broken = false;
	say(world, &world->bob, "{\"type\":\"unsubscribe\",\"channel\":\"c\"}");
	say(world, &world->bob, subscribe);
	hears(&world->bob, "unsubscribed", "channel", "c");
	let_store_answer(world);
	hears(&world->bob, "error", "code", "unsubscribed");
	hears(&world->bob, "subscribed", "replay_count", "1");
	hears(&world->bob, "message", "offset", "1");
	hears_nothing(&world->bob);
}

static void subscriptions_are_limited(void **state)
{
	struct world *world = *state;
	char text[80];

	is_welcomed(world);
	for (int i = 0; i <= SUBSCRIPTIONS_MAX; i++) {
		(void)snprintf(text, sizeof(text), "{\"type\":\"subscribe\",\"channel\":\"c%d\"}",
			       i);
		session_on_text(&world->bob.session, text, strlen(text), world->now_unix_us);
	}
	hears(&world->bob, "error", "code", "too_many_subscriptions");
	world->store.is_broken = true;
	let_store_answer(world);
	world->store.is_broken = false;
	assert_int_equal(world->bob.session.subscriber.subscription_count, 0);
	outbox_drop(&world->bob.outbox, world->bob.outbox.count);
	say(world, &world->bob, "{\"type\":\"subscribe\",\"channel\":\"again\"}");
	let_store_answer(world);
	hears(&world->bob, "subscribed", "channel", "again");
}

static void a_slow_consumer_is_dropped_and_the_others_go_on(void **state)
{
	struct world *world = *state;

	is_welcomed(world);
	world->bob.outbox.limit_bytes = 1000;
	say(world, &world->bob, "{\"type\":\"subscribe\",\"channel\":\"c\"}");
	say(world, &world->ann, "{\"type\":\"subscribe\",\"channel\":\"c\"}");
	let_store_answer(world);
	for (int i = 0; i < 20; i++)
		say(world, &world->ann, "{\"type\":\"message\",\"channel\":\"c\",\"data\":1}");
	assert_int_equal(world->bob.outbox.close_code, CLOSE_SLOW);
	assert_int_equal(world->bob.outbox.count, 0);
	assert_int_equal(world->ann.outbox.close_code, CLOSE_NONE);
	assert_int_equal(world->ann.outbox.count, 1 + 2 * 20);
}

static void what_is_read_for_one_connection_is_bounded(void **state)
{
	static const char ask[] = "{\"type\":\"history\",\"channel\":\"c\"}";
	struct world *world = *state;
	struct frame *frame = frame_new_bytes(ask, sizeof(ask));

	is_welcomed(world);
	for (int i = 0; i <= SUBSCRIBER_READS_MAX; i++)
		say(world, &world->bob, ask);
	hears(&world->bob, "error", "code", "too_many_reads");
	hears_nothing(&world->bob);
	let_store_answer(world);
	assert_int_equal(world->bob.outbox.count, SUBSCRIBER_READS_MAX);
	outbox_drop(&world->bob.outbox, SUBSCRIBER_READS_MAX);
	say(world, &world->bob, ask);
	let_store_answer(world);
	hears(&world->bob, "history", "channel", "c");

	for (size_t owed = 0; owed <= REPLAY_OWED_MAX; owed += frame->length) {
		assert_int_equal(world->bob.outbox.close_code, CLOSE_NONE);
		outbox_push_replay(&world->bob.outbox, frame);
	}
	outbox_push_replay(&world->bob.outbox, frame);
	assert_int_equal(world->bob.outbox.close_code, CLOSE_SLOW);
	assert_int_equal(world->bob.outbox.count, 0);
	(void)frame_unref(frame);
}

static void a_broadcast_reaches_everybody_and_is_not_kept(void **state)
{
	struct world *world = *state;

	is_welcomed(world);
	say(world, &world->ann, "{\"type\":\"broadcast\",\"data\":{\"a\":1},\"id\":4}");
	hears(&world->bob, "message", "data", "{\"a\":1}");
	hears(&world->ann, "message", "sender", world->ann.session.subscriber.connection_id);
	hears(&world->ann, "ack", "delivered_to", "2");
	assert_int_equal(world->store.count, 0);
	say(world, &world->bob, "{\"type\":\"broadcast\",\"data\":1}");
	hears(&world->bob, "error", "code", "forbidden");
	say(world, &world->ann, "{\"type\":\"broadcast\",\"data\":1,\"persistent\":true}");
	hears(&world->ann, "error", "field", "persistent");
	hears_nothing(&world->bob);
}

static void text_without_a_channel_goes_to_general(void **state)
{
	struct world *world = *state;

	is_welcomed(world);
	say(world, &world->bob, "{\"type\":\"subscribe\",\"channels\":[\"general\",\"other\"]}");
	let_store_answer(world);
	hears(&world->bob, "subscribed", "channel", "general");
	hears(&world->bob, "subscribed", "channel", "other");
	say(world, &world->ann, "{\"type\":\"text\",\"text\":\"hello\"}");
	hears(&world->bob, "message", "data", "hello");
}

static void history_can_be_read_without_subscribing(void **state)
{
	struct world *world = *state;

	is_welcomed(world);
	for (int i = 0; i < 4; i++)
		say(world, &world->ann,
		    "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true}");
	let_store_answer(world);
	say(world, &world->bob,
	    "{\"type\":\"history\",\"channel\":\"c\",\"limit\":2,\"reverse\":true,\"id\":1}");
	let_store_answer(world);
	{
		AUTO_JSON answer = hear(&world->bob);
		json_t *messages = json_object_get(answer, "messages");

		assert_int_equal(json_array_size(messages), 2);
		assert_int_equal(
			json_integer_value(json_object_get(json_array_get(messages, 0), "offset")),
			4);
	}
	hears_nothing(&world->bob);
}

static void person_return_as(struct world *world, struct person *person, const char *user_id)
{
	person_leave(person);
	person_join_as(world, person, identity_new(user_id, RIGHTS_USER));
	let_store_answer(world);
	hears(person, "welcome", "user_id", user_id);
}

static void whoever_is_leaving_takes_no_notification(void **state)
{
	static const char notify[] = "{\"type\":\"notification\",\"user_id\":\"bob\","
				     "\"title\":\"t\",\"body\":\"b\"}";
	struct world *world = *state;

	is_welcomed(world);
	person_return_as(world, &world->bob, "bob");
	outbox_end(&world->bob.outbox, CLOSE_RESTART, "restarting");
	say(world, &world->ann, notify);
	let_store_answer(world);
	hears(&world->ann, "ack", "channel", "user_bob");
	hears_nothing(&world->bob);
	assert_int_equal(world->store.delivered_count, 0);
	assert_int_equal(world->hub.stats.delivered_count, 0);
	person_return_as(world, &world->bob, "bob");
	hears(&world->bob, "notification", "title", "t");
	assert_int_equal(world->store.delivered_count, 1);
}

static void whoever_leaves_during_the_replay_takes_no_notification(void **state)
{
	static const char notify[] = "{\"type\":\"notification\",\"user_id\":\"bob\","
				     "\"title\":\"t\",\"body\":\"b\"}";
	struct world *world = *state;
	AUTO(identity) identity = identity_new("bob", RIGHTS_USER);

	is_welcomed(world);
	say(world, &world->ann, notify);
	let_store_answer(world);
	hears(&world->ann, "ack", "channel", "user_bob");
	session_on_identified(&world->bob.session, identity, world->now_unix_us);
	outbox_end(&world->bob.outbox, CLOSE_RESTART, "restarting");
	let_store_answer(world);
	assert_int_equal(world->store.delivered_count, 0);
}

/* Whoever asks for their own channel at once, before the hub has looked what waits there, gets that
 * all the same, and only once. */
static void what_waits_for_a_user_comes_whatever_the_user_asks(void **state)
{
	static const char *const histories[] = {"{\"limit\":0}", "{\"limit\":9}"};
	struct world *world = *state;

	is_welcomed(world);
	for (size_t i = 0; i < ARRAY_LEN(histories); i++) {
		AUTO(identity) identity = identity_new("bob", RIGHTS_USER);
		char text[200];

		say(world, &world->ann,
		    "{\"type\":\"message\",\"channel\":\"user_bob\",\"data\":1,\"persistent\":"
		    "true}");
		say(world, &world->ann,
		    "{\"type\":\"notification\",\"user_id\":\"bob\",\"title\":\"t\",\"body\":"
		    "\"b\"}");
		let_store_answer(world);
		session_on_identified(&world->bob.session, identity, world->now_unix_us);
		hears(&world->bob, "ack", "user_id", "bob");
		(void)snprintf(text, sizeof(text),
			       "{\"type\":\"subscribe\",\"channel\":\"user_bob\",\"history\":%s}",
			       histories[i]);
		say(world, &world->bob, text);
		say(world, &world->ann, "{\"type\":\"direct\",\"user_id\":\"bob\",\"data\":2}");
		let_store_answer(world);
		hears(&world->bob, "notification", "title", "t");
		hears(&world->bob, "subscribed", "replay_count", i == 0 ? "0" : "3");
		for (int k = 0; i > 0 && k < 3;
		     k++) /* two messages, and what came the first time */
			outbox_drop(&world->bob.outbox, 1);
		hears(&world->bob, "message", "data", "2");
		hears_nothing(&world->bob);
		/* What the history has again is noted again, which changes nothing. */
		assert_int_equal(world->store.delivered_count, i == 0 ? 1 : 3);
		person_leave(&world->bob);
		person_join(world, &world->bob, false);
		hears(&world->bob, "welcome", "user_id", "null");
	}
}

static void one_who_cannot_hear_their_own_channel_does_not_stay(void **state)
{
	static const char subscribe[] = "{\"type\":\"subscribe\",\"channel\":\"user_bob\"}";
	struct world *world = *state;

	is_welcomed(world);
	person_return_as(world, &world->bob, "bob");
	world->store.is_broken = true;
	say(world, &world->bob, subscribe);
	let_store_answer(world);
	world->store.is_broken = false;
	hears(&world->bob, "error", "code", "store_failed");
	assert_int_equal(world->bob.outbox.close_code, CLOSE_INTERNAL);

	person_return_as(world, &world->bob, "bob");
	world->store.is_full = true;
	say(world, &world->bob, subscribe);
	world->store.is_full = false;
	assert_int_equal(world->bob.outbox.close_code, CLOSE_OVERLOAD);

	person_return_as(world, &world->bob, "bob");
	for (int i = 0; i < SUBSCRIBER_READS_MAX; i++)
		say(world, &world->bob, "{\"type\":\"history\",\"channel\":\"c\"}");
	say(world, &world->bob, subscribe);
	hears(&world->bob, "error", "code", "too_many_reads");
	assert_int_equal(world->bob.outbox.close_code, CLOSE_NONE);
	assert_int_equal(world->bob.session.subscriber.subscription_count, 1);
}

static void every_request_to_subscribe_is_answered(void **state)
{
	struct world *world = *state;

	is_welcomed(world);
	say(world, &world->bob, "{\"type\":\"subscribe\",\"channel\":\"c\",\"id\":1}");
	say(world, &world->bob, "{\"type\":\"subscribe\",\"channel\":\"c\",\"id\":2}");
	say(world, &world->bob, "{\"type\":\"unsubscribe\",\"channel\":\"c\",\"id\":3}");
	let_store_answer(world);
	hears(&world->bob, "unsubscribed", "id", "3");
	hears(&world->bob, "error", "id", "1");
	hears(&world->bob, "error", "code", "unsubscribed");
	hears_nothing(&world->bob);
}

static void what_subscribers_want_can_be_changed_at_the_limit(void **state)
{
	struct world *world = *state;
	char text[80];

	is_welcomed(world);
	for (int i = 0; i < SUBSCRIPTIONS_MAX; i++) {
		(void)snprintf(text, sizeof(text), "{\"type\":\"subscribe\",\"channel\":\"d%d\"}",
			       i);
		say(world, &world->bob, text);
		let_store_answer(world);
		hears(&world->bob, "subscribed", "replay_count", "0");
	}
	say(world, &world->bob, "{\"type\":\"subscribe\",\"channel\":\"d0\",\"join_leave\":true}");
	let_store_answer(world);
	hears(&world->bob, "subscribed", "channel", "d0");
}

static void what_comes_during_the_replay_is_not_missed(void **state)
{
	struct world *world = *state;
	char text[200];

	is_welcomed(world);
	say(world, &world->ann, "{\"type\":\"message\",\"channel\":\"c\",\"data\":1}");
	let_store_answer(world);
	hears(&world->ann, "ack", "offset", "1");
	(void)snprintf(text, sizeof(text),
		       "{\"type\":\"subscribe\",\"channel\":\"c\",\"recover\":{\"epoch\":\"%s\","
		       "\"offset\":1}}",
		       world->hub.epoch);
	say(world, &world->bob, text);
	say(world, &world->ann, "{\"type\":\"message\",\"channel\":\"c\",\"data\":2}");
	let_store_answer(world);
	hears(&world->bob, "subscribed", "recovered", "true");
	hears(&world->bob, "message", "offset", "2");
}

/* A failing store must not leave the hub thinking that the channel has a row, whose mark would
 * keep its offsets when the channel is forgotten. */
static void offsets_do_not_go_back_after_a_store_that_failed(void **state)
{
	static const char publish[] = "{\"type\":\"message\",\"channel\":\"c\",\"data\":1}";
	struct world *world = *state;
	char text[80];

	is_welcomed(world);
	for (int i = 0; i < 3; i++) {
		say(world, &world->ann, publish);
		let_store_answer(world);
	}
	world->store.is_broken = true;
	say(world, &world->ann,
	    "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true}");
	let_store_answer(world);
	world->store.is_broken = false;
	for (int i = 0; i <= HUB_IDLE_CHANNELS_MAX; i++) {
		(void)snprintf(text, sizeof(text),
			       "{\"type\":\"message\",\"channel\":\"d%d\",\"data\":1}", i);
		say(world, &world->ann, text);
		let_store_answer(world);
		outbox_drop(&world->ann.outbox, world->ann.outbox.count);
	}
	say(world, &world->ann, publish);
	let_store_answer(world);
	{
		AUTO_JSON ack = hear(&world->ann);

		assert_true(json_integer_value(json_object_get(ack, "offset")) > 4);
	}
}

/* The store's mark runs ahead of the offsets. Whoever took it for the last one given out, and
 * resumed from there, would miss what comes before it. */
static void history_tells_an_offset_to_resume_from(void **state)
{
	static const char publish[] =
		"{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true}";
	struct world *world = *state;

	is_welcomed(world);
	say(world, &world->bob, "{\"type\":\"history\",\"channel\":\"c\"}");
	let_store_answer(world);
	hears(&world->bob, "history", "epoch", world->hub.epoch);
	say(world, &world->ann, publish);
	say(world, &world->ann, "{\"type\":\"message\",\"channel\":\"c\",\"data\":2}");
	let_store_answer(world);
	assert_true(fake_store_channel(&world->store, "c")->state.last_offset > 2);
	say(world, &world->bob, "{\"type\":\"history\",\"channel\":\"c\"}");
	let_store_answer(world);
	hears(&world->bob, "history", "offset", "2");
}

static void what_waits_for_the_store_is_bounded_in_bytes(void **state)
{
	enum { MESSAGE_BYTES = 8 << 20 };
	struct world *world = *state;
	AUTO_FREE char *text = malloc(MESSAGE_BYTES + 100);
	size_t count = 0, head;

	assert_non_null(text);
	is_welcomed(world);
	head = (size_t)sprintf(
		text, "{\"type\":\"message\",\"channel\":\"c\",\"persistent\":true,\"data\":\"");
	memset(text + head, 'x', MESSAGE_BYTES);
	strcpy(text + head + MESSAGE_BYTES, "\"}");
	while (world->ann.outbox.count == 0 && count <= HUB_ORDER_BYTES_MAX / MESSAGE_BYTES) {
		say(world, &world->ann, text);
		count++;
	}
	hears(&world->ann, "error", "code", "overloaded");
	assert_int_equal(world->hub.order_count, count - 1);
	let_store_answer(world);
	assert_int_equal(world->hub.order_bytes, 0);
	outbox_drop(&world->ann.outbox, world->ann.outbox.count);
	say(world, &world->ann, text);
	let_store_answer(world);
	hears(&world->ann, "ack", "channel", "c");
}

/* One that is on its way to the store is in no history yet: whoever went on after it would miss it.
 */
static void a_channel_tells_an_offset_to_resume_from(void **state)
{
	static const char publish[] =
		"{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true}";
	struct world *world = *state;

	is_welcomed(world);
	say(world, &world->ann, publish);
	let_store_answer(world);
	say(world, &world->ann, publish);
	{
		AUTO_JSON channel = hub_channel_to_json(&world->hub, "c");

		assert_int_equal(json_integer_value(json_object_get(channel, "offset")), 1);
	}
	let_store_answer(world);
	{
		AUTO_JSON channel = hub_channel_to_json(&world->hub, "c");

		assert_int_equal(json_integer_value(json_object_get(channel, "offset")), 2);
	}
}

static void what_is_held_for_a_replay_is_bounded_in_bytes(void **state)
{
	enum { MESSAGE_BYTES = 8 << 20 };
	struct world *world = *state;
	AUTO_FREE char *text = malloc(MESSAGE_BYTES + 100);
	size_t head, count = 0;

	assert_non_null(text);
	is_welcomed(world);
	say(world, &world->ann, "{\"type\":\"message\",\"channel\":\"c\",\"data\":1}");
	let_store_answer(world); /* the channel is known: what passes does not wait for the store */
	say(world, &world->bob, "{\"type\":\"subscribe\",\"channel\":\"c\"}");
	head = (size_t)sprintf(text, "{\"type\":\"message\",\"channel\":\"c\",\"data\":\"");
	memset(text + head, 'x', MESSAGE_BYTES);
	strcpy(text + head + MESSAGE_BYTES, "\"}");
	while (!outbox_is_ending(&world->bob.outbox) &&
	       count <= 2 * REPLAY_OWED_MAX / MESSAGE_BYTES) {
		say(world, &world->ann, text);
		count++;
	}
	assert_int_equal(world->bob.outbox.close_code, CLOSE_OVERLOAD);
	assert_int_equal(count, REPLAY_OWED_MAX / MESSAGE_BYTES + 1);
}

static void history_says_what_it_does_not_have(void **state)
{
	static const struct {
		const char *epoch, *reason;
		int offset;
	} cases[] = {{NULL, "not_stored", 1}, {"other", "epoch_changed", 2}};
	struct world *world = *state;
	char text[200];

	is_welcomed(world);
	for (int i = 0; i < 2; i++)
		say(world, &world->ann, "{\"type\":\"message\",\"channel\":\"c\",\"data\":1}");
	let_store_answer(world);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		(void)snprintf(
			text, sizeof(text),
			"{\"type\":\"history\",\"channel\":\"c\",\"since\":{\"epoch\":\"%s\","
			"\"offset\":%d}}",
			cases[i].epoch ? cases[i].epoch : world->hub.epoch, cases[i].offset);
		say(world, &world->bob, text);
		let_store_answer(world);
		hears(&world->bob, "history", "reason", cases[i].reason);
	}
}

static void asking_for_ones_own_channel_at_once_is_answered_once(void **state)
{
	struct world *world = *state;
	AUTO(identity) identity = identity_new("cid", RIGHTS_USER);
	struct person cid;

	outbox_init(&cid.outbox, 1 << 20, &world->dirty);
	session_init(&cid.session, &world->hub, &limits, "conn_cid", &cid.outbox);
	session_start(&cid.session, identity, world->now_unix_us);
	say(world, &cid, "{\"type\":\"subscribe\",\"channel\":\"user_cid\",\"id\":1}");
	let_store_answer(world); /* also what was asked of it before */
	hears(&cid, "welcome", "user_id", "cid");
	hears(&cid, "subscribed", "id", "1");
	hears_nothing(&cid);
	person_leave(&cid);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(asking_for_ones_own_channel_at_once_is_answered_once),
		TEST(one_that_was_turned_away_has_no_channels),
		TEST(a_message_reaches_who_subscribed_and_is_acknowledged),
		TEST(a_persistent_message_is_heard_of_only_when_it_is_stored),
		TEST(a_failing_store_is_told_to_the_publisher_and_nobody_else),
		TEST(a_new_subscriber_gets_the_newest_stored_ones_oldest_first),
		TEST(what_passes_during_the_replay_is_kept_in_order),
		TEST(offsets_go_on_after_the_process_died),
		TEST(resuming_replays_what_was_missed_or_says_why_not),
		TEST(a_channel_without_store_counts_gaps),
		TEST(bad_messages_are_answered_and_change_nothing),
		TEST(publishing_needs_the_right_to),
		TEST(a_users_own_channel_is_for_that_user_alone),
		TEST(an_ended_subscription_does_not_answer_for_the_next),
		TEST(subscriptions_are_limited),
		TEST(a_slow_consumer_is_dropped_and_the_others_go_on),
		TEST(what_is_read_for_one_connection_is_bounded),
		TEST(a_broadcast_reaches_everybody_and_is_not_kept),
		TEST(text_without_a_channel_goes_to_general),
		TEST(history_can_be_read_without_subscribing),
		TEST(whoever_is_leaving_takes_no_notification),
		TEST(whoever_leaves_during_the_replay_takes_no_notification),
		TEST(what_waits_for_a_user_comes_whatever_the_user_asks),
		TEST(one_who_cannot_hear_their_own_channel_does_not_stay),
		TEST(every_request_to_subscribe_is_answered),
		TEST(what_subscribers_want_can_be_changed_at_the_limit),
		TEST(what_comes_during_the_replay_is_not_missed),
		TEST(offsets_do_not_go_back_after_a_store_that_failed),
		TEST(history_tells_an_offset_to_resume_from),
		TEST(a_channel_tells_an_offset_to_resume_from),
		TEST(what_is_held_for_a_replay_is_bounded_in_bytes),
		TEST(history_says_what_it_does_not_have),
		TEST(what_waits_for_the_store_is_bounded_in_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
