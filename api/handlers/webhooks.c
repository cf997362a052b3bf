/* /realtime/webhooks: where events are posted to. Secrets are shown once, when they are made. */
#include "db/webhooks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "api/wire/webhook_signature.h"
#include "api/wire/webhook_url.h"
#include "core/clock.h"
#include "core/json.h"
#include "db/webhook_deliveries.h"

enum { PATTERNS_MAX = 50, OVERLAP_DEFAULT_S = 24 * 3600, OVERLAP_MAX_S = 30 * 24 * 3600 };

/* ---- as JSON ---- */

static json_t *time_to_json(int64_t unix_ms)
{
	return unix_ms > 0 ? json_integer(unix_ms) : json_null();
}

static const char *state_of(const struct webhook_row *row)
{
	if (!row->is_enabled)
		return "disabled";
	return row->paused_until_unix_ms > clock_unix_ms() ? "paused" : "active";
}

/* Without its secrets. NULL without memory. */
static json_t *webhook_to_json(const struct webhook_row *row)
{
	bool has_old = *row->old_secret && row->old_secret_until_unix_ms > clock_unix_ms();

	return json_pack("{s:s, s:s, s:s, s:O, s:O, s:O, s:b, s:s, s:I, s:o, s:I, s:o, s:o, s:I, "
			 "s:I}",
			 "webhook_id", row->webhook_id, "url", row->url, "description",
			 row->description, "events", row->events, "channels", row->channels,
			 "rooms", row->rooms, "enabled", (int)row->is_enabled, "state",
			 state_of(row), "failures_in_row", (json_int_t)row->failures_in_row,
			 "paused_until", time_to_json(row->paused_until_unix_ms), "dropped",
			 (json_int_t)row->dropped_count, "last_dropped_at",
			 time_to_json(row->last_dropped_at_unix_ms), "old_secret_until",
			 time_to_json(has_old ? row->old_secret_until_unix_ms : 0), "created_at",
			 (json_int_t)row->created_at_unix_ms, "updated_at",
			 (json_int_t)row->updated_at_unix_ms);
}

static int answer_webhook(struct response *response, int status, const struct webhook_row *row,
			  const char *secret)
{
	json_t *body = webhook_to_json(row);

	if (body && secret)
		(void)json_object_set_new(body, "secret", json_string(secret));
	return response_json(response, status, body);
}

/* ---- from JSON ---- */

static int check_patterns(const json_t *list, const char *name, struct error *reterr)
{
	const json_t *pattern;
	size_t i, length;

	json_array_foreach (list, i, pattern) {
		length = json_is_string(pattern) ? json_string_length(pattern) : 0;
		if (i >= PATTERNS_MAX || length < 1 || length > CHANNEL_NAME_MAX)
			break;
	}
	if (json_array_size(list) > 0 && i == json_array_size(list))
		return 0;
	return error_set_field(reterr, -EINVAL, "bad_field", name,
			       "%s must be 1 to %d names, with * for any run of characters", name,
			       PATTERNS_MAX);
}

/* A list of patterns over *list, which is what it is by itself. */
static int apply_patterns(const json_t *body, const char *name, json_t **list, struct error *reterr)
{
	json_t *given;
	int r = json_get_container(body, name, JSON_ARRAY, &given, reterr);

	if (r > 0)
		r = check_patterns(given, name, reterr) < 0 ? -EINVAL : 1;
	if (r > 0) {
		json_decref(*list);
		*list = json_incref(given);
	}
	return r < 0 ? r : 0;
}

static int apply_events(const json_t *body, struct webhook_row *row, struct error *reterr)
{
	int r = apply_patterns(body, "events", &row->events, reterr);

	if (r < 0)
		return r;
	row->kinds = webhook_kinds_of(row->events);
	return row->kinds != 0
		       ? 0
		       : error_set_field(reterr, -EINVAL, "bad_field", "events",
					 "events must match some of room.created, room.updated, "
					 "room.deleted, participant.joined, participant.left, "
					 "message.persisted, upload.completed, upload.deleted");
}

