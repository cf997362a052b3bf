#include "db/webhook_events.h"

#include "db/statement.h"

/* One row at least, so that the backlog is known; of webhooks that take nothing too. */
static const char wanted_sql[] =
	"SELECT kinds, coalesce((SELECT max(sequence) FROM webhook_events), 0)"
	"  - (SELECT sequence FROM webhook_marks)"
	" FROM webhooks WHERE enabled";

static const char drop_sql[] = "UPDATE webhook_marks SET dropped_count = dropped_count + 1";

#define NOTE                                                                                       \
	"INSERT INTO webhook_events (event_id, type, name, data, occurred_at)"                     \
	" SELECT 'evt_' || lower(hex(randomblob(16))), "

/* Of messages only so much data travels: many are under way at once. */
#define IS_LONG "(kind <> 'binary' AND length(data) > 262144)"

/* JSON within JSON. An admin may have written anything. */
#define CODECS "CASE WHEN json_valid(codecs) THEN json(codecs) END"
#define METADATA "CASE WHEN json_valid(metadata) THEN json(metadata) END"
#define TAGS "CASE WHEN json_valid(tags) THEN json(tags) END"
#define DATA                                                                                       \
	"CASE WHEN kind <> 'binary' AND NOT " IS_LONG " AND json_valid(data) THEN json(data) END"

static const char room_sql[] =
	NOTE ":type, room_id,"
	     " json_object('room_id', room_id, 'name', name, 'max_participants', max_participants,"
	     "  'mode', mode, 'locked', json(CASE locked WHEN 0 THEN 'false' ELSE 'true' END),"
	     "  'codecs', " CODECS ", 'metadata', " METADATA ","
	     "  'version', version, 'created_at', created_at, 'updated_at', updated_at), :now"
	     " FROM rooms WHERE room_id = :room_id";

static const char upload_sql[] =
	NOTE ":type, coalesce(channel, ''),"
	     " json_object('file_id', file_id, 'url', '/realtime/files/' || file_id,"
	     "  'sha256', sha256, 'size', size_bytes, 'content_type', content_type,"
	     "  'filename', filename, 'user_id', user_id, 'channel', channel,"
	     "  'created_at', created_at, 'expires_at', expires_at, 'reason', :reason), :now"
	     " FROM uploads WHERE file_id = :file_id";

static const char message_sql[] =
	NOTE "'message.persisted', channel,"
	     " json_object('type', kind, 'channel', channel, 'offset', offset,"
	     "  'epoch', (SELECT epoch FROM channels WHERE channels.channel = messages.channel),"
	     "  'message_id', message_id, 'ts', created_at, 'sender', sender, 'data', " DATA ","
	     "  'data_omitted', json(CASE " IS_LONG " WHEN 0 THEN 'false' ELSE 'true' END),"
	     "  'tags', " TAGS ","
	     "  'content_type', CASE kind WHEN 'binary' THEN content_type END,"
	     "  'filename', filename, 'size', payload_bytes, 'sha256', sha256,"
	     "  'url', '/realtime/files/' || file_id, 'expires_at', expires_at), :now"
	     " FROM messages WHERE channel = :channel AND offset = :offset";

#define SESSION                                                                                    \
	"json_object('room_id', room_id, 'peer_id', peer_id, 'user_id', user_id, 'name', name,"    \
	" 'kind', kind, 'joined_at', joined_at, 'left_at', "
#define LEFT_SESSION SESSION ":now, 'reason', :reason)"

static const char joined_sql[] =
	NOTE "'participant.joined', room_id, " SESSION "NULL, 'reason', NULL), joined_at"
	     " FROM participant_sessions"
	     " WHERE room_id = :room_id AND peer_id = :peer_id AND left_at IS NULL";

static const char leaving_sql[] =
	NOTE "'participant.left', room_id, " LEFT_SESSION ", :now"
	     " FROM participant_sessions"
	     " WHERE room_id = :room_id AND peer_id = :peer_id AND left_at IS NULL";

static const char stale_sql[] =
	NOTE "'participant.left', room_id, " LEFT_SESSION ", :now"
	     " FROM participant_sessions"
	     " WHERE left_at IS NULL AND joined_at < :started_at"
	     " AND room_id || '/' || peer_id NOT IN (SELECT value FROM json_each(:present))";

/* ---- what is wanted ---- */

static int ask_wanted(struct store *store, int *ret_kinds, struct error *reterr)
{
	sqlite3_stmt *statement;
	int kinds = 0, r = statement_get(store, wanted_sql, &statement, reterr);

	while (r >= 0 && (r = statement_step(store, statement, reterr)) > 0) {
		kinds |= sqlite3_column_int(statement, 0);
		if (sqlite3_column_int64(statement, 1) >= WEBHOOK_BACKLOG_MAX)
			kinds |= STORE_WEBHOOKS_FULL;
	}
	if (r < 0)
		return r;
	*ret_kinds = kinds;
	return 0;
}

