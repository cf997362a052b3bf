#include "api/edge/webhook_courier.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "api/edge/webhook_post.h"
#include "core/clock.h"
#include "core/log.h"

enum {
	POLL_MS = 200, /* between looks into the store, and so the longest that an event lies */
	POSTS_MAX = 128,
	FAN_OUT_BATCH = 500,
	LEASE_MARGIN_MS = 5000, /* beyond the time-out of a post */
	UPKEEP_MS = 60 * 1000,
	UPKEEP_BATCH = 10000,
	FINISHED_KEPT = 1000, /* of each endpoint and state */
	CONNECTIONS_KEPT = 32
};

#define FINISHED_KEPT_MS (30ll * 24 * 3600 * 1000)

struct webhook_courier {
	const struct config *config; /* borrowed */
	struct webhook_tally *tally; /* borrowed */
	struct store *store;	     /* the thread's own */
	CURLM *multi;
	struct list posts; /* under way */
	int64_t post_count;
	int64_t upkeep_at_unix_ms, looked_at_unix_ms;
	bool was_dropping, was_failing;
	atomic_bool is_stopping;
	bool has_thread;
	pthread_t thread;
};

/* ---- transactions ---- */

/* A fault harms nothing: what is not kept is done again. Told once, not five times a second. */
static void tell(struct webhook_courier *courier, int r, struct error *error)
{
	bool is_failing = r < 0;

	if (is_failing && !courier->was_failing) {
		if (error->number != r)
			(void)error_set(error, r, "internal_error", "%s", strerror(-r));
		LOG(LOG_ERROR, LOG_MAIN, "webhooks_not_served", LOG_ERR(error));
	}
	courier->was_failing = is_failing;
}

static int end(struct webhook_courier *courier, int r, struct error *error)
{
	if (r >= 0)
		r = store_commit(courier->store, error);
	if (r < 0)
		store_rollback(courier->store);
	return r;
}

/* ---- events become posts ---- */

static int fan_out(struct webhook_courier *courier, int64_t now_unix_ms, struct error *error)
{
	int64_t dropped = 0;
	int r = webhook_deliveries_fan_out(courier->store, FAN_OUT_BATCH,
					   courier->config->REALTIME_WEBHOOK_QUEUE_MAX, now_unix_ms,
					   &dropped, error);

	if (r < 0)
		return r;
	courier->tally->dropped += (unsigned long long)dropped;
	if (dropped > 0 && !courier->was_dropping)
		LOG(LOG_WARNING, LOG_MAIN, "webhook_queue_full",
		    LOG_INT("dropped", dropped)); /* the store has whose */
	if (r > 0)
		courier->was_dropping = dropped > 0;
	return r;
}

static int64_t places(void *data, const char *webhook_id)
{
	struct webhook_courier *courier = data;
	struct webhook_post *post;
	int64_t left = courier->config->REALTIME_WEBHOOK_PARALLEL;

	LIST_FOR_EACH (post, &courier->posts, link)
		if (strcmp(post->delivery->webhook_id, webhook_id) == 0)
			left--;
	return courier->post_count < POSTS_MAX ? left : 0;
}

static void begin_post(struct webhook_courier *courier, struct webhook_delivery *delivery)
{
	struct webhook_post *post;
	char webhook_id[WEBHOOK_ID_SIZE];
	int r;

	memcpy(webhook_id, delivery->webhook_id, sizeof(webhook_id));
	r = webhook_post_new(courier->config, delivery, &post);
	if (r == 0 && curl_multi_add_handle(courier->multi, post->easy) != CURLM_OK) {
		(void)webhook_post_free(post);
		r = -ENOMEM;
	}
	if (r < 0) { /* it is tried again once its lease is over */
		LOG(LOG_ERROR, LOG_MAIN, "webhook_not_posted", LOG_TEXT("webhook", webhook_id),
		    LOG_TEXT("reason", strerror(-r)));
		return;
	}
	list_append(&courier->posts, &post->link);
	courier->post_count++;
}

