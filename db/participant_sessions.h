/* participant_sessions.h - who was in which call, and when. Written by realtimed alone; a row
 * without left_at is somebody who is there now. All functions may fail with the errors of
 * statement_step() (db/statement.h). Thread: the store's. */
#ifndef DB_PARTICIPANT_SESSIONS_H
#define DB_PARTICIPANT_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/id.h"
#include "db/list_position.h"
#include "db/store.h"

struct participant_session_row {
	const char *room_id, *peer_id, *name, *kind; /* borrowed; kind "call", "whip", "whep" */
	const char *user_id;			     /* NULL for somebody unknown */
	int64_t joined_at_unix_ms;
};

/* Keep that somebody joined; one who is there already (after a restart) stays as it is. */
int participant_sessions_join(struct store *store, const struct participant_session_row *row,
			      struct error *reterr) MUST_CHECK;
/* Returns how many rows it ended: 0 if there was none. */
int participant_sessions_leave(struct store *store, const char *room_id, const char *peer_id,
			       const char *reason, int64_t now_unix_ms,
			       struct error *reterr) MUST_CHECK;
/* Whose peer is that, or was it? 1: *ret_user_id is who ("": nobody known); 0: none is on record.
 */
int participant_sessions_user(struct store *store, const char *room_id, const char *peer_id,
			      char ret_user_id[USER_ID_BYTES_MAX + 1],
			      struct error *reterr) MUST_CHECK;
/* End what earlier runs left open: rows that began before `started_at_unix_ms` and whose peer is
 * not in `present`, a JSON array of "room_id/peer_id". */
int participant_sessions_end_stale(struct store *store, int64_t started_at_unix_ms,
				   const char *present, const char *reason, int64_t now_unix_ms,
				   struct error *reterr) MUST_CHECK;

/* A row as it is read: everything borrowed until the visitor returns. */
struct participant_session {
	int64_t session_id;
	struct participant_session_row row;
	int64_t left_at_unix_ms;  /* 0: it is there */
	const char *leave_reason; /* NULL: it is there */
};
typedef void (*participant_session_visit_fn)(void *data, const struct participant_session *session);
/* A room's, the newest first, behind `before` (NULL: from the start; its id is a session_id).
 * Returns how many were visited, at most `limit`; *ret_more: there are others behind them. */
int participant_sessions_list(struct store *store, const char *room_id,
			      const struct list_position *before, size_t limit,
			      participant_session_visit_fn visit, void *data, bool *ret_more,
			      struct error *reterr) MUST_CHECK;

#endif
