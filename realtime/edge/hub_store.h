/* hub_store.h - the hub's questions (struct hub_store) as jobs of the store's thread, and the
 * retention of what it keeps. Thread: loop. */
#ifndef REALTIME_EDGE_HUB_STORE_H
#define REALTIME_EDGE_HUB_STORE_H

#include "realtime/edge/store_thread.h"
#include "realtime/model/hub.h"

struct hub_store_link {
	struct hub *hub;		     /* borrowed */
	struct store_thread *thread;	     /* borrowed */
	const struct namespaces *namespaces; /* borrowed */
	int64_t notifications_kept_s;
	char swept[CHANNEL_NAME_MAX + 1]; /* where the sweep over channels goes on */
	bool is_trimming;
};

/* Pass to hub_init() with a struct hub_store_link. */
extern const struct hub_store hub_store_calls;

/* Before anything is published: tell the hub of the idempotency keys of the last `kept_us`.
 * Blocks. Errors are the store's. */
int hub_store_recall_repeats(struct hub_store_link *link, const char *path, uint64_t kept_us,
			     struct error *reterr) MUST_CHECK;

/* To be called every few seconds: let go what is too old. */
void hub_store_trim(struct hub_store_link *link);

#endif
