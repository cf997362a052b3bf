#include "db/webhook_deliveries.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/statement.h"

/* What is posted; times within `data` are the store's, this one is for people. */
#define BODY                                                                                       \
	"json_object('id', event_id, 'type', type, 'timestamp',"                                   \
	" strftime('%Y-%m-%dT%H:%M:%fZ', occurred_at / 1000.0, 'unixepoch'),"                      \
	" 'sequence', sequence, 'data', json(data))"

static const char test_type[] = "webhook.test";

static const char events_sql[] = "SELECT sequence, type, name FROM webhook_events"
				 " WHERE sequence > (SELECT sequence FROM webhook_marks)"
				 " ORDER BY sequence LIMIT :limit";

static const char pending_sql[] = "SELECT count(*) FROM webhook_deliveries WHERE webhook_id = "
				  ":webhook_id AND state = 'pending'";

static const char add_sql[] = "INSERT INTO webhook_deliveries"
			      " (webhook_id, sequence, next_attempt_at, queued_at, created_at)"
			      " VALUES (:webhook_id, :sequence, :now, :now, :now)";

static const char drop_event_sql[] = "DELETE FROM webhook_events WHERE sequence = :sequence";

static const char mark_sql[] = "UPDATE webhook_marks SET sequence = :sequence";

static const char count_dropped_sql[] =
	"UPDATE webhooks SET dropped_count = dropped_count + :count, last_dropped_at = :now"
	" WHERE webhook_id = :webhook_id";

#define DUE_WEBHOOKS                                                                               \
	"FROM webhooks WHERE enabled AND paused_until <= :now"                                     \
	" AND EXISTS (SELECT 1 FROM webhook_deliveries AS deliveries"                              \
	"  WHERE deliveries.webhook_id = webhooks.webhook_id AND state = 'pending'"                \
	"  AND next_attempt_at <= :now)"

static const char is_due_sql[] = "SELECT EXISTS (SELECT 1 FROM webhook_events"
				 "  WHERE sequence > (SELECT sequence FROM webhook_marks))"
				 " OR EXISTS (SELECT 1 " DUE_WEBHOOKS ")";

static const char due_webhooks_sql[] =
	"SELECT webhook_id, url, secret,"
	" CASE WHEN old_secret_until > :now THEN old_secret END, failures_in_row " DUE_WEBHOOKS;

static const char due_sql[] =
	"SELECT delivery_id, attempts, queued_at, event_id, " BODY
	" FROM webhook_deliveries JOIN webhook_events USING (sequence)"
	" WHERE webhook_id = :webhook_id AND state = 'pending' AND next_attempt_at <= :now"
	" ORDER BY next_attempt_at, delivery_id LIMIT :limit";

static const char claim_sql[] =
	"UPDATE webhook_deliveries"
	" SET attempts = attempts + 1, is_posting = 1, last_attempt_at = :now,"
	" next_attempt_at = :leased_until"
	" WHERE delivery_id = :delivery_id";

static const char settle_sql[] =
	"UPDATE webhook_deliveries"
	" SET state = :state, is_posting = 0, next_attempt_at = :next,"
	" response_status = NULLIF(:status, 0), error = NULLIF(:error, ''),"
	" duration_ms = :duration_ms, finished_at = CASE :state WHEN 'pending' THEN NULL ELSE :now "
	"END"
	" WHERE delivery_id = :delivery_id AND attempts = :attempts AND state = 'pending'";

static const char recovered_sql[] = "UPDATE webhooks SET failures_in_row = 0, paused_until = 0"
				    " WHERE webhook_id = :webhook_id AND failures_in_row > 0";

static const char failing_sql[] =
	"UPDATE webhooks"
	" SET failures_in_row = failures_in_row + 1, paused_until = max(paused_until, :until),"
	" enabled = enabled AND NOT :is_gone"
	" WHERE webhook_id = :webhook_id";

