/* room_invites.h - invites to a room: whoever bears the token comes in, past its password and its
 * lock, as often as the invite may be used. Only the token's SHA-256 is kept.
 *
 * An invite with max_uses counts people, by who took a place (the holder): a user, or a guest by a
 * secret that they were given. Whoever comes back keeps the place.
 *
 * realtime-api alone makes and revokes invites, realtimed uses them and takes away what has
 * expired. Invites go with their room. All functions may also fail with the errors of
 * statement_step(). Thread: the store's.
 */
#ifndef DB_ROOM_INVITES_H
#define DB_ROOM_INVITES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "db/list_position.h"
#include "db/store.h"

enum {
	INVITE_ID_SIZE = 7 + ID_SIZE,
	INVITE_TOKEN_CHARS = 36, /* "inv_" and 32 random characters */
	INVITE_TOKEN_SIZE = INVITE_TOKEN_CHARS + 1,
	INVITE_NAME_MAX = 200,
	INVITE_USES_MAX = 10000,
	INVITES_PER_ROOM_MAX = 1000,
	INVITES_PAGE_MAX = 200,
	INVITE_HOLDER_SIZE = 6 + USER_ID_BYTES_MAX + 1
};

struct room_invite_row {
	char invite_id[INVITE_ID_SIZE];
	char room_id[ROOM_ID_MAX + 1];
	char name[INVITE_NAME_MAX + 1];
	int64_t max_uses; /* 0: any number */
	int64_t use_count;
	char created_by[USER_ID_BYTES_MAX + 1];		/* "": nobody known */
	int64_t created_at_unix_ms, expires_at_unix_ms; /* the latter 0: never */
};

/* Keep a new invite. Sets invite_id and created_at; the token is in ret_token and nowhere else.
 *   -ENOENT "room_not_found"   -EUSERS "too_many_invites" */
int room_invites_create(struct store *store, struct room_invite_row *row, int64_t now_unix_ms,
			char ret_token[INVITE_TOKEN_SIZE], struct error *reterr) MUST_CHECK;
/* Those who are in stay. -ENOENT "invite_not_found" */
int room_invites_delete(struct store *store, const char *room_id, const char *invite_id,
			struct error *reterr) MUST_CHECK;
/* Up to `limit` (at most INVITES_PAGE_MAX) behind `after`, oldest first, without those that have
 * expired. Returns how many. */
int room_invites_list(struct store *store, const char *room_id, const struct list_position *after,
		      size_t limit, int64_t now_unix_ms, struct room_invite_row *rows,
		      bool *ret_more, struct error *reterr) MUST_CHECK;

/* Who takes a place: a user, or else whoever has `secret_sha256` (hex). */
void invite_holder_format(const char *user_id, const char *secret_sha256,
			  char ret_holder[INVITE_HOLDER_SIZE]);
/* How somebody came to a counted place. */
enum invite_place {
	PLACE_NONE,  /* the invite does not count */
	PLACE_KEPT,  /* it was theirs before */
	PLACE_MOVED, /* it was theirs, as `was_holder` */
	PLACE_TAKEN
};

/* Come in by it, inside a transaction. `was_holder` is who the same guest was before ("": nobody):
 * their place goes over to `holder`. Returns the enum invite_place; on failure nothing has changed.
 *   -EACCES "bad_invite" unknown, revoked, expired or of another room, "invite_used_up" */
int room_invites_use(struct store *store, const char *token, const char *room_id,
		     const char *holder, const char *was_holder, int64_t now_unix_ms,
		     struct room_invite_row *ret_row, struct error *reterr) MUST_CHECK;
/* They did not come in after all: things are as before. In a transaction. */
int room_invites_give_back(struct store *store, const char *invite_id, enum invite_place place,
			   const char *holder, const char *was_holder,
			   struct error *reterr) MUST_CHECK;
/* The holder's places stay taken, but are nobody's any more: who was sent out is a new guest. */
int room_invites_forget_holder(struct store *store, const char *holder,
			       struct error *reterr) MUST_CHECK;
/* Returns how many there were. */
int room_invites_delete_expired(struct store *store, int64_t now_unix_ms,
				struct error *reterr) MUST_CHECK;

#endif
