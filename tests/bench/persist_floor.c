/* persist_floor.c - bare SQLite: how many messages a second when GROUP of them share a transaction?
 * Or how many rooms?
 *
 *   persist_floor FILE GROUP BYTES SECONDS [rooms] <SCHEMA
 *
 * WAL and synchronous=FULL, like the store, and its tables (the migrations on standard input).
 * Prints one JSON object.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void check(sqlite3 *db, int result, int wanted)
{
	if (result == wanted)
		return;
	(void)fprintf(stderr, "persist_floor: %s\n", sqlite3_errmsg(db));
	exit(1);
}

int main(int argc, char **argv)
{
	static const char setup[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";
	static const char channel[] =
		"INSERT INTO channels (channel, epoch, created_at) VALUES ('c', 'e', 0)";
	static const char message[] =
		"INSERT INTO messages (channel, offset, message_id, data, created_at)"
		" VALUES ('c', ?, ?, ?, 0)";
	static const char room[] =
		"INSERT INTO rooms (room_id, name, max_participants, created_at, updated_at)"
		" VALUES (?2, 'bench', 10, ?1, ?1)";
	static char schema[1 << 20];
	sqlite3_stmt *insert, *begin, *commit;
	sqlite3 *db;
	char data[16384], id[32];
	long group, rows = 0;
	size_t bytes;
	double began, seconds;

	int has_rooms = argc == 6 && strcmp(argv[5], "rooms") == 0;

	if (argc != 5 && !has_rooms)
		return 2;
	group = atol(argv[2]);
	bytes = (size_t)atol(argv[3]);
	seconds = atof(argv[4]);
	if (bytes >= sizeof(data))
		return 2;
	memset(data, 'x', bytes);
	check(NULL, sqlite3_open(argv[1], &db), SQLITE_OK);
	if (fread(schema, 1, sizeof(schema) - 1, stdin) == 0)
		return 2;
	check(db, sqlite3_exec(db, setup, NULL, NULL, NULL), SQLITE_OK);
	check(db, sqlite3_exec(db, schema, NULL, NULL, NULL), SQLITE_OK);
	check(db, sqlite3_exec(db, channel, NULL, NULL, NULL), SQLITE_OK);
	check(db, sqlite3_prepare_v2(db, has_rooms ? room : message, -1, &insert, NULL), SQLITE_OK);
	check(db, sqlite3_prepare_v2(db, "BEGIN IMMEDIATE", -1, &begin, NULL), SQLITE_OK);
	check(db, sqlite3_prepare_v2(db, "COMMIT", -1, &commit, NULL), SQLITE_OK);
	began = now_s();
	while (now_s() - began < seconds) {
		check(db, sqlite3_step(begin), SQLITE_DONE);
		(void)sqlite3_reset(begin);
		for (long i = 0; i < group; i++) {
			(void)snprintf(id, sizeof(id), "msg_%016lx", ++rows);
			(void)sqlite3_bind_int64(insert, 1, rows);
			(void)sqlite3_bind_text(insert, 2, id, -1, SQLITE_STATIC);
			if (!has_rooms)
				(void)sqlite3_bind_text(insert, 3, data, (int)bytes, SQLITE_STATIC);
			check(db, sqlite3_step(insert), SQLITE_DONE);
			(void)sqlite3_reset(insert);
		}
		check(db, sqlite3_step(commit), SQLITE_DONE);
		(void)sqlite3_reset(commit);
	}
	(void)printf("{\"per_second\": %.0f}\n", (double)rows / (now_s() - began));
	return 0;
}
