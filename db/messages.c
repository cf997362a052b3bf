#include "db/messages.h"

#include <stdio.h>
#include <string.h>

#include "db/message_rows.h"
#include "db/webhook_events.h"

static const char sql_reserve[] = "INSERT INTO channels (channel, epoch, last_offset, created_at)"
				  " VALUES (:channel, :epoch, :offset, :now)"
				  " ON CONFLICT (channel) DO UPDATE"
				  " SET last_offset = MAX(last_offset, excluded.last_offset)";

/* Its parameters go by number, since it is what realtimed does most: to find sixteen names takes a
 * tenth of the time of the whole. */
enum append_parameter {
	APPEND_CHANNEL = 1,
	APPEND_OFFSET,
	APPEND_MESSAGE_ID,
	APPEND_KIND,
	APPEND_SENDER,
	APPEND_DATA,
	APPEND_TAGS,
	APPEND_CONTENT_TYPE,
	APPEND_FILENAME,
	APPEND_FILE_ID,
	APPEND_SHA256,
	APPEND_PAYLOAD_BYTES,
	APPEND_CREATED_AT,
	APPEND_EXPIRES_AT,
	APPEND_IDEMPOTENCY_KEY
};

static const char sql_append[] =
	"INSERT INTO messages"
	" (channel, offset, message_id, kind, sender, data, tags, content_type, filename, file_id,"
	" sha256, payload_bytes, created_at, expires_at, idempotency_key)"
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, COALESCE(?8, 'application/json'), ?9, ?10, ?11, ?12,"
	" ?13, NULLIF(?14, 0), ?15)";

static const char sql_append_payload[] = "INSERT INTO message_payloads (channel, offset, payload)"
					 " VALUES (:channel, :offset, :payload)";

static const char sql_find[] =
	"SELECT epoch, MAX(last_offset, COALESCE((SELECT MAX(offset) FROM messages"
	"  WHERE channel = :channel), 0)), trimmed_offset, trimmed_message_id"
	" FROM channels"
	" WHERE channel = :channel";

static const char sql_newest[] = "SELECT " MESSAGE_COLUMNS " FROM messages"
				 " WHERE channel = :channel"
				 " AND (expires_at IS NULL OR expires_at > :now)"
				 " ORDER BY offset DESC"
				 " LIMIT :limit";

static const char sql_count[] = "SELECT COUNT(*), COALESCE(SUM(payload_bytes), 0)"
				" FROM messages"
				" WHERE channel = :channel";

static const char sql_after_offset[] = "SELECT " MESSAGE_COLUMNS " FROM messages"
				       " WHERE channel = :channel AND offset > :offset"
				       " AND (expires_at IS NULL OR expires_at > :now)"
				       " ORDER BY offset"
				       " LIMIT :limit"; /* a negative one is none */

static const char sql_after_id[] = "SELECT " MESSAGE_COLUMNS " FROM messages"
				   " WHERE channel = :channel AND message_id > :message_id"
				   " AND (expires_at IS NULL OR expires_at > :now)"
				   " ORDER BY offset";

static const char sql_all_after_id[] = "SELECT " MESSAGE_COLUMNS ", (SELECT epoch FROM channels"
				       "  WHERE channels.channel = messages.channel)"
				       " FROM messages"
				       " WHERE message_id > :message_id"
				       " AND (expires_at IS NULL OR expires_at > :now)"
				       " ORDER BY message_id";

static const char sql_repeatable[] =
	"SELECT channel, message_id, offset, idempotency_key,"
	" (SELECT epoch FROM channels WHERE channels.channel = messages.channel),"
	" CASE WHEN kind = 'notification' AND json_valid(data) THEN"
	"  json_object('notification_id', json_extract(data, '$.notification_id'))"
	"  ELSE 'null' END"
	" FROM messages"
	" WHERE message_id > :message_id AND idempotency_key IS NOT NULL"
	" ORDER BY message_id";

static const char sql_trimmed_after[] = "SELECT channel FROM channels"
					" WHERE trimmed_message_id > :message_id";

static const char sql_channels[] = "SELECT channel FROM channels"
				   " WHERE channel > :channel"
				   " ORDER BY channel"
				   " LIMIT :limit";

static const char sql_last_id[] = "SELECT MAX(COALESCE((SELECT MAX(message_id) FROM messages), ''),"
				  " COALESCE((SELECT MAX(trimmed_message_id) FROM channels"
				  "  WHERE trimmed_message_id IS NOT NULL), ''))";

static const char sql_sizes[] = "SELECT offset, message_id, COALESCE(payload_bytes, 0)"
				" FROM messages"
				" WHERE channel = :channel"
				" ORDER BY offset DESC";

