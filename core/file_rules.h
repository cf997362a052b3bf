/* file_rules.h - what may be sent as bytes: how many, of what type, under what name.
 *
 * The same for binary messages over WebSocket and for what comes by REST. What bytes look like the
 * caller finds out (core/sniff/sniff.h), so that only who needs libmagic links it.
 *
 * The type that a message or a file has is the one that was declared, if the bytes do not look like
 * something that may not be sent; it is what they look like if nothing was declared, or
 * application/octet-stream. Thread: any.
 */
#ifndef CORE_FILE_RULES_H
#define CORE_FILE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/error.h"

enum { CONTENT_TYPE_MAX = 128, FILENAME_MAX_BYTES = 255 };

struct file_rules {
	bool is_enabled;	   /* BINARY_DATA_ENABLED */
	int64_t max_bytes;	   /* BINARY_MAX_FILE_SIZE */
	const char *allowed_types; /* BINARY_ALLOWED_TYPES: media ranges with commas; borrowed */
};

/* -EACCES "binary_disabled"   -EMSGSIZE "file_too_big", naming `field` */
int file_rules_check_size(const struct file_rules *rules, uint64_t length, const char *field,
			  struct error *reterr) MUST_CHECK;

/* `declared` may be NULL. *ret_type is one of the two.
 *   -EPROTONOSUPPORT "type_not_allowed", whose message lists what is allowed */
int file_rules_choose_type(const struct file_rules *rules, const char *declared,
			   const char *sniffed, const char **ret_type,
			   struct error *reterr) MUST_CHECK;

/* A name and no path: 1 to 255 bytes of UTF-8 without slashes, backslashes and control characters,
 * and neither "." nor "..". */
bool filename_is_valid(const char *name);
/* -EINVAL "bad_field" */
int filename_check(const char *name, struct error *reterr) MUST_CHECK;

#endif
