#include "sfu/wire/red.h"

#include <errno.h>
#include <string.h>

#include "core/cursor.h"

enum { FOLLOWS = 0x80, PAYLOAD_TYPE = 0x7f, LENGTH = 0x3ff };

int red_layout_read(const uint8_t *payload, size_t length, uint8_t payload_type,
		    struct red_layout *ret_layout)
{
	struct reader reader = reader_over(payload, length);
	size_t redundant_bytes = 0, count = 0;
	uint8_t first;

	*ret_layout = (struct red_layout){0, 0};
	for (;; count++) {
		first = read_u8(&reader);
		if (reader.failed || (first & PAYLOAD_TYPE) != payload_type)
			return -EBADMSG;
		if (!(first & FOLLOWS))
			break;
		if (count == RED_REDUNDANT_MAX)
			return -EBADMSG;
		redundant_bytes += read_u24(&reader) & LENGTH; /* behind 14 bits of time */
	}
	if (redundant_bytes > reader_left(&reader))
		return -EBADMSG;
	ret_layout->headers_bytes = (uint8_t)reader.offset;
	ret_layout->primary_at = (uint16_t)(reader.offset + redundant_bytes);
	return 0;
}

size_t red_headers_write(const struct red_layout *layout, const uint8_t *payload,
			 uint8_t payload_type, uint8_t out[RED_HEADERS_MAX])
{
	memcpy(out, payload, layout->headers_bytes);
	for (size_t at = 0; at < layout->headers_bytes; at += RED_BLOCK_HEADER_BYTES)
		out[at] = (uint8_t)((out[at] & FOLLOWS) | payload_type);
	return layout->headers_bytes;
}
