/* list.h - an intrusive doubly linked list.
 *
 * A link lives inside the object it strings together; a link on no list points at itself, so
 * list_remove() is safe to call twice. The list owns nothing. Thread: whoever owns the objects.
 */
#ifndef CORE_LIST_H
#define CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/cleanup.h"

struct list {
	struct list *next, *previous;
};

static inline void list_init(struct list *list)
{
	list->next = list;
	list->previous = list;
}

static inline bool list_is_empty(const struct list *list)
{
	return list->next == list;
}

/* Put `link` (on no list) at the end of `list`. */
static inline void list_append(struct list *list, struct list *link)
{
	link->previous = list->previous;
	link->next = list;
	list->previous->next = link;
	list->previous = link;
}

static inline void list_remove(struct list *link)
{
	link->previous->next = link->next;
	link->next->previous = link->previous;
	list_init(link);
}

/* All of `added` go to the end of `list`, in their order. */
static inline void list_splice(struct list *list, struct list *added)
{
	if (list_is_empty(added))
		return;
	added->next->previous = list->previous;
	list->previous->next = added->next;
	added->previous->next = list;
	list->previous = added->previous;
	list_init(added);
}

/* The first link, or NULL. */
static inline struct list *list_first(const struct list *list)
{
	return list_is_empty(list) ? NULL : list->next;
}

#define LIST_ITEM(link, type, member) CONTAINER_OF(link, type, member)

/* `item` may be removed from the list inside the body, nothing else may. */
#define LIST_FOR_EACH(item, list, member)                                                          \
	for (__typeof__(item) item##_next_ =                                                       \
		     (item = LIST_ITEM((list)->next, __typeof__(*item), member),                   \
		     LIST_ITEM(item->member.next, __typeof__(*item), member));                     \
	     &item->member != (list);                                                              \
	     item = item##_next_, item##_next_ =                                                   \
					  LIST_ITEM(item->member.next, __typeof__(*item), member))

#endif
