/* /realtime/notifications: send them to a user, a channel or everybody, and read one's own.
 * realtimed keeps and delivers them; what is checked here is the form, so that the fault is named
 * where it was made. Reading needs realtimed only to mark what was read. */
#include "db/notifications.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "api/idempotency.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/json.h"

enum {
	TITLE_MAX = 200,
	BODY_MAX = 4096,
	TYPE_MAX = 64,
	DATA_MAX = 65536, /* bytes of compact JSON */
	KEY_MAX = 128,
	TTL_MAX = 315360000, /* s */
	PAGE_DEFAULT = 50,
	PAGE_MAX = 200
};

enum target { TARGET_USER, TARGET_CHANNEL, TARGET_EVERYBODY };

/* The field that says who in particular. */
static const char *const target_fields[] = {
	[TARGET_USER] = "user_id",
	[TARGET_CHANNEL] = "channel",
	[TARGET_EVERYBODY] = NULL,
};

/* Who asks; "" for nobody that we know. */
static const char *caller_of(const struct request *request)
{
	return request->identity->user_id;
}

static int require_caller(const struct request *request, const char **ret_user_id,
			  struct error *reterr)
{
	*ret_user_id = caller_of(request);
	if (!**ret_user_id)
		return error_set(reterr, -EKEYREJECTED, "authentication_required",
				 "notifications are kept for users; say who you are by a key or "
				 "token in Authorization");
	return 0;
}

/* ---- sending ---- */

/* Copy a text field if it is there. 1: it was. */
static int copy_text(const json_t *body, const char *name, size_t low, size_t high,
		     json_t *notification, struct error *reterr)
{
	const char *text;
	int r = json_get_text(body, name, low, high, &text, reterr);

	if (r > 0)
		(void)json_object_set_new(notification, name, json_string(text));
	return r;
}

static int copy_needed_text(const json_t *body, const char *name, size_t low, size_t high,
			    json_t *notification, struct error *reterr)
{
	int r = copy_text(body, name, low, high, notification, reterr);

	return r == 0 ? json_missing(name, reterr) : r < 0 ? r : 0;
}

static int copy_user(const json_t *body, json_t *notification, struct error *reterr)
{
	int r = copy_needed_text(body, "user_id", 1, USER_ID_BYTES_MAX, notification, reterr);

	if (r == 0 &&
	    !user_id_is_valid(json_string_value(json_object_get(notification, "user_id"))))
		return error_set_field(reterr, -EINVAL, "bad_field", "user_id",
				       "user_id must be 1 to %d bytes of UTF-8 without control "
				       "characters and *",
				       USER_ID_BYTES_MAX);
	return r;
}

static int copy_channel(const json_t *body, json_t *notification, struct error *reterr)
{
	int r = copy_needed_text(body, "channel", 1, CHANNEL_NAME_MAX, notification, reterr);
	const char *name = json_string_value(json_object_get(notification, "channel"));

	if (r == 0 && !channel_name_is_valid(name, strlen(name)))
		return error_set_field(reterr, -EINVAL, "bad_field", "channel",
				       "channel must be 1 to %d bytes of UTF-8 without control "
				       "characters",
				       CHANNEL_NAME_MAX);
	return r;
}

static int copy_target(const json_t *body, enum target target, json_t *notification,
		       struct error *reterr)
{
	/* Whoever names another one as well means something that this path does not do. */
	for (size_t i = 0; i < ARRAY_LEN(target_fields); i++) {
		const char *name = target_fields[i];

		if (name && i != target && json_object_get(body, name))
			return error_set_field(reterr, -EINVAL, "bad_field", name,
					       "%s has no place here: "
					       "/realtime/notifications/send takes user_id, "
					       "/channel takes channel, /broadcast neither",
					       name);
	}
	switch (target) {
	case TARGET_USER:
		return copy_user(body, notification, reterr);
	case TARGET_CHANNEL:
		return copy_channel(body, notification, reterr);
	case TARGET_EVERYBODY:
		return json_object_set_new(notification, "broadcast", json_true());
	}
	return -EINVAL;
}

static int copy_type(const json_t *body, json_t *notification, struct error *reterr)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_.-";
	const char *type = "message";
	int r = json_get_text(body, "notification_type", 1, TYPE_MAX, &type, reterr);

	if (r < 0)
		return r;
	if (type[strspn(type, allowed)])
		return error_set_field(reterr, -EINVAL, "bad_field", "notification_type",
				       "notification_type must be 1 to %d of the characters A-Z "
				       "a-z 0-9 _ . -",
				       TYPE_MAX);
	return json_object_set_new(notification, "notification_type", json_string(type));
}

