#include "realtime/wire/publication.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "realtime/wire/sse.h"
#include "realtime/wire/text.h"

static const char id_prefix[] = "msg_";

void message_id_format(uint64_t position, char out[MESSAGE_ID_SIZE])
{
	(void)snprintf(out, MESSAGE_ID_SIZE, "%s%016llx", id_prefix, (unsigned long long)position);
}

int message_id_parse(const char *text, uint64_t *ret_position)
{
	size_t prefix = sizeof(id_prefix) - 1;

	if (strncmp(text, id_prefix, prefix) != 0)
		return -EINVAL;
	return sse_cursor_parse(text + prefix, ret_position);
}

static int copy(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return text && !*ret_copy ? -ENOMEM : 0;
}

struct publication *publication_new(const char *channel, const char *data, const char *sender,
				    const char *tags)
{
	AUTO(publication) publication = calloc(1, sizeof(*publication));

	if (!publication)
		return NULL;
	publication->refs = 1;
	if (copy(channel, &publication->channel) < 0 || copy(data, &publication->data) < 0 ||
	    copy(sender, &publication->sender) < 0 || copy(tags, &publication->tags) < 0)
		return NULL;
	return STEAL(publication);
}

struct publication *publication_ref(struct publication *publication)
{
	publication->refs++;
	return publication;
}

struct publication *publication_unref(struct publication *publication)
{
	if (!publication || --publication->refs > 0)
		return NULL;
	for (size_t i = 0; i < FORM_COUNT; i++)
		(void)frame_unref(publication->frames[i]);
	free(publication->channel);
	free(publication->data);
	free(publication->sender);
	free(publication->tags);
	free(publication);
	return NULL;
}

static void add_object(struct text *text, const struct publication *publication)
{
	char message_id[MESSAGE_ID_SIZE];

	message_id_format(publication->position, message_id);
	text_add_string(text, "{\"type\":\"message\",\"channel\":");
	text_add_quoted(text, publication->channel);
	text_add_string(text, ",\"data\":");
	text_add_json_line(text, publication->data);
	text_add_string(text, ",\"offset\":");
	text_add_number(text, (int64_t)publication->offset);
	text_add_string(text, ",\"epoch\":");
	text_add_quoted(text, publication->epoch);
	text_add_string(text, ",\"message_id\":");
	text_add_quoted(text, message_id);
	text_add_string(text, ",\"ts\":");
	text_add_number(text, publication->created_at_unix_ms);
	if (publication->sender) {
		text_add_string(text, ",\"sender\":");
		text_add_quoted(text, publication->sender);
	}
	if (publication->is_persistent)
		text_add_string(text, ",\"persistent\":true");
	if (publication->is_replayed)
		text_add_string(text, ",\"replayed\":true");
	if (publication->tags) {
		text_add_string(text, ",\"tags\":");
		text_add_json_line(text, publication->tags);
	}
	text_add_string(text, "}");
}

static void add_event(struct text *text, const struct publication *publication)
{
	char cursor[SSE_CURSOR_SIZE];

	sse_cursor_format(publication->cursor, cursor);
	text_add_string(text, "id: ");
	text_add_string(text, cursor);
	text_add_string(text, "\nevent: message\ndata: ");
	add_object(text, publication);
	text_add_string(text, "\n\n");
}

char *publication_to_json(const struct publication *publication)
{
	struct text text = {0};

	add_object(&text, publication);
	text_add(&text, "", 1);
	if (text.failed)
		text_fini(&text);
	return text.bytes;
}

struct frame *publication_frame_get(struct publication *publication, enum wire_form form)
{
	struct text text = {0};

	if (publication->frames[form])
		return publication->frames[form];
	switch (form) {
	case FORM_WEBSOCKET:
		add_object(&text, publication);
		if (!text.failed)
			publication->frames[form] = frame_new_text(text.bytes, text.length);
		break;
	case FORM_SSE:
		add_event(&text, publication);
		if (!text.failed)
			publication->frames[form] = frame_new_bytes(text.bytes, text.length);
		break;
	case FORM_COUNT:
		break;
	}
	text_fini(&text);
	return publication->frames[form];
}
