/* store_group.h - changes of several threads in one transaction.
 *
 * A commit waits for the disk, however little it has. Threads that want to change something at the
 * same time therefore wait together: one of them leads, makes everybody's changes by way of its own
 * store, commits once, and all return. What comes meanwhile is the next group, which the first of
 * those leads.
 *
 *   alone: begin, change, commit         together: begin, (savepoint, change, release)…, commit
 *
 * Nobody is answered before the commit. A change that fails takes only itself back.
 *
 * Thread: any; all stores of one group have the same file open, with the same durability.
 */
#ifndef DB_STORE_GROUP_H
#define DB_STORE_GROUP_H

#include "db/store.h"

struct store_group;

struct store_group *store_group_new(void);
struct store_group *store_group_free(struct store_group *group);
DEFINE_AUTO(store_group, store_group_free);

/* Make a change by way of `store`, which may be another thread's, in the transaction that is open.
 * Must not end it, and must not wait for anything: all others wait for it. */
typedef int store_change_fn(struct store *store, void *data, struct error *reterr);

/* Returns what `change` did, once it is committed; or why it is not, with nothing changed: the
 * change's own errors, store_begin()'s, those of a commit. What `change` wrote to `data` counts on
 * success only. Within a transaction of `store` it is a part of that. */
int store_group_change(struct store_group *group, struct store *store, store_change_fn *change,
		       void *data, struct error *reterr) MUST_CHECK;

#endif
