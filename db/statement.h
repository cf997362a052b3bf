/* statement.h - prepared statements, for the files of db/ alone.
 *
 * A statement is prepared once per store and SQL text and kept; texts are string constants beside
 * the function that binds them, compared by address. Thread: the store's.
 */
#ifndef DB_STATEMENT_H
#define DB_STATEMENT_H

#include <sqlite3.h>

#include "db/store.h"

/* The statement for `sql`, reset and with nothing bound. Borrowed. A text that does not prepare is
 * our own mistake and asserts; -ENOMEM and -EIO are reported. */
int statement_get(struct store *store, const char *sql, sqlite3_stmt **ret_statement,
		  struct error *reterr) MUST_CHECK;

/* Bind by name, ":room_id". Texts are borrowed until the statement is reset; NULL binds NULL. */
void statement_bind_text(sqlite3_stmt *statement, const char *name, const char *text);
void statement_bind_int(sqlite3_stmt *statement, const char *name, int64_t value);
void statement_bind_blob(sqlite3_stmt *statement, const char *name, const void *data,
			 size_t length);

/* 1 a row, 0 done (and reset), or a negative errno with reterr (and reset):
 *   -EEXIST "already_exists" a unique constraint  -EINVAL "constraint" a CHECK or foreign key
 *   -EAGAIN "store_busy"  -ENOSPC "store_full"  -EIO "store_failed" */
int statement_step(struct store *store, sqlite3_stmt *statement, struct error *reterr) MUST_CHECK;
/* A page of a list: at most `limit` rows. statement_page() binds ":limit" to one more, whose row
 * says that there is more; it is not for the caller, to whom the page ends before it. */
struct statement_page {
	size_t limit, count; /* rows so far */
	bool more;
};
struct statement_page statement_page(sqlite3_stmt *statement, size_t limit);
/* The same as statement_step(), to the page's end. */
int statement_page_step(struct store *store, sqlite3_stmt *statement, struct statement_page *page,
			struct error *reterr) MUST_CHECK;
/* For a statement that gives no rows. Returns the number of rows changed. */
int statement_run(struct store *store, sqlite3_stmt *statement, struct error *reterr) MUST_CHECK;

/* Columns, borrowed until the next step; text is "" for NULL. */
const char *statement_text(sqlite3_stmt *statement, int column);
/* Copied into a field of `size` bytes, which a CHECK of the schema sees to that it fits. */
void statement_copy_text(sqlite3_stmt *statement, int column, char *out, size_t size);
/* NULL for NULL. */
const char *statement_text_or_null(sqlite3_stmt *statement, int column);

sqlite3 *store_handle(struct store *store);

/* db/store_mark.c: where the log's index lies in memory, for as long as `handle` is open; NULL when
 * there is none. And what it says now. */
const void *store_mark_map(sqlite3 *handle);
bool store_mark_read(const void *index, struct store_mark *ret_mark) MUST_CHECK;

/* What rooms_version() said last, and what the mark was before it was asked. */
struct known_version {
	bool is_known;
	struct store_mark mark;
	int64_t version;
};
struct known_version *store_known_rooms_version(struct store *store);

/* Which kinds of events the webhooks take, within the transaction that is open; negative: nobody
 * has asked yet (db/webhook_events.c). */
enum { STORE_WEBHOOKS_FULL = 1 << 8 /* and there is no place for more */ };
int *store_webhook_kinds(struct store *store);

#endif
