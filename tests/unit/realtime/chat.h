/* chat.h - two chat connections at one hub, for tests of what is said there: Ann, who may publish,
 * and Bob, who may not; both were welcomed. The store answers when it is told to. `*state` is the
 * chat. Thread: one. */
#ifndef TESTS_UNIT_REALTIME_CHAT_H
#define TESTS_UNIT_REALTIME_CHAT_H

#include "tests/unit/cmocka_all.h"

#include "core/json.h"
#include "realtime/model/session.h"
#include "tests/unit/realtime/fake_store.h"

struct person {
	struct outbox outbox;
	struct session session;
};

struct chat {
	struct namespaces *namespaces; /* a new subscriber gets 3 messages of before */
	struct hub hub;
	struct fake_store store;
	struct list dirty;
	struct person ann, bob;
	uint64_t now_unix_us;
};

extern const struct session_limits chat_limits;

#define CHAT_TEST(name) cmocka_unit_test_setup_teardown(name, chat_set_up, chat_tear_down)
int chat_set_up(void **state);
int chat_tear_down(void **state);
/* The process dies and comes again; so do Ann and Bob, with the store as it was. */
void chat_restart(struct chat *chat);

/* Another connection, of somebody (taken) or of nobody; its welcome is still to be heard. */
void person_join_as(struct chat *chat, struct person *person, struct identity *taken);
void person_join(struct chat *chat, struct person *person, bool may_publish);
void person_leave(struct person *person);

/* What is said most often. */
#define SUBSCRIBE "{\"type\":\"subscribe\",\"channel\":\"c\"}"
#define UNSUBSCRIBE "{\"type\":\"unsubscribe\",\"channel\":\"c\"}"
#define PUBLISH "{\"type\":\"message\",\"channel\":\"c\",\"data\":1}"
#define PERSIST "{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"persistent\":true}"
#define HISTORY "{\"type\":\"history\",\"channel\":\"c\"}"

void say(struct chat *chat, struct person *person, const char *text);
void let_store_answer(struct chat *chat);
/* The next message for this person; the caller's. */
json_t *hear(struct person *person);
/* It is of this type, and that field of it is this string, or this as JSON. */
void hears(struct person *person, const char *type, const char *field, const char *value);
void hears_nothing(const struct person *person);

#endif
