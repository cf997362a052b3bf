#include "api/edge/file_collector.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "db/idempotency_keys.h"

enum {
	PERIOD_S = 60,
	SWEEP_EVERY = 24 * 60, /* periods */
	ANSWERS_KEPT_MS = 24 * 3600 * 1000,
	TRIM_BATCH = 1000 /* rows of one transaction */
};

struct file_collector {
	struct file_keeper *keeper; /* borrowed */
	struct store *store;	    /* the thread's own */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stopped;
	bool is_stopping; /* under the lock */
	bool has_thread;
};

/* A fault here harms nobody at once: it is told, and tried again next time. */
static void tell(const char *event, int r, struct error *error)
{
	if (r > 0)
		LOG(LOG_INFO, LOG_MAIN, event, LOG_INT("files", r));
	else if (r < 0)
		LOG(LOG_ERROR, LOG_MAIN, "files_not_collected", LOG_TEXT("reason", strerror(-r)),
		    LOG_ERR(error));
}

/* Answers that were kept for whoever asks again (api/idempotency.h). */
static void drop_old_answers(struct store *store)
{
	struct error error = {0};
	int r;

	do
		r = idempotency_keys_trim(store, clock_unix_ms() - ANSWERS_KEPT_MS, TRIM_BATCH,
					  &error);
	while (r == TRIM_BATCH);
	if (r < 0)
		LOG(LOG_ERROR, LOG_MAIN, "answers_not_dropped", LOG_ERR(&error));
}

static void collect(struct file_collector *collector, bool with_strays)
{
	struct error error = {0};

	tell("files_expired",
	     file_keeper_drop_expired(collector->keeper, collector->store, clock_unix_ms(), &error),
	     &error);
	tell("partial_uploads_expired",
	     file_keeper_drop_expired_partials(collector->keeper, collector->store, clock_unix_ms(),
					       &error),
	     &error);
	drop_old_answers(collector->store);
	if (with_strays)
		tell("stray_files_removed",
		     file_keeper_drop_strays(collector->keeper, collector->store, &error), &error);
}

/* false: it is time to end. */
static bool wait_for_next(struct file_collector *collector)
{
	struct timespec until;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PERIOD_S;
	(void)pthread_mutex_lock(&collector->lock);
	while (!collector->is_stopping && r == 0)
		r = pthread_cond_timedwait(&collector->stopped, &collector->lock, &until);
	(void)pthread_mutex_unlock(&collector->lock);
	return r == ETIMEDOUT;
}

static void *run(void *data)
{
	struct file_collector *collector = data;
	unsigned period = 0;

	do
		collect(collector, period++ % SWEEP_EVERY == 0);
	while (wait_for_next(collector));
	return NULL;
}

int file_collector_start(const struct api *shared, struct file_collector **ret_collector,
			 struct error *reterr)
{
	AUTO(file_collector) collector = calloc(1, sizeof(*collector));
	pthread_condattr_t attributes;
	int r;

	if (!collector)
		return -ENOMEM;
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&collector->stopped, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	(void)pthread_mutex_init(&collector->lock, NULL);
	collector->keeper = shared->keeper;
	r = store_open(shared->config->REALTIME_DATABASE, STORE_DURABLE, &collector->store, reterr);
	if (r < 0)
		return r;
	r = pthread_create(&collector->thread, NULL, run, collector);
	if (r != 0)
		return error_set(reterr, -r, "no_thread", "cannot start a thread: %s", strerror(r));
	collector->has_thread = true;
	*ret_collector = STEAL(collector);
	return 0;
}

struct file_collector *file_collector_stop(struct file_collector *collector)
{
	if (!collector)
		return NULL;
	(void)pthread_mutex_lock(&collector->lock);
	collector->is_stopping = true;
	(void)pthread_cond_signal(&collector->stopped);
	(void)pthread_mutex_unlock(&collector->lock);
	if (collector->has_thread)
		(void)pthread_join(collector->thread, NULL);
	(void)pthread_cond_destroy(&collector->stopped);
	(void)pthread_mutex_destroy(&collector->lock);
	(void)store_free(collector->store);
	free(collector);
	return NULL;
}
