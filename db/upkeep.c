/* upkeep.c - what whoever runs the servers does with the file as a whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "db/statement.h"

enum { BACKUP_PAGES = 256, BACKUP_PAUSE_MS = 5 };

static int copy(struct store *store, sqlite3 *into)
{
	sqlite3_backup *backup = sqlite3_backup_init(into, "main", store_handle(store), "main");
	int code = SQLITE_OK;

	if (!backup)
		return sqlite3_errcode(into);
	/* In portions, so that writers get their turn; what they change is copied again. */
	while (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED) {
		code = sqlite3_backup_step(backup, BACKUP_PAGES);
		if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
			(void)sqlite3_sleep(BACKUP_PAUSE_MS); /* shorter is fine */
	}
	(void)sqlite3_backup_finish(backup); /* says what the last step said */
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int store_backup(struct store *store, const char *path, struct error *reterr)
{
	sqlite3 *into = NULL;
	int code, fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_set(reterr, -errno,
				 errno == EEXIST ? "already_exists" : "backup_failed",
				 "%s cannot be written: %s", path, strerror(errno));
	(void)close(fd); /* only to have made it */
	code = sqlite3_open_v2(path, &into, SQLITE_OPEN_READWRITE, NULL);
	if (code == SQLITE_OK)
		code = copy(store, into);
	(void)sqlite3_close(into); /* everything is in the file */
	if (code == SQLITE_OK)
		return 0;
	(void)unlink(path);
	return error_set(reterr, code == SQLITE_FULL ? -ENOSPC : -EIO, "backup_failed",
			 "copying to %s failed: %s", path, sqlite3_errstr(code));
}

int store_check_whole(struct store *store, void (*visit)(void *data, const char *fault), void *data,
		      struct error *reterr)
{
	static const char integrity[] = "PRAGMA integrity_check",
			  keys[] = "PRAGMA foreign_key_check";
	sqlite3_stmt *statement;
	int count = 0, r = statement_get(store, integrity, &statement, reterr);

	while (r >= 0 && (r = statement_step(store, statement, reterr)) > 0) {
		if (strcmp(statement_text(statement, 0), "ok") == 0)
			continue;
		visit(data, statement_text(statement, 0));
		count++;
	}
	if (r == 0)
		r = statement_get(store, keys, &statement, reterr);
	while (r >= 0 && (r = statement_step(store, statement, reterr)) > 0) {
		char fault[128];

		(void)snprintf(fault, sizeof(fault), "row %s of %s refers to nothing in %s",
			       statement_text(statement, 1), statement_text(statement, 0),
			       statement_text(statement, 2));
		visit(data, fault);
		count++;
	}
	if (r < 0)
		return r;
	return count == 0 ? 0 : error_set(reterr, -EBADF, "store_damaged", "%d faults", count);
}

int store_vacuum(struct store *store, struct error *reterr)
{
	static const char sql[] = "VACUUM";
	sqlite3_stmt *statement;
	int r = statement_get(store, sql, &statement, reterr);

	if (r == 0)
		r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}
