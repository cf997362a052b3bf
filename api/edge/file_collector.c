#include "api/edge/file_collector.h"

#include <errno.h>
#include <string.h>

#include "api/edge/periodic.h"
#include "core/clock.h"
#include "core/log.h"
#include "db/idempotency_keys.h"

enum {
	PERIOD_MS = 60 * 1000,
	SWEEP_EVERY = 24 * 60, /* periods */
	ANSWERS_KEPT_MS = 24 * 3600 * 1000,
	TRIM_BATCH = 1000 /* rows of one transaction */
};

struct file_collector {
	struct file_keeper *keeper; /* borrowed */
	struct periodic *periodic;
	unsigned period;
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

static int64_t collect(void *data, struct store *store)
{
	struct file_collector *collector = data;
	struct error error = {0};

	tell("files_expired",
	     file_keeper_drop_expired(collector->keeper, store, clock_unix_ms(), &error), &error);
	tell("partial_uploads_expired",
	     file_keeper_drop_expired_partials(collector->keeper, store, clock_unix_ms(), &error),
	     &error);
	drop_old_answers(store);
	if (collector->period++ % SWEEP_EVERY == 0)
		tell("stray_files_removed",
		     file_keeper_drop_strays(collector->keeper, store, &error), &error);
	return PERIOD_MS;
}

int file_collector_start(const struct api *shared, struct file_collector **ret_collector,
			 struct error *reterr)
{
	AUTO(file_collector) collector = calloc(1, sizeof(*collector));
	int r;

	if (!collector)
		return -ENOMEM;
	collector->keeper = shared->keeper;
	r = periodic_start(shared->config->REALTIME_DATABASE, STORE_DURABLE, collect, collector,
			   &collector->periodic, reterr);
	if (r < 0)
		return r;
	*ret_collector = STEAL(collector);
	return 0;
}

struct file_collector *file_collector_stop(struct file_collector *collector)
{
	if (!collector)
		return NULL;
	collector->periodic = periodic_stop(collector->periodic);
	free(collector);
	return NULL;
}
