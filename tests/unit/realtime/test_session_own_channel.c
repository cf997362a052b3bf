/* test_session_own_channel.c - the channel that is a user's own, and the notifications that wait
 * there. */
#include "tests/unit/realtime/chat.h"

#include <stdio.h>
#include <string.h>

static const char notify_bob[] = "{\"type\":\"notification\",\"user_id\":\"bob\","
				 "\"title\":\"t\",\"body\":\"b\"}";

static void person_return_as(struct chat *chat, struct person *person, const char *user_id)
{
	person_leave(person);
	person_join_as(chat, person, identity_new(user_id, RIGHTS_USER));
	let_store_answer(chat);
	hears(person, "welcome", "user_id", user_id);
}

static void a_users_own_channel_is_for_that_user_alone(void **state)
{
	static const char *const requests[] = {"{\"type\":\"subscribe\",\"channel\":\"user_ann\"}",
					       "{\"type\":\"subscribe\",\"channels\":[\"user_\"]}",
					       "{\"type\":\"history\",\"channel\":\"user_ann\"}"};
	struct chat *chat = *state;

	strcpy(chat->ann.session.subscriber.identity->user_id, "ann");
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		say(chat, &chat->bob, requests[i]);
		hears(&chat->bob, "error", "code", "forbidden");
	}
	assert_int_equal(chat->store.count, 0);
	say(chat, &chat->ann, requests[0]);
	let_store_answer(chat);
	hears(&chat->ann, "subscribed", "channel", "user_ann");
}

static void asking_for_ones_own_channel_at_once_is_answered_once(void **state)
{
	struct chat *chat = *state;
	struct person cid;

	person_join_as(chat, &cid, identity_new("cid", RIGHTS_USER));
	say(chat, &cid, "{\"type\":\"subscribe\",\"channel\":\"user_cid\",\"id\":1}");
	let_store_answer(chat); /* also what was asked of it before */
	hears(&cid, "welcome", "user_id", "cid");
	hears(&cid, "subscribed", "id", "1");
	hears_nothing(&cid);
	person_leave(&cid);
}

static void whoever_is_leaving_takes_no_notification(void **state)
{
	struct chat *chat = *state;

	person_return_as(chat, &chat->bob, "bob");
	outbox_end(&chat->bob.outbox, CLOSE_RESTART, "restarting");
	say(chat, &chat->ann, notify_bob);
	let_store_answer(chat);
	hears(&chat->ann, "ack", "channel", "user_bob");
	hears_nothing(&chat->bob);
	assert_int_equal(chat->store.delivered_count, 0);
	assert_int_equal(chat->hub.stats.delivered_count, 0);
	person_return_as(chat, &chat->bob, "bob");
	hears(&chat->bob, "notification", "title", "t");
	assert_int_equal(chat->store.delivered_count, 1);
}

static void whoever_leaves_during_the_replay_takes_no_notification(void **state)
{
	struct chat *chat = *state;
	AUTO(identity) identity = identity_new("bob", RIGHTS_USER);

	say(chat, &chat->ann, notify_bob);
	let_store_answer(chat);
	hears(&chat->ann, "ack", "channel", "user_bob");
	session_on_identified(&chat->bob.session, identity, chat->now_unix_us);
	outbox_end(&chat->bob.outbox, CLOSE_RESTART, "restarting");
	let_store_answer(chat);
	assert_int_equal(chat->store.delivered_count, 0);
}

/* Whoever asks for their own channel at once, before the hub has looked what waits there, gets that
 * all the same, and only once. */
static void what_waits_for_a_user_comes_whatever_the_user_asks(void **state)
{
	static const char *const histories[] = {"{\"limit\":0}", "{\"limit\":9}"};
	struct chat *chat = *state;

	for (size_t i = 0; i < ARRAY_LEN(histories); i++) {
		AUTO(identity) identity = identity_new("bob", RIGHTS_USER);
		char text[200];

		say(chat, &chat->ann,
		    "{\"type\":\"message\",\"channel\":\"user_bob\",\"data\":1,\"persistent\":"
		    "true}");
		say(chat, &chat->ann, notify_bob);
		let_store_answer(chat);
		session_on_identified(&chat->bob.session, identity, chat->now_unix_us);
		hears(&chat->bob, "ack", "user_id", "bob");
		(void)snprintf(text, sizeof(text),
			       "{\"type\":\"subscribe\",\"channel\":\"user_bob\",\"history\":%s}",
			       histories[i]);
		say(chat, &chat->bob, text);
		say(chat, &chat->ann, "{\"type\":\"direct\",\"user_id\":\"bob\",\"data\":2}");
		let_store_answer(chat);
		hears(&chat->bob, "notification", "title", "t");
		hears(&chat->bob, "subscribed", "replay_count", i == 0 ? "0" : "3");
		if (i > 0) /* two messages, and what came the first time */
			outbox_drop(&chat->bob.outbox, 3);
		hears(&chat->bob, "message", "data", "2");
		hears_nothing(&chat->bob);
		/* What the history has again is noted again, which changes nothing. */
		assert_int_equal(chat->store.delivered_count, i == 0 ? 1 : 3);
		person_leave(&chat->bob);
		person_join(chat, &chat->bob, false);
		hears(&chat->bob, "welcome", "user_id", "null");
	}
}

static void one_who_cannot_hear_their_own_channel_does_not_stay(void **state)
{
	static const char subscribe[] = "{\"type\":\"subscribe\",\"channel\":\"user_bob\"}";
	struct chat *chat = *state;

	person_return_as(chat, &chat->bob, "bob");
	chat->store.is_broken = true;
	say(chat, &chat->bob, subscribe);
	let_store_answer(chat);
	chat->store.is_broken = false;
	hears(&chat->bob, "error", "code", "store_failed");
	assert_int_equal(chat->bob.outbox.close_code, CLOSE_INTERNAL);

	person_return_as(chat, &chat->bob, "bob");
	chat->store.is_full = true;
	say(chat, &chat->bob, subscribe);
	chat->store.is_full = false;
	assert_int_equal(chat->bob.outbox.close_code, CLOSE_OVERLOAD);

	person_return_as(chat, &chat->bob, "bob");
	for (int i = 0; i < SUBSCRIBER_READS_MAX; i++)
		say(chat, &chat->bob, HISTORY);
	say(chat, &chat->bob, subscribe);
	hears(&chat->bob, "error", "code", "too_many_reads");
	assert_int_equal(chat->bob.outbox.close_code, CLOSE_NONE);
	assert_int_equal(chat->bob.session.subscriber.subscription_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHAT_TEST(asking_for_ones_own_channel_at_once_is_answered_once),
		CHAT_TEST(a_users_own_channel_is_for_that_user_alone),
		CHAT_TEST(whoever_is_leaving_takes_no_notification),
		CHAT_TEST(whoever_leaves_during_the_replay_takes_no_notification),
		CHAT_TEST(what_waits_for_a_user_comes_whatever_the_user_asks),
		CHAT_TEST(one_who_cannot_hear_their_own_channel_does_not_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
