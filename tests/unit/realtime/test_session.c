/* test_session.c - what a chat connection says and hears, sentence by sentence. */
#include "tests/unit/realtime/chat.h"

#include <string.h>

static void one_that_was_turned_away_has_no_channels(void **state)
{
	struct chat *chat = *state;
	struct session session;
	AUTO_JSON names = json_array();

	session_init(&session, &chat->hub, &chat_limits, "conn_x", &chat->ann.outbox);
	hub_channels_list(&session.subscriber, names);
	assert_int_equal(json_array_size(names), 0);
	session_fini(&session);
}

static void a_message_reaches_who_subscribed_and_is_acknowledged(void **state)
{
	struct chat *chat = *state;

	say(chat, &chat->bob, "{\"type\":\"subscribe\",\"channel\":\"c\",\"id\":7}");
	let_store_answer(chat);
	hears(&chat->bob, "subscribed", "id", "7");
	say(chat, &chat->ann,
	    "{\"type\":\"message\",\"channel\":\"c\",\"data\":{\"a\":[1]},"
	    "\"id\":\"x\"}");
	hears(&chat->ann, "ack", "id", "x");
	hears(&chat->bob, "message", "data", "{\"a\":[1]}");
	hears_nothing(&chat->ann);
}

static void a_persistent_message_is_heard_of_only_when_it_is_stored(void **state)
{
	struct chat *chat = *state;

	say(chat, &chat->bob, SUBSCRIBE);
	let_store_answer(chat);
	hears(&chat->bob, "subscribed", "offset", "0");
	say(chat, &chat->ann, PERSIST);
	/* A passing message that came later must not overtake it. */
	say(chat, &chat->ann, "{\"type\":\"message\",\"channel\":\"c\",\"data\":2}");
	hears_nothing(&chat->ann);
	hears_nothing(&chat->bob);
	let_store_answer(chat);
	hears(&chat->ann, "ack", "offset", "1");
	hears(&chat->ann, "ack", "offset", "2");
	hears(&chat->bob, "message", "persistent", "true");
	hears(&chat->bob, "message", "data", "2");
}

static void a_failing_store_is_told_to_the_publisher_and_nobody_else(void **state)
{
	struct chat *chat = *state;

	say(chat, &chat->bob, SUBSCRIBE);
	let_store_answer(chat);
	hears(&chat->bob, "subscribed", "channel", "c");
	chat->store.is_broken = true;
	say(chat, &chat->ann,
	    "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true,\"id\":5}");
	let_store_answer(chat);
	hears(&chat->ann, "error", "code", "store_failed");
	hears_nothing(&chat->bob);
	chat->store.is_broken = false;
	say(chat, &chat->ann,
	    "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true,\"id\":5}");
	let_store_answer(chat);
	hears(&chat->ann, "ack", "offset", "2"); /* the number of the lost one is not used again */
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
	struct chat *chat = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_JSON answer = NULL;

		say(chat, &chat->ann, cases[i].text);
		answer = hear(&chat->ann);
		assert_string_equal(json_string_value(json_object_get(answer, "code")),
				    cases[i].code);
		if (cases[i].field)
			assert_string_equal(json_string_value(json_object_get(answer, "field")),
					    cases[i].field);
		hears_nothing(&chat->ann);
	}
	say(chat, &chat->ann, "{\"type\":\"ping\",\"id\":\"still here\",\"unknown\":1}");
	hears(&chat->ann, "pong", "id", "still here");
}

static void publishing_needs_the_right_to(void **state)
{
	struct chat *chat = *state;

	say(chat, &chat->bob, "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"id\":3}");
	hears(&chat->bob, "error", "code", "forbidden");
	hears_nothing(&chat->ann);
}

