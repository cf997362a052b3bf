/* rooms.h - the rooms that were made, whether or not anybody is in them.
 *
 * realtime-api makes, changes and deletes rooms; realtimed reads them on a join (and makes one
 * where WEBRTC_AUTO_CREATE_ROOMS allows). Who is in a room is not known here.
 *
 * Every function is one change, which tells the webhooks of itself (db/webhook_events.h), and needs
 * no transaction; inside store_begin() and
 * store_commit() several belong together, so a change that depends on what is there is written
 *   store_begin, rooms_get, (compare, alter the row), rooms_update, store_commit.
 * All may also fail with the errors of statement_step() (db/statement.h), such as -EAGAIN
 * "store_busy", and with -ENOMEM.
 *
 * Thread: the store's.
 */
#ifndef DB_ROOMS_H
#define DB_ROOMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/id.h"
#include "core/password.h"
#include "db/list_position.h"
#include "db/store.h"

enum {
	ROOM_ID_SIZE = ROOM_ID_MAX + 1,
	ROOM_NAME_MAX = 200,	   /* bytes */
	ROOM_METADATA_MAX = 16384, /* bytes of JSON */
	ROOM_CODECS_MAX = 16,
	ROOMS_PAGE_MAX = 200
};

enum room_mode { ROOM_MODE_SFU, ROOM_MODE_MESH };

/* "sfu", "mesh". */
const char *room_mode_name(enum room_mode mode);
/* -EINVAL for any other word. */
int room_mode_parse(const char *text, enum room_mode *ret_mode) MUST_CHECK;

struct room_row {
	char room_id[ROOM_ID_SIZE];
	char name[ROOM_NAME_MAX + 1];
	int64_t max_participants;
	enum room_mode mode;
	bool locked;
	char password_hash[PASSWORD_HASH_SIZE]; /* "": it has none */
	json_t *codecs;				/* owned; an array of strings; NULL counts as [] */
	char *metadata;	 /* owned; the JSON of an object; NULL counts as {} */
	int64_t version; /* 1, then one more with every update */
	int64_t created_at_unix_ms, updated_at_unix_ms;
};

/* Drops codecs and metadata; a zeroed row is fine. */
void room_row_fini(struct room_row *room);
#define AUTO_ROOM_ROW __attribute__((cleanup(room_row_fini))) struct room_row

/* Keep a new room. An empty room_id is replaced by a generated one, an empty name by the room_id;
 * version and both times are set in *room.
 *   -EEXIST "room_exists"   -EUSERS "too_many_rooms" there are `max_rooms` already
 *   -E2BIG "metadata_too_big"
 * On failure nothing was stored. */
int rooms_create(struct store *store, struct room_row *room, int64_t max_rooms, int64_t now_unix_ms,
		 struct error *reterr) MUST_CHECK;

/* Read one into *ret_room, which is overwritten and afterwards the caller's to room_row_fini().
 *   -ENOENT "room_not_found" */
int rooms_get(struct store *store, const char *room_id, struct room_row *ret_room,
	      struct error *reterr) MUST_CHECK;

/* Which rooms; all zero: every one. Texts are borrowed. */
struct rooms_filter {
	const char *name_prefix; /* whatever the case of ASCII letters; NULL: any */
	const char *mode;	 /* "sfu" or "mesh"; NULL: any */
	bool by_locked, is_locked;
};

/* Read up to `limit` (at most ROOMS_PAGE_MAX) rooms behind `after`, oldest first, into the
 * caller's `rooms`. Returns how many; each is the caller's to room_row_fini(). *ret_more says
 * whether there are others behind them. */
int rooms_list(struct store *store, const struct rooms_filter *filter,
	       const struct list_position *after, size_t limit, struct room_row *rooms,
	       bool *ret_more, struct error *reterr) MUST_CHECK;

/* A number that grows with every change of a room, whoever makes it. */
int rooms_version(struct store *store, int64_t *ret_version, struct error *reterr) MUST_CHECK;

/* Write all but its id and times over what is stored;
 * version and updated_at_unix_ms move on, in *room too.
 *   -ENOENT "room_not_found"   -E2BIG "metadata_too_big" */
int rooms_update(struct store *store, struct room_row *room, int64_t now_unix_ms,
		 struct error *reterr) MUST_CHECK;

/* -ENOENT "room_not_found" */
int rooms_delete(struct store *store, const char *room_id, int64_t now_unix_ms,
		 struct error *reterr) MUST_CHECK;

#endif