static int copy_data(const json_t *body, json_t *notification, struct error *reterr)
{
	json_t *data = json_object_get(body, "data");

	if (!data || json_is_null(data))
		return 0;
	if (json_dumpb(data, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) > DATA_MAX)
		return error_set_field(reterr, -E2BIG, "data_too_big", "data",
				       "data may have %d bytes of JSON", DATA_MAX);
	return json_object_set(notification, "data", data);
}

/* Whether it is kept is a question for channels alone; a promise that will not be kept is refused,
 * rather than ignored. */
static int copy_persistent(const json_t *body, enum target target, json_t *notification,
			   struct error *reterr)
{
	bool is_persistent = target == TARGET_USER;
	int r = json_get_bool(body, "persistent", &is_persistent, reterr);

	if (r <= 0)
		return r;
	switch (target) {
	case TARGET_USER:
		if (!is_persistent)
			return error_set_field(reterr, -EINVAL, "bad_field", "persistent",
					       "a user's notifications are always kept");
		return 0;
	case TARGET_CHANNEL:
		return json_object_set_new(notification, "persistent", json_boolean(is_persistent));
	case TARGET_EVERYBODY:
		if (is_persistent)
			return error_set_field(reterr, -EINVAL, "bad_field", "persistent",
					       "a broadcast reaches who is connected and is not "
					       "kept");
		return 0;
	}
	return -EINVAL;
}

static int copy_options(const json_t *body, enum target target, json_t *notification,
			struct error *reterr)
{
	int64_t ttl;
	json_t *tags;
	int r = copy_persistent(body, target, notification, reterr);

	if (r >= 0)
		r = json_get_int(body, "ttl", 1, TTL_MAX, &ttl, reterr);
	if (r > 0)
		(void)json_object_set_new(notification, "ttl", json_integer(ttl));
	if (r >= 0)
		r = json_get_container(body, "tags", JSON_OBJECT, &tags, reterr);
	if (r > 0)
		(void)json_object_set(notification, "tags", tags);
	if (r >= 0)
		r = copy_text(body, "idempotency_key", 1, KEY_MAX, notification, reterr);
	return r < 0 ? r : 0;
}

static int notify(struct api *api, struct request *request, enum target target,
		  struct response *response, struct error *reterr)
{
	AUTO_JSON body = NULL;
	AUTO_JSON notification = json_object();
	const char *sender = caller_of(request);
	json_t *answer = NULL;
	int r = request_read_json(request, api->config->REALTIME_MAX_BODY, &body, reterr);

	if (r == 0)
		r = copy_target(body, target, notification, reterr);
	if (r == 0)
		r = messages_demand_rights(api, request, notification, reterr);
	if (r == 0)
		r = copy_needed_text(body, "title", 1, TITLE_MAX, notification, reterr);
	if (r == 0)
		r = copy_needed_text(body, "body", 0, BODY_MAX, notification, reterr);
	if (r == 0)
		r = copy_type(body, notification, reterr);
	if (r == 0)
		r = copy_data(body, notification, reterr);
	if (r == 0)
		r = copy_options(body, target, notification, reterr);
	if (r == 0)
		idempotency_mark(request, notification);
	if (r == 0 && *sender)
		(void)json_object_set_new(notification, "sender", json_string(sender));
	if (r == 0)
		r = bus_client_call(api->realtimed, BUS_NOTIFY, json_incref(notification),
				    BUS_TIMEOUT_MS, &answer, reterr);
	return r < 0 ? r : response_json(response, 201, answer);
}

int notifications_send(struct api *api, struct request *request, struct response *response,
		       struct error *reterr)
{
	return notify(api, request, TARGET_USER, response, reterr);
}

int notifications_send_to_channel(struct api *api, struct request *request,
				  struct response *response, struct error *reterr)
{
	return notify(api, request, TARGET_CHANNEL, response, reterr);
}

int notifications_broadcast(struct api *api, struct request *request, struct response *response,
			    struct error *reterr)
{
	return notify(api, request, TARGET_EVERYBODY, response, reterr);
}

/* ---- reading ---- */

static json_t *time_to_json(int64_t unix_ms)
{
	return unix_ms > 0 ? json_integer(unix_ms) : json_null();
}

/* What is known of one, a new reference; NULL without memory. */
static json_t *row_to_json(const struct notification_row *row)
{
	json_t *item = json_loads(row->fields, 0, NULL);

	if (!item)
		return NULL;
	if (!json_object_get(item, "data"))
		(void)json_object_set_new(item, "data", json_null());
	(void)json_object_set_new(item, "sender",
				  row->sender ? json_string(row->sender) : json_null());
	(void)json_object_set_new(item, "created_at", json_integer(row->created_at_unix_ms));
	(void)json_object_set_new(item, "delivered_at", time_to_json(row->delivered_at_unix_ms));
	(void)json_object_set_new(item, "read_at", time_to_json(row->read_at_unix_ms));
	return item;
}