static const char sql_mark_trimmed_channel[] =
	"UPDATE channels"
	" SET trimmed_offset = :offset, trimmed_message_id = :message_id,"
	" last_offset = MAX(last_offset, :offset)" /* the trigger finds it done */
	" WHERE channel = :channel";

static const char sql_trim_channel[] =
	"DELETE FROM messages"
	" WHERE channel = :channel"
	" AND offset <= (SELECT trimmed_offset FROM channels WHERE channel = :channel)";

static const char sql_oldest_of[] = "SELECT channel, offset, message_id FROM messages"
				    " WHERE channel = :channel"
				    " ORDER BY offset"
				    " LIMIT :limit";

static const char sql_oldest[] = "SELECT channel, offset, message_id FROM messages"
				 " WHERE message_id < :message_id"
				 " ORDER BY message_id"
				 " LIMIT :limit";

static const char sql_trim_old[] =
	"UPDATE channels"
	" SET trimmed_offset = MAX(trimmed_offset, :offset),"
	" trimmed_message_id = MAX(COALESCE(trimmed_message_id, ''), :message_id)"
	" WHERE channel = :channel";

static const char sql_delete[] = "DELETE FROM messages"
				 " WHERE channel = :channel AND offset = :offset";

static const char sql_delete_expired[] =
	"DELETE FROM messages"
	" WHERE message_id IN (SELECT message_id FROM messages"
	"  WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit)";

int channels_reserve(struct store *store, const char *channel, const char *epoch, int64_t offset,
		     int64_t now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_reserve, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":channel", channel);
	statement_bind_text(statement, ":epoch", epoch);
	statement_bind_int(statement, ":offset", offset);
	statement_bind_int(statement, ":now", now_unix_ms);
	r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}

static void bind_text(sqlite3_stmt *statement, enum append_parameter parameter, const char *text)
{
	if (text) /* nothing is bound yet, which is NULL */
		(void)sqlite3_bind_text(statement, parameter, text, -1, SQLITE_STATIC);
}

static int append_payload(struct store *store, const struct message_row *row, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_append_payload, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":channel", row->channel);
	statement_bind_int(statement, ":offset", row->offset);
	statement_bind_blob(statement, ":payload", row->payload, (size_t)row->payload_bytes);
	r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}

static int append(struct store *store, const struct message_row *row, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_append, &statement, reterr);

	if (r < 0)
		return r;
	bind_text(statement, APPEND_CHANNEL, row->channel);
	(void)sqlite3_bind_int64(statement, APPEND_OFFSET, row->offset);
	bind_text(statement, APPEND_MESSAGE_ID, row->message_id);
	bind_text(statement, APPEND_KIND, row->kind);
	bind_text(statement, APPEND_SENDER, row->sender);
	bind_text(statement, APPEND_DATA, row->data);
	bind_text(statement, APPEND_TAGS, row->tags);
	bind_text(statement, APPEND_CONTENT_TYPE, row->content_type);
	bind_text(statement, APPEND_FILENAME, row->filename);
	bind_text(statement, APPEND_FILE_ID, row->file_id);
	bind_text(statement, APPEND_SHA256, row->sha256);
	(void)sqlite3_bind_int64(statement, APPEND_PAYLOAD_BYTES, row->payload_bytes);
	(void)sqlite3_bind_int64(statement, APPEND_CREATED_AT, row->created_at_unix_ms);
	(void)sqlite3_bind_int64(statement, APPEND_EXPIRES_AT, row->expires_at_unix_ms);
	bind_text(statement, APPEND_IDEMPOTENCY_KEY, row->idempotency_key);
	r = statement_run(store, statement, reterr);
	if (r < 0)
		return r;
	return row->payload ? append_payload(store, row, reterr) : 0;
}

int messages_append(struct store *store, const struct message_row *row, struct error *reterr)
{
	struct webhook_change change;
	int r = webhook_change_begin(store, WEBHOOK_MESSAGES, &change, reterr);

	if (r < 0)
		return r;
	r = append(store, row, reterr);
	if (r == 0)
		r = webhook_note_message(store, &change, row->channel, row->offset,
					 row->created_at_unix_ms, reterr);
	return webhook_change_end(store, &change, r, reterr);
}

int channels_find(struct store *store, const char *channel, struct channel_row *ret_row,
		  struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_find, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":channel", channel);
	r = statement_step(store, statement, reterr);
	if (r <= 0)
		return r;
	*ret_row = (struct channel_row){.last_offset = sqlite3_column_int64(statement, 1),
					.trimmed_offset = sqlite3_column_int64(statement, 2)};
	statement_copy_text(statement, 0, ret_row->epoch, sizeof(ret_row->epoch));
	statement_copy_text(statement, 3, ret_row->trimmed_message_id,
			    sizeof(ret_row->trimmed_message_id));
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 1;
}

