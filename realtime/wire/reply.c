#include "realtime/wire/reply.h"

#include <string.h>

json_t *reply_new(const char *type, const json_t *id)
{
	json_t *body = json_pack("{s:s}", "type", type);

	if (body && id && json_object_set_new(body, "id", json_deep_copy(id)) < 0) {
		json_decref(body);
		return NULL;
	}
	return body;
}

json_t *reply_new_error(const json_t *id, const struct error *error)
{
	json_t *body = reply_new("error", id);

	if (!body)
		return NULL;
	(void)json_object_set_new(body, "code", json_string(error->code));
	(void)json_object_set_new(body, "detail", json_string(error->message));
	if (*error->field)
		(void)json_object_set_new(body, "field", json_string(error->field));
	return body;
}

json_t *reply_new_message(const json_t *data, const char *message_id, int64_t now_unix_ms,
			  const char *sender)
{
	json_t *body = reply_new("message", NULL);

	(void)json_object_set(body, "data", (json_t *)(uintptr_t)data);
	(void)json_object_set_new(body, "message_id", json_string(message_id));
	(void)json_object_set_new(body, "ts", json_integer((json_int_t)now_unix_ms));
	if (sender)
		(void)json_object_set_new(body, "sender", json_string(sender));
	return body;
}

struct frame *reply_frame_take(json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct frame *frame = text ? frame_new_text(text, strlen(text)) : NULL;

	free(text);
	json_decref(body);
	return frame;
}
