/* room_bans.h - users who may not enter a room, for a time or for good. A user has one ban in a
 * room at most. realtime-api alone makes and ends them, realtimed looks at them and takes away what
 * has expired. Bans go with their room. All functions may also fail with the errors of
 * statement_step(). Thread: the store's. */
#ifndef DB_ROOM_BANS_H
#define DB_ROOM_BANS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "db/list_position.h"
#include "db/store.h"

enum {
	BAN_ID_SIZE = 4 + ID_SIZE,
	BAN_REASON_MAX = 500,
	BANS_PER_ROOM_MAX = 10000,
	BANS_PAGE_MAX = 200
};

struct room_ban_row {
	char ban_id[BAN_ID_SIZE];
	char room_id[ROOM_ID_MAX + 1];
	char user_id[USER_ID_BYTES_MAX + 1];
	char reason[BAN_REASON_MAX + 1];
	char created_by[USER_ID_BYTES_MAX + 1];		/* "": nobody known */
	int64_t created_at_unix_ms, expires_at_unix_ms; /* the latter 0: never */
};

/* Keep a ban; one of the same user in that room is replaced and keeps its ban_id. Sets ban_id and
 * created_at.
 *   -ENOENT "room_not_found"   -EUSERS "too_many_bans" */
int room_bans_put(struct store *store, struct room_ban_row *row, int64_t now_unix_ms,
		  struct error *reterr) MUST_CHECK;
/* -ENOENT "ban_not_found" */
int room_bans_delete(struct store *store, const char *room_id, const char *ban_id,
		     struct error *reterr) MUST_CHECK;
/* Up to `limit` (at most BANS_PAGE_MAX) behind `after`, oldest first, without those that have
 * expired. Returns how many. */
int room_bans_list(struct store *store, const char *room_id, const struct list_position *after,
		   size_t limit, int64_t now_unix_ms, struct room_ban_row *rows, bool *ret_more,
		   struct error *reterr) MUST_CHECK;
/* Is that user ("": nobody known, who is never) banned there? 1 (*ret_row is how) or 0. */
int room_bans_find(struct store *store, const char *room_id, const char *user_id,
		   int64_t now_unix_ms, struct room_ban_row *ret_row,
		   struct error *reterr) MUST_CHECK;
/* Which of those present are banned? `present` is a JSON array of [room_id, user_id]. `visit` hears
 * of each; its strings are borrowed. */
int room_bans_match(struct store *store, const char *present, int64_t now_unix_ms,
		    void (*visit)(void *data, const char *room_id, const char *user_id,
				  const char *reason),
		    void *data, struct error *reterr) MUST_CHECK;
/* Every ban that is in force, by room and age. `row` is borrowed. */
int room_bans_each(struct store *store, int64_t now_unix_ms,
		   void (*visit)(void *data, const struct room_ban_row *row), void *data,
		   struct error *reterr) MUST_CHECK;
/* Returns how many there were. */
int room_bans_delete_expired(struct store *store, int64_t now_unix_ms,
			     struct error *reterr) MUST_CHECK;

#endif
