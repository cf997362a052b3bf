#include "db/uploads.h"

#include <errno.h>
#include <stdio.h>

#include "db/statement.h"
#include "db/webhook_events.h"

#define COLUMNS                                                                                    \
	"file_id, sha256, size_bytes, content_type, filename, user_id, channel, created_at, "      \
	"expires_at"

static const char add_sql[] =
	"INSERT INTO uploads (" COLUMNS ")"
	" VALUES (:file_id, :sha256, :size_bytes, :content_type, NULLIF(:filename, ''),"
	" NULLIF(:user_id, ''), NULLIF(:channel, ''), :created_at, NULLIF(:expires_at, 0))";

static const char get_sql[] = "SELECT " COLUMNS " FROM uploads WHERE file_id = :file_id";

/* Two, for there is an index for each. */
#define LIST(whose)                                                                                \
	"SELECT " COLUMNS " FROM uploads"                                                          \
	" WHERE " whose "(created_at, file_id) < (:created_at, :file_id)"                          \
	" AND (:channel IS NULL OR channel = :channel)"                                            \
	" AND (:content_type IS NULL OR content_type = :content_type"                              \
	"  OR substr(content_type, 1, length(:content_type) + 1) = :content_type || ';'"           \
	"  OR (substr(:content_type, -1) = '/'"                                                    \
	"   AND substr(content_type, 1, length(:content_type)) = :content_type))"                  \
	" ORDER BY created_at DESC, file_id DESC LIMIT :limit"

static const char list_sql[] = LIST("");
static const char list_of_user_sql[] = LIST("user_id = :user_id AND ");

static const char delete_sql[] = "DELETE FROM uploads WHERE file_id = :file_id";

static const char have_sql[] = "SELECT 1 FROM uploads WHERE sha256 = :sha256 LIMIT 1";

static const char usage_sql[] = "SELECT COALESCE(SUM(size_bytes), 0),"
				" COALESCE(SUM(CASE user_id WHEN :user_id THEN size_bytes END), 0)"
				" FROM upload_usage";

static const char find_expired_sql[] =
	"SELECT file_id, sha256 FROM uploads"
	" WHERE expires_at <= :now AND NOT EXISTS (SELECT 1 FROM messages"
	"  WHERE messages.file_id = uploads.file_id)"
	" ORDER BY expires_at LIMIT 1";

static int not_found(struct error *reterr)
{
	return error_set(reterr, -ENOENT, "file_not_found", "there is no such file");
}

static int over(const char *code, const char *whose, int64_t limit, struct error *reterr)
{
	return error_set(reterr, -ENOSPC, code, "%s files may take %lld bytes together", whose,
			 (long long)limit);
}

int uploads_check_quota(struct store *store, const struct upload_quota *quota, const char *user_id,
			int64_t more_bytes, struct error *reterr)
{
	int64_t all, users;
	sqlite3_stmt *statement;
	int r;

	if (quota->all_bytes == 0 && quota->user_bytes == 0)
		return 0;
	r = statement_get(store, usage_sql, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_text(statement, ":user_id", user_id);
	r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	all = sqlite3_column_int64(statement, 0);
	users = sqlite3_column_int64(statement, 1);
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	if (quota->all_bytes > 0 && more_bytes > quota->all_bytes - all)
		return over("quota_exceeded", "all", quota->all_bytes, reterr);
	if (quota->user_bytes > 0 && more_bytes > quota->user_bytes - users)
		return over("user_quota_exceeded", "your", quota->user_bytes, reterr);
	return 0;
}

static int add(struct store *store, const struct upload_row *row, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, add_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":file_id", row->file_id);
	statement_bind_text(statement, ":sha256", row->sha256);
	statement_bind_int(statement, ":size_bytes", row->size_bytes);
	statement_bind_text(statement, ":content_type", row->content_type);
	statement_bind_text(statement, ":filename", row->filename);
	statement_bind_text(statement, ":user_id", row->user_id);
	statement_bind_text(statement, ":channel", row->channel);
	statement_bind_int(statement, ":created_at", row->created_at_unix_ms);
	statement_bind_int(statement, ":expires_at", row->expires_at_unix_ms);
	r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}

int uploads_add(struct store *store, const struct upload_row *row, struct error *reterr)
{
	struct webhook_change change;
	int r = webhook_change_begin(store, WEBHOOK_UPLOADS, &change, reterr);

	if (r < 0)
		return r;
	r = add(store, row, reterr);
	if (r == 0)
		r = webhook_note_upload(store, &change, "upload.completed", row->file_id, NULL,
					row->created_at_unix_ms, reterr);
	return webhook_change_end(store, &change, r, reterr);
}

