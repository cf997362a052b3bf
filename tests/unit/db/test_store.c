/* Opening, migrating and refusing: what db/store.h promises about the file. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "db/migrations.h"
#include "db/store.h"
#include "tests/unit/cmocka_all.h"

static char folder[64], path[96];

static int with_a_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/rt-store-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/realtime.db", folder);
	return 0;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

/* Run one query with a connection of its own, as an admin would. */
static int64_t admin_query(const char *sql)
{
	sqlite3 *handle = NULL;
	sqlite3_stmt *statement = NULL;
	int64_t value = -1;

	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
	if (sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
	return value;
}

static void a_fresh_file_gets_every_migration(void **state)
{
	AUTO(store) store = NULL;
	struct error error;

	(void)state;
	assert_int_equal(store_open(path, STORE_DURABLE, &store, &error), 0);
	assert_int_equal(admin_query("PRAGMA user_version"), (int64_t)store_migration_count);
	assert_int_equal(admin_query("SELECT count(*) FROM rooms"), 0);
	assert_int_equal(store_check(store, &error), 0);
}

enum { OPENERS = 4, ROUNDS = 40, HEAD_START_US = 5000 };

/* In a process of its own, as the locks of SQLite belong to processes. Does not return. */
static void open_at(uint64_t at_us)
{
	struct store *store = NULL;

	while (clock_now_us() < at_us) {
	}
	_exit(store_open(path, STORE_DURABLE, &store, NULL) == 0 ? 0 : 1);
}

static void all_who_open_a_new_file_at_once_succeed(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t at_us = clock_now_us() + HEAD_START_US;

		(void)snprintf(path, sizeof(path), "%s/%d.db", folder, round);
		for (int i = 0; i < OPENERS; i++) {
			pid_t child = fork();

			assert_true(child >= 0);
			if (child == 0)
				open_at(at_us);
		}
		for (int i = 0; i < OPENERS; i++) {
			int status;

			assert_true(wait(&status) > 0);
			assert_int_equal(status, 0);
		}
	}
}

static void opening_again_changes_nothing(void **state)
{
	AUTO(store) first = NULL;
	AUTO(store) second = NULL;
	struct error error;

	(void)state;
	assert_int_equal(store_open(path, STORE_DURABLE, &first, &error), 0);
	assert_int_equal(store_open(path, STORE_RELAXED, &second, &error), 0);
	assert_int_equal(admin_query("PRAGMA user_version"), (int64_t)store_migration_count);
}

static void a_file_from_a_newer_program_is_refused(void **state)
{
	struct store *store = NULL;
	struct error error;

	(void)state;
	assert_int_equal(store_open(path, STORE_DURABLE, &store, &error), 0);
	store = store_free(store);
	assert_int_equal(admin_query("PRAGMA user_version = 9999"), -1);
	assert_int_equal(store_open(path, STORE_DURABLE, &store, &error), -ESTALE);
	assert_string_equal(error.code, "store_too_new");
	assert_null(store);
	assert_int_equal(admin_query("PRAGMA user_version"), 9999);
}

static void a_damaged_file_is_reported_and_left_alone(void **state)
{
	static const char text[] = "This was never a database, but somebody's only copy of it.";
	char content[sizeof(text)] = "";
	struct store *store = NULL;
	struct error error;
	FILE *file;

	(void)state;
	file = fopen(path, "w");
	assert_non_null(file);
	/* Longer than a header, so that it is read as one. */
	for (int i = 0; i < 100; i++)
		assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);

	assert_int_equal(store_open(path, STORE_DURABLE, &store, &error), -EBADF);
	assert_string_equal(error.code, "store_damaged");
	assert_null(store);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fread(content, 1, sizeof(content) - 1, file), sizeof(content) - 1);
	assert_int_equal(fclose(file), 0);
	assert_string_equal(content, text);
}

static void a_missing_folder_is_named(void **state)
{
	struct store *store = NULL;
	struct error error;

	(void)state;
	assert_true(store_open("/nonexistent/realtime.db", STORE_DURABLE, &store, &error) < 0);
	assert_string_equal(error.code, "store_unavailable");
	assert_non_null(strstr(error.message, "/nonexistent/realtime.db"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, with_a_folder, remove_folder)
		TEST(a_fresh_file_gets_every_migration),
		TEST(all_who_open_a_new_file_at_once_succeed),
		TEST(opening_again_changes_nothing),
		TEST(a_file_from_a_newer_program_is_refused),
		TEST(a_damaged_file_is_reported_and_left_alone),
		TEST(a_missing_folder_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
