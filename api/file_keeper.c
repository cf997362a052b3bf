#include "api/file_keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/sniff/sniff.h"

struct file_keeper {
	const struct config *config;
	struct file_rules rules;
	struct upload_quota quota;
	struct file_store *files;
	pthread_mutex_t sniffer_lock;
	struct sniffer *sniffer; /* under its lock */
	atomic_int busy;
	int busy_max;
};

/* ---- life ---- */

int file_keeper_new(const struct config *config, struct file_keeper **ret_keeper,
		    struct error *reterr)
{
	AUTO(file_keeper) keeper = calloc(1, sizeof(*keeper));
	int r;

	if (!keeper)
		return -ENOMEM;
	(void)pthread_mutex_init(&keeper->sniffer_lock, NULL);
	keeper->config = config;
	keeper->rules = (struct file_rules){.is_enabled = config->BINARY_DATA_ENABLED,
					    .max_bytes = config->BINARY_MAX_FILE_SIZE,
					    .allowed_types = config->BINARY_ALLOWED_TYPES};
	keeper->quota = (struct upload_quota){.all_bytes = config->REALTIME_FILES_QUOTA,
					      .user_bytes = config->REALTIME_FILES_USER_QUOTA};
	keeper->busy_max = (int)(config->REALTIME_API_THREADS + 1) / 2;
	r = file_store_new(config->REALTIME_DATA_DIR, &keeper->files, reterr);
	if (r == 0)
		r = sniffer_new(&keeper->sniffer, reterr);
	if (r < 0)
		return r;
	*ret_keeper = STEAL(keeper);
	return 0;
}

struct file_keeper *file_keeper_free(struct file_keeper *keeper)
{
	if (!keeper)
		return NULL;
	keeper->sniffer = sniffer_free(keeper->sniffer);
	keeper->files = file_store_free(keeper->files);
	(void)pthread_mutex_destroy(&keeper->sniffer_lock);
	free(keeper);
	return NULL;
}

const struct file_rules *file_keeper_rules(const struct file_keeper *keeper)
{
	return &keeper->rules;
}

const struct file_store *file_keeper_files(const struct file_keeper *keeper)
{
	return keeper->files;
}

/* ---- arriving ---- */

int file_keeper_enter(struct file_keeper *keeper, struct error *reterr)
{
	if (atomic_fetch_add(&keeper->busy, 1) < keeper->busy_max)
		return 0;
	file_keeper_leave(keeper);
	return error_set(reterr, -EAGAIN, "uploads_busy",
			 "%d files are arriving already; try again", keeper->busy_max);
}

void file_keeper_leave(struct file_keeper *keeper)
{
	(void)atomic_fetch_sub(&keeper->busy, 1);
}

int file_keeper_choose_type(struct file_keeper *keeper, const char *declared, const void *bytes,
			    size_t length, char ret_type[CONTENT_TYPE_MAX + 1],
			    struct error *reterr)
{
	char sniffed[CONTENT_TYPE_MAX + 1];
	const char *type = NULL;
	int r;

	(void)pthread_mutex_lock(&keeper->sniffer_lock);
	(void)snprintf(sniffed, sizeof(sniffed), "%s",
		       sniffer_type(keeper->sniffer, bytes, length));
	(void)pthread_mutex_unlock(&keeper->sniffer_lock);
	r = file_rules_choose_type(&keeper->rules, declared, sniffed, &type, reterr);
	if (r == 0 && strlen(type) > CONTENT_TYPE_MAX)
		return error_set_field(reterr, -EINVAL, "bad_field", "content_type",
				       "content_type may have %d bytes", CONTENT_TYPE_MAX);
	if (r == 0)
		(void)strcpy(ret_type, type); /* it fits */
	return r;
}

int file_keeper_check_quota(const struct file_keeper *keeper, struct store *store,
			    const char *user_id, int64_t more_bytes, struct error *reterr)
{
	return uploads_check_quota(store, &keeper->quota, user_id, more_bytes, reterr);
}

int file_keeper_keep(struct file_keeper *keeper, struct store *store, struct file_draft *draft,
		     struct upload_row *row, int64_t now_unix_ms, struct error *reterr)
{
	int64_t ttl_s = keeper->config->REALTIME_FILES_TTL;
	int r;

