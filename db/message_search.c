#include "db/message_search.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/json.h"
#include "core/pattern.h"
#include "db/message_rows.h"

enum {
	STEPS_BETWEEN_LOOKS = 20000,
	FIND_US_MAX = 1000000,
	KEY_SIZE = 1 + 2 * CHANNEL_NAME_MAX + 1,
	MATCH_MAX = 4096
};

static const char mark_sql[] = "SELECT indexed_message_id FROM message_search_marks";

static const char add_sql[] = "INSERT OR REPLACE INTO message_search (rowid, channel, text)"
			      " VALUES (:rowid, :key, :text)";

static const char said_sql[] =
	"SELECT kind, data, filename FROM messages WHERE message_id = :message_id";

static const char unread_sql[] = "SELECT message_id, channel FROM messages"
				 " WHERE message_id > :after ORDER BY message_id LIMIT :limit";

static const char set_mark_sql[] =
	"UPDATE message_search_marks SET indexed_message_id = :message_id";

#define MESSAGE_ID_OF_ROW "printf('msg_%016x', message_search.rowid)"

static const char sweep_sql[] =
	"SELECT rowid, EXISTS (SELECT 1 FROM messages WHERE message_id = " MESSAGE_ID_OF_ROW ")"
	" FROM message_search WHERE rowid > (SELECT swept_rowid FROM message_search_marks)"
	" ORDER BY rowid LIMIT :limit";

static const char drop_sql[] = "DELETE FROM message_search WHERE rowid = :rowid";

static const char set_swept_sql[] = "UPDATE message_search_marks SET swept_rowid = :rowid";

static const char reset_sql[] = "DELETE FROM message_search";

static const char reset_marks_sql[] =
	"UPDATE message_search_marks SET indexed_message_id = '', swept_rowid = 0";

#define FILTER                                                                                     \
	" AND (expires_at IS NULL OR expires_at > :now)"                                           \
	" AND (:sender IS NULL OR sender = :sender) AND (:kind IS NULL OR kind = :kind)"           \
	" AND (:content_type IS NULL OR content_type = :content_type)"                             \
	" AND created_at >= :since AND created_at < :until"                                        \
	" AND (:tag IS NULL OR EXISTS (SELECT 1"                                                   \
	"  FROM json_each(CASE WHEN json_valid(tags) THEN tags END)"                               \
	"  WHERE key = :tag AND CAST(value AS TEXT) = :tag_value))"

static const char newest_sql[] = "SELECT " MESSAGE_COLUMNS ", " MESSAGE_EPOCH ", NULL FROM messages"
				 " WHERE channel = :channel AND offset < :before_offset" FILTER
				 " ORDER BY offset DESC LIMIT :limit";

static const char oldest_sql[] = "SELECT " MESSAGE_COLUMNS ", " MESSAGE_EPOCH ", NULL FROM messages"
				 " WHERE channel = :channel AND offset > :after_offset" FILTER
				 " ORDER BY offset LIMIT :limit";

static const char all_sql[] =
	"SELECT " MESSAGE_COLUMNS ", " MESSAGE_EPOCH ", NULL FROM messages"
	" WHERE message_id < :before_id" FILTER " ORDER BY message_id DESC LIMIT :limit";

/* In the order of rowids, which the index has; the messages are looked up one by one. */
static const char match_sql[] =
	"SELECT " MESSAGE_COLUMNS ", " MESSAGE_EPOCH ","
	" snippet(message_search, 1, char(1), char(2), '…', 16)"
	" FROM message_search CROSS JOIN messages ON message_id = " MESSAGE_ID_OF_ROW
	" WHERE message_search MATCH :match AND message_search.rowid < :before_rowid" FILTER
	" ORDER BY message_search.rowid DESC LIMIT :limit";

static const char before_sql[] =
	"SELECT message_id FROM messages"
	" WHERE channel = :channel AND offset < :before_offset ORDER BY offset DESC LIMIT 1";

/* ---- the index ---- */

/* The number of a message_id; 0: it is none of ours. */
static int64_t rowid_of(const char *message_id)
{
	uint64_t position;
	int length = 0;

	if (sscanf(message_id, "msg_%16" SCNx64 "%n", &position, &length) != 1 || length != 20 ||
	    message_id[length] || position > INT64_MAX)
		return 0;
	return (int64_t)position;
}

