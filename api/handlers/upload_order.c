#include "api/handlers/upload_order.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"

static const char *const field_names[] = {"channel", "user_id", "connection_id",  "persistent",
					  "ttl",     "tags",	"idempotency_key"};

bool upload_order_has_target(const struct upload_order *order)
{
	return json_object_get(order->fields, "channel") ||
	       json_object_get(order->fields, "user_id") ||
	       json_object_get(order->fields, "connection_id");
}

int upload_order_demand_rights(const struct upload_order *order, struct error *reterr)
{
	AUTO_JSON message = json_object();
	int r;

	if (!upload_order_has_target(order))
		return access_check(order->api, order->request, ACCESS_PUBLISH, reterr);
	r = messages_copy_target(order->fields, message, reterr);
	return r < 0 ? r : messages_demand_rights(order->api, order->request, message, reterr);
}

int upload_order_demand_hub(const struct upload_order *order, struct error *reterr)
{
	return upload_order_has_target(order) ? binary_demand_hub(order->api, reterr) : 0;
}

/* ---- fields ---- */

/* Forms know only text; what the name says it is, it becomes. */
static json_t *field_value(const char *name, const char *text, size_t length)
{
	static const char *const parsed[] = {"persistent", "ttl", "tags"};

	for (size_t i = 0; i < ARRAY_LEN(parsed); i++)
		if (strcmp(name, parsed[i]) == 0)
			return json_is_too_deep(text, length)
				       ? NULL
				       : json_loadb(text, length,
						    JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	return json_stringn(text, length);
}

static int set(struct upload_order *order, const char *name, const char *text, size_t length,
	       struct error *reterr)
{
	json_t *value;

	if (length == 0)
		return 1;
	if (json_object_get(order->fields, name))
		return error_set_field(reterr, -EINVAL, "bad_field", name, "%s may be given once",
				       name);
	value = field_value(name, text, length);
	if (!value)
		return error_set_field(reterr, -EINVAL, "bad_field", name,
				       "%s is not what it must be", name);
	(void)json_object_set_new(order->fields, name, value);
	return 1;
}

int upload_order_set(struct upload_order *order, const char *name, const char *text, size_t length,
		     struct error *reterr)
{
	for (size_t i = 0; i < ARRAY_LEN(field_names); i++)
		if (strcmp(name, field_names[i]) == 0)
			return set(order, name, text, length, reterr);
	return 0;
}

int upload_order_set_from_query(struct upload_order *order, struct error *reterr)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(field_names); i++) {
		const char *text = query_find(&order->request->query, field_names[i]);

		if (text)
			r = set(order, field_names[i], text, strlen(text), reterr);
	}
	return r < 0 ? r : 0;
}

/* ---- carrying out ---- */

int upload_order_carry_out(struct upload_order *order, struct file_draft *draft,
			   struct upload_row *row, json_t **ret_answer, struct error *reterr)
{
	struct api *api = order->api;
	bool has_target = upload_order_has_target(order);
	AUTO_JSON message = json_object();
	const char *channel;
	int r = has_target ? messages_copy_target(order->fields, message, reterr) : 0;

	if (r == 0)
		r = messages_copy_options(order->fields, message, reterr);
	channel = json_string_value(json_object_get(message, "channel"));
	(void)snprintf(row->channel, sizeof(row->channel), "%s", channel ? channel : "");
	(void)snprintf(row->user_id, sizeof(row->user_id), "%s", order->request->identity->user_id);
	if (r == 0)
		r = file_keeper_keep(api->keeper, api->store, draft, row, clock_unix_ms(), reterr);
	if (r < 0)
		return r;
	if (!has_target) {
		*ret_answer = json_object();
		binary_describe_file(*ret_answer, row);
		return 0;
	}
	return binary_publish_file(api, order->request, message, draft, row, ret_answer, reterr);
}
