#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/rooms.h"
#include "db/statement.h"
#include "tests/unit/db/memory_store.h"

enum { PLENTY = 1000 };

static const struct rooms_filter every;

static struct room_row room_called(const char *room_id)
{
	struct room_row room = {.max_participants = 10};

	(void)snprintf(room.room_id, sizeof(room.room_id), "%s", room_id);
	return room;
}

static void make(const char *room_id, int64_t now_unix_ms)
{
	struct room_row room = room_called(room_id);

	assert_int_equal(rooms_create(store, &room, PLENTY, now_unix_ms, &error), 0);
}

static void what_was_created_can_be_read(void **state)
{
	AUTO_ROOM_ROW room = room_called("standup");
	AUTO_ROOM_ROW read = {0};

	(void)state;
	(void)strcpy(room.name, "Stand-up ☕");
	room.mode = ROOM_MODE_MESH;
	room.locked = true;
	room.codecs = json_pack("[s, s]", "VP8", "opus");
	room.metadata = strdup("{\"team\":{\"id\":7}}");
	assert_int_equal(rooms_create(store, &room, PLENTY, 1234, &error), 0);
	assert_int_equal(rooms_get(store, "standup", &read, &error), 0);
	assert_string_equal(read.name, "Stand-up ☕");
	assert_int_equal(read.max_participants, 10);
	assert_int_equal(read.mode, ROOM_MODE_MESH);
	assert_true(read.locked);
	assert_true(json_equal(read.codecs, room.codecs));
	assert_string_equal(read.metadata, room.metadata);
	assert_int_equal(read.version, 1);
	assert_int_equal(read.created_at_unix_ms, 1234);
	assert_int_equal(read.updated_at_unix_ms, 1234);
}

static void a_room_without_a_name_or_an_id_gets_them(void **state)
{
	AUTO_ROOM_ROW room = room_called("");

	(void)state;
	assert_int_equal(rooms_create(store, &room, PLENTY, 1, &error), 0);
	assert_true(room_id_is_valid(room.room_id));
	assert_string_equal(room.name, room.room_id);
}

static void a_taken_id_is_refused(void **state)
{
	struct room_row room = room_called("a");

	(void)state;
	make("a", 1);
	assert_int_equal(rooms_create(store, &room, PLENTY, 2, &error), -EEXIST);
	assert_string_equal(error.code, "room_exists");
	assert_string_equal(error.field, "room_id");
}

static void the_limit_holds_and_a_taken_id_is_still_told_apart(void **state)
{
	struct room_row taken = room_called("a"), other = room_called("c");

	(void)state;
	make("a", 1);
	make("b", 1);
	assert_int_equal(rooms_create(store, &other, 2, 2, &error), -EUSERS);
	assert_string_equal(error.code, "too_many_rooms");
	assert_int_equal(rooms_create(store, &taken, 2, 2, &error), -EEXIST);
	assert_int_equal(rooms_delete(store, "b", 1000, &error), 0);
	assert_int_equal(rooms_create(store, &other, 2, 2, &error), 0);
}

static void pages_follow_each_other_without_gap_or_repetition(void **state)
{
	struct list_position after = {0};
	struct room_row page[3];
	char seen[64] = "";
	bool more = true;

	(void)state;
	/* Same times on purpose: the id decides. */
	for (const char *id = "hgfedcba"; *id; id++)
		make((const char[]){*id, '\0'}, *id <= 'd' ? 5 : 4);
	while (more) {
		int count = rooms_list(store, &every, &after, ARRAY_LEN(page), page, &more, &error);

		assert_in_range(count, 1, ARRAY_LEN(page));
		for (int i = 0; i < count; i++) {
			(void)strcat(seen, page[i].room_id);
			after.created_at_unix_ms = page[i].created_at_unix_ms;
			(void)strcpy(after.id, page[i].room_id);
			room_row_fini(&page[i]);
		}
	}
	assert_string_equal(seen, "efghabcd");
}

static void an_update_moves_version_and_time(void **state)
{
	AUTO_ROOM_ROW room = {0};
	AUTO_ROOM_ROW read = {0};

	(void)state;
	make("a", 1);
	assert_int_equal(store_begin(store, &error), 0);
	assert_int_equal(rooms_get(store, "a", &room, &error), 0);
	(void)strcpy(room.name, "Renamed");
	assert_int_equal(rooms_update(store, &room, 9, &error), 0);
	assert_int_equal(store_commit(store, &error), 0);
	assert_int_equal(room.version, 2);
	assert_int_equal(rooms_get(store, "a", &read, &error), 0);
	assert_string_equal(read.name, "Renamed");
	assert_int_equal(read.version, 2);
	assert_int_equal(read.created_at_unix_ms, 1);
	assert_int_equal(read.updated_at_unix_ms, 9);
}

/* An admin may have written anything; what is told is always an object. */
static void metadata_that_an_admin_wrote_is_told_as_json(void **state)
{
	static const struct {
		const char *stored, *told;
	} cases[] = {
		{"{\"a\":[1,\"b\"]}", "{\"a\":[1,\"b\"]}"},
		{"{ \"a\" : 1.50 }", "{\"a\":1.5}"},
		{"[1]", "{}"},
		{"no JSON", "{}"},
		{"{\"a\":1}}", "{}"},
	};
	AUTO_ROOM_ROW room = room_called("a");

	(void)state;
	assert_int_equal(rooms_create(store, &room, PLENTY, 1, &error), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_ROOM_ROW read = {0};
		char sql[128];

		(void)snprintf(sql, sizeof(sql), "UPDATE rooms SET metadata = '%s'",
			       cases[i].stored);
		assert_int_equal(sqlite3_exec(store_handle(store), sql, NULL, NULL, NULL),
				 SQLITE_OK);
		assert_int_equal(rooms_get(store, "a", &read, &error), 0);
		assert_string_equal(read.metadata, cases[i].told);
	}
}

static void metadata_has_a_limit(void **state)
{
	AUTO_ROOM_ROW room = room_called("a");

	(void)state;
	room.metadata = calloc(1, ROOM_METADATA_MAX + 2);
	memset(room.metadata, ' ', ROOM_METADATA_MAX + 1);
	room.metadata[0] = '{';
	room.metadata[ROOM_METADATA_MAX] = '}';
	assert_int_equal(rooms_create(store, &room, PLENTY, 1, &error), -E2BIG);
	assert_string_equal(error.field, "metadata");
}

static void what_is_not_there_is_said_so(void **state)
{
	struct room_row room = room_called("nowhere"), read = {0};

	(void)state;
	assert_int_equal(rooms_get(store, "nowhere", &read, &error), -ENOENT);
	assert_string_equal(error.code, "room_not_found");
	assert_int_equal(rooms_update(store, &room, 1, &error), -ENOENT);
	assert_int_equal(rooms_delete(store, "nowhere", 1000, &error), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(what_was_created_can_be_read),
		STORE_TEST(a_room_without_a_name_or_an_id_gets_them),
		STORE_TEST(a_taken_id_is_refused),
		STORE_TEST(the_limit_holds_and_a_taken_id_is_still_told_apart),
		STORE_TEST(pages_follow_each_other_without_gap_or_repetition),
		STORE_TEST(an_update_moves_version_and_time),
		STORE_TEST(metadata_that_an_admin_wrote_is_told_as_json),
		STORE_TEST(metadata_has_a_limit),
		STORE_TEST(what_is_not_there_is_said_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