/* One word, whatever the name has. */
static void channel_key(const char *channel, char out[KEY_SIZE])
{
	*out++ = 'k';
	for (size_t i = 0; channel[i] && i < CHANNEL_NAME_MAX; i++)
		out += sprintf(out, "%02x", (unsigned char)channel[i]);
	*out = '\0';
}

/* What a message says, as far as it has place. */
struct said {
	char *text; /* borrowed */
	size_t length;
};

/* A string of the message; the marks of a snippet have no place in it. */
static void say(struct said *said, const char *text)
{
	size_t length = strlen(text), left = MESSAGE_SEARCH_TEXT_MAX - said->length;
	char *out = said->text + said->length;

	if (length + 1 > left)
		return;
	for (size_t i = 0; i < length; i++)
		out[i] = text[i] == MESSAGE_MARK_BEGIN || text[i] == MESSAGE_MARK_END ? ' '
										      : text[i];
	out[length] = ' ';
	said->length += length + 1;
}

/* Every string within, but names of members and ids of our own. jansson bounds how deep it goes. */
static void say_all(struct said *said, const json_t *value)
{
	const char *name;
	json_t *part;
	size_t i;

	if (json_is_string(value))
		say(said, json_string_value(value));
	json_array_foreach (value, i, part)
		say_all(said, part);
	json_object_foreach ((json_t *)(uintptr_t)value, name, part)
		if (strcmp(name, "notification_id") != 0)
			say_all(said, part);
}

/* `said` has place for MESSAGE_SEARCH_TEXT_MAX and a NUL. */
static int read_said(struct store *store, const char *message_id, struct said *said,
		     struct error *reterr)
{
	AUTO_JSON data = NULL;
	sqlite3_stmt *statement;
	int r = statement_get(store, said_sql, &statement, reterr);

	if (r < 0)
		return r;
	said->length = 0;
	statement_bind_text(statement, ":message_id", message_id);
	r = statement_step(store, statement, reterr);
	if (r <= 0)
		return r;
	if (strcmp(statement_text(statement, 0), "binary") == 0) {
		say(said, statement_text(statement, 2));
	} else {
		data = json_loads(statement_text(statement, 1), JSON_DECODE_ANY, NULL);
		say_all(said, data);
	}
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	if (said->length > 0)
		said->length--; /* the last blank */
	said->text[said->length] = '\0';
	return 0;
}

static int add_row(struct store *store, sqlite3_stmt *unread, int64_t rowid, struct said *said,
		   struct error *reterr)
{
	char key[KEY_SIZE];
	sqlite3_stmt *statement;
	int r = read_said(store, statement_text(unread, 0), said, reterr);

	if (r < 0 || said->length == 0)
		return r;
	r = statement_get(store, add_sql, &statement, reterr);
	if (r < 0)
		return r;
	channel_key(statement_text(unread, 1), key);
	statement_bind_int(statement, ":rowid", rowid);
	statement_bind_text(statement, ":key", key);
	statement_bind_text(statement, ":text", said->text);
	r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}

static int get_mark(struct store *store, char out[32], struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, mark_sql, &statement, reterr);

	if (r == 0)
		r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	(void)snprintf(out, 32, "%s", r > 0 ? statement_text(statement, 0) : "");
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 0;
}

static int set_mark(struct store *store, const char *message_id, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, set_mark_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":message_id", message_id);
	r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}