	id_new("file", row->file_id, sizeof(row->file_id));
	(void)snprintf(row->sha256, sizeof(row->sha256), "%s", file_draft_sha256(draft));
	row->size_bytes = file_draft_size(draft);
	row->created_at_unix_ms = now_unix_ms;
	row->expires_at_unix_ms = ttl_s > 0 ? now_unix_ms + ttl_s * 1000 : 0;
	r = store_begin(store, reterr);
	if (r < 0)
		return r;
	r = file_keeper_check_quota(keeper, store, row->user_id, row->size_bytes, reterr);
	if (r == 0)
		r = file_draft_place(draft, reterr);
	if (r == 0)
		r = uploads_add(store, row, reterr);
	if (r == 0)
		r = store_commit(store, reterr);
	if (r < 0)
		store_rollback(store); /* what was placed is a stray, if it is nobody else's */
	return r;
}

/* ---- leaving ---- */

/* Remove bytes that no upload has. The lock keeps one with the same bytes from coming meanwhile.
 * 1 removed, 0 wanted. */
static int remove_unwanted(const struct file_keeper *keeper, struct store *store,
			   const char *sha256, struct error *reterr)
{
	int r = store_begin(store, reterr);

	if (r < 0)
		return r;
	r = uploads_have(store, sha256, reterr);
	if (r == 0)
		r = file_store_remove(keeper->files, sha256, reterr) < 0 ? -EIO : 1;
	else if (r > 0)
		r = 0;
	store_rollback(store); /* nothing was written */
	return r;
}

int file_keeper_drop(struct file_keeper *keeper, struct store *store, const char *file_id,
		     struct error *reterr)
{
	struct upload_row row;
	int r = uploads_get(store, file_id, &row, reterr);

	if (r == 0)
		r = uploads_delete(store, file_id, clock_unix_ms(), reterr);
	if (r == 0)
		r = remove_unwanted(keeper, store, row.sha256, reterr);
	return r < 0 ? r : 0;
}

int file_keeper_drop_expired(struct file_keeper *keeper, struct store *store, int64_t now_unix_ms,
			     struct error *reterr)
{
	char sha256[SHA256_SIZE];
	int count = 0, r;

	while ((r = uploads_delete_expired(store, now_unix_ms, sha256, reterr)) > 0) {
		r = remove_unwanted(keeper, store, sha256, reterr);
		if (r < 0)
			return r;
		count++;
	}
	return r < 0 ? r : count;
}

int file_keeper_drop_expired_partials(struct file_keeper *keeper, struct store *store,
				      int64_t now_unix_ms, struct error *reterr)
{
	char upload_id[UPLOAD_ID_SIZE];
	int count = 0, r;

	while ((r = partial_uploads_delete_expired(store, now_unix_ms, upload_id, reterr)) > 0) {
		r = file_partial_remove(keeper->files, upload_id, reterr);
		if (r < 0)
			return r;
		count++;
	}
	return r < 0 ? r : count;
}

struct sweep {
	const struct file_keeper *keeper;
	struct store *store;
	struct error *error;
	int count;
};

static int sweep_one(void *data, const char *sha256)
{
	struct sweep *sweep = data;
	int r = uploads_have(sweep->store, sha256, sweep->error);

	if (r == 0) /* a glance without the lock spares most of them */
		r = remove_unwanted(sweep->keeper, sweep->store, sha256, sweep->error);
	else if (r > 0)
		r = 0;
	if (r > 0)
		sweep->count++;
	return r;
}

/* A new one has its row before its file. */
static int sweep_partial(void *data, const char *upload_id)
{
	struct sweep *sweep = data;
	struct partial_upload_row row;
	int r = partial_uploads_get(sweep->store, upload_id, &row, sweep->error);

	if (r != -ENOENT)
		return r;
	sweep->count++;
	return file_partial_remove(sweep->keeper->files, upload_id, sweep->error);
}

int file_keeper_drop_strays(struct file_keeper *keeper, struct store *store, struct error *reterr)
{
	struct sweep sweep = {.keeper = keeper, .store = store, .error = reterr};
	int r = file_store_for_each(keeper->files, sweep_one, &sweep, reterr);

	if (r >= 0)
		r = file_partial_for_each(keeper->files, sweep_partial, &sweep, reterr);

	return r < 0 ? r : sweep.count;
}
