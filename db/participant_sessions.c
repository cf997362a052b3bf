#include "db/participant_sessions.h"

#include <stdio.h>
#include <stdlib.h>

#include "db/statement.h"
#include "db/webhook_events.h"

static const char sql_join[] =
	"INSERT INTO participant_sessions (room_id, peer_id, user_id, name, kind, joined_at)"
	" VALUES (:room_id, :peer_id, :user_id, :name, :kind, :joined_at)"
	" ON CONFLICT (room_id, peer_id) WHERE left_at IS NULL DO NOTHING";

static const char sql_leave[] = "UPDATE participant_sessions"
				" SET left_at = :now, leave_reason = :reason"
				" WHERE room_id = :room_id AND peer_id = :peer_id"
				" AND left_at IS NULL";

/* peer_id is not indexed alone; a room's sessions are. */
static const char sql_user[] = "SELECT user_id FROM participant_sessions"
			       " WHERE room_id = :room_id AND peer_id = :peer_id"
			       " ORDER BY joined_at DESC LIMIT 1";

static const char sql_end_stale[] =
	"UPDATE participant_sessions"
	" SET left_at = :now, leave_reason = :reason"
	" WHERE left_at IS NULL AND joined_at < :started_at"
	" AND room_id || '/' || peer_id NOT IN (SELECT value FROM json_each(:present))";

static const char sql_list[] =
	"SELECT session_id, peer_id, user_id, name, kind, joined_at, left_at, leave_reason"
	" FROM participant_sessions"
	" WHERE room_id = :room_id AND (joined_at, session_id) < (:joined_at, :session_id)"
	" ORDER BY joined_at DESC, session_id DESC LIMIT :limit";

static int join(struct store *store, const struct participant_session_row *row,
		struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_join, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":room_id", row->room_id);
	statement_bind_text(statement, ":peer_id", row->peer_id);
	statement_bind_text(statement, ":user_id", row->user_id);
	statement_bind_text(statement, ":name", row->name);
	statement_bind_text(statement, ":kind", row->kind);
	statement_bind_int(statement, ":joined_at", row->joined_at_unix_ms);
	return statement_run(store, statement, reterr);
}

int participant_sessions_join(struct store *store, const struct participant_session_row *row,
			      struct error *reterr)
{
	struct webhook_change change;
	int r = webhook_change_begin(store, WEBHOOK_PARTICIPANTS, &change, reterr), noted = 0;

	if (r < 0)
		return r;
	r = join(store, row, reterr);
	if (r > 0) /* else that one is there already */
		noted = webhook_note_joined(store, &change, row->room_id, row->peer_id, reterr);
	return webhook_change_end(store, &change, noted < 0 ? noted : r, reterr);
}

static int leave(struct store *store, const char *room_id, const char *peer_id, const char *reason,
		 int64_t now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_leave, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":room_id", room_id);
	statement_bind_text(statement, ":peer_id", peer_id);
	statement_bind_text(statement, ":reason", reason);
	statement_bind_int(statement, ":now", now_unix_ms);
	return statement_run(store, statement, reterr);
}

int participant_sessions_user(struct store *store, const char *room_id, const char *peer_id,
			      char ret_user_id[USER_ID_BYTES_MAX + 1], struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_user, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":room_id", room_id);
	statement_bind_text(statement, ":peer_id", peer_id);
	r = statement_step(store, statement, reterr);
	if (r <= 0)
		return r;
	statement_copy_text(statement, 0, ret_user_id, USER_ID_BYTES_MAX + 1);
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 1;
}

int participant_sessions_leave(struct store *store, const char *room_id, const char *peer_id,
			       const char *reason, int64_t now_unix_ms, struct error *reterr)
{
	struct webhook_change change;
	int r = webhook_change_begin(store, WEBHOOK_PARTICIPANTS, &change, reterr);

	if (r < 0)
		return r;
	r = webhook_note_leaving(store, &change, room_id, peer_id, reason, now_unix_ms, reterr);
	if (r == 0)
		r = leave(store, room_id, peer_id, reason, now_unix_ms, reterr);
	return webhook_change_end(store, &change, r, reterr);
}

static int end_stale(struct store *store, int64_t started_at_unix_ms, const char *present,
		     const char *reason, int64_t now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_end_stale, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":started_at", started_at_unix_ms);
	statement_bind_text(statement, ":present", present);
	statement_bind_text(statement, ":reason", reason);
	statement_bind_int(statement, ":now", now_unix_ms);
	return statement_run(store, statement, reterr);
}

int participant_sessions_end_stale(struct store *store, int64_t started_at_unix_ms,
				   const char *present, const char *reason, int64_t now_unix_ms,
				   struct error *reterr)
{
	struct webhook_change change;
	int r = webhook_change_begin(store, WEBHOOK_PARTICIPANTS, &change, reterr);

	if (r < 0)
		return r;
	r = webhook_note_stale(store, &change, started_at_unix_ms, present, reason, now_unix_ms,
			       reterr);
	if (r == 0)
		r = end_stale(store, started_at_unix_ms, present, reason, now_unix_ms, reterr);
	return webhook_change_end(store, &change, r, reterr);
}

int participant_sessions_list(struct store *store, const char *room_id,
			      const struct list_position *before, size_t limit,
			      participant_session_visit_fn visit, void *data, bool *ret_more,
			      struct error *reterr)
{
	sqlite3_stmt *statement;
	struct statement_page page;
	int r = statement_get(store, sql_list, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":room_id", room_id);
	statement_bind_int(statement, ":joined_at",
			   before ? before->created_at_unix_ms : INT64_MAX);
	statement_bind_int(statement, ":session_id", before ? strtoll(before->id, NULL, 10) : 0);
	page = statement_page(statement, limit);
	while ((r = statement_page_step(store, statement, &page, reterr)) > 0) {
		const struct participant_session session = {
			.session_id = sqlite3_column_int64(statement, 0),
			.row = {.room_id = room_id,
				.peer_id = statement_text(statement, 1),
				.user_id = statement_text_or_null(statement, 2),
				.name = statement_text(statement, 3),
				.kind = statement_text(statement, 4),
				.joined_at_unix_ms = sqlite3_column_int64(statement, 5)},
			.left_at_unix_ms = sqlite3_column_int64(statement, 6),
			.leave_reason = statement_text_or_null(statement, 7)};

		visit(data, &session);
	}
	if (r < 0)
		return r;
	*ret_more = page.more;
	return (int)page.count;
}
