/* exchange.h - a switchboard between clients and an SFU, for tests of calls: what clients hear and
 * what the SFU is told. `*state` is the exchange; no SFU is connected at first. Thread: one. */
#ifndef TESTS_UNIT_REALTIME_EXCHANGE_H
#define TESTS_UNIT_REALTIME_EXCHANGE_H

#include "tests/unit/cmocka_all.h"

#include "core/json.h"
#include "realtime/model/signaling_session.h"

enum { TOLD_MAX = 64 };

struct exchange {
	struct switchboard board;
	const struct room_facts *facts; /* what whoever joins next finds; sfu_room unless set */
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
	struct exchange *exchange;
	struct outbox outbox;
	struct signaling_session session;
	char peer_id[PEER_ID_SIZE], token[64];
};

/* Room "r" of at most three. */
extern const struct room_facts sfu_room, mesh_room;

#define EXCHANGE_TEST(name)                                                                        \
	cmocka_unit_test_setup_teardown(name, exchange_set_up, exchange_tear_down)
int exchange_set_up(void **state);
int exchange_tear_down(void **state);
/* The process dies and comes again, and knows nothing. */
void exchange_restart(struct exchange *exchange);

/* ---- the SFU ---- */

/* It is connected, and has these rooms. */
void sfu_says_hello(struct exchange *exchange, const char *rooms);
/* The body of the last such message that it was told, or of one so many before it; NULL: there is
 * none. */
const json_t *told(const struct exchange *exchange, enum bus_message message, size_t back);
void forget_told(struct exchange *exchange);

/* ---- clients ---- */

void client_open(struct exchange *exchange, struct client *client, const char *name);
/* Opened, joined and told so: as nobody in particular, or as a user. */
void client_join(struct exchange *exchange, struct client *client, const char *name);
void client_join_as(struct exchange *exchange, struct client *client, const char *user_id);
void client_close(struct client *client);
/* It hears that it has joined. */
void remember_joined(struct client *client);
/* The SFU says hello and both join; Ann has heard so. */
void ann_and_bob_join(struct exchange *exchange, struct client *ann, struct client *bob);
struct peer *peer_of(struct exchange *exchange, const struct client *client);

void say(struct client *client, const char *text);
/* A signal with "sdp": "v=0" and "id": 5. */
void say_to(struct client *client, const char *target, const char *type);
/* The next message for it; the caller's. */
json_t *hear(struct client *client);
/* It is of this type, and that field of it (or NULL) this string. */
void hears(struct client *client, const char *type, const char *field, const char *value);
const char *text_of(const json_t *object, const char *name);

#endif
