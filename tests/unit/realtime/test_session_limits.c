/* test_session_limits.c - what one connection may hold, read and owe. */
#include "tests/unit/realtime/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE_BYTES = 8 << 20 };

/* A message to channel "c" with so many bytes of data; the caller's. */
static char *large_message(bool is_persistent)
{
	static const char head[] =
		"{\"type\":\"message\",\"channel\":\"c\",\"persistent\":%s,\"data\":\"";
	char *text = malloc(LARGE_BYTES + sizeof(head) + 10);
	int length;

	assert_non_null(text);
	length = sprintf(text, head, is_persistent ? "true" : "false");
	memset(text + length, 'x', LARGE_BYTES);
	(void)strcpy(text + length + LARGE_BYTES, "\"}");
	return text;
}

static void subscriptions_are_limited(void **state)
{
	struct chat *chat = *state;
	char text[80];

	for (int i = 0; i <= SUBSCRIPTIONS_MAX; i++) {
		(void)snprintf(text, sizeof(text), "{\"type\":\"subscribe\",\"channel\":\"c%d\"}",
			       i);
		session_on_text(&chat->bob.session, text, strlen(text), chat->now_unix_us);
	}
	hears(&chat->bob, "error", "code", "too_many_subscriptions");
	chat->store.is_broken = true;
	let_store_answer(chat);
	chat->store.is_broken = false;
	assert_int_equal(chat->bob.session.subscriber.subscription_count, 0);
	outbox_drop(&chat->bob.outbox, chat->bob.outbox.count);
	say(chat, &chat->bob, "{\"type\":\"subscribe\",\"channel\":\"again\"}");
	let_store_answer(chat);
	hears(&chat->bob, "subscribed", "channel", "again");
}

static void what_subscribers_want_can_be_changed_at_the_limit(void **state)
{
	struct chat *chat = *state;
	char text[80];

	for (int i = 0; i < SUBSCRIPTIONS_MAX; i++) {
		(void)snprintf(text, sizeof(text), "{\"type\":\"subscribe\",\"channel\":\"d%d\"}",
			       i);
		say(chat, &chat->bob, text);
		let_store_answer(chat);
		hears(&chat->bob, "subscribed", "replay_count", "0");
	}
	say(chat, &chat->bob, "{\"type\":\"subscribe\",\"channel\":\"d0\",\"join_leave\":true}");
	let_store_answer(chat);
	hears(&chat->bob, "subscribed", "channel", "d0");
}

static void a_slow_consumer_is_dropped_and_the_others_go_on(void **state)
{
	struct chat *chat = *state;

	chat->bob.outbox.limit_bytes = 1000;
	say(chat, &chat->bob, SUBSCRIBE);
	say(chat, &chat->ann, SUBSCRIBE);
	let_store_answer(chat);
	for (int i = 0; i < 20; i++)
		say(chat, &chat->ann, PUBLISH);
	assert_int_equal(chat->bob.outbox.close_code, CLOSE_SLOW);
	assert_int_equal(chat->bob.outbox.count, 0);
	assert_int_equal(chat->ann.outbox.close_code, CLOSE_NONE);
	assert_int_equal(chat->ann.outbox.count, 1 + 2 * 20);
}

static void what_is_read_for_one_connection_is_bounded(void **state)
{
	struct chat *chat = *state;
	struct frame *frame = frame_new_bytes(HISTORY, sizeof(HISTORY));

	for (int i = 0; i <= SUBSCRIBER_READS_MAX; i++)
		say(chat, &chat->bob, HISTORY);
	hears(&chat->bob, "error", "code", "too_many_reads");
	hears_nothing(&chat->bob);
	let_store_answer(chat);
	assert_int_equal(chat->bob.outbox.count, SUBSCRIBER_READS_MAX);
	outbox_drop(&chat->bob.outbox, SUBSCRIBER_READS_MAX);
	say(chat, &chat->bob, HISTORY);
	let_store_answer(chat);
	hears(&chat->bob, "history", "channel", "c");

	for (size_t owed = 0; owed <= REPLAY_OWED_MAX; owed += frame->length) {
		assert_int_equal(chat->bob.outbox.close_code, CLOSE_NONE);
		outbox_push_replay(&chat->bob.outbox, frame);
	}
	outbox_push_replay(&chat->bob.outbox, frame);
	assert_int_equal(chat->bob.outbox.close_code, CLOSE_SLOW);
	assert_int_equal(chat->bob.outbox.count, 0);
	(void)frame_unref(frame);
}

