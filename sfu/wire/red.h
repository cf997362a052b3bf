/* red.h - redundant audio (RFC 2198): a packet that brings what the packets before it brought once
 * more, behind a row of headers that tell how long each is.
 *
 * Thread: any.
 */
#ifndef SFU_WIRE_RED_H
#define SFU_WIRE_RED_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

enum {
	RED_BLOCK_HEADER_BYTES = 4,
	RED_REDUNDANT_MAX = 3, /* blocks in one packet; browsers send one */
	RED_HEADERS_MAX = RED_REDUNDANT_MAX * RED_BLOCK_HEADER_BYTES + 1
};

/* Where things stand in the payload. Zero: it is no such payload. */
struct red_layout {
	uint8_t headers_bytes;
	uint16_t primary_at; /* the new block, which the redundant ones stand before */
};

/* All blocks must be of this payload type.
 *   -EBADMSG  damaged, another payload type, more than RED_REDUNDANT_MAX; *ret_layout is zero */
int red_layout_read(const uint8_t *payload, size_t length, uint8_t payload_type,
		    struct red_layout *ret_layout) MUST_CHECK;

/* Copy the headers with another payload type in each; returns layout->headers_bytes. */
size_t red_headers_write(const struct red_layout *layout, const uint8_t *payload,
			 uint8_t payload_type, uint8_t out[RED_HEADERS_MAX]);

#endif