static const char give_up_sql[] =
	"UPDATE webhook_deliveries"
	" SET state = 'failed', finished_at = :now,"
	" error = 'not delivered in time; the last attempt: ' || coalesce(error, 'none was made')"
	" WHERE delivery_id IN (SELECT delivery_id FROM webhook_deliveries"
	"  WHERE state = 'pending' AND queued_at < :before AND NOT is_posting"
	"  ORDER BY delivery_id LIMIT :limit)";

static const char trim_sql[] =
	"DELETE FROM webhook_deliveries WHERE delivery_id IN"
	" (SELECT delivery_id FROM"
	"  (SELECT delivery_id, finished_at, row_number() OVER"
	"    (PARTITION BY webhook_id, state ORDER BY delivery_id DESC) AS place"
	"   FROM webhook_deliveries WHERE state <> 'pending')"
	"  WHERE place > :kept OR finished_at < :before LIMIT :limit)";

#define COUNT                                                                                      \
	"SELECT count(*) FILTER (WHERE state = 'pending'),"                                        \
	" count(*) FILTER (WHERE state = 'delivered'), count(*) FILTER (WHERE state = 'failed')"   \
	" FROM webhook_deliveries"

static const char count_sql[] = COUNT " WHERE webhook_id = :webhook_id";

static const char count_all_sql[] = COUNT;

static const char list_sql[] =
	"SELECT delivery_id, event_id, type, name, state, attempts, response_status, error,"
	" deliveries.created_at, next_attempt_at, last_attempt_at, finished_at, duration_ms, " BODY
	" FROM webhook_deliveries AS deliveries JOIN webhook_events USING (sequence)"
	" WHERE webhook_id = :webhook_id AND delivery_id < :before"
	" AND (:state IS NULL OR state = :state)"
	" ORDER BY delivery_id DESC LIMIT :limit";

static const char find_sql[] =
	"SELECT is_posting AND next_attempt_at > :now FROM webhook_deliveries"
	" WHERE webhook_id = :webhook_id AND delivery_id = :delivery_id";

static const char retry_sql[] =
	"UPDATE webhook_deliveries"
	" SET state = 'pending', attempts = 0, is_posting = 0, next_attempt_at = :now,"
	" queued_at = :now, finished_at = NULL"
	" WHERE delivery_id = :delivery_id";

static const char add_test_event_sql[] =
	"INSERT INTO webhook_events (event_id, type, data, occurred_at)"
	" VALUES ('evt_' || lower(hex(randomblob(16))), :type,"
	" json_object('webhook_id', :webhook_id), :now)"
	" RETURNING sequence";

static int run(struct store *store, sqlite3_stmt *statement, struct error *reterr)
{
	int r = statement_run(store, statement, reterr);

	return r < 0 ? r : 0;
}

/* ---- from events to deliveries ---- */

struct endpoint {
	struct webhook_row row; /* its strings and lists are owned */
	int64_t places, dropped;
};

struct fan_out {
	struct store *store;
	struct error *reterr;
	int64_t now_unix_ms;
	struct endpoint *endpoints;
	size_t count;
};

static void add_endpoint(void *data, const struct webhook_row *row)
{
	struct fan_out *fan_out = data;
	struct endpoint *endpoint = &fan_out->endpoints[fan_out->count];

	if (!row->is_enabled || fan_out->count == WEBHOOKS_MAX)
		return;
	endpoint->row = *row;
	json_incref(endpoint->row.events);
	json_incref(endpoint->row.channels);
	json_incref(endpoint->row.rooms);
	fan_out->count++;
}

