#include "db/webhooks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/pattern.h"
#include "db/statement.h"

static const struct {
	enum webhook_kind kind;
	const char *type;
} types[] = {
	{WEBHOOK_ROOMS, "room.created"},
	{WEBHOOK_ROOMS, "room.updated"},
	{WEBHOOK_ROOMS, "room.deleted"},
	{WEBHOOK_PARTICIPANTS, "participant.joined"},
	{WEBHOOK_PARTICIPANTS, "participant.left"},
	{WEBHOOK_MESSAGES, "message.persisted"},
	{WEBHOOK_UPLOADS, "upload.completed"},
	{WEBHOOK_UPLOADS, "upload.deleted"},
};

#define COLUMNS                                                                                    \
	"webhook_id, url, description, events, channels, rooms, kinds, enabled, secret, "          \
	"old_secret, old_secret_until, created_at, updated_at"

static const char create_sql[] =
	"INSERT INTO webhooks (" COLUMNS ")"
	" SELECT :webhook_id, :url, :description, :events, :channels, :rooms, :kinds, :enabled,"
	" :secret, NULLIF(:old_secret, ''), NULLIF(:old_secret_until, 0), :now, :now"
	" WHERE (SELECT count(*) FROM webhooks) < :max";

#define SELECT                                                                                     \
	"SELECT " COLUMNS ", failures_in_row, paused_until, dropped_count, last_dropped_at "       \
	"FROM webhooks"

static const char get_sql[] = SELECT " WHERE webhook_id = :webhook_id";

static const char list_sql[] = SELECT " ORDER BY created_at, webhook_id";

static const char update_sql[] =
	"UPDATE webhooks"
	" SET url = :url, description = :description, events = :events, channels = :channels,"
	" rooms = :rooms, kinds = :kinds, enabled = :enabled, secret = :secret,"
	" old_secret = NULLIF(:old_secret, ''), old_secret_until = NULLIF(:old_secret_until, 0),"
	" failures_in_row = 0, paused_until = 0, updated_at = :now"
	" WHERE webhook_id = :webhook_id";

static const char delete_sql[] = "DELETE FROM webhooks WHERE webhook_id = :webhook_id";

void webhook_row_fini(struct webhook_row *row)
{
	json_decref(row->events);
	json_decref(row->channels);
	json_decref(row->rooms);
	row->events = row->channels = row->rooms = NULL;
	explicit_bzero(row->secret, sizeof(row->secret));
	explicit_bzero(row->old_secret, sizeof(row->old_secret));
}

static int not_found(const char *webhook_id, struct error *reterr)
{
	return error_set(reterr, -ENOENT, "webhook_not_found", "there is no webhook %s",
			 webhook_id);
}

static int bind_row(sqlite3_stmt *statement, const struct webhook_row *row, char *texts[3],
		    int64_t now_unix_ms)
{
	static const char *const names[] = {":events", ":channels", ":rooms"};
	const json_t *const lists[] = {row->events, row->channels, row->rooms};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		texts[i] = json_dumps(lists[i], JSON_COMPACT);
		if (!texts[i])
			return -ENOMEM;
		statement_bind_text(statement, names[i], texts[i]);
	}
	statement_bind_text(statement, ":webhook_id", row->webhook_id);
	statement_bind_text(statement, ":url", row->url);
	statement_bind_text(statement, ":description", row->description);
	statement_bind_int(statement, ":kinds", row->kinds);
	statement_bind_int(statement, ":enabled", row->is_enabled);
	statement_bind_text(statement, ":secret", row->secret);
	statement_bind_text(statement, ":old_secret", row->old_secret);
	statement_bind_int(statement, ":old_secret_until", row->old_secret_until_unix_ms);
	statement_bind_int(statement, ":now", now_unix_ms);
	return 0;
}

/* How many rows it wrote. `limit` is for create_sql alone. */
static int write_row(struct store *store, const char *sql, const struct webhook_row *row,
		     int64_t limit, int64_t now_unix_ms, struct error *reterr)
{
	char *texts[3] = {NULL};
	sqlite3_stmt *statement;
	int r = statement_get(store, sql, &statement, reterr);

	if (r == 0)
		r = bind_row(statement, row, texts, now_unix_ms);
	if (r == 0 && limit > 0)
		statement_bind_int(statement, ":max", limit);
	if (r == 0)
		r = statement_run(store, statement, reterr);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	return r;
}

int webhooks_create(struct store *store, struct webhook_row *row, int64_t now_unix_ms,
		    struct error *reterr)
{
	int r;

