#include "realtime/wire/frame.h"

#include <assert.h>
#include <string.h>

#include "realtime/wire/deflate.h"

enum {
	WS_FINAL_TEXT = 0x81,
	WS_FINAL_BINARY = 0x82,
	WS_FINAL_CLOSE = 0x88,
	WS_FINAL_PING = 0x89,
	WS_CONTROL_MAX = 125,
	WS_LENGTH_16 = 126,
	WS_LENGTH_64 = 127,
	WS_HEADER_MAX = 10,
	WS_RSV1 = 0x40,	   /* the message is deflated (RFC 7692 section 6) */
	DEFLATE_MIN = 128, /* shorter texts are not worth it */
	PARTS_MAX = 4
};

enum wire_form wire_form_of_websocket(bool is_native, bool is_deflated)
{
	if (is_native)
		return is_deflated ? FORM_NATIVE_DEFLATED : FORM_NATIVE;
	return is_deflated ? FORM_WEBSOCKET_DEFLATED : FORM_WEBSOCKET;
}

static struct frame *frame_new(const struct slice *parts, size_t count)
{
	size_t length = 0;
	struct frame *frame;

	for (size_t i = 0; i < count; i++)
		length += parts[i].length;
	frame = malloc(sizeof(*frame) + length);
	if (!frame)
		return NULL;
	frame->refs = 1;
	frame->length = 0;
	for (size_t i = 0; i < count; i++) {
		if (parts[i].length > 0)
			memcpy(frame->bytes + frame->length, parts[i].data, parts[i].length);
		frame->length += parts[i].length;
	}
	return frame;
}

/* `parts` with a header before them. */
static struct frame *frame_new_websocket(uint8_t first, const struct slice *parts, size_t count)
{
	uint8_t header[WS_HEADER_MAX];
	struct writer writer = writer_over(header, sizeof(header));
	struct slice all[1 + PARTS_MAX];
	size_t length = 0;

	assert(count <= PARTS_MAX);
	for (size_t i = 0; i < count; i++) {
		all[1 + i] = parts[i];
		length += parts[i].length;
	}
	write_u8(&writer, first);
	if (length < WS_LENGTH_16) {
		write_u8(&writer, (uint8_t)length);
	} else if (length <= UINT16_MAX) {
		write_u8(&writer, WS_LENGTH_16);
		write_u16(&writer, (uint16_t)length);
	} else {
		write_u8(&writer, WS_LENGTH_64);
		write_u64(&writer, length);
	}
	all[0] = (struct slice){header, writer.offset};
	return frame_new(all, 1 + count);
}

struct frame *frame_new_text(const char *text, size_t length)
{
	struct slice part = {(const uint8_t *)text, length};

	return frame_new_websocket(WS_FINAL_TEXT, &part, 1);
}

struct frame *frame_new_text_deflated(const char *text, size_t length)
{
	AUTO_FREE uint8_t *deflated = NULL;
	struct slice part = {0};

	if (length < DEFLATE_MIN || message_deflate(text, length, &deflated, &part.length) < 0 ||
	    part.length >= length)
		return frame_new_text(text, length);
	part.data = deflated;
	return frame_new_websocket(WS_FINAL_TEXT | WS_RSV1, &part, 1);
}

struct frame *frame_new_binary(const struct slice *parts, size_t count)
{
	return frame_new_websocket(WS_FINAL_BINARY, parts, count);
}

struct frame *frame_new_ping(void)
{
	static const uint8_t payload[] = {'r', 't'};
	struct slice part = {payload, sizeof(payload)};

	return frame_new_websocket(WS_FINAL_PING, &part, 1);
}

struct frame *frame_new_close(unsigned close_code, const char *reason)
{
	uint8_t payload[WS_CONTROL_MAX];
	struct writer writer = writer_over(payload, sizeof(payload));
	struct slice part = {.data = payload};

	write_u16(&writer, (uint16_t)close_code);
	write_bytes(&writer, reason, strnlen(reason, WS_CONTROL_MAX - 2));
	part.length = writer.offset;
	return frame_new_websocket(WS_FINAL_CLOSE, &part, 1);
}

struct frame *frame_new_bytes(const void *bytes, size_t length)
{
	struct slice part = {bytes, length};

	return frame_new(&part, 1);
}

struct frame *frame_ref(struct frame *frame)
{
	frame->refs++;
	return frame;
}

struct frame *frame_unref(struct frame *frame)
{
	if (frame && --frame->refs == 0)
		free(frame);
	return NULL;
}
