/* due_wheel.h - who has to be looked after at which of the ticks to come.
 *
 * A link is in one slot at a time, so that a tick touches those whose turn it is and nobody else:
 * of hundreds, each is a cache's miss. Who was not seen to in a tick's time stays due, in front of
 * those of the next. Pure. Thread: worker.
 */
#ifndef SFU_MODEL_DUE_WHEEL_H
#define SFU_MODEL_DUE_WHEEL_H

#include "core/list.h"

enum { DUE_TICKS_MAX = 7 };

struct due_wheel {
	struct list slots[DUE_TICKS_MAX + 1];
	struct list due;
	unsigned now; /* the slot that became due last */
};

static inline void due_wheel_init(struct due_wheel *wheel)
{
	for (int i = 0; i <= DUE_TICKS_MAX; i++)
		list_init(&wheel->slots[i]);
	list_init(&wheel->due);
	wheel->now = 0;
}

/* Due after so many ticks, 1 to DUE_TICKS_MAX; whatever was said of it before is forgotten. Leave
 * with list_remove(). */
static inline void due_wheel_add(struct due_wheel *wheel, struct list *link, unsigned ticks)
{
	list_remove(link);
	list_append(&wheel->slots[(wheel->now + ticks) % (DUE_TICKS_MAX + 1)], link);
}

/* Due now. */
static inline void due_wheel_hurry(struct due_wheel *wheel, struct list *link)
{
	list_remove(link);
	list_append(&wheel->due, link);
}

static inline void due_wheel_tick(struct due_wheel *wheel)
{
	wheel->now = (wheel->now + 1) % (DUE_TICKS_MAX + 1);
	list_splice(&wheel->due, &wheel->slots[wheel->now]);
}

/* Who is due, and on no list from here on; NULL: nobody. */
static inline struct list *due_wheel_take(struct due_wheel *wheel)
{
	struct list *first = list_first(&wheel->due);

	if (first)
		list_remove(first);
	return first;
}

#endif