static int count_places(struct fan_out *fan_out, int64_t queue_max)
{
	for (size_t i = 0; i < fan_out->count; i++) {
		struct endpoint *endpoint = &fan_out->endpoints[i];
		sqlite3_stmt *statement;
		int r = statement_get(fan_out->store, pending_sql, &statement, fan_out->reterr);

		if (r < 0)
			return r;
		statement_bind_text(statement, ":webhook_id", endpoint->row.webhook_id);
		r = statement_step(fan_out->store, statement, fan_out->reterr);
		if (r < 0)
			return r;
		endpoint->places = queue_max - sqlite3_column_int64(statement, 0);
		(void)sqlite3_reset(statement); /* a SELECT that went well */
	}
	return 0;
}

static int add(struct store *store, const char *webhook_id, int64_t sequence, int64_t now_unix_ms,
	       struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, add_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":webhook_id", webhook_id);
	statement_bind_int(statement, ":sequence", sequence);
	statement_bind_int(statement, ":now", now_unix_ms);
	return run(store, statement, reterr);
}

static int run_with_sequence(struct fan_out *fan_out, const char *sql, int64_t sequence)
{
	sqlite3_stmt *statement;
	int r = statement_get(fan_out->store, sql, &statement, fan_out->reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":sequence", sequence);
	return run(fan_out->store, statement, fan_out->reterr);
}

/* One event to everybody who takes it; one that nobody takes goes. */
static int deliver(struct fan_out *fan_out, int64_t sequence, const char *type, const char *name)
{
	bool is_taken = false;
	int r = 0;

	if (strcmp(type, test_type) == 0)
		return 0; /* it came with its delivery */
	for (size_t i = 0; r == 0 && i < fan_out->count; i++) {
		struct endpoint *endpoint = &fan_out->endpoints[i];

		if (!webhook_takes(&endpoint->row, type, name))
			continue;
		if (endpoint->places <= 0) {
			endpoint->dropped++;
			continue;
		}
		endpoint->places--;
		is_taken = true;
		r = add(fan_out->store, endpoint->row.webhook_id, sequence, fan_out->now_unix_ms,
			fan_out->reterr);
	}
	if (r == 0 && !is_taken)
		r = run_with_sequence(fan_out, drop_event_sql, sequence);
	return r;
}

static int deliver_all(struct fan_out *fan_out, int64_t limit)
{
	int64_t last = 0;
	sqlite3_stmt *events;
	int count = 0, r = statement_get(fan_out->store, events_sql, &events, fan_out->reterr);

	if (r < 0)
		return r;
	statement_bind_int(events, ":limit", limit);
	while ((r = statement_step(fan_out->store, events, fan_out->reterr)) > 0) {
		last = sqlite3_column_int64(events, 0);
		r = deliver(fan_out, last, statement_text(events, 1), statement_text(events, 2));
		if (r < 0)
			break;
		count++;
	}
	(void)sqlite3_reset(events); /* its errors are reported */
	if (r == 0 && count > 0)
		r = run_with_sequence(fan_out, mark_sql, last);
	return r < 0 ? r : count;
}

