#include "db/store.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "db/migrations.h"
#include "db/patient_mutex.h"
#include "db/statement.h"

/* Writers of this process wait for each other here: SQLite's own way of waiting is to sleep and try
 * again, which with many threads leaves the disk idle most of the time. Other processes are met
 * there still. */
static pthread_mutex_t write_turn = PTHREAD_MUTEX_INITIALIZER;

enum { BUSY_TIMEOUT_MS = 5000, WAL_RETRY_MS = 10, STATEMENTS_MAX = 192 };

struct store {
	sqlite3 *handle;
	/* Prepared once each; the texts are constants, so their addresses are their names. */
	struct {
		const char *sql;
		sqlite3_stmt *statement;
	} statements[STATEMENTS_MAX];
	size_t statement_count;
	int webhook_kinds; /* see store_webhook_kinds() */
	const void *index; /* of the write-ahead log; NULL: there is none (db/store_mark.c) */
	struct known_version rooms_version;
	bool has_turn; /* write_turn is ours, until the transaction ends */
};

sqlite3 *store_handle(struct store *store)
{
	return store->handle;
}

struct known_version *store_known_rooms_version(struct store *store)
{
	return &store->rooms_version;
}

bool store_mark(const struct store *store, struct store_mark *ret_mark)
{
	return store_mark_read(store->index, ret_mark);
}

int *store_webhook_kinds(struct store *store)
{
	return &store->webhook_kinds;
}

/* The one place where SQLite's result codes become ours. */
static int failure(struct store *store, int code, struct error *reterr)
{
	const char *text = sqlite3_errmsg(store->handle);

	switch (code & 0xff) {
	case SQLITE_CONSTRAINT:
		if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
			return error_set(reterr, -EEXIST, "already_exists", "%s", text);
		return error_set(reterr, -EINVAL, "constraint", "%s", text);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_set(reterr, -EAGAIN, "store_busy", "the database is locked");
	case SQLITE_FULL:
		return error_set(reterr, -ENOSPC, "store_full", "no space for the database");
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return error_set(reterr, -EBADF, "store_damaged", "the database is damaged: %s",
				 text);
	case SQLITE_NOMEM:
		return -ENOMEM;
	default:
		return error_set(reterr, -EIO, "store_failed", "the database failed: %s", text);
	}
}

static int run_sql(struct store *store, const char *sql, struct error *reterr)
{
	int code = sqlite3_exec(store->handle, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0
				 : failure(store, sqlite3_extended_errcode(store->handle), reterr);
}

/* ---- migrations ---- */

static int schema_version(struct store *store, size_t *ret_version, struct error *reterr)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(store->handle, "PRAGMA user_version", -1, &statement, NULL);

	if (code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
		*ret_version = (size_t)sqlite3_column_int64(statement, 0);
		(void)sqlite3_finalize(statement);
		return 0;
	}
	(void)sqlite3_finalize(statement); /* repeats the error below */
	return failure(store, sqlite3_extended_errcode(store->handle), reterr);
}