static int apply_url(const struct config *config, const json_t *body, struct webhook_row *row,
		     struct error *reterr)
{
	const struct webhook_url_rules rules = {.allow_http = config->REALTIME_WEBHOOK_ALLOW_HTTP,
						.allow_private =
							config->REALTIME_WEBHOOK_ALLOW_PRIVATE};
	const char *url;
	int r = json_get_text(body, "url", 1, WEBHOOK_URL_MAX, &url, reterr);

	if (r > 0)
		r = webhook_url_check(url, &rules, reterr) < 0 ? -EINVAL : 1;
	if (r > 0)
		(void)snprintf(row->url, sizeof(row->url), "%s", url);
	return r < 0 ? r : 0;
}

static int apply_fields(const struct config *config, const json_t *body, struct webhook_row *row,
			struct error *reterr)
{
	const char *description;
	int r = apply_url(config, body, row, reterr);

	if (r == 0)
		r = json_get_text(body, "description", 0, WEBHOOK_DESCRIPTION_MAX, &description,
				  reterr);
	if (r > 0)
		(void)snprintf(row->description, sizeof(row->description), "%s", description);
	if (r >= 0)
		r = json_get_bool(body, "enabled", &row->is_enabled, reterr);
	if (r >= 0)
		r = apply_events(body, row, reterr);
	if (r >= 0)
		r = apply_patterns(body, "channels", &row->channels, reterr);
	if (r >= 0)
		r = apply_patterns(body, "rooms", &row->rooms, reterr);
	return r;
}

/* The one that is given, for those who have it already, or a new one. */
static int choose_secret(const json_t *body, char out[WEBHOOK_SECRET_SIZE], struct error *reterr)
{
	const char *given;
	int r = json_get_text(body, "secret", 1, WEBHOOK_SECRET_SIZE - 1, &given, reterr);

	if (r > 0)
		r = webhook_secret_check(given, "secret", reterr) < 0 ? -EINVAL : 1;
	if (r > 0)
		(void)snprintf(out, WEBHOOK_SECRET_SIZE, "%s", given);
	if (r == 0)
		webhook_secret_new(out);
	return r < 0 ? r : 0;
}

/* ---- handlers ---- */

int webhooks_handle_create(struct api *api, struct request *request, struct response *response,
			   struct error *reterr)
{
	AUTO_WEBHOOK_ROW row = {.is_enabled = true,
				.events = json_pack("[s]", "*"),
				.channels = json_pack("[s]", "*"),
				.rooms = json_pack("[s]", "*")};
	AUTO_JSON body = NULL;
	int r = request_read_json(request, api->config->REALTIME_MAX_BODY, &body, reterr);

	if (r == 0 && !json_object_get(body, "url"))
		r = json_missing("url", reterr);
	if (r == 0)
		r = apply_fields(api->config, body, &row, reterr);
	if (r == 0)
		r = choose_secret(body, row.secret, reterr);
	if (r == 0)
		r = webhooks_create(api->store, &row, clock_unix_ms(), reterr);
	if (r < 0)
		return r;
	response_header(response, "Location", "/realtime/webhooks/%s", row.webhook_id);
	return answer_webhook(response, 201, &row, row.secret);
}

static void add_to_list(void *data, const struct webhook_row *row)
{
	(void)json_array_append_new(data, webhook_to_json(row));
}

int webhooks_handle_list(struct api *api, struct request *request, struct response *response,
			 struct error *reterr)
{
	AUTO_JSON items = json_array();
	int r = webhooks_for_each(api->store, add_to_list, items, reterr);

	(void)request;
	return r < 0 ? r
		     : response_json(response, 200,
				     json_pack("{s:O, s:n}", "items", items, "next"));
}

