/* /realtime/send and /realtime/broadcast: publish over REST. realtimed owns the channels; what is
 * checked here is the form, so that the fault is named where it was made. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "api/idempotency.h"
#include "core/id.h"
#include "core/json.h"

enum { USER_ID_MAX = 128, KEY_MAX = 128, TTL_MAX = 315360000 };

static const char default_channel[] = "general";

/* Copy a text field if it is there. 1: it was. */
static int copy_text(const json_t *body, const char *name, size_t high, json_t *message,
		     struct error *reterr)
{
	const char *text;
	int r = json_get_text(body, name, 1, high, &text, reterr);

	if (r > 0)
		(void)json_object_set_new(message, name, json_string(text));
	return r;
}

/* Where to: one of channel, user_id, connection_id; none is the default channel. */
int messages_copy_target(const json_t *body, json_t *message, struct error *reterr)
{
	int channel, user, connection;
	const char *name;

	channel = copy_text(body, "channel", CHANNEL_NAME_MAX, message, reterr);
	if (channel < 0)
		return channel;
	user = copy_text(body, "user_id", USER_ID_MAX, message, reterr);
	if (user < 0)
		return user;
	connection = copy_text(body, "connection_id", USER_ID_MAX, message, reterr);
	if (connection < 0)
		return connection;
	if (channel + user + connection > 1)
		return error_set_field(
			reterr, -EINVAL, "bad_field", channel ? "channel" : "user_id",
			"only one of channel, user_id and connection_id may be given");
	if (channel + user + connection == 0)
		(void)json_object_set_new(message, "channel", json_string(default_channel));
	name = json_string_value(json_object_get(message, "channel"));
	if (name && !channel_name_is_valid(name, strlen(name)))
		return error_set_field(reterr, -EINVAL, "bad_field", "channel",
				       "channel must be 1 to %d bytes of UTF-8 without control "
				       "characters",
				       CHANNEL_NAME_MAX);
	return 0;
}

/* What: exactly one of data (any JSON), text (a string) and message (any JSON). */
static int copy_data(const json_t *body, json_t *message, struct error *reterr)
{
	static const char *const names[] = {"data", "text", "message"};
	const char *found = NULL;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		json_t *value = json_object_get(body, names[i]);

		if (!value)
			continue;
		if (found)
			return error_set_field(reterr, -EINVAL, "bad_field", names[i],
					       "only one of data, text and message may be given");
		if (strcmp(names[i], "text") == 0 && !json_is_string(value))
			return error_set_field(reterr, -EINVAL, "bad_field", "text",
					       "text must be a string");
		found = names[i];
		(void)json_object_set(message, "data", value);
	}
	return found ? 0 : json_missing("data", reterr);
}

int messages_copy_options(const json_t *body, json_t *message, struct error *reterr)
{
	bool persistent = false;
	int64_t ttl;
	json_t *tags;
	int r;

	r = json_get_bool(body, "persistent", &persistent, reterr);
	if (r > 0)
		(void)json_object_set_new(message, "persistent", json_boolean(persistent));
	if (r >= 0)
		r = json_get_int(body, "ttl", 1, TTL_MAX, &ttl, reterr);
	if (r > 0)
		(void)json_object_set_new(message, "ttl", json_integer(ttl));
	if (r >= 0)
		r = json_get_container(body, "tags", JSON_OBJECT, &tags, reterr);
	if (r > 0)
		(void)json_object_set(message, "tags", tags);
	if (r >= 0)
		r = copy_text(body, "content_type", CONTENT_TYPE_MAX, message, reterr);
	if (r >= 0)
		r = copy_text(body, "idempotency_key", KEY_MAX, message, reterr);
	if (r >= 0)
		r = copy_text(body, "exclude", USER_ID_MAX, message, reterr);
	return r < 0 ? r : 0;
}

int messages_demand_rights(const struct api *api, const struct request *request,
			   const json_t *message, struct error *reterr)
{
	const char *channel = json_string_value(json_object_get(message, "channel"));
	const char *user_id = json_string_value(json_object_get(message, "user_id"));
	char own_channel[CHANNEL_NAME_MAX + 1];

	if (user_id) {
		own_channel_name(user_id, own_channel, sizeof(own_channel));
		channel = own_channel;
	}
	return access_demand_publish(api, request, channel, reterr);
}

int messages_publish(const struct api *api, const struct request *request, json_t *message,
		     json_t **ret_answer, struct error *reterr)
{
	idempotency_mark(request, message);
	if (!identity_is_anonymous(request->identity))
		(void)json_object_set_new(message, "sender",
					  json_string(request->identity->user_id));
	return bus_client_call(api->realtimed, BUS_PUBLISH, json_incref(message), BUS_TIMEOUT_MS,
			       ret_answer, reterr);
}

static int publish(struct api *api, struct request *request, bool to_everyone,
		   struct response *response, struct error *reterr)
{
	AUTO_JSON body = NULL;
	AUTO_JSON message = json_object();
	json_t *answer = NULL;
	int r;

	r = request_read_json(request, api->config->REALTIME_MAX_BODY, &body, reterr);
	if (r == 0 && to_everyone)
		(void)json_object_set_new(message, "broadcast", json_true());
	else if (r == 0)
		r = messages_copy_target(body, message, reterr);
	if (r == 0)
		r = messages_demand_rights(api, request, message, reterr);
	if (r == 0)
		r = copy_data(body, message, reterr);
	if (r == 0)
		r = messages_copy_options(body, message, reterr);
	if (r == 0)
		r = messages_publish(api, request, message, &answer, reterr);
	return r < 0 ? r : response_json(response, 201, answer);
}

int messages_send(struct api *api, struct request *request, struct response *response,
		  struct error *reterr)
{
	return publish(api, request, false, response, reterr);
}

int messages_broadcast(struct api *api, struct request *request, struct response *response,
		       struct error *reterr)
{
	return publish(api, request, true, response, reterr);
}
