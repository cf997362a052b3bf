#include "db/partial_uploads.h"

#include <errno.h>
#include <stdio.h>

#include "db/statement.h"

static const char add_sql[] =
	"INSERT INTO partial_uploads (upload_id, size_bytes, content_type, filename, fields,"
	" user_id, created_at, expires_at)"
	" VALUES (:upload_id, :size_bytes, :content_type, :filename, :fields,"
	" NULLIF(:user_id, ''), :created_at, :expires_at)";

static const char get_sql[] =
	"SELECT upload_id, content_type, filename, fields, user_id, file_id, size_bytes,"
	" created_at, expires_at"
	" FROM partial_uploads"
	" WHERE upload_id = :upload_id";

static const char delete_sql[] = "DELETE FROM partial_uploads WHERE upload_id = :upload_id";

static const char finish_sql[] = "UPDATE partial_uploads SET file_id = :file_id"
				 " WHERE upload_id = :upload_id";

static const char pending_sql[] = "SELECT COALESCE(SUM(size_bytes), 0) FROM partial_uploads"
				  " WHERE user_id IS NULLIF(:user_id, '') AND file_id IS NULL";

static const char delete_expired_sql[] = "DELETE FROM partial_uploads"
					 " WHERE upload_id = (SELECT upload_id FROM partial_uploads"
					 "  WHERE expires_at <= :now ORDER BY expires_at LIMIT 1)"
					 " RETURNING upload_id";

static int not_found(struct error *reterr)
{
	return error_set(reterr, -ENOENT, "upload_not_found",
			 "there is no such upload, or not any more");
}

int partial_uploads_add(struct store *store, const struct partial_upload_row *row,
			struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, add_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":upload_id", row->upload_id);
	statement_bind_int(statement, ":size_bytes", row->size_bytes);
	statement_bind_text(statement, ":content_type", row->content_type);
	statement_bind_text(statement, ":filename", row->filename);
	statement_bind_text(statement, ":fields", row->fields);
	statement_bind_text(statement, ":user_id", row->user_id);
	statement_bind_int(statement, ":created_at", row->created_at_unix_ms);
	statement_bind_int(statement, ":expires_at", row->expires_at_unix_ms);
	r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}

int partial_uploads_get(struct store *store, const char *upload_id,
			struct partial_upload_row *ret_row, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, get_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":upload_id", upload_id);
	r = statement_step(store, statement, reterr);
	if (r <= 0)
		return r < 0 ? r : not_found(reterr);
	statement_copy_text(statement, 0, ret_row->upload_id, sizeof(ret_row->upload_id));
	statement_copy_text(statement, 1, ret_row->content_type, sizeof(ret_row->content_type));
	statement_copy_text(statement, 2, ret_row->filename, sizeof(ret_row->filename));
	statement_copy_text(statement, 3, ret_row->fields, sizeof(ret_row->fields));
	statement_copy_text(statement, 4, ret_row->user_id, sizeof(ret_row->user_id));
	statement_copy_text(statement, 5, ret_row->file_id, sizeof(ret_row->file_id));
	ret_row->size_bytes = sqlite3_column_int64(statement, 6);
	ret_row->created_at_unix_ms = sqlite3_column_int64(statement, 7);
	ret_row->expires_at_unix_ms = sqlite3_column_int64(statement, 8);
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 0;
}

int partial_uploads_delete(struct store *store, const char *upload_id, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, delete_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":upload_id", upload_id);
	r = statement_run(store, statement, reterr);
	if (r < 0)
		return r;
	return r > 0 ? 0 : not_found(reterr);
}

int partial_uploads_finish(struct store *store, const char *upload_id, const char *file_id,
			   struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, finish_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":upload_id", upload_id);
	statement_bind_text(statement, ":file_id", file_id);
	r = statement_run(store, statement, reterr);
	if (r < 0)
		return r;
	return r > 0 ? 0 : not_found(reterr);
}

int partial_uploads_pending(struct store *store, const char *user_id, int64_t *ret_bytes,
			    struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, pending_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":user_id", user_id);
	r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	*ret_bytes = sqlite3_column_int64(statement, 0);
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 0;
}

int partial_uploads_delete_expired(struct store *store, int64_t now_unix_ms,
				   char ret_upload_id[UPLOAD_ID_SIZE], struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, delete_expired_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":now", now_unix_ms);
	r = statement_step(store, statement, reterr);
	if (r <= 0)
		return r;
	statement_copy_text(statement, 0, ret_upload_id, UPLOAD_ID_SIZE);
	/* The transaction ends here, and only here can that fail. */
	r = statement_step(store, statement, reterr);
	return r < 0 ? r : 1;
}
