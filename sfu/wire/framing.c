#include "sfu/wire/framing.h"

#include <errno.h>
#include <string.h>

uint8_t *frame_reader_space(struct frame_reader *reader, size_t *ret_bytes)
{
	size_t left = reader->end - reader->begin;

	if (reader->begin > 0) {
		memmove(reader->bytes, reader->bytes + reader->begin, left);
		reader->begin = 0;
		reader->end = left;
	}
	*ret_bytes = sizeof(reader->bytes) - reader->end;
	return reader->bytes + reader->end;
}

void frame_reader_add(struct frame_reader *reader, size_t bytes)
{
	reader->end += bytes;
}

int frame_reader_next(struct frame_reader *reader, struct slice *ret_frame)
{
	const uint8_t *at = reader->bytes + reader->begin;
	size_t there = reader->end - reader->begin, length;

	if (there < FRAME_HEADER_BYTES)
		return 0;
	length = (size_t)at[0] << 8 | at[1];
	if (length > FRAME_PAYLOAD_MAX)
		return -EMSGSIZE;
	if (there < FRAME_HEADER_BYTES + length)
		return 0;
	*ret_frame = (struct slice){at + FRAME_HEADER_BYTES, length};
	reader->begin += FRAME_HEADER_BYTES + length;
	return 1;
}