static int note_dropped(struct fan_out *fan_out, int64_t *ret_dropped)
{
	for (size_t i = 0; i < fan_out->count; i++) {
		const struct endpoint *endpoint = &fan_out->endpoints[i];
		sqlite3_stmt *statement;
		int r;

		if (endpoint->dropped == 0)
			continue;
		*ret_dropped += endpoint->dropped;
		r = statement_get(fan_out->store, count_dropped_sql, &statement, fan_out->reterr);
		if (r < 0)
			return r;
		statement_bind_text(statement, ":webhook_id", endpoint->row.webhook_id);
		statement_bind_int(statement, ":count", endpoint->dropped);
		statement_bind_int(statement, ":now", fan_out->now_unix_ms);
		r = run(fan_out->store, statement, fan_out->reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

int webhook_deliveries_fan_out(struct store *store, int64_t limit, int64_t queue_max,
			       int64_t now_unix_ms, int64_t *ret_dropped, struct error *reterr)
{
	struct fan_out fan_out = {.store = store,
				  .reterr = reterr,
				  .now_unix_ms = now_unix_ms,
				  .endpoints = calloc(WEBHOOKS_MAX, sizeof(struct endpoint))};
	int r = fan_out.endpoints ? webhooks_for_each(store, add_endpoint, &fan_out, reterr)
				  : -ENOMEM,
	    count = 0;

	*ret_dropped = 0;
	if (r == 0)
		r = count_places(&fan_out, queue_max);
	if (r == 0)
		r = count = deliver_all(&fan_out, limit);
	if (r >= 0)
		r = note_dropped(&fan_out, ret_dropped);
	for (size_t i = 0; i < fan_out.count; i++)
		webhook_row_fini(&fan_out.endpoints[i].row);
	free(fan_out.endpoints);
	return r < 0 ? r : count;
}

int webhook_deliveries_is_due(struct store *store, int64_t now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, is_due_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":now", now_unix_ms);
	r = statement_step(store, statement, reterr);
	if (r <= 0)
		return r;
	r = sqlite3_column_int(statement, 0);
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return r;
}

/* ---- claiming ---- */

struct webhook_delivery *webhook_delivery_free(struct webhook_delivery *delivery)
{
	if (!delivery)
		return NULL;
	list_remove(&delivery->link);
	explicit_bzero(delivery->secret, sizeof(delivery->secret));
	explicit_bzero(delivery->old_secret, sizeof(delivery->old_secret));
	free(delivery->url);
	free(delivery->body);
	free(delivery);
	return NULL;
}

static struct webhook_delivery *read_claim(sqlite3_stmt *webhook, sqlite3_stmt *due)
{
	AUTO(webhook_delivery) delivery = calloc(1, sizeof(*delivery));

	if (!delivery)
		return NULL;
	list_init(&delivery->link);
	statement_copy_text(webhook, 0, delivery->webhook_id, sizeof(delivery->webhook_id));
	statement_copy_text(webhook, 2, delivery->secret, sizeof(delivery->secret));
	statement_copy_text(webhook, 3, delivery->old_secret, sizeof(delivery->old_secret));
	delivery->failures_in_row = sqlite3_column_int64(webhook, 4);
	delivery->delivery_id = sqlite3_column_int64(due, 0);
	delivery->attempts = sqlite3_column_int64(due, 1) + 1;
	delivery->queued_at_unix_ms = sqlite3_column_int64(due, 2);
	statement_copy_text(due, 3, delivery->event_id, sizeof(delivery->event_id));
	delivery->url = strdup(statement_text(webhook, 1));
	delivery->body = strdup(statement_text(due, 4));
	return delivery->url && delivery->body ? STEAL(delivery) : NULL;
}

static int read_due(struct store *store, sqlite3_stmt *webhook, int64_t limit, int64_t now_unix_ms,
		    struct list *into, struct error *reterr)
{
	sqlite3_stmt *due;
	int r = statement_get(store, due_sql, &due, reterr);

	if (r < 0)
		return r;
	statement_bind_text(due, ":webhook_id", statement_text(webhook, 0));
	statement_bind_int(due, ":now", now_unix_ms);
	statement_bind_int(due, ":limit", limit);
	while ((r = statement_step(store, due, reterr)) > 0) {
		struct webhook_delivery *delivery = read_claim(webhook, due);

		if (!delivery) {
			(void)sqlite3_reset(due); /* a SELECT that went well */
			return -ENOMEM;
		}
		list_append(into, &delivery->link);
	}
	return r;
}

static int lease(struct store *store, const struct webhook_delivery *delivery, int64_t now_unix_ms,
		 int64_t leased_until_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, claim_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":delivery_id", delivery->delivery_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	statement_bind_int(statement, ":leased_until", leased_until_unix_ms);
	return run(store, statement, reterr);
}

int webhook_deliveries_claim(struct store *store, int64_t now_unix_ms, int64_t leased_until_unix_ms,
			     int64_t (*places)(void *data, const char *webhook_id), void *data,
			     struct list *into, struct error *reterr)
{
	struct list claimed, *link;
	struct webhook_delivery *delivery;
	sqlite3_stmt *webhook;
	int r = statement_get(store, due_webhooks_sql, &webhook, reterr);

	if (r < 0)
		return r;
	list_init(&claimed);
	statement_bind_int(webhook, ":now", now_unix_ms);
	while ((r = statement_step(store, webhook, reterr)) > 0) {
		int64_t limit = places(data, statement_text(webhook, 0));

		if (limit > 0 && sqlite3_column_int64(webhook, 4) > 0)
			limit = 1;
		r = limit > 0 ? read_due(store, webhook, limit, now_unix_ms, &claimed, reterr) : 0;
		if (r < 0)
			break;
	}
	(void)sqlite3_reset(webhook); /* its errors are reported */
	LIST_FOR_EACH (delivery, &claimed, link)
		if (r == 0)
			r = lease(store, delivery, now_unix_ms, leased_until_unix_ms, reterr);
	while ((link = list_first(&claimed))) {
		delivery = LIST_ITEM(link, struct webhook_delivery, link);
		list_remove(link);
		if (r == 0)
			list_append(into, link);
		else
			(void)webhook_delivery_free(delivery);
	}
	return r;
}

/* ---- settling ---- */

static int settle_endpoint(struct store *store, const struct webhook_delivery *delivery,
			   const struct webhook_result *result, struct error *reterr)
{
	bool is_good = result->outcome == WEBHOOK_DELIVERED;
	sqlite3_stmt *statement;
	int r;

	if (!is_good && result->paused_until_unix_ms == 0 && !result->is_gone)
		return 0; /* the endpoint is fine but for this event */
	r = statement_get(store, is_good ? recovered_sql : failing_sql, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_text(statement, ":webhook_id", delivery->webhook_id);
	if (!is_good) {
		statement_bind_int(statement, ":until", result->paused_until_unix_ms);
		statement_bind_int(statement, ":is_gone", result->is_gone);
	}
	return run(store, statement, reterr);
}

int webhook_deliveries_settle(struct store *store, const struct webhook_delivery *delivery,
			      const struct webhook_result *result, int64_t now_unix_ms,
			      struct error *reterr)
{
	static const char *const states[] = {[WEBHOOK_DELIVERED] = "delivered",
					     [WEBHOOK_AGAIN] = "pending",
					     [WEBHOOK_FAILED] = "failed"};
	sqlite3_stmt *statement;
	int r = statement_get(store, settle_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":delivery_id", delivery->delivery_id);
	statement_bind_int(statement, ":attempts", delivery->attempts);
	statement_bind_text(statement, ":state", states[result->outcome]);
	statement_bind_int(statement, ":next", result->next_attempt_at_unix_ms);
	statement_bind_int(statement, ":status", result->response_status);
	statement_bind_text(statement, ":error", result->error);
	statement_bind_int(statement, ":duration_ms", result->duration_ms);
	statement_bind_int(statement, ":now", now_unix_ms);
	r = run(store, statement, reterr);
	return r < 0 ? r : settle_endpoint(store, delivery, result, reterr);
}

/* ---- upkeep ---- */

int webhook_deliveries_give_up(struct store *store, int64_t before_unix_ms, int64_t limit,
			       int64_t now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, give_up_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":before", before_unix_ms);
	statement_bind_int(statement, ":limit", limit);
	statement_bind_int(statement, ":now", now_unix_ms);
	return statement_run(store, statement, reterr);
}

int webhook_deliveries_trim(struct store *store, int64_t kept, int64_t before_unix_ms,
			    int64_t limit, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, trim_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":kept", kept);
	statement_bind_int(statement, ":before", before_unix_ms);
	statement_bind_int(statement, ":limit", limit);
	return statement_run(store, statement, reterr);
}

/* ---- for admins ---- */

int webhook_deliveries_count(struct store *store, const char *webhook_id,
			     struct webhook_counts *ret_counts, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, webhook_id ? count_sql : count_all_sql, &statement, reterr);

	if (r < 0)
		return r;
	if (webhook_id)
		statement_bind_text(statement, ":webhook_id", webhook_id);
	r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	*ret_counts = (struct webhook_counts){.pending = sqlite3_column_int64(statement, 0),
					      .delivered = sqlite3_column_int64(statement, 1),
					      .failed = sqlite3_column_int64(statement, 2)};
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 0;
}

