/* hex.h - bytes from the hexadecimal notation of the RFCs' vectors, spaces ignored. Thread: any. */
#ifndef TESTS_UNIT_SFU_HEX_H
#define TESTS_UNIT_SFU_HEX_H

#include <assert.h>
#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Returns the bytes written to `out`. */
static inline size_t from_hex(const char *text, uint8_t *out, size_t capacity)
{
	size_t count = 0;

	while (*text) {
		char digits[3] = {0};

		if (isspace((unsigned char)*text)) {
			text++;
			continue;
		}
		assert(text[1] && count < capacity);
		digits[0] = text[0];
		digits[1] = text[1];
		out[count++] = (uint8_t)strtoul(digits, NULL, 16);
		text += 2;
	}
	return count;
}

#endif
