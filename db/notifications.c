#include "db/notifications.h"

#include <errno.h>

#include "db/statement.h"

/* -> gives a member as JSON, "7" for 7 and "\"7\"" for the string, where ->> and json_extract()
 * would give both as 7; NULL if it is absent. */
static const char sql_insert[] =
	"INSERT INTO notifications"
	" (notification_id, message_id, user_id, offset, notification_type, title, body, data,"
	" sender, created_at, expires_at)"
	" VALUES (:fields ->> '$.notification_id', :message_id, :user_id, :offset,"
	" :fields ->> '$.notification_type', :fields ->> '$.title', :fields ->> '$.body',"
	" :fields -> '$.data', :sender, :created_at, NULLIF(:expires_at, 0))";

/* json() splices the data in. What an admin wrote there that is no JSON counts as no data: it must
 * not keep its user's other notifications from being read. */
#define FIELDS                                                                                     \
	"'notification_id', notification_id, 'title', title, 'body', body, 'notification_type', "  \
	"notification_type"
#define COLUMNS                                                                                    \
	"user_id, message_id,"                                                                     \
	" CASE json_valid(data) WHEN 1 THEN json_object(" FIELDS ", 'data', json(data))"           \
	" ELSE json_object(" FIELDS ") END,"                                                       \
	" sender, offset, created_at, expires_at, delivered_at, read_at"

#define OF_TYPE " AND (:type IS NULL OR notification_type = :type)"
#define NOT_EXPIRED " AND (expires_at IS NULL OR expires_at > :now)"

static const char sql_undelivered[] =
	"SELECT " COLUMNS " FROM notifications"
	" WHERE message_id IN (SELECT message_id FROM notifications"
	"  WHERE user_id = :user_id AND delivered_at IS NULL" NOT_EXPIRED
	"  ORDER BY message_id DESC LIMIT :limit)"
	" ORDER BY message_id";

static const char sql_list[] =
	"SELECT " COLUMNS " FROM notifications"
	" WHERE user_id = :user_id AND message_id < :before" OF_TYPE NOT_EXPIRED
	" ORDER BY message_id DESC LIMIT :limit";

static const char sql_list_unread[] =
	"SELECT " COLUMNS " FROM notifications"
	" WHERE user_id = :user_id AND message_id < :before"
	" AND read_at IS NULL" OF_TYPE NOT_EXPIRED " ORDER BY message_id DESC LIMIT :limit";

static const char sql_count_unread[] = "SELECT COUNT(*) FROM notifications"
				       " WHERE user_id = :user_id AND read_at IS NULL" NOT_EXPIRED;

static const char sql_mark_delivered[] = "UPDATE notifications"
					 " SET delivered_at = :now"
					 " WHERE message_id = :message_id AND delivered_at IS NULL";

static const char sql_mark_read[] =
	"UPDATE notifications"
	" SET read_at = :now, delivered_at = COALESCE(delivered_at, :now)"
	" WHERE notification_id = :notification_id AND user_id = :user_id AND read_at IS NULL";

static const char sql_mark_all_read[] =
	"UPDATE notifications"
	" SET read_at = :now, delivered_at = COALESCE(delivered_at, :now)"
	" WHERE user_id = :user_id AND read_at IS NULL" NOT_EXPIRED;

static const char sql_exists[] = "SELECT 1 FROM notifications"
				 " WHERE notification_id = :notification_id"
				 " AND user_id = :user_id";

static const char sql_trim_old[] =
	"DELETE FROM notifications"
	" WHERE notification_id IN (SELECT notification_id FROM notifications"
	"  WHERE created_at < :before ORDER BY created_at LIMIT :limit)";

static const char sql_trim_expired[] =
	"DELETE FROM notifications"
	" WHERE notification_id IN (SELECT notification_id FROM notifications"
	"  WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit)";

static const char sql_trim_user[] =
	"DELETE FROM notifications"
	" WHERE user_id = :user_id"
	" AND message_id <= (SELECT message_id FROM notifications"
	"  WHERE user_id = :user_id ORDER BY message_id DESC LIMIT 1 OFFSET :kept_count)";

/* Behind every message_id: these are of ASCII. */
static const char behind_all[] = "\x7f";

int notifications_insert(struct store *store, const struct notification_row *row,
			 struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_insert, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":fields", row->fields);
	statement_bind_text(statement, ":message_id", row->message_id);
	statement_bind_text(statement, ":user_id", row->user_id);
	statement_bind_int(statement, ":offset", row->offset);
	statement_bind_text(statement, ":sender", row->sender);
	statement_bind_int(statement, ":created_at", row->created_at_unix_ms);
	statement_bind_int(statement, ":expires_at", row->expires_at_unix_ms);
	r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}

