#include "db/rooms.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/canonical_json.h"
#include "core/json.h"
#include "db/statement.h"
#include "db/webhook_events.h"

#define ROOM_COLUMNS                                                                               \
	"room_id, name, max_participants, mode, locked, codecs, metadata, version, created_at, "   \
	"updated_at, password_hash "

/* One statement, so that two creators cannot both take the last free place. */
static const char create_sql[] = "INSERT INTO rooms (" ROOM_COLUMNS ") "
				 "SELECT :room_id, :name, :max_participants, :mode, :locked, "
				 ":codecs, :metadata, 1, :now, :now, nullif(:password_hash, '') "
				 "WHERE (SELECT count(*) FROM rooms) < :max_rooms";

static const char get_sql[] = "SELECT " ROOM_COLUMNS "FROM rooms WHERE room_id = :room_id";

static const char list_sql[] =
	"SELECT " ROOM_COLUMNS "FROM rooms "
	"WHERE (created_at, room_id) > (:created_at, :room_id) "
	"AND (:name IS NULL OR lower(substr(name, 1, length(:name))) = lower(:name)) "
	"AND (:mode IS NULL OR mode = :mode) "
	"AND (:locked < 0 OR locked = :locked) "
	"ORDER BY created_at, room_id "
	"LIMIT :limit";

static const char update_sql[] =
	"UPDATE rooms SET name = :name, max_participants = :max_participants, mode = :mode, "
	"locked = :locked, codecs = :codecs, metadata = :metadata, version = version + 1, "
	"updated_at = :now, password_hash = nullif(:password_hash, '') "
	"WHERE room_id = :room_id "
	"RETURNING version, created_at";

static const char version_sql[] = "SELECT version FROM rooms_version";

static const char delete_sql[] = "DELETE FROM rooms WHERE room_id = :room_id";

static const char *const mode_names[] = {[ROOM_MODE_SFU] = "sfu", [ROOM_MODE_MESH] = "mesh"};

const char *room_mode_name(enum room_mode mode)
{
	assert((size_t)mode < ARRAY_LEN(mode_names));
	return mode_names[mode];
}

