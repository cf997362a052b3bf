/* store.h - the store: what outlives a restart.
 *
 * One SQLite file in WAL mode, readable by admins while everything runs. This header has opening,
 * migrating and transactions; the aggregates have headers of their own (rooms.h, messages.h …).
 * Only db/ knows sqlite3, so that another store can take its place behind the same functions.
 *
 * Thread: one thread per struct store; every thread opens its own.
 */
#ifndef DB_STORE_H
#define DB_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/error.h"

struct store;

enum store_durability {
	STORE_DURABLE, /* a commit is on the disk when it returns (synchronous=FULL) */
	STORE_RELAXED  /* it survives the processes, the last ones not a power cut (NORMAL) */
};

/* Open `path`, creating the file, and bring its schema up to date (each migration in one
 * transaction; several processes may do this at once).
 *   -ENOENT/-EACCES "store_unavailable"  -EBADF "store_damaged"  -ESTALE "store_too_new" */
int store_open(const char *path, enum store_durability durability, struct store **ret_store,
	       struct error *reterr) MUST_CHECK;
struct store *store_free(struct store *store);
DEFINE_AUTO(store, store_free);

/* Transactions. Between begin and commit/rollback every change belongs together. begin takes the
 * write lock at once, waiting up to 5 s (-EAGAIN "store_busy"). */
int store_begin(struct store *store, struct error *reterr) MUST_CHECK;
int store_commit(struct store *store, struct error *reterr) MUST_CHECK;
void store_rollback(struct store *store);
/* Is one open? Some errors (a full disk, a failing one) roll back by themselves. */
bool store_in_transaction(const struct store *store);

/* A number that changes whenever somebody else has changed the store (not by what was written by
 * way of this one). */
int store_version(struct store *store, int64_t *ret_version, struct error *reterr) MUST_CHECK;

/* What tells the store's content from what it was: as long as the mark is the same, nobody has
 * committed anything, in this process or another. Costs some loads from memory, no lock and no
 * transaction. False: it is not to be known now (a store in memory, or one that is being changed at
 * this moment). */
struct store_mark {
	uint32_t words[10];
};
bool store_mark(const struct store *store, struct store_mark *ret_mark) MUST_CHECK;

/* Copy it, as of one moment, to `path`, which must not exist; others read and write meanwhile.
 *   -EEXIST "already_exists"   -EACCES, -ENOSPC, -EIO "backup_failed" (nothing is left behind) */
int store_backup(struct store *store, const char *path, struct error *reterr) MUST_CHECK;
/* Read all of it. `visit` hears of each fault. -EBADF "store_damaged" there are some */
int store_check_whole(struct store *store, void (*visit)(void *data, const char *fault), void *data,
		      struct error *reterr) MUST_CHECK;
/* Write the file anew, without what is free in it. Writers wait. */
int store_vacuum(struct store *store, struct error *reterr) MUST_CHECK;

/* Is the file readable right now? For health checks. */
int store_check(struct store *store, struct error *reterr) MUST_CHECK;

#endif