/* Look for work, and take some. How many events it looked at, or the store's errors. */
static int take_work(struct webhook_courier *courier, int64_t now_unix_ms, struct error *error)
{
	int64_t lease_ms = courier->config->REALTIME_WEBHOOK_TIMEOUT * 1000 + LEASE_MARGIN_MS;
	struct list claimed, *link;
	int count = 0, r = webhook_deliveries_is_due(courier->store, now_unix_ms, error);

	if (r <= 0)
		return r;
	list_init(&claimed);
	r = store_begin(courier->store, error);
	if (r < 0)
		return r;
	r = count = fan_out(courier, now_unix_ms, error);
	if (r >= 0)
		r = webhook_deliveries_claim(courier->store, now_unix_ms, now_unix_ms + lease_ms,
					     places, courier, &claimed, error);
	r = end(courier, r, error);
	while ((link = list_first(&claimed))) {
		struct webhook_delivery *delivery = LIST_ITEM(link, struct webhook_delivery, link);

		list_remove(link);
		if (r == 0)
			begin_post(courier, delivery);
		else
			(void)webhook_delivery_free(delivery);
	}
	return r < 0 ? r : count;
}

/* ---- posts come to an end ---- */

static void count(struct webhook_courier *courier, const struct webhook_delivery *delivery,
		  const struct webhook_result *result)
{
	switch (result->outcome) {
	case WEBHOOK_DELIVERED:
		courier->tally->delivered++;
		break;
	case WEBHOOK_AGAIN:
		courier->tally->again++;
		break;
	case WEBHOOK_FAILED:
		courier->tally->failed++;
		break;
	}
	LOG(result->outcome == WEBHOOK_FAILED ? LOG_WARNING : LOG_DEBUG, LOG_MAIN,
	    result->outcome == WEBHOOK_DELIVERED ? "webhook_delivered"
	    : result->outcome == WEBHOOK_AGAIN	 ? "webhook_attempt_failed"
						 : "webhook_failed",
	    LOG_TEXT("webhook", delivery->webhook_id), LOG_TEXT("event", delivery->event_id),
	    LOG_INT("attempt", delivery->attempts), LOG_INT("status", result->response_status),
	    LOG_TEXT("reason", result->error));
	if (result->is_gone)
		LOG(LOG_WARNING, LOG_MAIN, "webhook_disabled",
		    LOG_TEXT("webhook", delivery->webhook_id),
		    LOG_TEXT("reason", "it answered 410 Gone"));
}