static void who_asks_for_much_history_is_not_slow(void **state)
{
	struct chat *chat = *state;

	chat->bob.outbox.limit_bytes = 1000;
	for (int i = 0; i < 20; i++)
		say(chat, &chat->ann, PERSIST);
	let_store_answer(chat);
	for (int i = 0; i < 3; i++)
		say(chat, &chat->bob, HISTORY);
	say(chat, &chat->bob, "{\"type\":\"ping\"}");
	let_store_answer(chat);
	say(chat, &chat->bob, "{\"type\":\"ping\"}");
	hears(&chat->bob, "pong", "type", "pong");
	for (int i = 0; i < 3; i++)
		hears(&chat->bob, "history", "offset", "20");
	hears(&chat->bob, "pong", "type", "pong");
	assert_int_equal(chat->bob.outbox.close_code, CLOSE_NONE);
	outbox_drop(&chat->ann.outbox, chat->ann.outbox.count);
}

static void a_clock_that_is_put_back_silences_nobody(void **state)
{
	static const char ping[] = "{\"type\":\"ping\"}";
	struct session_limits limits = chat_limits;
	struct chat *chat = *state;

	limits.messages_per_s = 10;
	chat->ann.session.limits = &limits;
	for (int i = 0; i < 20; i++) {
		say(chat, &chat->ann, ping);
		hears(&chat->ann, "pong", "type", "pong");
	}
	say(chat, &chat->ann, ping);
	hears(&chat->ann, "error", "code", "rate_limited");
	chat->now_unix_us -= 600000000;
	for (int i = 0; i < 20; i++) {
		say(chat, &chat->ann, ping);
		hears(&chat->ann, "pong", "type", "pong");
	}
	say(chat, &chat->ann, ping);
	hears(&chat->ann, "error", "code", "rate_limited");
	chat->ann.session.limits = &chat_limits;
}

static void what_waits_for_the_store_is_bounded_in_bytes(void **state)
{
	struct chat *chat = *state;
	AUTO_FREE char *text = large_message(true);
	size_t count = 0;

	while (chat->ann.outbox.count == 0 && count <= HUB_ORDER_BYTES_MAX / LARGE_BYTES) {
		say(chat, &chat->ann, text);
		count++;
	}
	hears(&chat->ann, "error", "code", "overloaded");
	assert_int_equal(chat->hub.order_count, count - 1);
	let_store_answer(chat);
	assert_int_equal(chat->hub.order_bytes, 0);
	outbox_drop(&chat->ann.outbox, chat->ann.outbox.count);
	say(chat, &chat->ann, text);
	let_store_answer(chat);
	hears(&chat->ann, "ack", "channel", "c");
}

static void what_is_held_for_a_replay_is_bounded_in_bytes(void **state)
{
	struct chat *chat = *state;
	AUTO_FREE char *text = large_message(false);
	size_t count = 0;

	say(chat, &chat->ann, PUBLISH);
	let_store_answer(chat); /* the channel is known: what passes does not wait for the store */
	say(chat, &chat->bob, SUBSCRIBE);
	while (!outbox_is_ending(&chat->bob.outbox) && count <= 2 * REPLAY_OWED_MAX / LARGE_BYTES) {
		say(chat, &chat->ann, text);
		count++;
	}
	assert_int_equal(chat->bob.outbox.close_code, CLOSE_OVERLOAD);
	assert_int_equal(count, REPLAY_OWED_MAX / LARGE_BYTES + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHAT_TEST(subscriptions_are_limited),
		CHAT_TEST(a_slow_consumer_is_dropped_and_the_others_go_on),
		CHAT_TEST(what_is_read_for_one_connection_is_bounded),
		CHAT_TEST(what_subscribers_want_can_be_changed_at_the_limit),
		CHAT_TEST(what_is_held_for_a_replay_is_bounded_in_bytes),
		CHAT_TEST(who_asks_for_much_history_is_not_slow),
		CHAT_TEST(a_clock_that_is_put_back_silences_nobody),
		CHAT_TEST(what_waits_for_the_store_is_bounded_in_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
