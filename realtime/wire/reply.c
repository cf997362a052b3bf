#include "realtime/wire/reply.h"

#include "core/base64.h"
#include "core/text.h"

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

json_t *reply_new_binary(const json_t *binary, const char *message_id, int64_t now_unix_ms)
{
	json_t *body = reply_new("binary", NULL);
	const char *file_id = json_string_value(json_object_get(binary, "file_id"));
	const json_t *base64 = json_object_get(binary, "binary_data");

	(void)json_object_update(body, (json_t *)(uintptr_t)binary);
	(void)json_object_del(body, "file_id");
	if (file_id)
		(void)json_object_set_new(body, "url", json_sprintf("/realtime/files/%s", file_id));
	else
		(void)json_object_set_new(
			body, "size",
			json_integer((json_int_t)base64_text_bytes(json_string_value(base64),
								   json_string_length(base64))));
	(void)json_object_set_new(body, "message_id", json_string(message_id));
	(void)json_object_set_new(body, "ts", json_integer((json_int_t)now_unix_ms));
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

static void add_id(struct text *text, const json_t *id)
{
	text_add_string(text, ",\"id\":");
	if (json_is_string(id))
		text_add_quoted(text, json_string_value(id));
	else
		text_add_number(text, json_integer_value(id));
}

struct frame *reply_frame_new_ack(const json_t *id, const struct publication *publication)
{
	char message_id[MESSAGE_ID_SIZE];
	struct frame *frame = NULL;
	struct text text = {0};

	message_id_format(publication->position, message_id);
	text_add_string(&text, "{\"type\":\"ack\"");
	if (id)
		add_id(&text, id);
	text_add_string(&text, ",\"channel\":");
	text_add_quoted(&text, publication->channel);
	text_add_string(&text, ",\"offset\":");
	text_add_number(&text, (int64_t)publication->offset);
	text_add_string(&text, ",\"epoch\":");
	text_add_quoted(&text, publication->epoch);
	text_add_string(&text, ",\"message_id\":");
	text_add_quoted(&text, message_id);
	text_add_string(&text, "}");
	if (!text.failed)
		frame = frame_new_text(text.bytes, text.length);
	text_fini(&text);
	return frame;
}
