#include "api/edge/search_indexer.h"

#include <errno.h>
#include <string.h>

#include "api/edge/periodic.h"
#include "core/clock.h"
#include "core/log.h"
#include "db/message_search.h"

enum {
	BATCH = 256,
	IDLE_MS = 200,
	/* When there is more to do it rests so many times as long as it worked or waited for its
	 * turn: long while others write, who are waited for, and little when nobody does. */
	REST_BUSY = 30,
	REST_QUIET = 2,
	SWEEP_EVERY_MS = 1000,
	SWEEP_IDLE_MS = 10000, /* while nobody writes */
	SWEEP_BATCH = 500
};

struct search_indexer {
	const struct namespaces *namespaces; /* borrowed */
	struct periodic *periodic;
	uint64_t sweep_at_us;
	int64_t store_version; /* after our last work */
	bool was_failing, was_idle;
};

static bool is_searchable(void *data, const char *channel)
{
	const struct search_indexer *indexer = data;

	return namespaces_find(indexer->namespaces, channel)->is_searchable;
}

static int sweep(struct search_indexer *indexer, struct store *store, bool is_busy,
		 struct error *error)
{
	uint64_t now_us = clock_now_us();

	if (now_us < indexer->sweep_at_us)
		return 0;
	indexer->sweep_at_us = now_us + (is_busy ? SWEEP_EVERY_MS : SWEEP_IDLE_MS) * 1000u;
	return message_search_sweep(store, SWEEP_BATCH, error);
}

/* Has somebody else written since we last did? */
static bool others_write(struct search_indexer *indexer, struct store *store)
{
	int64_t version = 0;
	bool do_they;

	if (store_version(store, &version, NULL) < 0)
		return true;
	do_they = version != indexer->store_version;
	indexer->store_version = version;
	return do_they;
}

static int64_t run(void *data, struct store *store)
{
	struct search_indexer *indexer = data;
	bool is_busy = others_write(indexer, store);
	uint64_t began_us = clock_now_us();
	struct error error = {0};
	int count, r;

	/* Nothing was to do, and nothing has changed. */
	if (!is_busy && indexer->was_idle && clock_now_us() < indexer->sweep_at_us)
		return IDLE_MS;
	count = message_search_index(store, BATCH, is_searchable, indexer, &error);
	r = count < 0 ? count : sweep(indexer, store, is_busy, &error);

	if (r < 0 && !indexer->was_failing)
		LOG(LOG_ERROR, LOG_MAIN, "messages_not_indexed", LOG_TEXT("reason", strerror(-r)),
		    LOG_ERR(&error));
	indexer->was_failing = r < 0;
	indexer->was_idle = count == 0 && r == 0;
	if (count < BATCH)
		return IDLE_MS;
	return 1 +
	       (int64_t)((clock_now_us() - began_us) * (is_busy ? REST_BUSY : REST_QUIET) / 1000);
}

int search_indexer_start(const struct api *shared, struct search_indexer **ret_indexer,
			 struct error *reterr)
{
	AUTO(search_indexer) indexer = calloc(1, sizeof(*indexer));
	int r;

	if (!indexer)
		return -ENOMEM;
	indexer->namespaces = shared->namespaces;
	/* What a power cut takes of it is indexed again. */
	r = periodic_start(shared->config->REALTIME_DATABASE, STORE_RELAXED, run, indexer,
			   &indexer->periodic, reterr);
	if (r < 0)
		return r;
	*ret_indexer = STEAL(indexer);
	return 0;
}

struct search_indexer *search_indexer_stop(struct search_indexer *indexer)
{
	if (!indexer)
		return NULL;
	indexer->periodic = periodic_stop(indexer->periodic);
	free(indexer);
	return NULL;
}
