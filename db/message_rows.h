/* message_rows.h - how a stored message is read, for the files of db/ that select messages. */
#ifndef DB_MESSAGE_ROWS_H
#define DB_MESSAGE_ROWS_H

#include "db/messages.h"
#include "db/statement.h"

#define MESSAGE_COLUMNS                                                                            \
	"messages.channel, message_id, data, sender, tags, messages.offset, created_at, "          \
	"expires_at, kind, content_type, filename, file_id, sha256, "                              \
	"CASE kind WHEN 'binary' THEN (SELECT payload FROM message_payloads AS payloads"           \
	"  WHERE payloads.channel = messages.channel AND payloads.offset = messages.offset) END,"  \
	" payload_bytes"

/* After these an epoch and a snippet may follow. */
#define MESSAGE_EPOCH "(SELECT epoch FROM channels WHERE channels.channel = messages.channel)"

/* Step through a bound statement that selects these. */
int message_rows_visit(struct store *store, sqlite3_stmt *statement, message_visit_fn visit,
		       void *data, struct error *reterr) MUST_CHECK;

#endif