/* Bound and at its start. */
static int read_unread(struct store *store, const char *mark, int64_t limit,
		       sqlite3_stmt **ret_statement, struct error *reterr)
{
	int r = statement_get(store, unread_sql, ret_statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(*ret_statement, ":after", mark);
	statement_bind_int(*ret_statement, ":limit", limit);
	return 0;
}

static int index_rows(struct store *store, int64_t limit,
		      bool (*is_searchable)(void *data, const char *channel), void *data,
		      struct error *reterr)
{
	char mark[32];
	AUTO_FREE char *text = malloc(MESSAGE_SEARCH_TEXT_MAX + 1);
	struct said said = {.text = text};
	sqlite3_stmt *unread;
	int count = 0, r = text ? get_mark(store, mark, reterr) : -ENOMEM;

	if (r == 0)
		r = read_unread(store, mark, limit, &unread, reterr);
	if (r < 0)
		return r;
	while ((r = statement_step(store, unread, reterr)) > 0) {
		int64_t rowid = rowid_of(statement_text(unread, 0));

		(void)snprintf(mark, sizeof(mark), "%s", statement_text(unread, 0));
		r = 0;
		if (rowid > 0 && is_searchable(data, statement_text(unread, 1)))
			r = add_row(store, unread, rowid, &said, reterr);
		if (r < 0)
			break;
		count++;
	}
	(void)sqlite3_reset(unread); /* its errors are reported */
	if (r == 0 && count > 0)
		r = set_mark(store, mark, reterr);
	return r < 0 ? r : count;
}

/* Nothing to do is the rule, and needs no lock. */
static int has_unread(struct store *store, struct error *reterr)
{
	char mark[32];
	sqlite3_stmt *statement;
	int r = get_mark(store, mark, reterr);

	if (r == 0)
		r = read_unread(store, mark, 1, &statement, reterr);
	if (r == 0)
		r = statement_step(store, statement, reterr);
	if (r > 0)
		(void)sqlite3_reset(statement); /* a SELECT that went well */
	return r;
}

static int end(struct store *store, int r, struct error *reterr)
{
	int committed = r < 0 ? r : store_commit(store, reterr);

	if (committed < 0)
		store_rollback(store);
	return committed < 0 ? committed : r;
}

int message_search_index(struct store *store, int64_t limit,
			 bool (*is_searchable)(void *data, const char *channel), void *data,
			 struct error *reterr)
{
	int r = has_unread(store, reterr);

	if (r <= 0)
		return r;
	r = store_begin(store, reterr);
	if (r < 0)
		return r;
	return end(store, index_rows(store, limit, is_searchable, data, reterr), reterr);
}

struct gone {
	int64_t *rowids; /* owned */
	size_t count;
	int64_t seen, last;
};

static int find_gone(struct store *store, int64_t limit, struct gone *gone, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sweep_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":limit", limit);
	while ((r = statement_step(store, statement, reterr)) > 0) {
		gone->last = sqlite3_column_int64(statement, 0);
		gone->seen++;
		if (!sqlite3_column_int(statement, 1))
			gone->rowids[gone->count++] = gone->last;
	}
	return r;
}

static int run_with_rowid(struct store *store, const char *sql, int64_t rowid, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":rowid", rowid);
	r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}

int message_search_sweep(struct store *store, int64_t limit, struct error *reterr)
{
	AUTO_FREE int64_t *rowids = calloc((size_t)limit, sizeof(*rowids));
	struct gone gone = {.rowids = rowids};
	int r = rowids ? find_gone(store, limit, &gone, reterr) : -ENOMEM;

	if (r == 0)
		r = store_begin(store, reterr);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < gone.count; i++)
		r = run_with_rowid(store, drop_sql, gone.rowids[i], reterr);
	if (r == 0) /* at the end, from the beginning again */
		r = run_with_rowid(store, set_swept_sql, gone.seen < limit ? 0 : gone.last, reterr);
	r = end(store, r, reterr);
	return r < 0 ? r : (int)gone.count;
}

int message_search_reset(struct store *store, struct error *reterr)
{
	static const char *const steps[] = {reset_sql, reset_marks_sql};
	int r = store_begin(store, reterr);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(steps); i++) {
		sqlite3_stmt *statement;

		r = statement_get(store, steps[i], &statement, reterr);
		if (r == 0)
			r = statement_run(store, statement, reterr);
		if (r > 0)
			r = 0;
	}
	return end(store, r, reterr);
}

/* ---- finding ---- */

static void bind_filter(sqlite3_stmt *statement, const struct message_query *query)
{
	statement_bind_text(statement, ":sender", query->sender);
	statement_bind_text(statement, ":kind", query->kind);
	statement_bind_text(statement, ":content_type", query->content_type);
	statement_bind_text(statement, ":tag", query->tag);
	if (query->tag)
		statement_bind_text(statement, ":tag_value", query->tag_value);
	statement_bind_int(statement, ":since", query->since_unix_ms);
	statement_bind_int(statement, ":until",
			   query->until_unix_ms > 0 ? query->until_unix_ms : INT64_MAX);
	statement_bind_int(statement, ":now", query->now_unix_ms);
	statement_bind_int(statement, ":limit", query->limit);
}

/* The rowid before which a page of matches begins. 0: there is nothing before. */
static int before_rowid(struct store *store, const struct message_query *query, int64_t *ret_rowid,
			struct error *reterr)
{
	sqlite3_stmt *statement;
	int r;