	id_new("whk", row->webhook_id, sizeof(row->webhook_id));
	r = write_row(store, create_sql, row, WEBHOOKS_MAX, now_unix_ms, reterr);
	if (r == 0)
		return error_set(reterr, -EUSERS, "too_many_webhooks",
				 "there are %d webhooks already", WEBHOOKS_MAX);
	row->created_at_unix_ms = row->updated_at_unix_ms = now_unix_ms;
	return r < 0 ? r : 0;
}

/* An array of patterns; an admin may have written anything. */
static json_t *column_list(sqlite3_stmt *statement, int column)
{
	json_t *list = json_loads(statement_text(statement, column), 0, NULL);

	if (json_is_array(list))
		return list;
	json_decref(list);
	return json_array();
}

static int read_row(sqlite3_stmt *statement, struct webhook_row *row)
{
	statement_copy_text(statement, 0, row->webhook_id, sizeof(row->webhook_id));
	statement_copy_text(statement, 1, row->url, sizeof(row->url));
	statement_copy_text(statement, 2, row->description, sizeof(row->description));
	row->events = column_list(statement, 3);
	row->channels = column_list(statement, 4);
	row->rooms = column_list(statement, 5);
	row->kinds = (unsigned)sqlite3_column_int(statement, 6);
	row->is_enabled = sqlite3_column_int(statement, 7) != 0;
	statement_copy_text(statement, 8, row->secret, sizeof(row->secret));
	statement_copy_text(statement, 9, row->old_secret, sizeof(row->old_secret));
	row->old_secret_until_unix_ms = sqlite3_column_int64(statement, 10);
	row->created_at_unix_ms = sqlite3_column_int64(statement, 11);
	row->updated_at_unix_ms = sqlite3_column_int64(statement, 12);
	row->failures_in_row = sqlite3_column_int64(statement, 13);
	row->paused_until_unix_ms = sqlite3_column_int64(statement, 14);
	row->dropped_count = sqlite3_column_int64(statement, 15);
	row->last_dropped_at_unix_ms = sqlite3_column_int64(statement, 16);
	return row->events && row->channels && row->rooms ? 0 : -ENOMEM;
}

int webhooks_get(struct store *store, const char *webhook_id, struct webhook_row *ret_row,
		 struct error *reterr)
{
	AUTO_WEBHOOK_ROW row = {0};
	sqlite3_stmt *statement;
	int r = statement_get(store, get_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":webhook_id", webhook_id);
	r = statement_step(store, statement, reterr);
	if (r <= 0)
		return r < 0 ? r : not_found(webhook_id, reterr);
	r = read_row(statement, &row);
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	if (r < 0)
		return r;
	*ret_row = row;
	row = (struct webhook_row){0};
	return 0;
}

int webhooks_for_each(struct store *store, void (*visit)(void *data, const struct webhook_row *row),
		      void *data, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, list_sql, &statement, reterr);

	while (r >= 0 && (r = statement_step(store, statement, reterr)) > 0) {
		AUTO_WEBHOOK_ROW row = {0};

		r = read_row(statement, &row);
		if (r == 0)
			visit(data, &row);
	}
	if (r == -ENOMEM)
		(void)sqlite3_reset(statement);
	return r;
}

int webhooks_update(struct store *store, struct webhook_row *row, int64_t now_unix_ms,
		    struct error *reterr)
{
	int r = write_row(store, update_sql, row, 0, now_unix_ms, reterr);

	if (r == 0)
		return not_found(row->webhook_id, reterr);
	row->failures_in_row = row->paused_until_unix_ms = 0;
	row->updated_at_unix_ms = now_unix_ms;
	return r < 0 ? r : 0;
}

int webhooks_delete(struct store *store, const char *webhook_id, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, delete_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":webhook_id", webhook_id);
	r = statement_run(store, statement, reterr);
	if (r == 0)
		return not_found(webhook_id, reterr);
	return r < 0 ? r : 0;
}

/* ---- what is for whom ---- */

static bool any_matches(const json_t *patterns, const char *name)
{
	const json_t *pattern;
	size_t i;

	json_array_foreach (patterns, i, pattern)
		if (json_is_string(pattern) && pattern_matches(json_string_value(pattern), name))
			return true;
	return false;
}

static bool is_about_room(const char *type)
{
	return strncmp(type, "room.", 5) == 0 || strncmp(type, "participant.", 12) == 0;
}

bool webhook_takes(const struct webhook_row *row, const char *type, const char *name)
{
	return row->is_enabled && any_matches(row->events, type) &&
	       any_matches(is_about_room(type) ? row->rooms : row->channels, name);
}

unsigned webhook_kinds_of(const json_t *events)
{
	unsigned kinds = 0;

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (any_matches(events, types[i].type))
			kinds |= types[i].kind;
	return kinds;
}
