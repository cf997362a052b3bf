/* scrypt_text.h - what is kept of a password, as text: the cost and the salt of scrypt (RFC 7914),
 * and what it made of them.
 *
 *   $scrypt$ln=14,r=8,p=1$<salt>$<hash>     (base64)
 *
 * Comes from the store, where somebody else may have written. Thread: any.
 */
#ifndef CORE_SCRYPT_TEXT_H
#define CORE_SCRYPT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

enum {
	SCRYPT_BYTES_MAX = 48, /* of the salt, and of the hash */
	SCRYPT_HASH_BYTES_MIN = 16,
	SCRYPT_TEXT_SIZE = 192,
	/* What we are ready to pay. */
	SCRYPT_COST_LOG2_MAX = 18,
	SCRYPT_BLOCK_SIZE_MAX = 16,
	SCRYPT_PARALLELISM_MAX = 16
};

struct scrypt_text {
	unsigned cost_log2, block_size, parallelism;
	uint8_t salt[SCRYPT_BYTES_MAX], hash[SCRYPT_BYTES_MAX];
	size_t salt_bytes, hash_bytes;
};

/* -EINVAL: it makes no sense, or costs more than the above */
int scrypt_text_parse(const char *text, struct scrypt_text *ret_scrypt) MUST_CHECK;
void scrypt_text_format(const struct scrypt_text *scrypt, char ret_text[SCRYPT_TEXT_SIZE]);

#endif