static int migrate_step(struct store *store, size_t *version, struct error *reterr)
{
	char pragma[64];
	int r;

	r = store_begin(store, reterr);
	if (r < 0)
		return r;
	r = schema_version(store, version, reterr); /* another process may have been faster */
	if (r == 0 && *version < store_migration_count) {
		(void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %zu", *version + 1);
		r = run_sql(store, store_migrations[*version], reterr);
		if (r == 0)
			r = run_sql(store, pragma, reterr);
		if (r == 0)
			(*version)++;
	}
	if (r == 0)
		r = store_commit(store, reterr);
	if (r < 0)
		store_rollback(store);
	return r;
}

static int migrate(struct store *store, const char *path, struct error *reterr)
{
	size_t version;
	int r = schema_version(store, &version, reterr);

	if (r < 0)
		return r;
	if (version > store_migration_count)
		return error_set(reterr, -ESTALE, "store_too_new",
				 "%s has schema %zu, but this program knows only %zu: use a newer "
				 "one",
				 path, version, store_migration_count);
	while (r == 0 && version < store_migration_count)
		r = migrate_step(store, &version, reterr);
	return r;
}

/* ---- life ---- */

/* Entering WAL needs the file for oneself, and SQLite does not always wait for that: when all
 * processes start at once on a new file, those who come second try again. */
static int enter_wal(struct store *store, struct error *reterr)
{
	for (int waited_ms = 0;; waited_ms += WAL_RETRY_MS) {
		int r = run_sql(store, "PRAGMA journal_mode = WAL", reterr);

		if (r != -EAGAIN || waited_ms >= BUSY_TIMEOUT_MS)
			return r;
		(void)sqlite3_sleep(WAL_RETRY_MS);
	}
}

static int configure(struct store *store, enum store_durability durability, struct error *reterr)
{
	int r;

	(void)sqlite3_extended_result_codes(store->handle, 1);
	(void)sqlite3_busy_timeout(store->handle, BUSY_TIMEOUT_MS);
	r = enter_wal(store, reterr);
	if (r < 0)
		return r;
	r = run_sql(store,
		    "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; "
		    "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 8000; PRAGMA "
		    "cache_size = -16000",
		    reterr);
	if (r < 0)
		return r;
	return run_sql(store,
		       durability == STORE_DURABLE ? "PRAGMA synchronous = FULL"
						   : "PRAGMA synchronous = NORMAL",
		       reterr);
}

int store_open(const char *path, enum store_durability durability, struct store **ret_store,
	       struct error *reterr)
{
	AUTO(store) store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return -ENOMEM;
	patient_mutex_install();
	/* Counting every allocation under one lock is of use to nobody here. Refused once SQLite
	 * is running, when it has been said already. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if (sqlite3_open_v2(path, &store->handle,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK)
		return error_set(reterr, -EACCES, "store_unavailable", "%s cannot be opened: %s",
				 path, store->handle ? sqlite3_errmsg(store->handle) : "no memory");
	r = configure(store, durability, reterr);
	if (r == 0)
		r = migrate(store, path, reterr);
	if (r < 0)
		return r;
	store->index = store_mark_map(store->handle);
	*ret_store = STEAL(store);
	return 0;
}

struct store *store_free(struct store *store)
{
	if (!store)
		return NULL;
	for (size_t i = 0; i < store->statement_count; i++)
		(void)sqlite3_finalize(store->statements[i].statement);
	(void)sqlite3_close(store->handle);
	free(store);
	return NULL;
}

/* ---- transactions ---- */

static int take_turn(struct store *store, struct error *reterr)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += BUSY_TIMEOUT_MS / 1000;
	if (pthread_mutex_clocklock(&write_turn, CLOCK_MONOTONIC, &until) != 0)
		return error_set(reterr, -EAGAIN, "store_busy", "the database is locked");
	store->has_turn = true;
	return 0;
}

static void leave_turn(struct store *store)
{
	if (!store->has_turn || store_in_transaction(store))
		return;
	store->has_turn = false;
	(void)pthread_mutex_unlock(&write_turn);
}

int store_begin(struct store *store, struct error *reterr)
{
	int r = take_turn(store, reterr);

	store->webhook_kinds = -1;
	if (r == 0)
		r = run_sql(store, "BEGIN IMMEDIATE", reterr);
	leave_turn(store); /* unless it has begun */
	return r;
}

int store_commit(struct store *store, struct error *reterr)
{
	int r = run_sql(store, "COMMIT", reterr);

	leave_turn(store); /* a commit that failed is rolled back next */
	return r;
}

bool store_in_transaction(const struct store *store)
{
	return !sqlite3_get_autocommit(store->handle);
}

void store_rollback(struct store *store)
{
	if (store_in_transaction(store)) /* some errors have rolled back already */
		(void)run_sql(store, "ROLLBACK", NULL);
	leave_turn(store);
}

int store_check(struct store *store, struct error *reterr)
{
	size_t version;

	return schema_version(store, &version, reterr);
}

int store_version(struct store *store, int64_t *ret_version, struct error *reterr)
{
	static const char sql[] = "PRAGMA data_version";
	sqlite3_stmt *statement;
	int r = statement_get(store, sql, &statement, reterr);

	if (r == 0)
		r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	*ret_version = r > 0 ? sqlite3_column_int64(statement, 0) : 0;
	(void)sqlite3_reset(statement); /* a PRAGMA that went well */
	return 0;
}

/* ---- statements ---- */

int statement_get(struct store *store, const char *sql, sqlite3_stmt **ret_statement,
		  struct error *reterr)
{
	sqlite3_stmt *statement = NULL;
	int code;

	for (size_t i = 0; i < store->statement_count; i++) {
		if (store->statements[i].sql != sql)
			continue;
		*ret_statement = store->statements[i].statement;
		(void)sqlite3_reset(*ret_statement); /* repeats an error already reported */
		(void)sqlite3_clear_bindings(*ret_statement);
		return 0;
	}
	assert(store->statement_count < STATEMENTS_MAX);
	code = sqlite3_prepare_v3(store->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
				  NULL);
	assert(code != SQLITE_ERROR); /* a misspelt statement */
	if (code != SQLITE_OK)
		return failure(store, sqlite3_extended_errcode(store->handle), reterr);
	store->statements[store->statement_count].sql = sql;
	store->statements[store->statement_count++].statement = statement;
	*ret_statement = statement;
	return 0;
}

static int parameter(sqlite3_stmt *statement, const char *name)
{
	int index = sqlite3_bind_parameter_index(statement, name);

	assert(index > 0);
	return index;
}

void statement_bind_text(sqlite3_stmt *statement, const char *name, const char *text)
{
	if (text) /* nothing is bound yet, which is NULL */
		(void)sqlite3_bind_text(statement, parameter(statement, name), text, -1,
					SQLITE_STATIC);
}

void statement_bind_int(sqlite3_stmt *statement, const char *name, int64_t value)
{
	(void)sqlite3_bind_int64(statement, parameter(statement, name), value);
}

void statement_bind_blob(sqlite3_stmt *statement, const char *name, const void *data, size_t length)
{
	(void)sqlite3_bind_blob64(statement, parameter(statement, name), data, length,
				  SQLITE_STATIC);
}

int statement_step(struct store *store, sqlite3_stmt *statement, struct error *reterr)
{
	int code = sqlite3_step(statement), r;

	if (code == SQLITE_ROW)
		return 1;
	r = code == SQLITE_DONE ? 0 : failure(store, code, reterr);
	(void)sqlite3_reset(statement);
	return r;
}

struct statement_page statement_page(sqlite3_stmt *statement, size_t limit)
{
	statement_bind_int(statement, ":limit", (int64_t)limit + 1);
	return (struct statement_page){.limit = limit};
}

int statement_page_step(struct store *store, sqlite3_stmt *statement, struct statement_page *page,
			struct error *reterr)
{
	int r = statement_step(store, statement, reterr);

	if (r <= 0)
		return r;
	page->more = page->count == page->limit;
	if (page->more) {
		(void)sqlite3_reset(statement); /* a SELECT that went well */
		return 0;
	}
	page->count++;
	return 1;
}

int statement_run(struct store *store, sqlite3_stmt *statement, struct error *reterr)
{
	int r = store_in_transaction(store) ? 0 : take_turn(store, reterr);

	if (r < 0)
		return r;
	r = statement_step(store, statement, reterr);
	if (r > 0)
		(void)sqlite3_reset(statement);
	leave_turn(store);
	return r < 0 ? r : sqlite3_changes(store->handle);
}

const char *statement_text(sqlite3_stmt *statement, int column)
{
	const unsigned char *text = sqlite3_column_text(statement, column);

	return text ? (const char *)text : "";
}

void statement_copy_text(sqlite3_stmt *statement, int column, char *out, size_t size)
{
	const char *text = statement_text(statement, column);
	size_t length = (size_t)sqlite3_column_bytes(statement, column);

	if (length >= size)
		length = size - 1;
	memcpy(out, text, length);
	out[length] = '\0';
}

const char *statement_text_or_null(sqlite3_stmt *statement, int column)
{
	return sqlite3_column_type(statement, column) == SQLITE_NULL
		       ? NULL
		       : statement_text(statement, column);
}
