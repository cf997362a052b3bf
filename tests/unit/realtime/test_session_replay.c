/* test_session_replay.c - what was said before: replays, resuming, histories and the offsets that
 * they go by. */
#include "tests/unit/realtime/chat.h"

#include <stdio.h>

/* Bob asks for what came after that offset of channel "c". */
static void resume(struct chat *chat, const char *epoch, int offset)
{
	char text[200];

	(void)snprintf(text, sizeof(text),
		       "{\"type\":\"subscribe\",\"channel\":\"c\",\"recover\":{\"epoch\":\"%s\","
		       "\"offset\":%d}}",
		       epoch, offset);
	say(chat, &chat->bob, text);
}

static void a_new_subscriber_gets_the_newest_stored_ones_oldest_first(void **state)
{
	struct chat *chat = *state;

	for (int i = 0; i < 5; i++) {
		say(chat, &chat->ann, PERSIST);
		let_store_answer(chat);
		hears(&chat->ann, "ack", "channel", "c");
	}
	say(chat, &chat->bob, SUBSCRIBE);
	let_store_answer(chat);
	hears(&chat->bob, "subscribed", "replay_count", "3");
	hears(&chat->bob, "message", "offset", "3");
	hears(&chat->bob, "message", "replayed", "true");
	hears(&chat->bob, "message", "offset", "5");
	hears_nothing(&chat->bob);
}

static void what_passes_during_the_replay_is_kept_in_order(void **state)
{
	struct chat *chat = *state;

	say(chat, &chat->ann, PERSIST);
	let_store_answer(chat);
	say(chat, &chat->bob, SUBSCRIBE);
	chat->hub.retired_offset = 0;
	say(chat, &chat->ann, "{\"type\":\"message\",\"channel\":\"c\",\"data\":2}");
	let_store_answer(chat);
	hears(&chat->bob, "subscribed", "replay_count", "1");
	hears(&chat->bob, "message", "offset", "1");
	hears(&chat->bob, "message", "offset", "2");
	hears_nothing(&chat->bob);
}

static void what_comes_during_the_replay_is_not_missed(void **state)
{
	struct chat *chat = *state;

	say(chat, &chat->ann, PUBLISH);
	let_store_answer(chat);
	hears(&chat->ann, "ack", "offset", "1");
	resume(chat, chat->hub.epoch, 1);
	say(chat, &chat->ann, "{\"type\":\"message\",\"channel\":\"c\",\"data\":2}");
	let_store_answer(chat);
	hears(&chat->bob, "subscribed", "recovered", "true");
	hears(&chat->bob, "message", "offset", "2");
}

static void resuming_replays_what_was_missed_or_says_why_not(void **state)
{
	struct chat *chat = *state;
	const char *epoch = chat->hub.epoch;

	for (int i = 0; i < 5; i++)
		say(chat, &chat->ann, PERSIST);
	let_store_answer(chat);
	resume(chat, epoch, 1);
	let_store_answer(chat);
	hears(&chat->bob, "subscribed", "recovered", "true");
	for (int i = 2; i <= 5; i++) {
		char offset[2] = {(char)('0' + i), '\0'};

		hears(&chat->bob, "message", "offset", offset);
	}
	say(chat, &chat->bob, UNSUBSCRIBE);
	hears(&chat->bob, "unsubscribed", "channel", "c");

	resume(chat, "other", 1);
	let_store_answer(chat);
	hears(&chat->bob, "subscribed", "reason", "epoch_changed");
	outbox_drop(&chat->bob.outbox, chat->bob.outbox.count);
	say(chat, &chat->bob, UNSUBSCRIBE);
	outbox_drop(&chat->bob.outbox, chat->bob.outbox.count);

	fake_store_channel(&chat->store, "c")->state.trimmed_offset = 2;
	resume(chat, epoch, 1);
	let_store_answer(chat);
	hears(&chat->bob, "subscribed", "reason", "history_trimmed");
	outbox_drop(&chat->ann.outbox, chat->ann.outbox.count);
}

static void a_channel_without_store_counts_gaps(void **state)
{
	struct chat *chat = *state;

	for (int i = 0; i < 2; i++)
		say(chat, &chat->ann, PUBLISH);
	let_store_answer(chat);
	outbox_drop(&chat->ann.outbox, chat->ann.outbox.count);
	for (int offset = 2; offset >= 1; offset--) {
		resume(chat, chat->hub.epoch, offset);
		let_store_answer(chat);
		hears(&chat->bob, "subscribed", "recovered", offset == 2 ? "true" : "false");
		say(chat, &chat->bob, UNSUBSCRIBE);
		hears(&chat->bob, "unsubscribed", "channel", "c");
	}
}

static void history_can_be_read_without_subscribing(void **state)
{
	struct chat *chat = *state;

	for (int i = 0; i < 4; i++)
		say(chat, &chat->ann, PERSIST);
	let_store_answer(chat);
	say(chat, &chat->bob,
	    "{\"type\":\"history\",\"channel\":\"c\",\"limit\":2,\"reverse\":true,\"id\":1}");
	let_store_answer(chat);
	{
		AUTO_JSON answer = hear(&chat->bob);
		json_t *messages = json_object_get(answer, "messages");

		assert_int_equal(json_array_size(messages), 2);
		assert_int_equal(
			json_integer_value(json_object_get(json_array_get(messages, 0), "offset")),
			4);
	}
	hears_nothing(&chat->bob);
}

