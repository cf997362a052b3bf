#include "realtime/wire/sse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

void sse_cursor_format(uint64_t position, char out[SSE_CURSOR_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	/* By hand, since every message has two of them. */
	for (size_t i = 0; i < SSE_CURSOR_SIZE - 1; i++)
		out[i] = digits[position >> (60 - 4 * i) & 15];
	out[SSE_CURSOR_SIZE - 1] = '\0';
}

int sse_cursor_parse(const char *text, uint64_t *ret_position)
{
	size_t digits = SSE_CURSOR_SIZE - 1;

	if (strlen(text) != digits || strspn(text, "0123456789abcdef") != digits)
		return -EINVAL;
	*ret_position = strtoull(text, NULL, 16);
	return 0;
}

static struct frame *frame_from_text(struct text *text)
{
	struct frame *frame = text->failed ? NULL : frame_new_bytes(text->bytes, text->length);

	text_fini(text);
	return frame;
}

struct frame *sse_frame_new_start(int64_t retry_ms)
{
	struct text text = {0};

	text_add_string(&text, "retry: ");
	text_add_number(&text, retry_ms);
	text_add_string(&text, "\n\n");
	return frame_from_text(&text);
}

struct frame *sse_frame_new_cursor(uint64_t position)
{
	struct text text = {0};
	char cursor[SSE_CURSOR_SIZE];

	sse_cursor_format(position, cursor);
	text_add_string(&text, "id: ");
	text_add_string(&text, cursor);
	text_add_string(&text, "\n\n");
	return frame_from_text(&text);
}

struct frame *sse_frame_new_comment(void)
{
	static const char comment[] = ": still here\n\n";

	return frame_new_bytes(comment, sizeof(comment) - 1);
}

struct frame *sse_frame_new_farewell(const char *event, const char *json)
{
	struct text text = {0};

	text_add_string(&text, "id: " SSE_FAREWELL "\nevent: ");
	text_add_string(&text, event);
	text_add_string(&text, "\ndata: ");
	text_add_json_line(&text, json);
	text_add_string(&text, "\n\n");
	return frame_from_text(&text);
}

struct frame *sse_frame_new_event(const char *event, const char *json, uint64_t position)
{
	struct text text = {0};
	char cursor[SSE_CURSOR_SIZE];

	if (position > 0) {
		sse_cursor_format(position, cursor);
		text_add_string(&text, "id: ");
		text_add_string(&text, cursor);
		text_add_string(&text, "\n");
	}
	text_add_string(&text, "event: ");
	text_add_string(&text, event);
	text_add_string(&text, "\ndata: ");
	text_add_json_line(&text, json);
	text_add_string(&text, "\n\n");
	return frame_from_text(&text);
}
