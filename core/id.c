#include "core/id.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void random_bytes(void *out, size_t count)
{
	uint8_t *at = out;

	while (count > 0) {
		ssize_t got = getrandom(at, count, 0);

		assert(got > 0 || errno == EINTR);
		if (got > 0) {
			at += got;
			count -= (size_t)got;
		}
	}
}

void id_random_chars(char *out, size_t count)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	for (size_t i = 0; i < count;) {
		uint8_t bytes[64];

		random_bytes(bytes, sizeof(bytes));
		for (size_t j = 0; j < sizeof(bytes) && i < count; j++) {
			if ((bytes[j] & 63) < 62) /* reject, so that no character is likelier */
				out[i++] = alphabet[bytes[j] & 63];
		}
	}
	out[count] = '\0';
}

void id_new(const char *prefix, char *out, size_t size)
{
	char random[ID_SIZE];

	id_random_chars(random, ID_CHARS);
	(void)snprintf(out, size, "%s_%s", prefix, random);
}

bool room_id_is_valid(const char *text)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-";
	size_t length = strlen(text);

	return length >= 1 && length <= ROOM_ID_MAX && strspn(text, allowed) == length;
}

bool request_id_is_valid(const char *text)
{
	return room_id_is_valid(text) && strlen(text) <= 64;
}

size_t utf8_sequence_bytes(const uint8_t *text, size_t length)
{
	uint8_t first = text[0];
	size_t count = first < 0x80	  ? 1
		       : first >> 5 == 6  ? 2
		       : first >> 4 == 14 ? 3
		       : first >> 3 == 30 ? 4
					  : 0;
	uint32_t code;

	if (count == 0 || count > length)
		return 0;
	if (count == 1)
		return 1;
	code = first & (0x7fu >> count);
	for (size_t i = 1; i < count; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (code < (count == 2	 ? 0x80u
		    : count == 3 ? 0x800u
				 : 0x10000u) ||
	    code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) || (code >= 0x80 && code < 0xa0))
		return 0; /* overlong, surrogate, or a C1 control */
	return count;
}

bool channel_name_is_valid(const char *text, size_t length)
{
	if (length < 1 || length > CHANNEL_NAME_MAX)
		return false;
	for (size_t i = 0; i < length;) {
		size_t count = utf8_sequence_bytes((const uint8_t *)text + i, length - i);

		if (count == 0 || (unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
		i += count;
	}
	return true;
}

bool user_id_is_valid(const char *text)
{
	size_t length = strlen(text);

	return length <= USER_ID_BYTES_MAX && channel_name_is_valid(text, length) &&
	       !strchr(text, '*');
}
