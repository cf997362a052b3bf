/* hub_store.h - the hub's questions (struct hub_store) as jobs of the store's thread, and the
 * retention of what it keeps. Thread: loop. */
#ifndef REALTIME_EDGE_HUB_STORE_H
#define REALTIME_EDGE_HUB_STORE_H

#include "realtime/edge/store_thread.h"
#include "realtime/model/hub.h"

struct hub_store_link {
	struct hub *hub;	     /* borrowed */
	struct store_thread *thread; /* borrowed */
	int64_t kept_s;		     /* how old a message may become */
	bool is_trimming;
};

/* Pass to hub_init() with a struct hub_store_link. */
extern const struct hub_store hub_store_calls;

/* To be called every few seconds: let go what is too old. */
void hub_store_trim(struct hub_store_link *link);

#endif