static int settle(struct webhook_courier *courier, CURLMsg *message, struct error *error)
{
	int64_t now_unix_ms = clock_unix_ms();
	struct webhook_result result;
	struct webhook_post *post = NULL;
	char *private = NULL;
	int r;

	(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
	post = (struct webhook_post *)(void *)private;
	webhook_post_judge(post, message->data.result, now_unix_ms, &result);
	count(courier, post->delivery, &result);
	r = webhook_deliveries_settle(courier->store, post->delivery, &result, now_unix_ms, error);
	(void)curl_multi_remove_handle(courier->multi, post->easy);
	(void)webhook_post_free(post);
	courier->post_count--;
	return r;
}

/* All that have ended, in one transaction. How many. */
static int settle_ended(struct webhook_courier *courier, struct error *error)
{
	CURLMsg *message;
	int left, ended = 0, r = 0;

	while ((message = curl_multi_info_read(courier->multi, &left))) {
		int settled;

		if (ended++ == 0)
			r = store_begin(courier->store, error);
		settled = settle(courier, message, error);
		if (r == 0)
			r = settled;
	}
	if (ended == 0)
		return 0;
	r = end(courier, r, error);
	return r < 0 ? r : ended;
}

/* ---- upkeep ---- */

static int give_up(struct webhook_courier *courier, int64_t now_unix_ms, struct error *error)
{
	int64_t before = now_unix_ms - courier->config->REALTIME_WEBHOOK_MAX_AGE * 1000;
	int r = webhook_deliveries_give_up(courier->store, before, UPKEEP_BATCH, now_unix_ms,
					   error);

	if (r > 0) {
		courier->tally->failed += (unsigned)r;
		LOG(LOG_WARNING, LOG_MAIN, "webhooks_given_up", LOG_INT("deliveries", r));
	}
	return r;
}

static int keep_up(struct webhook_courier *courier, int64_t now_unix_ms, struct error *error)
{
	int r = give_up(courier, now_unix_ms, error);

	if (r >= 0)
		r = webhook_deliveries_trim(courier->store, FINISHED_KEPT,
					    now_unix_ms - FINISHED_KEPT_MS, UPKEEP_BATCH, error);
	return r;
}

/* ---- the thread ---- */

/* One turn. Is there more to do at once? */
static bool turn(struct webhook_courier *courier)
{
	int64_t now_unix_ms = clock_unix_ms();
	struct error error = {0};
	int running, ended, taken = 0, r;

	(void)curl_multi_perform(courier->multi, &running);
	r = ended = settle_ended(courier, &error);
	if (r >= 0 && (ended > 0 || now_unix_ms - courier->looked_at_unix_ms >= POLL_MS ||
		       now_unix_ms < courier->looked_at_unix_ms)) {
		r = taken = take_work(courier, now_unix_ms, &error);
		if (taken < FAN_OUT_BATCH)
			courier->looked_at_unix_ms = now_unix_ms;
	}
	if (r >= 0 && now_unix_ms >= courier->upkeep_at_unix_ms) {
		r = keep_up(courier, now_unix_ms, &error);
		courier->upkeep_at_unix_ms = now_unix_ms + UPKEEP_MS;
	}
	tell(courier, r, &error);
	return r >= 0 && (taken == FAN_OUT_BATCH || ended > 0);
}

static void *run(void *data)
{
	struct webhook_courier *courier = data;

	while (!courier->is_stopping)
		if (!turn(courier))
			(void)curl_multi_poll(courier->multi, NULL, 0, POLL_MS, NULL);
	return NULL;
}

int webhook_courier_start(const struct api *shared, struct webhook_courier **ret_courier,
			  struct error *reterr)
{
	AUTO(webhook_courier) courier = calloc(1, sizeof(*courier));
	int r;

	if (!courier)
		return -ENOMEM;
	list_init(&courier->posts);
	courier->config = shared->config;
	courier->tally = shared->webhook_tally;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return error_set(reterr, -ENOMEM, "out_of_memory", "libcurl does not start");
	courier->multi = curl_multi_init();
	if (!courier->multi)
		return -ENOMEM;
	(void)curl_multi_setopt(courier->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	r = store_open(shared->config->REALTIME_DATABASE, STORE_DURABLE, &courier->store, reterr);
	if (r < 0)
		return r;
	r = pthread_create(&courier->thread, NULL, run, courier);
	if (r != 0)
		return error_set(reterr, -r, "no_thread", "cannot start a thread: %s", strerror(r));
	courier->has_thread = true;
	*ret_courier = STEAL(courier);
	return 0;
}

struct webhook_courier *webhook_courier_stop(struct webhook_courier *courier)
{
	struct list *link;

	if (!courier)
		return NULL;
	courier->is_stopping = true;
	if (courier->has_thread) {
		(void)curl_multi_wakeup(courier->multi);
		(void)pthread_join(courier->thread, NULL);
	}
	while ((link = list_first(&courier->posts))) {
		struct webhook_post *post = LIST_ITEM(link, struct webhook_post, link);

		(void)curl_multi_remove_handle(courier->multi, post->easy);
		(void)webhook_post_free(post);
	}
	if (courier->multi)
		(void)curl_multi_cleanup(courier->multi);
	(void)store_free(courier->store);
	free(courier);
	curl_global_cleanup();
	return NULL;
}