static void read_row(sqlite3_stmt *statement, struct upload_row *ret_row)
{
	statement_copy_text(statement, 0, ret_row->file_id, sizeof(ret_row->file_id));
	statement_copy_text(statement, 1, ret_row->sha256, sizeof(ret_row->sha256));
	ret_row->size_bytes = sqlite3_column_int64(statement, 2);
	statement_copy_text(statement, 3, ret_row->content_type, sizeof(ret_row->content_type));
	statement_copy_text(statement, 4, ret_row->filename, sizeof(ret_row->filename));
	statement_copy_text(statement, 5, ret_row->user_id, sizeof(ret_row->user_id));
	statement_copy_text(statement, 6, ret_row->channel, sizeof(ret_row->channel));
	ret_row->created_at_unix_ms = sqlite3_column_int64(statement, 7);
	ret_row->expires_at_unix_ms = sqlite3_column_int64(statement, 8);
}

int uploads_get(struct store *store, const char *file_id, struct upload_row *ret_row,
		struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, get_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":file_id", file_id);
	r = statement_step(store, statement, reterr);
	if (r <= 0)
		return r < 0 ? r : not_found(reterr);
	read_row(statement, ret_row);
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 0;
}

int uploads_list(struct store *store, const struct uploads_filter *filter,
		 const struct list_position *before, size_t limit, struct upload_row *rows,
		 bool *ret_more, struct error *reterr)
{
	sqlite3_stmt *statement;
	struct statement_page page;
	int r = statement_get(store, filter->user_id ? list_of_user_sql : list_sql, &statement,
			      reterr);

	if (r < 0)
		return r;
	if (filter->user_id)
		statement_bind_text(statement, ":user_id", filter->user_id);
	statement_bind_int(statement, ":created_at",
			   before ? before->created_at_unix_ms : INT64_MAX);
	statement_bind_text(statement, ":file_id", before ? before->id : "");
	statement_bind_text(statement, ":channel", filter->channel);
	statement_bind_text(statement, ":content_type", filter->content_type);
	page = statement_page(statement, limit);
	while ((r = statement_page_step(store, statement, &page, reterr)) > 0)
		read_row(statement, &rows[page.count - 1]);
	if (r < 0)
		return r;
	*ret_more = page.more;
	return (int)page.count;
}

static int delete (struct store *store, const char *file_id, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, delete_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":file_id", file_id);
	r = statement_run(store, statement, reterr);
	if (r < 0)
		return r;
	return r > 0 ? 0 : not_found(reterr);
}

static int delete_because(struct store *store, const char *file_id, const char *reason,
			  int64_t now_unix_ms, struct error *reterr)
{
	struct webhook_change change;
	int r = webhook_change_begin(store, WEBHOOK_UPLOADS, &change, reterr);

	if (r < 0)
		return r;
	r = webhook_note_upload(store, &change, "upload.deleted", file_id, reason, now_unix_ms,
				reterr);
	if (r == 0)
		r = delete (store, file_id, reterr);
	return webhook_change_end(store, &change, r, reterr);
}

int uploads_delete(struct store *store, const char *file_id, int64_t now_unix_ms,
		   struct error *reterr)
{
	return delete_because(store, file_id, "deleted", now_unix_ms, reterr);
}

int uploads_have(struct store *store, const char *sha256, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, have_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":sha256", sha256);
	r = statement_step(store, statement, reterr);
	if (r > 0)
		(void)sqlite3_reset(statement);
	return r;
}

static int find_expired(struct store *store, int64_t now_unix_ms, char ret_file_id[FILE_ID_SIZE],
			char ret_sha256[SHA256_SIZE], struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, find_expired_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":now", now_unix_ms);
	r = statement_step(store, statement, reterr);
	if (r <= 0)
		return r;
	statement_copy_text(statement, 0, ret_file_id, FILE_ID_SIZE);
	statement_copy_text(statement, 1, ret_sha256, SHA256_SIZE);
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 1;
}

int uploads_delete_expired(struct store *store, int64_t now_unix_ms, char ret_sha256[SHA256_SIZE],
			   struct error *reterr)
{
	char file_id[FILE_ID_SIZE];
	int found, r = store_begin(store, reterr);

	if (r < 0)
		return r;
	found = find_expired(store, now_unix_ms, file_id, ret_sha256, reterr);
	r = found;
	if (found > 0)
		r = delete_because(store, file_id, "expired", now_unix_ms, reterr);
	if (r >= 0)
		r = store_commit(store, reterr);
	if (r < 0)
		store_rollback(store);
	return r < 0 ? r : found;
}