static void history_says_what_it_does_not_have(void **state)
{
	static const struct {
		const char *epoch, *reason;
		int offset;
	} cases[] = {{NULL, "not_stored", 1}, {"other", "epoch_changed", 2}};
	struct chat *chat = *state;
	char text[200];

	for (int i = 0; i < 2; i++)
		say(chat, &chat->ann, PUBLISH);
	let_store_answer(chat);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		(void)snprintf(
			text, sizeof(text),
			"{\"type\":\"history\",\"channel\":\"c\",\"since\":{\"epoch\":\"%s\","
			"\"offset\":%d}}",
			cases[i].epoch ? cases[i].epoch : chat->hub.epoch, cases[i].offset);
		say(chat, &chat->bob, text);
		let_store_answer(chat);
		hears(&chat->bob, "history", "reason", cases[i].reason);
	}
}

/* The store's mark runs ahead of the offsets. Whoever took it for the last one given out, and
 * resumed from there, would miss what comes before it. */
static void history_tells_an_offset_to_resume_from(void **state)
{
	struct chat *chat = *state;

	say(chat, &chat->bob, HISTORY);
	let_store_answer(chat);
	hears(&chat->bob, "history", "epoch", chat->hub.epoch);
	say(chat, &chat->ann, PERSIST);
	say(chat, &chat->ann, "{\"type\":\"message\",\"channel\":\"c\",\"data\":2}");
	let_store_answer(chat);
	assert_true(fake_store_channel(&chat->store, "c")->state.last_offset > 2);
	say(chat, &chat->bob, HISTORY);
	let_store_answer(chat);
	hears(&chat->bob, "history", "offset", "2");
}

/* One that is on its way to the store is in no history yet: whoever went on after it would miss it.
 */
static void a_channel_tells_an_offset_to_resume_from(void **state)
{
	struct chat *chat = *state;

	say(chat, &chat->ann, PERSIST);
	let_store_answer(chat);
	say(chat, &chat->ann, PERSIST);
	{
		AUTO_JSON channel = hub_channel_to_json(&chat->hub, "c");

		assert_int_equal(json_integer_value(json_object_get(channel, "offset")), 1);
	}
	let_store_answer(chat);
	{
		AUTO_JSON channel = hub_channel_to_json(&chat->hub, "c");

		assert_int_equal(json_integer_value(json_object_get(channel, "offset")), 2);
	}
}

static void offsets_go_on_after_the_process_died(void **state)
{
	struct chat *chat = *state;

	for (int i = 0; i < 2; i++) {
		say(chat, &chat->ann,
		    i == 0 ? PERSIST : "{\"type\":\"message\",\"channel\":\"c\",\"data\":2}");
		let_store_answer(chat);
		hears(&chat->ann, "ack", "offset", i == 0 ? "1" : "2");
	}
	chat_restart(chat);
	say(chat, &chat->ann,
	    "{\"type\":\"message\",\"channel\":\"c\",\"data\":3,\"persistent\":true}");
	let_store_answer(chat);
	{
		AUTO_JSON ack = hear(&chat->ann);

		assert_true(json_integer_value(json_object_get(ack, "offset")) > 2);
	}
}

/* A failing store must not leave the hub thinking that the channel has a row, whose mark would
 * keep its offsets when the channel is forgotten. */
static void offsets_do_not_go_back_after_a_store_that_failed(void **state)
{
	struct chat *chat = *state;
	char text[80];

	for (int i = 0; i < 3; i++) {
		say(chat, &chat->ann, PUBLISH);
		let_store_answer(chat);
	}
	chat->store.is_broken = true;
	say(chat, &chat->ann, PERSIST);
	let_store_answer(chat);
	chat->store.is_broken = false;
	for (int i = 0; i <= HUB_IDLE_CHANNELS_MAX; i++) {
		(void)snprintf(text, sizeof(text),
			       "{\"type\":\"message\",\"channel\":\"d%d\",\"data\":1}", i);
		say(chat, &chat->ann, text);
		let_store_answer(chat);
		outbox_drop(&chat->ann.outbox, chat->ann.outbox.count);
	}
	say(chat, &chat->ann, PUBLISH);
	let_store_answer(chat);
	{
		AUTO_JSON ack = hear(&chat->ann);

		assert_true(json_integer_value(json_object_get(ack, "offset")) > 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHAT_TEST(a_new_subscriber_gets_the_newest_stored_ones_oldest_first),
		CHAT_TEST(what_passes_during_the_replay_is_kept_in_order),
		CHAT_TEST(offsets_go_on_after_the_process_died),
		CHAT_TEST(resuming_replays_what_was_missed_or_says_why_not),
		CHAT_TEST(a_channel_without_store_counts_gaps),
		CHAT_TEST(history_can_be_read_without_subscribing),
		CHAT_TEST(what_comes_during_the_replay_is_not_missed),
		CHAT_TEST(offsets_do_not_go_back_after_a_store_that_failed),
		CHAT_TEST(history_tells_an_offset_to_resume_from),
		CHAT_TEST(a_channel_tells_an_offset_to_resume_from),
		CHAT_TEST(history_says_what_it_does_not_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