static void an_ended_subscription_does_not_answer_for_the_next(void **state)
{
	struct chat *chat = *state;

	say(chat, &chat->ann, PERSIST);
	let_store_answer(chat);
	say(chat, &chat->bob, SUBSCRIBE);
	say(chat, &chat->bob, UNSUBSCRIBE);
	say(chat, &chat->bob, SUBSCRIBE);
	hears(&chat->bob, "unsubscribed", "channel", "c");
	chat->store.is_broken = true;
	assert_true(fake_store_answer(&chat->store, &chat->hub, chat->now_unix_us));
	hears(&chat->bob, "error", "code", "store_failed");
	assert_int_equal(chat->bob.session.subscriber.subscription_count, 1);
	chat->store.is_broken = false;
	say(chat, &chat->bob, UNSUBSCRIBE);
	say(chat, &chat->bob, SUBSCRIBE);
	hears(&chat->bob, "unsubscribed", "channel", "c");
	let_store_answer(chat);
	hears(&chat->bob, "error", "code", "unsubscribed");
	hears(&chat->bob, "subscribed", "replay_count", "1");
	hears(&chat->bob, "message", "offset", "1");
	hears_nothing(&chat->bob);
}

static void every_request_to_subscribe_is_answered(void **state)
{
	struct chat *chat = *state;

	say(chat, &chat->bob, "{\"type\":\"subscribe\",\"channel\":\"c\",\"id\":1}");
	say(chat, &chat->bob, "{\"type\":\"subscribe\",\"channel\":\"c\",\"id\":2}");
	say(chat, &chat->bob, "{\"type\":\"unsubscribe\",\"channel\":\"c\",\"id\":3}");
	let_store_answer(chat);
	hears(&chat->bob, "unsubscribed", "id", "3");
	hears(&chat->bob, "error", "id", "1");
	hears(&chat->bob, "error", "code", "unsubscribed");
	hears_nothing(&chat->bob);
}

static void a_broadcast_reaches_everybody_and_is_not_kept(void **state)
{
	struct chat *chat = *state;

	say(chat, &chat->ann, "{\"type\":\"broadcast\",\"data\":{\"a\":1},\"id\":4}");
	hears(&chat->bob, "message", "data", "{\"a\":1}");
	hears(&chat->ann, "message", "sender", chat->ann.session.subscriber.connection_id);
	hears(&chat->ann, "ack", "delivered_to", "2");
	assert_int_equal(chat->store.count, 0);
	say(chat, &chat->bob, "{\"type\":\"broadcast\",\"data\":1}");
	hears(&chat->bob, "error", "code", "forbidden");
	say(chat, &chat->ann, "{\"type\":\"broadcast\",\"data\":1,\"persistent\":true}");
	hears(&chat->ann, "error", "field", "persistent");
	hears_nothing(&chat->bob);
}

static void text_without_a_channel_goes_to_general(void **state)
{
	struct chat *chat = *state;

	say(chat, &chat->bob, "{\"type\":\"subscribe\",\"channels\":[\"general\",\"other\"]}");
	let_store_answer(chat);
	hears(&chat->bob, "subscribed", "channel", "general");
	hears(&chat->bob, "subscribed", "channel", "other");
	say(chat, &chat->ann, "{\"type\":\"text\",\"text\":\"hello\"}");
	hears(&chat->bob, "message", "data", "hello");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHAT_TEST(one_that_was_turned_away_has_no_channels),
		CHAT_TEST(a_message_reaches_who_subscribed_and_is_acknowledged),
		CHAT_TEST(a_persistent_message_is_heard_of_only_when_it_is_stored),
		CHAT_TEST(a_failing_store_is_told_to_the_publisher_and_nobody_else),
		CHAT_TEST(bad_messages_are_answered_and_change_nothing),
		CHAT_TEST(publishing_needs_the_right_to),
		CHAT_TEST(an_ended_subscription_does_not_answer_for_the_next),
		CHAT_TEST(a_broadcast_reaches_everybody_and_is_not_kept),
		CHAT_TEST(text_without_a_channel_goes_to_general),
		CHAT_TEST(every_request_to_subscribe_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
