#include "tests/unit/realtime/chat.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/realtime/next_json.h"

enum { NOW_US = 1700000000 };

const struct session_limits chat_limits = {.ping_interval_s = 30, .max_message_bytes = 1000};

void person_join_as(struct chat *chat, struct person *person, struct identity *taken)
{
	AUTO(identity) identity = taken;
	char id[CONNECTION_ID_SIZE];

	assert_non_null(identity);
	outbox_init(&person->outbox, 1 << 20, &chat->dirty);
	id_new("conn", id, sizeof(id));
	session_init(&person->session, &chat->hub, &chat_limits, id, &person->outbox);
	session_start(&person->session, identity, chat->now_unix_us);
}

void person_join(struct chat *chat, struct person *person, bool may_publish)
{
	person_join_as(chat, person, identity_new_anonymous(may_publish));
}

void person_leave(struct person *person)
{
	session_fini(&person->session);
	outbox_fini(&person->outbox);
}

static void open_hub(struct chat *chat)
{
	assert_int_equal(hub_init(&chat->hub, chat->namespaces, 300000000, 0, &fake_store_calls,
				  &chat->store),
			 0);
}

static void welcome_both(struct chat *chat)
{
	person_join(chat, &chat->ann, true);
	person_join(chat, &chat->bob, false);
	hears(&chat->ann, "welcome", "max_message_size", "1000");
	hears(&chat->bob, "welcome", "ping_interval", "30");
}

int chat_set_up(void **state)
{
	struct chat *chat = calloc(1, sizeof(*chat));

	assert_non_null(chat);
	chat->now_unix_us = NOW_US;
	list_init(&chat->dirty);
	chat->namespaces = fake_namespaces(3, NULL);
	open_hub(chat);
	welcome_both(chat);
	*state = chat;
	return 0;
}

int chat_tear_down(void **state)
{
	struct chat *chat = *state;

	fake_store_answer_all(&chat->store, &chat->hub, chat->now_unix_us);
	person_leave(&chat->ann);
	person_leave(&chat->bob);
	hub_fini(&chat->hub);
	fake_store_fini(&chat->store);
	(void)namespaces_free(chat->namespaces);
	free(chat);
	return 0;
}

void chat_restart(struct chat *chat)
{
	person_leave(&chat->ann);
	person_leave(&chat->bob);
	hub_fini(&chat->hub);
	open_hub(chat);
	welcome_both(chat);
}

void say(struct chat *chat, struct person *person, const char *text)
{
	chat->now_unix_us += 1000;
	session_on_text(&person->session, text, strlen(text), chat->now_unix_us);
}

void let_store_answer(struct chat *chat)
{
	fake_store_answer_all(&chat->store, &chat->hub, chat->now_unix_us);
}

json_t *hear(struct person *person)
{
	return next_json(&person->outbox);
}

void hears(struct person *person, const char *type, const char *field, const char *value)
{
	AUTO_JSON message = hear(person);
	json_t *found = json_object_get(message, field);
	AUTO_FREE char *text = json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT);

	assert_string_equal(json_string_value(json_object_get(message, "type")), type);
	assert_non_null(found);
	assert_string_equal(json_is_string(found) ? json_string_value(found) : text, value);
}

void hears_nothing(const struct person *person)
{
	assert_int_equal(person->outbox.count, 0);
}