int webhook_deliveries_list(struct store *store, const char *webhook_id, const char *state,
			    int64_t before_id, int64_t limit,
			    bool (*visit)(void *data, const struct webhook_delivery_row *row),
			    void *data, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, list_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":webhook_id", webhook_id);
	statement_bind_text(statement, ":state", state);
	statement_bind_int(statement, ":before", before_id);
	statement_bind_int(statement, ":limit", limit);
	while ((r = statement_step(store, statement, reterr)) > 0) {
		const struct webhook_delivery_row row = {
			.delivery_id = sqlite3_column_int64(statement, 0),
			.event_id = statement_text(statement, 1),
			.type = statement_text(statement, 2),
			.name = statement_text(statement, 3),
			.state = statement_text(statement, 4),
			.attempts = sqlite3_column_int64(statement, 5),
			.response_status = sqlite3_column_int64(statement, 6),
			.error = statement_text_or_null(statement, 7),
			.created_at_unix_ms = sqlite3_column_int64(statement, 8),
			.next_attempt_at_unix_ms = sqlite3_column_int64(statement, 9),
			.last_attempt_at_unix_ms = sqlite3_column_int64(statement, 10),
			.finished_at_unix_ms = sqlite3_column_int64(statement, 11),
			.duration_ms = sqlite3_column_int64(statement, 12),
			.body = statement_text(statement, 13),
		};

		if (!visit(data, &row)) {
			(void)sqlite3_reset(statement); /* a SELECT that went well */
			return 0;
		}
	}
	return r;
}

