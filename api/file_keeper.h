/* file_keeper.h - which files are kept: it joins their bytes (api/file_store.h) and their rows
 * (db/uploads.h), sees what they are, and bounds how much arrives at once.
 *
 * Bytes get their name, and lose it, only under the store's write lock and in agreement with the
 * rows: a row is never without its bytes, and bytes without a row are removed sooner or later.
 * Thread: any; `store` is the caller's own.
 */
#ifndef API_FILE_KEEPER_H
#define API_FILE_KEEPER_H

#include "api/file_store.h"
#include "core/config.h"
#include "core/file_rules.h"
#include "db/partial_uploads.h"

struct file_keeper;

/* `config` is borrowed. file_store_new()'s errors, sniffer_new()'s, -ENOMEM */
int file_keeper_new(const struct config *config, struct file_keeper **ret_keeper,
		    struct error *reterr) MUST_CHECK;
struct file_keeper *file_keeper_free(struct file_keeper *keeper);
DEFINE_AUTO(file_keeper, file_keeper_free);

const struct file_rules *file_keeper_rules(const struct file_keeper *keeper);
const struct file_store *file_keeper_files(const struct file_keeper *keeper);

/* Somebody who may is about to send much. At most half of the request threads may be waiting for
 * that at once, so that slow senders leave the rest to others; each enter needs its leave.
 *   -EAGAIN "uploads_busy" */
int file_keeper_enter(struct file_keeper *keeper, struct error *reterr) MUST_CHECK;
void file_keeper_leave(struct file_keeper *keeper);

/* file_rules_choose_type() for bytes that begin like these; `declared` may be NULL. */
int file_keeper_choose_type(struct file_keeper *keeper, const char *declared, const void *bytes,
			    size_t length, char ret_type[CONTENT_TYPE_MAX + 1],
			    struct error *reterr) MUST_CHECK;

/* Would so much more fit? -ENOSPC as uploads_check_quota() */
int file_keeper_check_quota(const struct file_keeper *keeper, struct store *store,
			    const char *user_id, int64_t more_bytes,
			    struct error *reterr) MUST_CHECK;

/* Keep a sealed draft. Of *row the caller gives content_type, filename, user_id and channel; the
 * rest is set. On failure nothing is kept.
 *   -ENOSPC "quota_exceeded", "user_quota_exceeded", "disk_full"; the store's errors */
int file_keeper_keep(struct file_keeper *keeper, struct store *store, struct file_draft *draft,
		     struct upload_row *row, int64_t now_unix_ms, struct error *reterr) MUST_CHECK;

/* The upload ends, and its bytes if nobody else has them. -ENOENT "file_not_found" */
int file_keeper_drop(struct file_keeper *keeper, struct store *store, const char *file_id,
		     struct error *reterr) MUST_CHECK;

/* Drop what has expired, unless a stored message refers to it. Returns how many. */
int file_keeper_drop_expired(struct file_keeper *keeper, struct store *store, int64_t now_unix_ms,
			     struct error *reterr) MUST_CHECK;
/* The same for uploads that never became whole, or did long ago. */
int file_keeper_drop_expired_partials(struct file_keeper *keeper, struct store *store,
				      int64_t now_unix_ms, struct error *reterr) MUST_CHECK;
/* Look through all bytes for those without an upload, such as a crash leaves, also of uploads that
 * come piece by piece. Returns how many. */
int file_keeper_drop_strays(struct file_keeper *keeper, struct store *store,
			    struct error *reterr) MUST_CHECK;

#endif
