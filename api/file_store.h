/* file_store.h - the bytes of files, each kept once under its SHA-256.
 *
 *   REALTIME_DATA_DIR/files/incoming/        what is arriving; a name means nothing
 *   REALTIME_DATA_DIR/files/partial/         what comes piece by piece, under its upload_id
 *   REALTIME_DATA_DIR/files/ab/cd/abcd…      whole and on the disk, for good
 *
 * A file is written and fsynced in incoming/, renamed, and its folder fsynced: there is never half
 * a file under its own name. What a killed process left in incoming/ is cleared by the next start
 * that finds no other process at work. Which files are wanted it does not know (db/uploads.h).
 *
 * Thread: any for the store; a draft is its owner's.
 */
#ifndef API_FILE_STORE_H
#define API_FILE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "db/uploads.h"

enum { FILE_HEAD_MAX = 4096 };

struct file_store;

/* Make the folders that are missing under `data_dir`, which must be there.
 *   -errno "files_unavailable" */
int file_store_new(const char *data_dir, struct file_store **ret_files,
		   struct error *reterr) MUST_CHECK;
struct file_store *file_store_free(struct file_store *files);
DEFINE_AUTO(file_store, file_store_free);

/* ---- files that are there ---- */

/* A descriptor to read, the caller's to close. -ENOENT "file_not_found"   -EIO "files_failed" */
int file_store_open(const struct file_store *files, const char *sha256,
		    struct error *reterr) MUST_CHECK;
/* What is not there counts as removed. -EIO "files_failed" */
int file_store_remove(const struct file_store *files, const char *sha256,
		      struct error *reterr) MUST_CHECK;
/* Every file; a negative number from `visit` ends it and is returned. -EIO "files_failed" */
int file_store_for_each(const struct file_store *files,
			int (*visit)(void *data, const char *sha256), void *data,
			struct error *reterr) MUST_CHECK;

/* ---- files that arrive ---- */

/*   ARRIVING --seal--> SEALED --place--> gone from incoming/
 *
 * Freed in any state; what was not placed leaves nothing behind. */
struct file_draft;

int file_draft_new(const struct file_store *files, struct file_draft **ret_draft,
		   struct error *reterr) MUST_CHECK;
struct file_draft *file_draft_free(struct file_draft *draft);
DEFINE_AUTO(file_draft, file_draft_free);

/* -ENOSPC "disk_full"   -EIO "files_failed" */
int file_draft_write(struct file_draft *draft, const void *bytes, size_t length,
		     struct error *reterr) MUST_CHECK;
/* All of it has arrived: put it on the disk. The errors of writing. */
int file_draft_seal(struct file_draft *draft, struct error *reterr) MUST_CHECK;
/* Give a sealed one its name; belongs into the transaction that makes its upload, so that nobody
 * removes it in between. -EIO "files_failed" */
int file_draft_place(struct file_draft *draft, struct error *reterr) MUST_CHECK;

int64_t file_draft_size(const struct file_draft *draft);
/* Its first bytes, to see what it is. Returns how many. */
size_t file_draft_head(const struct file_draft *draft, const uint8_t **ret_bytes);
/* Of a sealed one. */
const char *file_draft_sha256(const struct file_draft *draft);
/* All bytes of a sealed one that has at most `length`. -EIO "files_failed" */
int file_draft_read(const struct file_draft *draft, void *into, size_t length,
		    struct error *reterr) MUST_CHECK;

/* ---- files that come piece by piece ---- */

/* An empty one. -EIO "files_failed"   -ENOSPC "disk_full" */
int file_partial_new(const struct file_store *files, const char *upload_id,
		     struct error *reterr) MUST_CHECK;
/* To append to, for this caller alone until it closes the descriptor that is returned; *ret_size is
 * how much is there.
 *   -ENOENT "upload_not_found"   -EBUSY "upload_locked" somebody else has it */
int file_partial_open(const struct file_store *files, const char *upload_id, int64_t *ret_size,
		      struct error *reterr) MUST_CHECK;
/* What is not there counts as removed. */
int file_partial_remove(const struct file_store *files, const char *upload_id,
			struct error *reterr) MUST_CHECK;
/* Every one, as file_store_for_each(). */
int file_partial_for_each(const struct file_store *files,
			  int (*visit)(void *data, const char *upload_id), void *data,
			  struct error *reterr) MUST_CHECK;
/* All of it is there: a sealed draft of it, by reading it once. It stays where it is, also once it
 * is placed: should that come to nothing, it is as it was. `fd` is borrowed. */
int file_partial_seal(const struct file_store *files, const char *upload_id, int fd,
		      struct file_draft **ret_draft, struct error *reterr) MUST_CHECK;

#endif
