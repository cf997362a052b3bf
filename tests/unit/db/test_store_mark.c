/* The mark of what is committed: the same while nobody has written, another once somebody has, in
 * this process or in another; and what is kept by it is never older than what was acknowledged. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/rooms.h"
#include "db/store.h"
#include "tests/unit/cmocka_all.h"

enum { ROOMS = 300 };

static char folder[64], path[96];
static struct store *store, *other;
static struct error error;

static int start(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/rt-mark-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/realtime.db", folder);
	assert_int_equal(store_open(path, STORE_RELAXED, &store, &error), 0);
	assert_int_equal(store_open(path, STORE_RELAXED, &other, &error), 0);
	return 0;
}

static int stop(void **state)
{
	char command[128];

	(void)state;
	store = store_free(store);
	other = store_free(other);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static int make(struct store *by, int number)
{
	struct room_row room = {.max_participants = 2};

	(void)snprintf(room.room_id, sizeof(room.room_id), "r%d", number);
	return rooms_create(by, &room, 1000000, 1, NULL);
}

static struct store_mark mark(void)
{
	struct store_mark now;

	assert_true(store_mark(store, &now));
	return now;
}

static bool is_same(const struct store_mark *before)
{
	const struct store_mark now = mark();

	return memcmp(before, &now, sizeof(now)) == 0;
}

/* As an admin does it. */
static void run(const char *sql)
{
	sqlite3 *handle = NULL;

	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static void it_stays_while_nothing_is_committed(void **state)
{
	struct store_mark before;
	int64_t version;

	(void)state;
	assert_int_equal(make(other, 1), 0);
	before = mark();
	assert_int_equal(rooms_version(store, &version, NULL), 0);
	run("SELECT count(*) FROM rooms");
	assert_int_equal(store_begin(other, NULL), 0);
	assert_int_equal(make(other, 2), 0);
	assert_true(is_same(&before));
	store_rollback(other);
	assert_true(is_same(&before));
}

static void it_is_another_after_every_commit(void **state)
{
	struct store_mark before;
	int status;

	(void)state;
	before = mark();
	assert_int_equal(make(store, 1), 0);
	assert_false(is_same(&before));
	before = mark();
	assert_int_equal(make(other, 2), 0);
	assert_false(is_same(&before));
	before = mark();
	if (fork() == 0) {
		run("UPDATE rooms SET locked = 1");
		_exit(0);
	}
	assert_true(wait(&status) > 0 && status == 0);
	assert_false(is_same(&before));
}

/* A log that begins anew, and one that is written back to the file. */
static void checkpoints_lose_no_change(void **state)
{
	int64_t version, later;

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(rooms_version(store, &version, NULL), 0);
		run(i % 2 ? "PRAGMA wal_checkpoint(TRUNCATE)" : "PRAGMA wal_checkpoint(RESTART)");
		assert_int_equal(make(other, i), 0);
		assert_int_equal(rooms_version(store, &later, NULL), 0);
		assert_int_equal(later, version + 1);
	}
}

static void a_store_in_memory_has_none(void **state)
{
	AUTO(store) memory = NULL;
	struct store_mark now;
	int64_t version, later;

	(void)state;
	assert_int_equal(store_open(":memory:", STORE_RELAXED, &memory, NULL), 0);
	assert_false(store_mark(memory, &now));
	assert_int_equal(rooms_version(memory, &version, NULL), 0);
	assert_int_equal(make(memory, 1), 0);
	assert_int_equal(rooms_version(memory, &later, NULL), 0);
	assert_int_equal(later, version + 1);
}

static atomic_int acknowledged;

static void *make_many(void *data)
{
	(void)data;
	for (int i = 0; i < ROOMS && make(other, i) == 0; i++)
		acknowledged++;
	return NULL;
}

static void what_was_acknowledged_is_seen(void **state)
{
	int64_t first, version = 0;
	pthread_t thread;
	int looks = 0;

	(void)state;
	acknowledged = 0;
	assert_int_equal(rooms_version(store, &first, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, make_many, NULL), 0);
	while (version < first + ROOMS) {
		int64_t known = acknowledged, before = version;

		assert_int_equal(rooms_version(store, &version, NULL), 0);
		assert_true(version >= first + known);
		assert_true(version >= before);
		looks++;
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(acknowledged, ROOMS);
	assert_true(looks > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
		TEST(it_stays_while_nothing_is_committed), TEST(it_is_another_after_every_commit),
		TEST(checkpoints_lose_no_change),	   TEST(a_store_in_memory_has_none),
		TEST(what_was_acknowledged_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
