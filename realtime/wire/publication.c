#include "realtime/wire/publication.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "realtime/wire/native.h"
#include "realtime/wire/sse.h"

static const char id_prefix[] = "msg_", file_path[] = "/realtime/files/";

static const char *const kind_names[] = {
	[PUBLICATION_MESSAGE] = "message",
	[PUBLICATION_BINARY] = "binary",
	[PUBLICATION_NOTIFICATION] = "notification",
};

/* What SSE calls them; the seed's names. */
static const char *const event_names[] = {
	[PUBLICATION_MESSAGE] = "message",
	[PUBLICATION_BINARY] = "binary_data",
	[PUBLICATION_NOTIFICATION] = "notification",
};

const char *publication_kind_name(enum publication_kind kind)
{
	return kind_names[kind];
}

enum publication_kind publication_kind_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kind_names); i++)
		if (strcmp(kind_names[i], name) == 0)
			return (enum publication_kind)i;
	return PUBLICATION_MESSAGE;
}

void message_id_format(uint64_t position, char out[MESSAGE_ID_SIZE])
{
	memcpy(out, id_prefix, sizeof(id_prefix));
	sse_cursor_format(position, out + sizeof(id_prefix) - 1);
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

int publication_attach_take(struct publication *publication, const char *content_type,
			    const char *filename, uint8_t *bytes, size_t length)
{
	struct attachment *attachment = &publication->attachment;

	publication->kind = PUBLICATION_BINARY;
	attachment->bytes = bytes;
	attachment->size_bytes = length;
	if (copy(content_type, &attachment->content_type) < 0 ||
	    copy(filename, &attachment->filename) < 0)
		return -ENOMEM;
	return 0;
}

int publication_attach_file(struct publication *publication, const char *content_type,
			    const char *filename, const char *file_id, const char *sha256,
			    size_t size_bytes)
{
	struct attachment *attachment = &publication->attachment;

	if (publication_attach_take(publication, content_type, filename, NULL, size_bytes) < 0 ||
	    copy(file_id, &attachment->file_id) < 0 || copy(sha256, &attachment->sha256) < 0)
		return -ENOMEM;
	return 0;
}

static void attachment_fini(struct attachment *attachment)
{
	free(attachment->content_type);
	free(attachment->filename);
	free(attachment->bytes);
	free(attachment->file_id);
	free(attachment->sha256);
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
	free(publication->notification_type);
	free(publication->idempotency_key);
	free(publication->excluded_connection_id);
	attachment_fini(&publication->attachment);
	free(publication);
	return NULL;
}

size_t publication_size(const struct publication *publication)
{
	return strlen(publication->data) +
	       (publication->attachment.bytes ? publication->attachment.size_bytes : 0);
}

static void add_member(struct text *text, const char *name, const char *value)
{
	text_add_string(text, ",\"");
	text_add_string(text, name);
	text_add_string(text, "\":");
	text_add_quoted(text, value);
}

static void add_number(struct text *text, const char *name, int64_t value)
{
	text_add_string(text, ",\"");
	text_add_string(text, name);
	text_add_string(text, "\":");
	text_add_number(text, value);
}

static void add_file(struct text *text, const struct attachment *attachment)
{
	text_add_string(text, ",\"url\":\"");
	text_add_string(text, file_path);
	text_add_string(text, attachment->file_id); /* an id of ours: nothing to escape */
	text_add_string(text, "\"");
	if (attachment->sha256)
		add_member(text, "sha256", attachment->sha256);
}

/* What an attachment is, but not its bytes. */
static void add_description(struct text *text, const struct attachment *attachment)
{
	add_member(text, "content_type", attachment->content_type);
	if (attachment->filename)
		add_member(text, "filename", attachment->filename);
	add_number(text, "size", (int64_t)attachment->size_bytes);
}

static void add_content(struct text *text, const struct publication *publication)
{
	size_t length = strlen(publication->data);

	switch (publication->kind) {
	case PUBLICATION_MESSAGE:
		text_add_string(text, ",\"data\":");
		text_add_json_line(text, publication->data);
		break;
	case PUBLICATION_BINARY:
		if (publication->attachment.file_id) {
			add_file(text, &publication->attachment);
		} else {
			text_add_string(text, ",\"binary_data\":");
			text_add_base64(text, publication->attachment.bytes,
					publication->attachment.size_bytes);
		}
		add_description(text, &publication->attachment);
		break;
	case PUBLICATION_NOTIFICATION: /* its fields are members of the message itself */
		if (length > 2) {
			text_add_string(text, ",");
			text_add(text, publication->data + 1, length - 2);
		}
		break;
	}
}

/* Its place in the channel, and who sent it. */
static void add_place(struct text *text, const struct publication *publication)
{
	char message_id[MESSAGE_ID_SIZE];

	message_id_format(publication->position, message_id);
	add_number(text, "offset", (int64_t)publication->offset);
	add_member(text, "epoch", publication->epoch);
	add_member(text, "message_id", message_id);
	add_number(text, "ts", publication->created_at_unix_ms);
	if (publication->sender)
		add_member(text, "sender", publication->sender);
	if (publication->is_persistent)
		text_add_string(text, ",\"persistent\":true");
	if (publication->is_replayed)
		text_add_string(text, ",\"replayed\":true");
	if (publication->tags) {
		text_add_string(text, ",\"tags\":");
		text_add_json_line(text, publication->tags);
	}
}

static void add_object(struct text *text, const struct publication *publication)
{
	text_add_string(text, "{\"type\":\"");
	text_add_string(text, kind_names[publication->kind]);
	text_add_string(text, "\",\"channel\":");
	text_add_quoted(text, publication->channel);
	add_content(text, publication);
	add_place(text, publication);
	text_add_string(text, "}");
}

static void add_event(struct text *text, const struct publication *publication)
{
	char cursor[SSE_CURSOR_SIZE];

	sse_cursor_format(publication->cursor, cursor);
	text_add_string(text, "id: ");
	text_add_string(text, cursor);
	text_add_string(text, "\nevent: ");
	text_add_string(text, event_names[publication->kind]);
	text_add_string(text, "\ndata: ");
	add_object(text, publication);
	text_add_string(text, "\n\n");
}

/* The description that goes before the bytes of a native frame. */
static void add_meta(struct text *text, const struct publication *publication)
{
	text_add_string(text, "{\"channel\":");
	text_add_quoted(text, publication->channel);
	add_description(text, &publication->attachment);
	add_place(text, publication);
	text_add_string(text, "}");
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

static struct frame *new_json_frame(const struct publication *publication, enum wire_form form)
{
	struct text text = {0};
	struct frame *frame = NULL;

	if (form == FORM_SSE)
		add_event(&text, publication);
	else
		add_object(&text, publication);
	if (!text.failed && form == FORM_SSE)
		frame = frame_new_bytes(text.bytes, text.length);
	else if (!text.failed && form == FORM_WEBSOCKET_DEFLATED)
		frame = frame_new_text_deflated(text.bytes, text.length);
	else if (!text.failed)
		frame = frame_new_text(text.bytes, text.length);
	text_fini(&text);
	return frame;
}

/* Tags have no limit, but a description has: with too many of them it goes as JSON. */
static struct frame *new_native_frame(const struct publication *publication)
{
	struct native_header header = {
		.is_persistent = publication->is_persistent,
		.is_replayed = publication->is_replayed,
		.number = publication->offset,
	};
	uint8_t head[NATIVE_HEADER_BYTES];
	struct text meta = {0};
	struct frame *frame = NULL;

	add_meta(&meta, publication);
	if (!meta.failed && meta.length > NATIVE_META_MAX) {
		frame = new_json_frame(publication, FORM_WEBSOCKET);
	} else if (!meta.failed) {
		struct slice parts[] = {
			{head, sizeof(head)},
			{(const uint8_t *)meta.bytes, meta.length},
			{publication->attachment.bytes, publication->attachment.size_bytes},
		};

		header.meta_length = (uint32_t)meta.length;
		native_header_encode(&header, head);
		frame = frame_new_binary(parts, ARRAY_LEN(parts));
	}
	text_fini(&meta);
	return frame;
}

/* The form whose bytes are also this one's. */
static enum wire_form form_of(const struct publication *publication, enum wire_form form)
{
	bool has_bytes =
		publication->kind == PUBLICATION_BINARY && !publication->attachment.file_id;

	if (form == FORM_NATIVE)
		return has_bytes ? FORM_NATIVE : FORM_WEBSOCKET;
	if (form == FORM_NATIVE_DEFLATED)
		return has_bytes ? FORM_NATIVE : FORM_WEBSOCKET_DEFLATED;
	return form;
}

struct frame *publication_frame_get(struct publication *publication, enum wire_form wanted)
{
	enum wire_form form;

	if (publication->frames[wanted])
		return publication->frames[wanted];
	form = form_of(publication, wanted);
	if (!publication->frames[form])
		publication->frames[form] = form == FORM_NATIVE ? new_native_frame(publication)
								: new_json_frame(publication, form);
	if (form != wanted && publication->frames[form])
		publication->frames[wanted] = frame_ref(publication->frames[form]);
	return publication->frames[form];
}