int room_mode_parse(const char *text, enum room_mode *ret_mode)
{
	for (size_t i = 0; i < ARRAY_LEN(mode_names); i++) {
		if (strcmp(text, mode_names[i]) == 0) {
			*ret_mode = (enum room_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

void room_row_fini(struct room_row *room)
{
	json_decref(room->codecs);
	free(room->metadata);
	room->codecs = NULL;
	room->metadata = NULL;
}

static int not_found(const char *room_id, struct error *reterr)
{
	return error_set(reterr, -ENOENT, "room_not_found", "there is no room %s", room_id);
}

/* What a stored column has; an admin may have written anything. */
static json_t *column_array(sqlite3_stmt *statement, int column)
{
	const char *text = statement_text(statement, column);
	json_t *value;

	if (strcmp(text, "[]") == 0) /* most of them */
		return json_array();
	value = json_loads(text, JSON_DECODE_ANY, NULL);
	if (json_is_array(value))
		return value;
	json_decref(value);
	return json_array();
}

/* As it is to be told. Nearly always that is how it was stored, and nothing has to be parsed. */
static char *column_object_text(sqlite3_stmt *statement, int column)
{
	const char *text = statement_text(statement, column);
	size_t length = strlen(text);
	AUTO_JSON value = NULL;

	if (*text == '{' && canonical_json_length(text, length) == length)
		return strdup(text);
	value = json_loads(text, 0, NULL);
	return json_is_object(value) ? json_dumps(value, JSON_COMPACT) : strdup("{}");
}

static int read_row(sqlite3_stmt *statement, struct room_row *ret_room)
{
	struct room_row room = {0};

	statement_copy_text(statement, 0, room.room_id, sizeof(room.room_id));
	statement_copy_text(statement, 1, room.name, sizeof(room.name));
	room.max_participants = sqlite3_column_int64(statement, 2);
	if (room_mode_parse(statement_text(statement, 3), &room.mode) < 0)
		room.mode = ROOM_MODE_SFU; /* the schema's CHECK keeps others out */
	room.locked = sqlite3_column_int(statement, 4) != 0;
	room.codecs = column_array(statement, 5);
	room.metadata = column_object_text(statement, 6);
	room.version = sqlite3_column_int64(statement, 7);
	room.created_at_unix_ms = sqlite3_column_int64(statement, 8);
	room.updated_at_unix_ms = sqlite3_column_int64(statement, 9);
	statement_copy_text(statement, 10, room.password_hash, sizeof(room.password_hash));
	if (!room.codecs || !room.metadata) {
		room_row_fini(&room);
		return -ENOMEM;
	}
	*ret_room = room;
	return 0;
}

/* The text of codecs, malloc()ed by jansson; the metadata must not be too long. */
static int format_json(const struct room_row *room, char **ret_codecs, struct error *reterr)
{
	if (room->metadata && strlen(room->metadata) > ROOM_METADATA_MAX)
		return error_set_field(reterr, -E2BIG, "metadata_too_big", "metadata",
				       "metadata may have %d bytes", ROOM_METADATA_MAX);
	*ret_codecs = room->codecs ? json_dumps(room->codecs, JSON_COMPACT) : strdup("[]");
	return *ret_codecs ? 0 : -ENOMEM;
}

static void bind_row(sqlite3_stmt *statement, const struct room_row *room, const char *codecs,
		     int64_t now_unix_ms)
{
	statement_bind_text(statement, ":room_id", room->room_id);
	statement_bind_text(statement, ":name", room->name);
	statement_bind_int(statement, ":max_participants", room->max_participants);
	statement_bind_text(statement, ":mode", room_mode_name(room->mode));
	statement_bind_int(statement, ":locked", room->locked);
	statement_bind_text(statement, ":codecs", codecs);
	statement_bind_text(statement, ":metadata", room->metadata ? room->metadata : "{}");
	statement_bind_text(statement, ":password_hash", room->password_hash);
	statement_bind_int(statement, ":now", now_unix_ms);
}

static bool exists(struct store *store, const char *room_id)
{
	AUTO_ROOM_ROW room = {0};

	return rooms_get(store, room_id, &room, NULL) == 0;
}

static int room_exists(const char *room_id, struct error *reterr)
{
	return error_set_field(reterr, -EEXIST, "room_exists", "room_id",
			       "there is already a room %s", room_id);
}

static int insert(struct store *store, const struct room_row *room, int64_t max_rooms,
		  int64_t now_unix_ms, struct error *reterr)
{
	AUTO_FREE char *codecs = NULL;
	sqlite3_stmt *statement;
	int r = format_json(room, &codecs, reterr);

	if (r == 0)
		r = statement_get(store, create_sql, &statement, reterr);
	if (r < 0)
		return r;
	bind_row(statement, room, codecs, now_unix_ms);
	statement_bind_int(statement, ":max_rooms", max_rooms);
	r = statement_run(store, statement, reterr);
	if (r == -EEXIST || (r == 0 && exists(store, room->room_id)))
		return room_exists(room->room_id, reterr);
	if (r == 0)
		return error_set(reterr, -EUSERS, "too_many_rooms", "there are %lld rooms already",
				 (long long)max_rooms);
	return r < 0 ? r : 0;
}

int rooms_create(struct store *store, struct room_row *room, int64_t max_rooms, int64_t now_unix_ms,
		 struct error *reterr)
{
	struct webhook_change change;
	int r;

	if (!*room->room_id)
		id_new("room", room->room_id, sizeof(room->room_id));
	if (!*room->name)
		(void)snprintf(room->name, sizeof(room->name), "%s", room->room_id);
	r = webhook_change_begin(store, WEBHOOK_ROOMS, &change, reterr);
	if (r < 0)
		return r;
	r = insert(store, room, max_rooms, now_unix_ms, reterr);
	if (r == 0)
		r = webhook_note_room(store, &change, "room.created", room->room_id, now_unix_ms,
				      reterr);
	r = webhook_change_end(store, &change, r, reterr);
	if (r < 0)
		return r;
	room->version = 1;
	room->created_at_unix_ms = now_unix_ms;
	room->updated_at_unix_ms = now_unix_ms;
	return 0;
}

int rooms_get(struct store *store, const char *room_id, struct room_row *ret_room,
	      struct error *reterr)
{
	sqlite3_stmt *statement;
	int r;

	r = statement_get(store, get_sql, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_text(statement, ":room_id", room_id);
	r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	if (r == 0)
		return not_found(room_id, reterr);
	r = read_row(statement, ret_room);
	(void)sqlite3_reset(statement); /* else its read transaction would stay open */
	return r;
}

int rooms_list(struct store *store, const struct rooms_filter *filter,
	       const struct list_position *after, size_t limit, struct room_row *rooms,
	       bool *ret_more, struct error *reterr)
{
	sqlite3_stmt *statement;
	struct statement_page page;
	size_t count = 0;
	int r;

	assert(limit <= ROOMS_PAGE_MAX);
	r = statement_get(store, list_sql, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_int(statement, ":created_at", after->created_at_unix_ms);
	statement_bind_text(statement, ":room_id", after->id);
	statement_bind_text(statement, ":name", filter->name_prefix);
	statement_bind_text(statement, ":mode", filter->mode);
	statement_bind_int(statement, ":locked", filter->by_locked ? filter->is_locked : -1);
	page = statement_page(statement, limit);
	while ((r = statement_page_step(store, statement, &page, reterr)) > 0) {
		r = read_row(statement, &rooms[count]);
		if (r < 0)
			break;
		count++;
	}
	if (r < 0) {
		(void)sqlite3_reset(statement);
		while (count > 0)
			room_row_fini(&rooms[--count]);
		return r;
	}
	*ret_more = page.more;
	return (int)count;
}

static int read_version(struct store *store, int64_t *ret_version, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, version_sql, &statement, reterr);

	if (r == 0)
		r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	*ret_version = r > 0 ? sqlite3_column_int64(statement, 0) : 0;
	(void)sqlite3_reset(statement); /* else its read transaction would stay open */
	return 0;
}

int rooms_version(struct store *store, int64_t *ret_version, struct error *reterr)
{
	struct known_version *known = store_known_rooms_version(store);
	struct store_mark mark;
	bool has_mark = !store_in_transaction(store) && store_mark(store, &mark);
	int r;

	if (has_mark && known->is_known && memcmp(&mark, &known->mark, sizeof(mark)) == 0) {
		*ret_version = known->version;
		return 0;
	}
	/* The mark is older than the version, so at worst it is asked once too often. */
	r = read_version(store, ret_version, reterr);
	known->is_known = r == 0 && has_mark;
	if (known->is_known) {
		known->mark = mark;
		known->version = *ret_version;
	}
	return r;
}

static int update(struct store *store, struct room_row *room, int64_t now_unix_ms,
		  struct error *reterr)
{
	AUTO_FREE char *codecs = NULL;
	sqlite3_stmt *statement;
	int r;

	r = format_json(room, &codecs, reterr);
	if (r < 0)
		return r;
	r = statement_get(store, update_sql, &statement, reterr);
	if (r < 0)
		return r;
	bind_row(statement, room, codecs, now_unix_ms);
	r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	if (r == 0)
		return not_found(room->room_id, reterr);
	room->version = sqlite3_column_int64(statement, 0);
	room->created_at_unix_ms = sqlite3_column_int64(statement, 1);
	room->updated_at_unix_ms = now_unix_ms;
	/* SQLite has made all changes before it returns the first row, but ends the transaction
	 * only here, and only here can that fail. */
	r = statement_step(store, statement, reterr);
	return r < 0 ? r : 0;
}

int rooms_update(struct store *store, struct room_row *room, int64_t now_unix_ms,
		 struct error *reterr)
{
	struct webhook_change change;
	int r = webhook_change_begin(store, WEBHOOK_ROOMS, &change, reterr);

	if (r < 0)
		return r;
	r = update(store, room, now_unix_ms, reterr);
	if (r == 0)
		r = webhook_note_room(store, &change, "room.updated", room->room_id, now_unix_ms,
				      reterr);
	return webhook_change_end(store, &change, r, reterr);
}

static int delete (struct store *store, const char *room_id, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r;

	r = statement_get(store, delete_sql, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_text(statement, ":room_id", room_id);
	r = statement_run(store, statement, reterr);
	if (r < 0)
		return r;
	return r > 0 ? 0 : not_found(room_id, reterr);
}

int rooms_delete(struct store *store, const char *room_id, int64_t now_unix_ms,
		 struct error *reterr)
{
	struct webhook_change change;
	int r = webhook_change_begin(store, WEBHOOK_ROOMS, &change, reterr);

	if (r < 0)
		return r;
	r = webhook_note_room(store, &change, "room.deleted", room_id, now_unix_ms, reterr);
	if (r == 0)
		r = delete (store, room_id, reterr);
	return webhook_change_end(store, &change, r, reterr);
}
