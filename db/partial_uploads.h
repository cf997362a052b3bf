/* partial_uploads.h - uploads that come piece by piece (tus): what they will be. How much has come
 * the bytes themselves say (api/file_store.h). realtime-api alone writes; all functions may also
 * fail with the errors of statement_step(). Thread: the store's. */
#ifndef DB_PARTIAL_UPLOADS_H
#define DB_PARTIAL_UPLOADS_H

#include "db/uploads.h"

enum { UPLOAD_ID_SIZE = 4 + ID_SIZE, PARTIAL_FIELDS_MAX = 8192 };

struct partial_upload_row {
	char upload_id[UPLOAD_ID_SIZE];
	int64_t size_bytes;
	char content_type[CONTENT_TYPE_MAX + 1];
	char filename[FILENAME_MAX_BYTES + 1];
	char fields[PARTIAL_FIELDS_MAX + 1]; /* JSON */
	char user_id[USER_ID_BYTES_MAX + 1]; /* "": of nobody known */
	char file_id[FILE_ID_SIZE];	     /* "": not whole yet */
	int64_t created_at_unix_ms, expires_at_unix_ms;
};

int partial_uploads_add(struct store *store, const struct partial_upload_row *row,
			struct error *reterr) MUST_CHECK;
/* -ENOENT "upload_not_found" */
int partial_uploads_get(struct store *store, const char *upload_id,
			struct partial_upload_row *ret_row, struct error *reterr) MUST_CHECK;
int partial_uploads_delete(struct store *store, const char *upload_id,
			   struct error *reterr) MUST_CHECK;
/* It is whole, and that file now. */
int partial_uploads_finish(struct store *store, const char *upload_id, const char *file_id,
			   struct error *reterr) MUST_CHECK;
/* What that user's ("": nobody known) that are not whole will come to. */
int partial_uploads_pending(struct store *store, const char *user_id, int64_t *ret_bytes,
			    struct error *reterr) MUST_CHECK;
/* Delete one that has expired; ret_upload_id gets its name. 1, or 0: there is none. */
int partial_uploads_delete_expired(struct store *store, int64_t now_unix_ms,
				   char ret_upload_id[UPLOAD_ID_SIZE],
				   struct error *reterr) MUST_CHECK;

#endif