/* 0, or why it cannot be posted now. */
static int check_retry(struct store *store, const char *webhook_id, int64_t delivery_id,
		       int64_t now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	bool is_posting;
	int r = statement_get(store, find_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":webhook_id", webhook_id);
	statement_bind_int(statement, ":delivery_id", delivery_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	if (r == 0)
		return error_set(reterr, -ENOENT, "delivery_not_found",
				 "this webhook has no such delivery");
	is_posting = sqlite3_column_int(statement, 0) != 0;
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return is_posting ? error_set(reterr, -EEXIST, "delivery_in_progress",
				      "it is being posted right now")
			  : 0;
}

int webhook_deliveries_retry(struct store *store, const char *webhook_id, int64_t delivery_id,
			     int64_t now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = check_retry(store, webhook_id, delivery_id, now_unix_ms, reterr);

	if (r == 0)
		r = statement_get(store, retry_sql, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_int(statement, ":delivery_id", delivery_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	r = run(store, statement, reterr);
	if (r == 0)
		r = statement_get(store, recovered_sql, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_text(statement, ":webhook_id", webhook_id); /* it is worth a try */
	return run(store, statement, reterr);
}

int webhook_deliveries_add_test(struct store *store, const char *webhook_id, int64_t now_unix_ms,
				int64_t *ret_delivery_id, struct error *reterr)
{
	sqlite3_stmt *statement;
	int64_t sequence;
	int r = statement_get(store, add_test_event_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":type", test_type);
	statement_bind_text(statement, ":webhook_id", webhook_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	sequence = sqlite3_column_int64(statement, 0);
	(void)sqlite3_reset(statement); /* one row, and we are in a transaction */
	r = add(store, webhook_id, sequence, now_unix_ms, reterr);
	*ret_delivery_id = sqlite3_last_insert_rowid(store_handle(store));
	return r;
}
