/* /realtime/webhooks/{webhook_id}/deliveries: what was posted, what came of it, and once more. */
#include "db/webhook_deliveries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "core/clock.h"
#include "core/json.h"

enum { PAGE_DEFAULT = 50, PAGE_MAX = 200 };

static json_t *time_to_json(int64_t unix_ms)
{
	return unix_ms > 0 ? json_integer(unix_ms) : json_null();
}

static json_t *row_to_json(const struct webhook_delivery_row *row)
{
	bool is_pending = strcmp(row->state, "pending") == 0;

	return json_pack(
		"{s:I, s:s, s:s, s:s, s:s, s:I, s:o, s:s?, s:I, s:o, s:o, s:o, s:o, s:o}",
		"delivery_id", (json_int_t)row->delivery_id, "event_id", row->event_id, "type",
		row->type, "name", row->name, "state", row->state, "attempts",
		(json_int_t)row->attempts, "response_status", time_to_json(row->response_status),
		"error", row->error, "created_at", (json_int_t)row->created_at_unix_ms,
		"next_attempt_at", time_to_json(is_pending ? row->next_attempt_at_unix_ms : 0),
		"last_attempt_at", time_to_json(row->last_attempt_at_unix_ms), "finished_at",
		time_to_json(row->finished_at_unix_ms), "duration_ms",
		row->last_attempt_at_unix_ms > 0 ? json_integer(row->duration_ms) : json_null(),
		"body", json_loads(row->body, 0, NULL));
}

struct page {
	json_t *items; /* borrowed */
	size_t limit;
	int64_t last_id;
	bool is_more;
};

static bool add_to_page(void *data, const struct webhook_delivery_row *row)
{
	struct page *page = data;

	page->is_more = json_array_size(page->items) == page->limit;
	if (page->is_more)
		return false;
	(void)json_array_append_new(page->items, row_to_json(row));
	page->last_id = row->delivery_id;
	return true;
}

/* A delivery_id; of the path or as a cursor. */
static int id_get(const char *text, const char *name, int64_t *ret_id, struct error *reterr)
{
	char *end;

	errno = 0;
	*ret_id = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end || *ret_id < 1)
		return error_set_field(reterr, -EINVAL, "bad_field", name,
				       "%s must be a delivery_id", name);
	return 0;
}

static int state_get(const struct request *request, const char **ret_state, struct error *reterr)
{
	const char *state = query_find(&request->query, "state");

	if (state && strcmp(state, "pending") != 0 && strcmp(state, "delivered") != 0 &&
	    strcmp(state, "failed") != 0)
		return error_set_field(reterr, -EINVAL, "bad_field", "state",
				       "state must be pending, delivered or failed");
	*ret_state = state;
	return 0;
}

/* The webhook must be there. */
static int find_webhook(struct api *api, const struct request *request, const char **ret_webhook_id,
			struct error *reterr)
{
	AUTO_WEBHOOK_ROW row = {0};

	*ret_webhook_id = request_parameter(request, "webhook_id");
	return webhooks_get(api->store, *ret_webhook_id, &row, reterr);
}

int webhook_deliveries_handle_list(struct api *api, struct request *request,
				   struct response *response, struct error *reterr)
{
	const char *cursor = query_find(&request->query, "cursor"), *state = NULL, *webhook_id;
	AUTO_JSON items = json_array();
	struct page page = {.items = items, .limit = PAGE_DEFAULT};
	int64_t before = INT64_MAX;
	int r = cursor ? id_get(cursor, "cursor", &before, reterr) : 0;

	if (r == 0)
		r = request_limit(request, PAGE_MAX, &page.limit, reterr);
	if (r == 0)
		r = state_get(request, &state, reterr);
	if (r == 0)
		r = find_webhook(api, request, &webhook_id, reterr);
	if (r == 0)
		r = webhook_deliveries_list(api->store, webhook_id, state, before,
					    (int64_t)page.limit + 1, add_to_page, &page, reterr);
	if (r < 0)
		return r;
	return response_json(response, 200,
			     json_pack("{s:O, s:o}", "items", items, "next",
				       page.is_more ? json_sprintf("%lld", (long long)page.last_id)
						    : json_null()));
}

/* That delivery once more, or (0) a test. Answered 202: the post itself comes later. */
static int queue(struct api *api, struct response *response, const char *webhook_id,
		 int64_t delivery_id, struct error *reterr)
{
	int r = store_begin(api->store, reterr);

	if (r < 0)
		return r;
	r = delivery_id > 0 ? webhook_deliveries_retry(api->store, webhook_id, delivery_id,
						       clock_unix_ms(), reterr)
			    : webhook_deliveries_add_test(api->store, webhook_id, clock_unix_ms(),
							  &delivery_id, reterr);
	if (r == 0)
		r = store_commit(api->store, reterr);
	if (r < 0) {
		store_rollback(api->store);
		return r;
	}
	return response_json(response, 202,
			     json_pack("{s:s, s:I}", "webhook_id", webhook_id, "delivery_id",
				       (json_int_t)delivery_id));
}

int webhook_deliveries_handle_retry(struct api *api, struct request *request,
				    struct response *response, struct error *reterr)
{
	const char *webhook_id;
	int64_t delivery_id;
	int r = id_get(request_parameter(request, "delivery_id"), "delivery_id", &delivery_id,
		       reterr);

	if (r == 0)
		r = find_webhook(api, request, &webhook_id, reterr);
	return r < 0 ? r : queue(api, response, webhook_id, delivery_id, reterr);
}

int webhook_deliveries_handle_test(struct api *api, struct request *request,
				   struct response *response, struct error *reterr)
{
	const char *webhook_id;
	int r = find_webhook(api, request, &webhook_id, reterr);

	return r < 0 ? r : queue(api, response, webhook_id, 0, reterr);
}
