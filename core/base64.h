/* base64.h - RFC 4648 section 4, with padding, and nothing that does not belong there. Thread: any.
 */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

/* Bytes that `length` characters may give at most. */
static inline size_t base64_decoded_max(size_t length)
{
	return length / 4 * 3;
}
/* Bytes that this text stands for, if it is base64. */
static inline size_t base64_text_bytes(const char *text, size_t length)
{
	size_t padding = 0;

	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	return base64_decoded_max(length) - padding;
}
static inline size_t base64_encoded_length(size_t length)
{
	return (length + 2) / 3 * 4;
}

/* Strictly: whole groups, padding only at the end, no blanks, unused bits zero.
 * `out` has room for base64_decoded_max(length).
 *   -EINVAL it is something else */
int base64_decode(const char *text, size_t length, uint8_t *out, size_t *ret_length) MUST_CHECK;

/* The same for base64url without padding (RFC 4648 section 5), as a URL or a header takes it. `out`
 * has room for `length` bytes. */
int base64url_decode(const char *text, size_t length, uint8_t *out, size_t *ret_length) MUST_CHECK;

/* `out` has room for base64_encoded_length(length) characters and a NUL. */
void base64_encode(const uint8_t *bytes, size_t length, char *out);

#endif
