/* deadlines.h - connections that something happens to at a given second: a wheel of lists, so that
 * neither setting a deadline nor looking for the due ones costs more with many. The clock is the
 * wall's and may be put forward or back. Thread: loop. */
#ifndef REALTIME_EDGE_DEADLINES_H
#define REALTIME_EDGE_DEADLINES_H

#include <stdint.h>

#include "core/list.h"

enum { DEADLINE_SLOTS = 1024 }; /* seconds of one turn of the wheel */

struct deadline {
	struct list link;
	int64_t due_unix_s;
};

struct deadlines {
	struct list slots[DEADLINE_SLOTS];
	int64_t seen_unix_s; /* everything up to here was looked at */
};

void deadlines_init(struct deadlines *deadlines, int64_t now_unix_s);
void deadline_init(struct deadline *deadline);
/* Instead of any it had before. What is due already comes with the next look. */
void deadline_set(struct deadlines *deadlines, struct deadline *deadline, int64_t due_unix_s);
void deadline_clear(struct deadline *deadline);

/* Take those that are due off the wheel, and tell. The visit may set it anew. */
void deadlines_on_timer(struct deadlines *deadlines, int64_t now_unix_s,
			void (*due)(void *data, struct deadline *deadline), void *data);

#endif
