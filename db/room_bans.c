#include "db/room_bans.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "db/rooms.h"
#include "db/statement.h"

#define BAN_COLUMNS                                                                                \
	"ban_id, room_id, user_id, reason, created_by, created_at, coalesce(expires_at, 0) "
#define IN_FORCE "(expires_at IS NULL OR expires_at > :now) "

static const char put_sql[] =
	"INSERT INTO room_bans (ban_id, room_id, user_id, reason, created_by, created_at,"
	" expires_at)"
	" SELECT :ban_id, room_id, :user_id, :reason, nullif(:created_by, ''), :now,"
	" nullif(:expires_at, 0)"
	" FROM rooms WHERE room_id = :room_id"
	" AND (SELECT count(*) FROM room_bans WHERE room_id = :room_id) < :max"
	" ON CONFLICT (room_id, user_id) DO UPDATE SET reason = excluded.reason,"
	" created_by = excluded.created_by, created_at = excluded.created_at,"
	" expires_at = excluded.expires_at"
	" RETURNING ban_id";

static const char delete_sql[] =
	"DELETE FROM room_bans WHERE room_id = :room_id AND ban_id = :ban_id";

static const char list_sql[] = "SELECT " BAN_COLUMNS "FROM room_bans "
			       "WHERE room_id = :room_id AND " IN_FORCE
			       "AND (created_at, ban_id) > (:created_at, :after_id) "
			       "ORDER BY created_at, ban_id LIMIT :limit";

static const char find_sql[] =
	"SELECT " BAN_COLUMNS
	"FROM room_bans WHERE room_id = :room_id AND user_id = :user_id AND " IN_FORCE;

/* CROSS JOIN: those who are there are looked up among the bans, not the other way round. */
static const char match_sql[] = "SELECT bans.room_id, bans.user_id, bans.reason "
				"FROM json_each(:present) AS present CROSS JOIN room_bans AS bans "
				"ON bans.room_id = json_extract(present.value, '$[0]') "
				"AND bans.user_id = json_extract(present.value, '$[1]') "
				"WHERE " IN_FORCE;

static const char each_sql[] = "SELECT " BAN_COLUMNS "FROM room_bans WHERE " IN_FORCE
			       "ORDER BY room_id, created_at, ban_id";

static const char delete_expired_sql[] = "DELETE FROM room_bans WHERE expires_at <= :now";

/* Either there is no such room, or it has as many as it may. */
static int no_row_put(struct store *store, const char *room_id, struct error *reterr)
{
	AUTO_ROOM_ROW room = {0};
	int r = rooms_get(store, room_id, &room, reterr);

	if (r < 0)
		return r;
	return error_set(reterr, -EUSERS, "too_many_bans", "%s has %d bans already", room_id,
			 BANS_PER_ROOM_MAX);
}

int room_bans_put(struct store *store, struct room_ban_row *row, int64_t now_unix_ms,
		  struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, put_sql, &statement, reterr);

	if (r < 0)
		return r;
	id_new("ban", row->ban_id, sizeof(row->ban_id));
	row->created_at_unix_ms = now_unix_ms;
	statement_bind_text(statement, ":ban_id", row->ban_id);
	statement_bind_text(statement, ":room_id", row->room_id);
	statement_bind_text(statement, ":user_id", row->user_id);
	statement_bind_text(statement, ":reason", row->reason);
	statement_bind_text(statement, ":created_by", row->created_by);
	statement_bind_int(statement, ":now", now_unix_ms);
	statement_bind_int(statement, ":expires_at", row->expires_at_unix_ms);
	statement_bind_int(statement, ":max", BANS_PER_ROOM_MAX);
	r = statement_step(store, statement, reterr);
	if (r <= 0)
		return r < 0 ? r : no_row_put(store, row->room_id, reterr);
	statement_copy_text(statement, 0, row->ban_id, sizeof(row->ban_id));
	/* The transaction ends here, and only here can that fail. */
	r = statement_step(store, statement, reterr);
	return r < 0 ? r : 0;
}

int room_bans_delete(struct store *store, const char *room_id, const char *ban_id,
		     struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, delete_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":room_id", room_id);
	statement_bind_text(statement, ":ban_id", ban_id);
	r = statement_run(store, statement, reterr);
	if (r < 0)
		return r;
	return r > 0 ? 0
		     : error_set(reterr, -ENOENT, "ban_not_found", "%s has no ban %s", room_id,
				 ban_id);
}

static void read_row(sqlite3_stmt *statement, struct room_ban_row *row)
{
	statement_copy_text(statement, 0, row->ban_id, sizeof(row->ban_id));
	statement_copy_text(statement, 1, row->room_id, sizeof(row->room_id));
	statement_copy_text(statement, 2, row->user_id, sizeof(row->user_id));
	statement_copy_text(statement, 3, row->reason, sizeof(row->reason));
	statement_copy_text(statement, 4, row->created_by, sizeof(row->created_by));
	row->created_at_unix_ms = sqlite3_column_int64(statement, 5);
	row->expires_at_unix_ms = sqlite3_column_int64(statement, 6);
}

int room_bans_list(struct store *store, const char *room_id, const struct list_position *after,
		   size_t limit, int64_t now_unix_ms, struct room_ban_row *rows, bool *ret_more,
		   struct error *reterr)
{
	sqlite3_stmt *statement;
	struct statement_page page;
	int r;

	assert(limit <= BANS_PAGE_MAX);
	r = statement_get(store, list_sql, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_text(statement, ":room_id", room_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	statement_bind_int(statement, ":created_at", after->created_at_unix_ms);
	statement_bind_text(statement, ":after_id", after->id);
	page = statement_page(statement, limit);
	while ((r = statement_page_step(store, statement, &page, reterr)) > 0)
		read_row(statement, &rows[page.count - 1]);
	if (r < 0)
		return r;
	*ret_more = page.more;
	return (int)page.count;
}

int room_bans_find(struct store *store, const char *room_id, const char *user_id,
		   int64_t now_unix_ms, struct room_ban_row *ret_row, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r;

	if (!*user_id)
		return 0;
	r = statement_get(store, find_sql, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_text(statement, ":room_id", room_id);
	statement_bind_text(statement, ":user_id", user_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	r = statement_step(store, statement, reterr);
	if (r <= 0)
		return r;
	read_row(statement, ret_row);
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 1;
}

int room_bans_match(struct store *store, const char *present, int64_t now_unix_ms,
		    void (*visit)(void *data, const char *room_id, const char *user_id,
				  const char *reason),
		    void *data, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, match_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":present", present);
	statement_bind_int(statement, ":now", now_unix_ms);
	while ((r = statement_step(store, statement, reterr)) > 0)
		visit(data, statement_text(statement, 0), statement_text(statement, 1),
		      statement_text(statement, 2));
	return r;
}

int room_bans_each(struct store *store, int64_t now_unix_ms,
		   void (*visit)(void *data, const struct room_ban_row *row), void *data,
		   struct error *reterr)
{
	struct room_ban_row row;
	sqlite3_stmt *statement;
	int r = statement_get(store, each_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":now", now_unix_ms);
	while ((r = statement_step(store, statement, reterr)) > 0) {
		read_row(statement, &row);
		visit(data, &row);
	}
	return r;
}

int room_bans_delete_expired(struct store *store, int64_t now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, delete_expired_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":now", now_unix_ms);
	return statement_run(store, statement, reterr);
}
