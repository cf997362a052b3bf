/* table.h - a hash table of objects by name.
 *
 * Intrusive: a link lives inside the object and points at the object's own key, which must stay in
 * place while the object is in the table. The table owns only its buckets and doubles them as it
 * fills; the hash is seeded, so that names from outside cannot be made to collide. Thread: one.
 */
#ifndef REALTIME_MODEL_TABLE_H
#define REALTIME_MODEL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

struct table_link {
	struct table_link *next;
	const char *key; /* borrowed from the object */
	uint64_t hash;
};

struct table {
	struct table_link **buckets;
	size_t bucket_count, count;
	uint64_t seed;
};

/* -ENOMEM */
int table_init(struct table *table) MUST_CHECK;
/* The objects are left as they are. */
void table_fini(struct table *table);

struct table_link *table_find(const struct table *table, const char *key);
/* `key` must not be in the table yet. Cannot fail: without memory to grow, the chains get longer.
 */
void table_add(struct table *table, const char *key, struct table_link *link);
void table_remove(struct table *table, struct table_link *link);
/* Any one of the links, or NULL: for emptying a table. */
struct table_link *table_first(const struct table *table);

/* `link` may be removed by the visit, nothing else may. */
void table_for_each(const struct table *table, void (*visit)(void *data, struct table_link *link),
		    void *data);

/* Those that are wanted and whose keys come behind `after` (NULL: all), in the order of keys: a
 * page at a time, none comes twice and none that stays is missed, whatever else comes and goes. A
 * new array of *ret_count, to be free()d; NULL without memory. */
struct table_link **table_sort(const struct table *table, const char *after,
			       bool (*is_wanted)(const void *data, struct table_link *link),
			       const void *data, size_t *ret_count);

#define TABLE_ITEM(link, type, member) CONTAINER_OF(link, type, member)

#endif