	*ret_rowid = INT64_MAX;
	if (query->before_message_id)
		*ret_rowid = rowid_of(query->before_message_id);
	if (!query->channel || query->before_offset == 0)
		return 0;
	r = statement_get(store, before_sql, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_text(statement, ":channel", query->channel);
	statement_bind_int(statement, ":before_offset", query->before_offset);
	r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	*ret_rowid = r > 0 ? rowid_of(statement_text(statement, 0)) + 1 : 0;
	if (r > 0)
		(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 0;
}

/* `match` gets the expression, which must live as long as the statement is bound. */
static int prepare_match(struct store *store, const struct message_query *query,
			 char match[MATCH_MAX], sqlite3_stmt **ret_statement, struct error *reterr)
{
	char key[KEY_SIZE];
	int64_t rowid;
	int length, r = before_rowid(store, query, &rowid, reterr);

	if (r == 0)
		r = statement_get(store, match_sql, ret_statement, reterr);
	if (r < 0)
		return r;
	if (query->channel) {
		channel_key(query->channel, key);
		length = snprintf(match, MATCH_MAX, "channel : \"%s\" AND text : (%s)", key,
				  query->match);
	} else {
		length = snprintf(match, MATCH_MAX, "text : (%s)", query->match);
	}
	if (length >= MATCH_MAX)
		return error_set_field(reterr, -EINVAL, "bad_field", "q", "q is too long");
	statement_bind_text(*ret_statement, ":match", match);
	statement_bind_int(*ret_statement, ":before_rowid", rowid);
	return 0;
}

static int prepare_plain(struct store *store, const struct message_query *query,
			 sqlite3_stmt **ret_statement, struct error *reterr)
{
	const char *sql = !query->channel ? all_sql : query->is_upwards ? oldest_sql : newest_sql;
	int r = statement_get(store, sql, ret_statement, reterr);

	if (r < 0)
		return r;
	if (!query->channel) {
		statement_bind_text(*ret_statement, ":before_id",
				    query->before_message_id ? query->before_message_id : "n");
		return 0;
	}
	statement_bind_text(*ret_statement, ":channel", query->channel);
	if (query->is_upwards)
		statement_bind_int(*ret_statement, ":after_offset", query->after_offset);
	else
		statement_bind_int(*ret_statement, ":before_offset",
				   query->before_offset > 0 ? query->before_offset : INT64_MAX);
	return 0;
}

struct deadline {
	uint64_t at_us;
	bool is_over;
};

static int look_at_clock(void *data)
{
	struct deadline *deadline = data;

	deadline->is_over = clock_now_us() > deadline->at_us;
	return deadline->is_over;
}

struct pattern_filter {
	const char *pattern; /* NULL: any channel */
	message_visit_fn visit;
	void *data;
};

static bool visit_if_it_fits(void *data, const struct message_row *row)
{
	const struct pattern_filter *filter = data;

	if (filter->pattern && !pattern_matches(filter->pattern, row->channel))
		return true;
	return filter->visit(filter->data, row);
}

int message_search_find(struct store *store, const struct message_query *query,
			message_visit_fn visit, void *data, struct error *reterr)
{
	struct pattern_filter filter = {
		.pattern = query->channel_pattern, .visit = visit, .data = data};
	struct deadline deadline = {.at_us = clock_now_us() + FIND_US_MAX};
	char match[MATCH_MAX];
	sqlite3_stmt *statement;
	int r = query->match ? prepare_match(store, query, match, &statement, reterr)
			     : prepare_plain(store, query, &statement, reterr);

	if (r < 0)
		return r;
	bind_filter(statement, query);
	/* Those that do not fit are no part of the page. */
	if (filter.pattern)
		statement_bind_int(statement, ":limit", -1);
	sqlite3_progress_handler(store_handle(store), STEPS_BETWEEN_LOOKS, look_at_clock,
				 &deadline);
	r = message_rows_visit(store, statement, visit_if_it_fits, &filter, reterr);
	sqlite3_progress_handler(store_handle(store), 0, NULL, NULL);
	if (r < 0 && deadline.is_over)
		return error_set_field(reterr, -EINVAL, "query_too_broad", "q",
				       "this would take too long: use other words, one channel or "
				       "a shorter time");
	return r;
}
