/* srtp_cipher.h - seal and open the body of one packet: AES-GCM (RFC 7714) or AES-CM with
 * HMAC-SHA1 (RFC 3711), for one set of session keys.
 *
 * SRTP and SRTCP differ only in what is authenticated and where it stands, which the caller says;
 * the nonce is made of SSRC and index the same way in both. Nothing is remembered from one packet
 * to the next. Private to the wire ring. Thread: one at a time.
 */
#ifndef SFU_WIRE_SRTP_CIPHER_H
#define SFU_WIRE_SRTP_CIPHER_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/cursor.h"
#include "sfu/wire/srtp_kdf.h"

struct srtp_cipher;

/* -ENOMEM, -EIO if OpenSSL will not have the algorithm. */
int srtp_cipher_new(enum srtp_suite suite, const struct srtp_session_keys *keys,
		    struct srtp_cipher **ret_cipher) MUST_CHECK;
struct srtp_cipher *srtp_cipher_free(struct srtp_cipher *cipher);
DEFINE_AUTO(srtp_cipher, srtp_cipher_free);

/* What a packet is sealed under. `header` and `trailer` are authenticated, not encrypted. */
struct srtp_seal {
	uint32_t ssrc;
	uint64_t index; /* 48 bits of SRTP, 31 of SRTCP */
	struct slice header, trailer;
};

/* Encrypt `prefix` and then `body` to `out`; where the tag stands is the caller's choice.
 * -EIO if OpenSSL fails; the output is then undefined. */
int srtp_cipher_seal(struct srtp_cipher *cipher, const struct srtp_seal *seal, struct slice prefix,
		     struct slice body, uint8_t *out, uint8_t *tag) MUST_CHECK;

/* Check and decrypt `length` bytes of `body` in place.
 * -EKEYREJECTED if it does not authenticate, -EIO; the body is then undefined. */
int srtp_cipher_open(struct srtp_cipher *cipher, const struct srtp_seal *seal, uint8_t *body,
		     size_t length, const uint8_t *tag) MUST_CHECK;

#endif