struct page {
	json_t *items; /* owned; an array */
	size_t limit;
	char last_message_id[64];
	bool is_more, is_out_of_memory;
};

static bool add_to_page(void *data, const struct notification_row *row)
{
	struct page *page = data;

	if (json_array_size(page->items) == page->limit) {
		page->is_more = true;
		return false;
	}
	page->is_out_of_memory = json_array_append_new(page->items, row_to_json(row)) < 0;
	(void)snprintf(page->last_message_id, sizeof(page->last_message_id), "%s", row->message_id);
	return !page->is_out_of_memory;
}

/* The cursor is the last message_id of the page before (db/messages.h has its form). */
static int check_cursor(const char *cursor, struct error *reterr)
{
	static const char prefix[] = "msg_";
	size_t prefix_length = sizeof(prefix) - 1;

	if (strncmp(cursor, prefix, prefix_length) != 0 || strlen(cursor) != prefix_length + 16 ||
	    strspn(cursor + prefix_length, "0123456789abcdef") != 16)
		return error_set_field(reterr, -EINVAL, "bad_field", "cursor",
				       "cursor must be the next of an earlier answer");
	return 0;
}

static int get_unread_only(const struct request *request, bool *ret_is_unread_only,
			   struct error *reterr)
{
	const char *text = query_find(&request->query, "unread");

	if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return error_set_field(reterr, -EINVAL, "bad_field", "unread",
				       "unread must be true or false");
	*ret_is_unread_only = text && strcmp(text, "true") == 0;
	return 0;
}

static int filter_get(const struct request *request, struct notification_filter *filter,
		      struct error *reterr)
{
	int r = get_unread_only(request, &filter->is_unread_only, reterr);

	filter->before_message_id = query_find(&request->query, "cursor");
	filter->type = query_find(&request->query, "notification_type");
	if (r == 0 && filter->before_message_id)
		r = check_cursor(filter->before_message_id, reterr);
	return r;
}

static int read_page(struct api *api, const struct notification_filter *filter, struct page *page,
		     json_t **ret_answer, struct error *reterr)
{
	int64_t now_unix_ms = clock_unix_ms(), unread = 0;
	int r = notifications_list(api->store, filter, (int64_t)page->limit + 1, now_unix_ms,
				   add_to_page, page, reterr);

	if (r == 0 && page->is_out_of_memory)
		r = -ENOMEM;
	if (r == 0)
		r = notifications_count_unread(api->store, filter->user_id, now_unix_ms, &unread,
					       reterr);
	if (r < 0)
		return r;
	*ret_answer =
		json_pack("{s:O, s:I, s:s?}", "items", page->items, "unread", (json_int_t)unread,
			  "next", page->is_more ? page->last_message_id : NULL);
	return 0;
}

int notifications_handle_list(struct api *api, struct request *request, struct response *response,
			      struct error *reterr)
{
	struct page page = {.limit = PAGE_DEFAULT};
	struct notification_filter filter = {0};
	json_t *answer = NULL;
	int r = require_caller(request, &filter.user_id, reterr);

	if (r == 0)
		r = filter_get(request, &filter, reterr);
	if (r == 0)
		r = request_limit(request, PAGE_MAX, &page.limit, reterr);
	if (r < 0)
		return r;
	page.items = json_array();
	r = read_page(api, &filter, &page, &answer, reterr);
	json_decref(page.items);
	return r < 0 ? r : response_json(response, 200, answer);
}

/* ---- marking ---- */

int notifications_read(struct api *api, struct request *request, struct response *response,
		       struct error *reterr)
{
	const char *user_id;
	int r = require_caller(request, &user_id, reterr);

	if (r == 0)
		r = bus_client_call(api->realtimed, BUS_NOTIFICATIONS_READ,
				    json_pack("{s:s, s:s}", "user_id", user_id, "notification_id",
					      request_parameter(request, "notification_id")),
				    BUS_TIMEOUT_MS, NULL, reterr);
	if (r < 0)
		return r;
	response_empty(response, 204);
	return 0;
}

int notifications_read_all(struct api *api, struct request *request, struct response *response,
			   struct error *reterr)
{
	json_t *answer = NULL;
	const char *user_id;
	int r = require_caller(request, &user_id, reterr);

	if (r == 0)
		r = bus_client_call(api->realtimed, BUS_NOTIFICATIONS_READ,
				    json_pack("{s:s}", "user_id", user_id), BUS_TIMEOUT_MS, &answer,
				    reterr);
	return r < 0 ? r : response_json(response, 200, answer);
}