int message_rows_visit(struct store *store, sqlite3_stmt *statement, message_visit_fn visit,
		       void *data, struct error *reterr)
{
	int r;

	while ((r = statement_step(store, statement, reterr)) > 0) {
		struct message_row row = {
			.channel = statement_text(statement, 0),
			.message_id = statement_text(statement, 1),
			.data = statement_text(statement, 2),
			.sender = statement_text_or_null(statement, 3),
			.tags = statement_text_or_null(statement, 4),
			.offset = sqlite3_column_int64(statement, 5),
			.created_at_unix_ms = sqlite3_column_int64(statement, 6),
			.expires_at_unix_ms = sqlite3_column_int64(statement, 7),
			.kind = statement_text(statement, 8),
			.content_type = statement_text_or_null(statement, 9),
			.filename = statement_text_or_null(statement, 10),
			.file_id = statement_text_or_null(statement, 11),
			.sha256 = statement_text_or_null(statement, 12),
			.payload = sqlite3_column_blob(statement, 13),
			.payload_bytes = sqlite3_column_int64(statement, 14),
			.epoch = sqlite3_column_count(statement) > 15
					 ? statement_text(statement, 15)
					 : NULL,
			.snippet = sqlite3_column_count(statement) > 16
					   ? statement_text_or_null(statement, 16)
					   : NULL,
		};

		/* What is there counts, whatever is said of it: an admin may have deleted it. */
		if (strcmp(row.kind, "binary") == 0 && !row.file_id)
			row.payload_bytes = sqlite3_column_bytes(statement, 13);
		if (!visit(data, &row)) {
			(void)sqlite3_reset(statement); /* a SELECT that went well */
			return 0;
		}
	}
	return r;
}

int messages_read_newest(struct store *store, const char *channel, int64_t limit,
			 int64_t now_unix_ms, message_visit_fn visit, void *data,
			 struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_newest, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":channel", channel);
	statement_bind_int(statement, ":limit", limit);
	statement_bind_int(statement, ":now", now_unix_ms);
	return message_rows_visit(store, statement, visit, data, reterr);
}

int messages_count(struct store *store, const char *channel, int64_t *ret_count, int64_t *ret_bytes,
		   struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_count, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":channel", channel);
	r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	*ret_count = sqlite3_column_int64(statement, 0);
	*ret_bytes = sqlite3_column_int64(statement, 1);
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 0;
}

int messages_read_after_offset(struct store *store, const char *channel, int64_t offset,
			       int64_t limit, int64_t now_unix_ms, message_visit_fn visit,
			       void *data, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_after_offset, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":channel", channel);
	statement_bind_int(statement, ":offset", offset);
	statement_bind_int(statement, ":limit", limit);
	statement_bind_int(statement, ":now", now_unix_ms);
	return message_rows_visit(store, statement, visit, data, reterr);
}

int messages_read_after_id(struct store *store, const char *channel, const char *message_id,
			   int64_t now_unix_ms, message_visit_fn visit, void *data,
			   struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_after_id, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":channel", channel);
	statement_bind_text(statement, ":message_id", message_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	return message_rows_visit(store, statement, visit, data, reterr);
}

int messages_read_all_after_id(struct store *store, const char *message_id, int64_t now_unix_ms,
			       message_visit_fn visit, void *data, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_all_after_id, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":message_id", message_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	return message_rows_visit(store, statement, visit, data, reterr);
}

int messages_read_repeatable(struct store *store, const char *message_id, message_visit_fn visit,
			     void *data, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_repeatable, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":message_id", message_id);
	while ((r = statement_step(store, statement, reterr)) > 0) {
		struct message_row row = {
			.channel = statement_text(statement, 0),
			.message_id = statement_text(statement, 1),
			.offset = sqlite3_column_int64(statement, 2),
			.idempotency_key = statement_text(statement, 3),
			.epoch = statement_text(statement, 4),
			.data = statement_text(statement, 5),
		};

		if (!visit(data, &row)) {
			(void)sqlite3_reset(statement); /* a SELECT that went well */
			return 0;
		}
	}
	return r;
}

static int visit_channels(struct store *store, sqlite3_stmt *statement, channel_visit_fn visit,
			  void *data, struct error *reterr)
{
	int count = 0, r;

	while ((r = statement_step(store, statement, reterr)) > 0) {
		visit(data, statement_text(statement, 0));
		count++;
	}
	return r < 0 ? r : count;
}

