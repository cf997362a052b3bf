/* uploads.h - files that were uploaded: whose, what, where announced, until when.
 *
 * The bytes lie outside, under their SHA-256 (api/file_store.h); several uploads may share them.
 * realtime-api alone writes. What comes and goes is told to the
 * webhooks (db/webhook_events.h). All functions may also fail with the errors of statement_step()
 * (db/statement.h). Thread: the store's.
 */
#ifndef DB_UPLOADS_H
#define DB_UPLOADS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/file_rules.h"
#include "core/id.h"
#include "db/list_position.h"
#include "db/store.h"

enum { FILE_ID_SIZE = 5 + ID_SIZE, SHA256_SIZE = 65 };

struct upload_row {
	char file_id[FILE_ID_SIZE];
	char sha256[SHA256_SIZE]; /* lower-case hex */
	int64_t size_bytes;
	char content_type[CONTENT_TYPE_MAX + 1];
	char filename[FILENAME_MAX_BYTES + 1];		/* "": it has none */
	char user_id[USER_ID_BYTES_MAX + 1];		/* "": of nobody known */
	char channel[CHANNEL_NAME_MAX + 1];		/* "": announced to none */
	int64_t created_at_unix_ms, expires_at_unix_ms; /* expires 0: never */
};

/* 0: no limit. */
struct upload_quota {
	int64_t all_bytes, user_bytes;
};

/* May so many bytes more be kept for that user ("": nobody known)? Belongs into the transaction of
 * uploads_add() to be sure, and may be asked before, to refuse early.
 *   -ENOSPC "quota_exceeded" all that is allowed for everybody, "user_quota_exceeded" */
int uploads_check_quota(struct store *store, const struct upload_quota *quota, const char *user_id,
			int64_t more_bytes, struct error *reterr) MUST_CHECK;

/* -EEXIST "already_exists" the file_id is taken */
int uploads_add(struct store *store, const struct upload_row *row, struct error *reterr) MUST_CHECK;

/* -ENOENT "file_not_found" */
int uploads_get(struct store *store, const char *file_id, struct upload_row *ret_row,
		struct error *reterr) MUST_CHECK;
int uploads_delete(struct store *store, const char *file_id, int64_t now_unix_ms,
		   struct error *reterr) MUST_CHECK;

/* Which files; all zero: every one. Texts are borrowed. */
struct uploads_filter {
	const char *user_id; /* whose; NULL: anybody's */
	const char *channel; /* announced there; NULL: wherever */
	const char
		*content_type; /* whatever its parameters; "image/": all that begin so; NULL: any */
};

/* Up to `limit`, newest first, from before `before` (NULL: from the newest) into the caller's
 * `rows`. Returns how many; *ret_more: there are others behind them. */
int uploads_list(struct store *store, const struct uploads_filter *filter,
		 const struct list_position *before, size_t limit, struct upload_row *rows,
		 bool *ret_more, struct error *reterr) MUST_CHECK;

/* Does any upload have these bytes? 1, 0. */
int uploads_have(struct store *store, const char *sha256, struct error *reterr) MUST_CHECK;

/* Delete one that has expired (in a transaction of its own) and that no stored message refers to;
 * ret_sha256 gets its bytes' name. 1, or 0: there is none. */
int uploads_delete_expired(struct store *store, int64_t now_unix_ms, char ret_sha256[SHA256_SIZE],
			   struct error *reterr) MUST_CHECK;

#endif