/* ---- reading ---- */

static int visit_rows(struct store *store, sqlite3_stmt *statement, notification_visit_fn visit,
		      void *data, struct error *reterr)
{
	int r;

	while ((r = statement_step(store, statement, reterr)) > 0) {
		struct notification_row row = {
			.user_id = statement_text(statement, 0),
			.message_id = statement_text(statement, 1),
			.fields = statement_text(statement, 2),
			.sender = statement_text_or_null(statement, 3),
			.offset = sqlite3_column_int64(statement, 4),
			.created_at_unix_ms = sqlite3_column_int64(statement, 5),
			.expires_at_unix_ms = sqlite3_column_int64(statement, 6),
			.delivered_at_unix_ms = sqlite3_column_int64(statement, 7),
			.read_at_unix_ms = sqlite3_column_int64(statement, 8),
		};

		if (!visit(data, &row)) {
			(void)sqlite3_reset(statement); /* a SELECT that went well */
			return 0;
		}
	}
	return r;
}

int notifications_read_undelivered(struct store *store, const char *user_id, int64_t limit,
				   int64_t now_unix_ms, notification_visit_fn visit, void *data,
				   struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_undelivered, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":user_id", user_id);
	statement_bind_int(statement, ":limit", limit);
	statement_bind_int(statement, ":now", now_unix_ms);
	return visit_rows(store, statement, visit, data, reterr);
}

int notifications_list(struct store *store, const struct notification_filter *filter, int64_t limit,
		       int64_t now_unix_ms, notification_visit_fn visit, void *data,
		       struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, filter->is_unread_only ? sql_list_unread : sql_list,
			      &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":user_id", filter->user_id);
	statement_bind_text(statement, ":before",
			    filter->before_message_id ? filter->before_message_id : behind_all);
	statement_bind_text(statement, ":type", filter->type);
	statement_bind_int(statement, ":limit", limit);
	statement_bind_int(statement, ":now", now_unix_ms);
	return visit_rows(store, statement, visit, data, reterr);
}

int notifications_count_unread(struct store *store, const char *user_id, int64_t now_unix_ms,
			       int64_t *ret_count, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_count_unread, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":user_id", user_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	*ret_count = sqlite3_column_int64(statement, 0);
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 0;
}

/* ---- marking ---- */

int notifications_mark_delivered(struct store *store, const char *message_id, int64_t now_unix_ms,
				 struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_mark_delivered, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":message_id", message_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	return statement_run(store, statement, reterr);
}

/* 0, or -ENOENT "notification_not_found". */
static int check_exists(struct store *store, const char *user_id, const char *notification_id,
			struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_exists, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":notification_id", notification_id);
	statement_bind_text(statement, ":user_id", user_id);
	r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	if (r == 0)
		return error_set_field(reterr, -ENOENT, "notification_not_found", "notification_id",
				       "you have no notification %s", notification_id);
	return 0;
}

int notifications_mark_read(struct store *store, const char *user_id, const char *notification_id,
			    int64_t now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, notification_id ? sql_mark_read : sql_mark_all_read,
			      &statement, reterr);

	if (r < 0)
		return r;
	if (notification_id)
		statement_bind_text(statement, ":notification_id", notification_id);
	statement_bind_text(statement, ":user_id", user_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	r = statement_run(store, statement, reterr);
	if (r == 0 && notification_id)
		r = check_exists(store, user_id, notification_id, reterr);
	return r;
}

/* ---- retention ---- */

int notifications_trim(struct store *store, int64_t before_unix_ms, int64_t now_unix_ms,
		       int64_t limit, struct error *reterr)
{
	sqlite3_stmt *statement;
	int count, r = statement_get(store, sql_trim_old, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":before", before_unix_ms);
	statement_bind_int(statement, ":limit", limit);
	count = statement_run(store, statement, reterr);
	if (count < 0)
		return count;
	r = statement_get(store, sql_trim_expired, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_int(statement, ":now", now_unix_ms);
	statement_bind_int(statement, ":limit", limit);
	r = statement_run(store, statement, reterr);
	return r < 0 ? r : count + r;
}

int notifications_trim_user(struct store *store, const char *user_id, int64_t kept_count,
			    struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_trim_user, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":user_id", user_id);
	statement_bind_int(statement, ":kept_count", kept_count);
	return statement_run(store, statement, reterr);
}