/* Nobody else can change the webhooks within our transaction, so one look is enough for it. */
static int find_wanted(struct store *store, int *ret_kinds, struct error *reterr)
{
	int *known = store_webhook_kinds(store);

	if (store_in_transaction(store)) {
		int r = *known < 0 ? ask_wanted(store, known, reterr) : 0;

		*ret_kinds = *known;
		return r;
	}
	return ask_wanted(store, ret_kinds, reterr);
}

static int count_dropped(struct store *store, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, drop_sql, &statement, reterr);

	if (r == 0)
		r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}

int webhook_change_begin(struct store *store, enum webhook_kind kind,
			 struct webhook_change *ret_change, struct error *reterr)
{
	struct webhook_change change = {0};
	int kinds, r = find_wanted(store, &kinds, reterr);

	if (r == 0 && kinds & kind) {
		change.is_wanted = !(kinds & STORE_WEBHOOKS_FULL);
		change.owns_transaction = !store_in_transaction(store);
		if (change.owns_transaction)
			r = store_begin(store, reterr);
		if (r == 0 && !change.is_wanted)
			r = count_dropped(store, reterr);
	}
	*ret_change = change;
	return r;
}

int webhook_change_end(struct store *store, const struct webhook_change *change, int r,
		       struct error *reterr)
{
	int committed = 0;

	if (!change->owns_transaction)
		return r;
	if (r >= 0)
		committed = store_commit(store, reterr);
	if (r < 0 || committed < 0)
		store_rollback(store);
	return committed < 0 ? committed : r;
}

/* ---- noting ---- */

/* 1: nobody wants to know, and there is nothing to note. */
static int begin(struct store *store, const struct webhook_change *change, const char *sql,
		 sqlite3_stmt **ret_statement, struct error *reterr)
{
	return change->is_wanted ? statement_get(store, sql, ret_statement, reterr) : 1;
}

static int run(struct store *store, sqlite3_stmt *statement, struct error *reterr)
{
	int r = statement_run(store, statement, reterr);

	return r < 0 ? r : 0;
}

int webhook_note_room(struct store *store, const struct webhook_change *change, const char *type,
		      const char *room_id, int64_t now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = begin(store, change, room_sql, &statement, reterr);

	if (r != 0)
		return r < 0 ? r : 0;
	statement_bind_text(statement, ":type", type);
	statement_bind_text(statement, ":room_id", room_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	return run(store, statement, reterr);
}

int webhook_note_upload(struct store *store, const struct webhook_change *change, const char *type,
			const char *file_id, const char *reason, int64_t now_unix_ms,
			struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = begin(store, change, upload_sql, &statement, reterr);

	if (r != 0)
		return r < 0 ? r : 0;
	statement_bind_text(statement, ":type", type);
	statement_bind_text(statement, ":file_id", file_id);
	statement_bind_text(statement, ":reason", reason);
	statement_bind_int(statement, ":now", now_unix_ms);
	return run(store, statement, reterr);
}

int webhook_note_message(struct store *store, const struct webhook_change *change,
			 const char *channel, int64_t offset, int64_t now_unix_ms,
			 struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = begin(store, change, message_sql, &statement, reterr);

	if (r != 0)
		return r < 0 ? r : 0;
	statement_bind_text(statement, ":channel", channel);
	statement_bind_int(statement, ":offset", offset);
	statement_bind_int(statement, ":now", now_unix_ms);
	return run(store, statement, reterr);
}

int webhook_note_joined(struct store *store, const struct webhook_change *change,
			const char *room_id, const char *peer_id, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = begin(store, change, joined_sql, &statement, reterr);

	if (r != 0)
		return r < 0 ? r : 0;
	statement_bind_text(statement, ":room_id", room_id);
	statement_bind_text(statement, ":peer_id", peer_id);
	return run(store, statement, reterr);
}

int webhook_note_leaving(struct store *store, const struct webhook_change *change,
			 const char *room_id, const char *peer_id, const char *reason,
			 int64_t now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = begin(store, change, leaving_sql, &statement, reterr);

	if (r != 0)
		return r < 0 ? r : 0;
	statement_bind_text(statement, ":room_id", room_id);
	statement_bind_text(statement, ":peer_id", peer_id);
	statement_bind_text(statement, ":reason", reason);
	statement_bind_int(statement, ":now", now_unix_ms);
	return run(store, statement, reterr);
}

int webhook_note_stale(struct store *store, const struct webhook_change *change,
		       int64_t started_at_unix_ms, const char *present, const char *reason,
		       int64_t now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = begin(store, change, stale_sql, &statement, reterr);

	if (r != 0)
		return r < 0 ? r : 0;
	statement_bind_int(statement, ":started_at", started_at_unix_ms);
	statement_bind_text(statement, ":present", present);
	statement_bind_text(statement, ":reason", reason);
	statement_bind_int(statement, ":now", now_unix_ms);
	return run(store, statement, reterr);
}
