#include "realtime/wire/frame.h"

#include "core/cursor.h"

enum {
	WS_FINAL_TEXT = 0x81,
	WS_FINAL_CLOSE = 0x88,
	WS_FINAL_PING = 0x89,
	WS_CONTROL_MAX = 125,
	WS_LENGTH_16 = 126,
	WS_LENGTH_64 = 127,
	WS_HEADER_MAX = 10
};

static struct frame *frame_new(const void *header, size_t header_bytes, const void *bytes,
			       size_t length)
{
	struct frame *frame = malloc(sizeof(*frame) + header_bytes + length);

	if (!frame)
		return NULL;
	frame->refs = 1;
	frame->length = header_bytes + length;
	memcpy(frame->bytes, header, header_bytes);
	if (length > 0)
		memcpy(frame->bytes + header_bytes, bytes, length);
	return frame;
}

static struct frame *frame_new_websocket(uint8_t first, const void *bytes, size_t length)
{
	uint8_t header[WS_HEADER_MAX];
	struct writer writer = writer_over(header, sizeof(header));

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
	return frame_new(header, writer.offset, bytes, length);
}

struct frame *frame_new_text(const char *text, size_t length)
{
	return frame_new_websocket(WS_FINAL_TEXT, text, length);
}

struct frame *frame_new_ping(void)
{
	return frame_new_websocket(WS_FINAL_PING, "rt", 2);
}

struct frame *frame_new_close(unsigned close_code, const char *reason)
{
	uint8_t payload[WS_CONTROL_MAX];
	struct writer writer = writer_over(payload, sizeof(payload));

	write_u16(&writer, (uint16_t)close_code);
	write_bytes(&writer, reason, strnlen(reason, WS_CONTROL_MAX - 2));
	return frame_new_websocket(WS_FINAL_CLOSE, payload, writer.offset);
}

struct frame *frame_new_bytes(const void *bytes, size_t length)
{
	return frame_new("", 0, bytes, length);
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
