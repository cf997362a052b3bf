/* repeats.h - messages that were sent with an idempotency_key, so that sending one again (because
 * its acknowledgement got lost) gives the same answer instead of a second message.
 *
 * A key counts within its channel, for a time and among the newest REPEATS_MAX of all.
 *
 *   nothing --repeats_begin()--> under way --repeats_end()--> known --time--> nothing
 *                                    \--repeats_drop(): it failed--> nothing
 *
 * Thread: loop.
 */
#ifndef REALTIME_MODEL_REPEATS_H
#define REALTIME_MODEL_REPEATS_H

#include "core/list.h"
#include "realtime/model/table.h"
#include "realtime/wire/publication.h"

enum { REPEATS_MAX = 100000, REPEAT_WAITERS_MAX = 16 };

struct repeat {
	struct table_link by_key;
	struct list by_age;
	uint64_t begun_at_unix_us;
	/* The place that the message got, and nothing else of it; owned; NULL while under way. */
	struct publication *place;
	struct list waiters; /* of whoever asked again meanwhile; the hub's */
	size_t waiter_count;
	char key[];
};

struct repeats {
	struct table by_key;
	struct list by_age; /* the oldest first */
	uint64_t kept_us;   /* 0: nothing is */
};

/* -ENOMEM */
int repeats_init(struct repeats *repeats, uint64_t kept_us) MUST_CHECK;
/* Nothing may be under way. */
void repeats_fini(struct repeats *repeats);

/* Borrowed until the next call; NULL: it is new. */
struct repeat *repeats_find(struct repeats *repeats, const char *channel, const char *key,
			    uint64_t now_unix_us);
/* For one that was not found. NULL without memory, or if nothing is kept. */
struct repeat *repeats_begin(struct repeats *repeats, const char *channel, const char *key,
			     uint64_t now_unix_us);
/* It got its place. Without memory to remember that, it is forgotten. */
void repeats_end(struct repeats *repeats, struct repeat *repeat,
		 const struct publication *publication);
void repeats_drop(struct repeats *repeats, struct repeat *repeat);

#endif
