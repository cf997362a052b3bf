/* webhook_deliveries.h - events on their way to the webhooks: one row for each event and endpoint
 * that takes it.
 *
 *   pending --claim--> being posted --settle--> delivered
 *      ^                   |   \--settle: too often, too long--> failed
 *      |                   |                                       |
 *      +--settle: later----+        <--retry: an admin asks--------+
 *
 * Whoever claims one has a lease: dead, it never settles, and somebody else posts the same again.
 * So each arrives at least once. Functions that write belong inside store_begin() and
 * store_commit(), so that several processes never claim the same; all may also fail with the errors
 * of statement_step() (db/statement.h). Thread: the store's.
 */
#ifndef DB_WEBHOOK_DELIVERIES_H
#define DB_WEBHOOK_DELIVERIES_H

#include "core/list.h"
#include "db/webhooks.h"

enum { WEBHOOK_EVENT_ID_SIZE = 4 + 32 + 1, WEBHOOK_TYPE_SIZE = 32, WEBHOOK_ERROR_SIZE = 160 };

/* ---- posting ---- */

/* Make deliveries of up to `limit` events that have none yet. Those for which an endpoint's queue
 * (of `queue_max` pending ones) has no place are dropped for it: *ret_dropped counts them.
 * Returns how many events it looked at. */
int webhook_deliveries_fan_out(struct store *store, int64_t limit, int64_t queue_max,
			       int64_t now_unix_ms, int64_t *ret_dropped,
			       struct error *reterr) MUST_CHECK;
/* Is there an event to fan out, or a delivery to claim? A look that writes nothing. 1, 0. */
int webhook_deliveries_is_due(struct store *store, int64_t now_unix_ms,
			      struct error *reterr) MUST_CHECK;

struct webhook_delivery {
	struct list link;
	int64_t delivery_id, attempts, queued_at_unix_ms; /* attempts: with this one */
	char webhook_id[WEBHOOK_ID_SIZE], event_id[WEBHOOK_EVENT_ID_SIZE];
	char secret[WEBHOOK_SECRET_SIZE], old_secret[WEBHOOK_SECRET_SIZE]; /* old "": none */
	int64_t failures_in_row;
	char *url, *body; /* owned */
};

struct webhook_delivery *webhook_delivery_free(struct webhook_delivery *delivery);
DEFINE_AUTO(webhook_delivery, webhook_delivery_free);

/* Claim what is due, up to places(data, webhook_id) for each endpoint, onto the end of `into`; one
 * that fails at present gets one at a time. */
int webhook_deliveries_claim(struct store *store, int64_t now_unix_ms, int64_t leased_until_unix_ms,
			     int64_t (*places)(void *data, const char *webhook_id), void *data,
			     struct list *into, struct error *reterr) MUST_CHECK;

enum webhook_outcome { WEBHOOK_DELIVERED, WEBHOOK_AGAIN, WEBHOOK_FAILED };

struct webhook_result {
	enum webhook_outcome outcome;
	int64_t next_attempt_at_unix_ms; /* of WEBHOOK_AGAIN */
	int64_t paused_until_unix_ms;	 /* nothing else is sent there until then; 0: no pause */
	bool is_gone;			 /* the endpoint asks to be disabled */
	long response_status;		 /* 0: there was no answer */
	char error[WEBHOOK_ERROR_SIZE];
	int64_t duration_ms;
};

/* Keep what came of it, unless somebody else has claimed it since. */
int webhook_deliveries_settle(struct store *store, const struct webhook_delivery *delivery,
			      const struct webhook_result *result, int64_t now_unix_ms,
			      struct error *reterr) MUST_CHECK;

/* ---- upkeep ---- */

/* Up to `limit` that have waited since before that time fail. How many. */
int webhook_deliveries_give_up(struct store *store, int64_t before_unix_ms, int64_t limit,
			       int64_t now_unix_ms, struct error *reterr) MUST_CHECK;
/* Forget up to `limit` that are finished: all but the newest `kept` of each endpoint and state, and
 * what finished before that time. How many. */
int webhook_deliveries_trim(struct store *store, int64_t kept, int64_t before_unix_ms,
			    int64_t limit, struct error *reterr) MUST_CHECK;

/* ---- for admins ---- */

struct webhook_delivery_row {
	int64_t delivery_id;
	const char *event_id, *type, *name, *state; /* borrowed; name "": of no channel or room */
	const char *error;			    /* NULL: none */
	const char *body;			    /* what is posted */
	int64_t attempts, response_status;	    /* 0: there was no answer */
	int64_t created_at_unix_ms, next_attempt_at_unix_ms, last_attempt_at_unix_ms,
		finished_at_unix_ms, duration_ms; /* 0: not yet */
};

struct webhook_counts {
	int64_t pending, delivered, failed; /* of those that are kept */
};

/* Of one endpoint; NULL: of all together. */
int webhook_deliveries_count(struct store *store, const char *webhook_id,
			     struct webhook_counts *ret_counts, struct error *reterr) MUST_CHECK;

/* Newest first, from before a delivery_id; of one state, or all (NULL). false from `visit`: enough.
 */
int webhook_deliveries_list(struct store *store, const char *webhook_id, const char *state,
			    int64_t before_id, int64_t limit,
			    bool (*visit)(void *data, const struct webhook_delivery_row *row),
			    void *data, struct error *reterr) MUST_CHECK;
/* Post it now, whatever state it is in, counting attempts from the start.
 *   -ENOENT "delivery_not_found"   -EEXIST "delivery_in_progress" */
int webhook_deliveries_retry(struct store *store, const char *webhook_id, int64_t delivery_id,
			     int64_t now_unix_ms, struct error *reterr) MUST_CHECK;
/* An event "webhook.test" for this endpoint alone. */
int webhook_deliveries_add_test(struct store *store, const char *webhook_id, int64_t now_unix_ms,
				int64_t *ret_delivery_id, struct error *reterr) MUST_CHECK;

#endif
