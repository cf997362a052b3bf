/* id.h - identifiers: random ones of our own, and the rules for those that come from outside
 * (protocol section 1). Thread: any. */
#ifndef CORE_ID_H
#define CORE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ID_CHARS = 22,
	ID_SIZE = ID_CHARS + 1,
	ROOM_ID_MAX = 128,
	CHANNEL_NAME_MAX = 255,
	USER_ID_BYTES_MAX = 128
};

/* `count` random characters of [A-Za-z0-9] (5.95 bits each) and a NUL into `out[count + 1]`. */
void id_random_chars(char *out, size_t count);

/* "<prefix>_" and 22 random characters (131 bits): unguessable. `out` is cut at `size`. */
void id_new(const char *prefix, char *out, size_t size);

/* Fill with the kernel's randomness. */
void random_bytes(void *out, size_t count);

/* [A-Za-z0-9_.:-]{1,128} */
/* One that may stand in a log and be echoed: 1 to 64 of a room_id's characters. */
bool request_id_is_valid(const char *text);
/* Bytes of the UTF-8 sequence at `text`, or 0 if it is not one (RFC 3629) or a C1 control. */
size_t utf8_sequence_bytes(const uint8_t *text, size_t length);

bool room_id_is_valid(const char *text);

/* 1 to 255 bytes of UTF-8 without control characters. */
bool channel_name_is_valid(const char *text, size_t length);

/* 1 to 128 bytes of UTF-8 without control characters and without `*`, which means others' names. */
bool user_id_is_valid(const char *text);

#endif
