/* fake_store.h - the store as the hub's tests see it: answers in order, but only when told to. */
#ifndef TESTS_FAKE_STORE_H
#define TESTS_FAKE_STORE_H

#include "realtime/model/hub.h"

struct fake_job {
	struct publish_order *order;
	struct history_query *query;
};

struct fake_channel {
	char name[64];
	struct channel_state state;
	struct publication *rows[4096]; /* owned; by offset */
	size_t row_count, trimmed_count;
};

struct fake_store {
	struct fake_job jobs[8192];
	size_t first, count;
	struct fake_channel channels[8];
	size_t channel_count;
	uint64_t delivered[4096]; /* positions of notifications */
	size_t delivered_count;
	bool is_broken; /* every answer is a failure */
	bool is_full;	/* no question is taken */
};

extern const struct hub_store fake_store_calls;

/* With `history_size` messages for new subscribers, and the list of REALTIME_NAMESPACES ("[…]").
 * The caller's. */
struct namespaces *fake_namespaces(int64_t history_size, const char *list);

struct fake_channel *fake_store_channel(struct fake_store *store, const char *name);
/* Answer the oldest question; false if there is none. */
bool fake_store_answer(struct fake_store *store, struct hub *hub, uint64_t now_unix_us);
void fake_store_answer_all(struct fake_store *store, struct hub *hub, uint64_t now_unix_us);
void fake_store_fini(struct fake_store *store);

#endif
