/* framing.h - packets over TCP: each behind its length in two bytes (RFC 4571), as ICE has it
 * (RFC 6544). Thread: any. */
#ifndef SFU_WIRE_FRAMING_H
#define SFU_WIRE_FRAMING_H

#include <stddef.h>
#include <stdint.h>

#include "core/cursor.h"
#include "core/error.h"

enum { FRAME_HEADER_BYTES = 2, FRAME_PAYLOAD_MAX = 2048, FRAME_READER_BYTES = 8192 };

/* What came and has not been taken yet; all zero at first. */
struct frame_reader {
	size_t begin, end;
	uint8_t bytes[FRAME_READER_BYTES];
};

/* Where the next bytes go: never empty after frame_reader_next() returned 0. */
uint8_t *frame_reader_space(struct frame_reader *reader, size_t *ret_bytes);
void frame_reader_add(struct frame_reader *reader, size_t bytes);
/* 1: *ret_frame, borrowed until the next frame_reader_space(). 0: there is no whole one.
 *   -EMSGSIZE  longer than FRAME_PAYLOAD_MAX; nothing after it can be read */
int frame_reader_next(struct frame_reader *reader, struct slice *ret_frame) MUST_CHECK;

static inline void frame_header_write(uint8_t out[FRAME_HEADER_BYTES], size_t length)
{
	out[0] = (uint8_t)(length >> 8);
	out[1] = (uint8_t)length;
}

#endif
