/* srtp_gcm.h - AES-GCM under one key (NIST SP 800-38D), from whichever library does it best.
 *
 * OpenSSL is always there. intel-ipsec-mb, where this was built with it and the processor has the
 * instructions, takes a fifth of the time for a packet of media: most of what OpenSSL's EVP does
 * for each packet is to look parameters up by their names. Both give the same bytes.
 * Private to the wire ring. Thread: a key is used by one at a time.
 */
#ifndef SFU_WIRE_SRTP_GCM_H
#define SFU_WIRE_SRTP_GCM_H

#include <stddef.h>
#include <stdint.h>

#include "core/cursor.h"

enum { SRTP_GCM_TAG_BYTES = 16, SRTP_GCM_NONCE_BYTES = 12 };

struct srtp_gcm_key; /* each library's own */

struct srtp_gcm_library {
	const char *name;
	/* 16 or 32 bytes of key. NULL: no memory, or the library will not have it. */
	struct srtp_gcm_key *(*key_new)(const uint8_t *bytes, size_t length);
	struct srtp_gcm_key *(*key_free)(struct srtp_gcm_key *key); /* wiped; NULL is fine */
	/* Encrypt `prefix` and then `body` to `out`; `aad` is authenticated alone. -EIO. */
	int (*seal)(struct srtp_gcm_key *key, const uint8_t nonce[SRTP_GCM_NONCE_BYTES],
		    struct slice aad, struct slice prefix, struct slice body, uint8_t *out,
		    uint8_t *tag);
	/* Check and decrypt in place. -EKEYREJECTED, -EIO; the body is then undefined. */
	int (*open)(struct srtp_gcm_key *key, const uint8_t nonce[SRTP_GCM_NONCE_BYTES],
		    struct slice aad, uint8_t *body, size_t length, const uint8_t *tag);
};

extern const struct srtp_gcm_library srtp_gcm_openssl;
/* NULL: not built in, or not for this processor. Any thread. */
const struct srtp_gcm_library *srtp_gcm_ipsec_mb(void);

#endif