int channels_trimmed_after(struct store *store, const char *message_id, channel_visit_fn visit,
			   void *data, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_trimmed_after, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":message_id", message_id);
	r = visit_channels(store, statement, visit, data, reterr);
	return r < 0 ? r : 0;
}

int channels_list(struct store *store, const char *channel, int64_t limit, channel_visit_fn visit,
		  void *data, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_channels, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":channel", channel);
	statement_bind_int(statement, ":limit", limit);
	return visit_channels(store, statement, visit, data, reterr);
}

int messages_last_id(struct store *store, char *out, size_t size, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_last_id, &statement, reterr);

	if (r == 0)
		r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	(void)snprintf(out, size, "%s", r > 0 ? statement_text(statement, 0) : "");
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 0;
}

/* Mark the newest message that does not fit into the bounds. 1, or 0: all of them do. */
static int mark_trimmed(struct store *store, const char *channel, int64_t kept_count,
			int64_t kept_bytes, struct error *reterr)
{
	sqlite3_stmt *sizes, *mark;
	int64_t count = 0, bytes = 0;
	int r = statement_get(store, sql_sizes, &sizes, reterr);

	if (r < 0)
		return r;
	statement_bind_text(sizes, ":channel", channel);
	while ((r = statement_step(store, sizes, reterr)) > 0) {
		bytes += sqlite3_column_int64(sizes, 2);
		if (++count > 1 && (count > kept_count || bytes > kept_bytes))
			break; /* the newest one stays, however large it is */
	}
	if (r > 0)
		r = statement_get(store, sql_mark_trimmed_channel, &mark, reterr);
	else
		return r;
	if (r == 0) {
		statement_bind_text(mark, ":channel", channel);
		statement_bind_int(mark, ":offset", sqlite3_column_int64(sizes, 0));
		statement_bind_text(mark, ":message_id", statement_text(sizes, 1));
		r = statement_run(store, mark, reterr);
	}
	(void)sqlite3_reset(sizes); /* a SELECT that went well */
	return r;
}

int messages_trim_channel(struct store *store, const char *channel, int64_t kept_count,
			  int64_t kept_bytes, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = mark_trimmed(store, channel, kept_count, kept_bytes, reterr);

	if (r <= 0)
		return r;
	r = statement_get(store, sql_trim_channel, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_text(statement, ":channel", channel);
	return statement_run(store, statement, reterr);
}

static int drop_one(struct store *store, sqlite3_stmt *oldest, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_trim_old, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":channel", statement_text(oldest, 0));
	statement_bind_int(statement, ":offset", sqlite3_column_int64(oldest, 1));
	statement_bind_text(statement, ":message_id", statement_text(oldest, 2));
	r = statement_run(store, statement, reterr);
	if (r >= 0)
		r = statement_get(store, sql_delete, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_text(statement, ":channel", statement_text(oldest, 0));
	statement_bind_int(statement, ":offset", sqlite3_column_int64(oldest, 1));
	return statement_run(store, statement, reterr);
}

/* Drop what `oldest` finds, up to the first that is not older than `message_id`. How many. */
static int drop_found(struct store *store, sqlite3_stmt *oldest, const char *message_id,
		      struct error *reterr)
{
	int count = 0, r;

	while ((r = statement_step(store, oldest, reterr)) > 0) {
		if (strcmp(statement_text(oldest, 2), message_id) >= 0) {
			(void)sqlite3_reset(oldest); /* a SELECT that went well */
			return count;
		}
		r = drop_one(store, oldest, reterr);
		if (r < 0) {
			(void)sqlite3_reset(oldest); /* already failing */
			return r;
		}
		count++;
	}
	return r < 0 ? r : count;
}

int messages_trim_channel_old(struct store *store, const char *channel, const char *message_id,
			      int64_t limit, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql_oldest_of, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":channel", channel);
	statement_bind_int(statement, ":limit", limit);
	return drop_found(store, statement, message_id, reterr);
}

int messages_trim_old(struct store *store, const char *message_id, int64_t now_unix_ms,
		      int64_t limit, struct error *reterr)
{
	sqlite3_stmt *statement;
	int count, r;

	r = statement_get(store, sql_oldest, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_text(statement, ":message_id", message_id);
	statement_bind_int(statement, ":limit", limit);
	count = r = drop_found(store, statement, message_id, reterr);
	if (r >= 0)
		r = statement_get(store, sql_delete_expired, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_int(statement, ":now", now_unix_ms);
	statement_bind_int(statement, ":limit", limit);
	r = statement_run(store, statement, reterr);
	return r < 0 ? r : count + r;
}
