#include "realtime/edge/deadlines.h"

void deadlines_init(struct deadlines *deadlines, int64_t now_unix_s)
{
	deadlines->seen_unix_s = now_unix_s;
	for (int i = 0; i < DEADLINE_SLOTS; i++)
		list_init(&deadlines->slots[i]);
}

void deadline_init(struct deadline *deadline)
{
	list_init(&deadline->link);
}

void deadline_clear(struct deadline *deadline)
{
	list_remove(&deadline->link);
}

static struct list *slot_of(struct deadlines *deadlines, int64_t unix_s)
{
	return &deadlines->slots[(uint64_t)unix_s % DEADLINE_SLOTS];
}

void deadline_set(struct deadlines *deadlines, struct deadline *deadline, int64_t due_unix_s)
{
	int64_t slot_s =
		due_unix_s > deadlines->seen_unix_s ? due_unix_s : deadlines->seen_unix_s + 1;

	list_remove(&deadline->link);
	deadline->due_unix_s = due_unix_s;
	list_append(slot_of(deadlines, slot_s), &deadline->link);
}

/* Off the slot first, since the visit may set it for the same slot again. */
static void look_at(struct list *slot, int64_t now_unix_s, struct list *ret_due)
{
	struct deadline *deadline;

	LIST_FOR_EACH (deadline, slot, link) {
		if (deadline->due_unix_s > now_unix_s)
			continue; /* in a later turn of the wheel */
		list_remove(&deadline->link);
		list_append(ret_due, &deadline->link);
	}
}

/* What was due at once lies in a slot that this clock comes to much later: sort all anew. */
static void put_back(struct deadlines *deadlines, int64_t now_unix_s)
{
	struct list all, *first;

	list_init(&all);
	for (int i = 0; i < DEADLINE_SLOTS; i++)
		while ((first = list_first(&deadlines->slots[i]))) {
			list_remove(first);
			list_append(&all, first);
		}
	deadlines->seen_unix_s = now_unix_s - 1;
	while ((first = list_first(&all))) {
		struct deadline *deadline = LIST_ITEM(first, struct deadline, link);

		deadline_set(deadlines, deadline, deadline->due_unix_s);
	}
}

void deadlines_on_timer(struct deadlines *deadlines, int64_t now_unix_s,
			void (*due)(void *data, struct deadline *deadline), void *data)
{
	struct list found, *first;

	list_init(&found);
	if (now_unix_s < deadlines->seen_unix_s)
		put_back(deadlines, now_unix_s);
	/* A clock that was put forward by a turn or more makes every slot worth one look. */
	if (now_unix_s - deadlines->seen_unix_s > DEADLINE_SLOTS)
		deadlines->seen_unix_s = now_unix_s - DEADLINE_SLOTS;
	while (deadlines->seen_unix_s < now_unix_s) {
		deadlines->seen_unix_s++;
		look_at(slot_of(deadlines, deadlines->seen_unix_s), now_unix_s, &found);
	}
	while ((first = list_first(&found))) {
		struct deadline *deadline = LIST_ITEM(first, struct deadline, link);

		list_remove(first);
		due(data, deadline);
	}
}