int webhooks_handle_get(struct api *api, struct request *request, struct response *response,
			struct error *reterr)
{
	const char *webhook_id = request_parameter(request, "webhook_id");
	AUTO_WEBHOOK_ROW row = {0};
	struct webhook_counts counts = {0};
	json_t *body;
	int r = webhooks_get(api->store, webhook_id, &row, reterr);

	if (r == 0)
		r = webhook_deliveries_count(api->store, webhook_id, &counts, reterr);
	if (r < 0)
		return r;
	body = webhook_to_json(&row);
	if (body)
		(void)json_object_set_new(body, "deliveries",
					  json_pack("{s:I, s:I, s:I}", "pending",
						    (json_int_t)counts.pending, "delivered",
						    (json_int_t)counts.delivered, "failed",
						    (json_int_t)counts.failed));
	return response_json(response, 200, body);
}

/* Read it, change it by `change`, write it, as one. */
static int alter(struct api *api, const struct request *request, const json_t *body,
		 int (*change)(const struct config *config, const json_t *body,
			       struct webhook_row *row, struct error *reterr),
		 struct webhook_row *row, struct error *reterr)
{
	int r = store_begin(api->store, reterr);

	if (r < 0)
		return r;
	r = webhooks_get(api->store, request_parameter(request, "webhook_id"), row, reterr);
	if (r == 0)
		r = change(api->config, body, row, reterr);
	if (r == 0)
		r = webhooks_update(api->store, row, clock_unix_ms(), reterr);
	if (r == 0)
		r = store_commit(api->store, reterr);
	if (r < 0)
		store_rollback(api->store);
	return r;
}

int webhooks_handle_update(struct api *api, struct request *request, struct response *response,
			   struct error *reterr)
{
	AUTO_WEBHOOK_ROW row = {0};
	AUTO_JSON body = NULL;
	int r = request_read_json(request, api->config->REALTIME_MAX_BODY, &body, reterr);

	if (r == 0 && json_object_get(body, "secret"))
		r = error_set_field(reterr, -EINVAL, "unsupported_field", "secret",
				    "the secret is changed by POST to …/rotate-secret");
	if (r == 0)
		r = alter(api, request, body, apply_fields, &row, reterr);
	return r < 0 ? r : answer_webhook(response, 200, &row, NULL);
}

/* The old secret goes on to sign beside the new one for a while, so that receivers can change. */
static int rotate(const struct config *config, const json_t *body, struct webhook_row *row,
		  struct error *reterr)
{
	int64_t overlap_s = OVERLAP_DEFAULT_S;
	int r = json_get_int(body, "overlap", 0, OVERLAP_MAX_S, &overlap_s, reterr);

	(void)config;
	if (r < 0)
		return r;
	memcpy(row->old_secret, row->secret, sizeof(row->old_secret));
	row->old_secret_until_unix_ms = clock_unix_ms() + overlap_s * 1000;
	if (overlap_s == 0) {
		explicit_bzero(row->old_secret, sizeof(row->old_secret));
		row->old_secret_until_unix_ms = 0;
	}
	return choose_secret(body, row->secret, reterr);
}

int webhooks_handle_rotate(struct api *api, struct request *request, struct response *response,
			   struct error *reterr)
{
	AUTO_WEBHOOK_ROW row = {0};
	AUTO_JSON body = NULL;
	int r = request_read_json(request, api->config->REALTIME_MAX_BODY, &body, reterr);

	if (r == 0)
		r = alter(api, request, body, rotate, &row, reterr);
	return r < 0 ? r : answer_webhook(response, 200, &row, row.secret);
}

int webhooks_handle_delete(struct api *api, struct request *request, struct response *response,
			   struct error *reterr)
{
	int r = webhooks_delete(api->store, request_parameter(request, "webhook_id"), reterr);

	if (r == 0)
		response_empty(response, 204);
	return r;
}
