#include "core/utf8.h"

#include <stdint.h>

bool utf8_is_valid(const char *text, size_t length)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000}; /* by sequence length */
	const uint8_t *at = (const uint8_t *)text, *end = at + length;

	while (at < end) {
		uint8_t first = *at;
		size_t count = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : 4;
		uint32_t code = first & (0x7fu >> count);

		if (count == 1) {
			at++;
			continue;
		}
		if ((count == 4 && first >> 3 != 30) || (size_t)(end - at) < count)
			return false;
		for (size_t i = 1; i < count; i++) {
			if (at[i] >> 6 != 2)
				return false;
			code = code << 6 | (at[i] & 0x3fu);
		}
		if (code < smallest[count] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			return false;
		at += count;
	}
	return true;
}
