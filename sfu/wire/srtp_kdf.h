/* srtp_kdf.h - session keys from a master key (RFC 3711 section 4.3, RFC 7714 section 11).
 *
 * Derivation happens once: the key derivation rate is 0, as DTLS-SRTP fixes it.
 * Private to the wire ring; the tests hold it against the RFCs' vectors. Thread: any.
 */
#ifndef SFU_WIRE_SRTP_KDF_H
#define SFU_WIRE_SRTP_KDF_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "sfu/wire/srtp.h"

enum { SRTP_AUTHENTICATION_KEY_BYTES = 20 };

enum srtp_label {
	SRTP_LABEL_RTP_ENCRYPTION = 0,
	SRTP_LABEL_RTP_AUTHENTICATION = 1,
	SRTP_LABEL_RTP_SALT = 2,
	SRTP_LABEL_RTCP_ENCRYPTION = 3,
	SRTP_LABEL_RTCP_AUTHENTICATION = 4,
	SRTP_LABEL_RTCP_SALT = 5
};

/* What one of SRTP and SRTCP works with. */
struct srtp_session_keys {
	uint8_t encryption[SRTP_KEY_MAX];
	uint8_t salt[SRTP_SALT_MAX];
	uint8_t authentication[SRTP_AUTHENTICATION_KEY_BYTES]; /* zero with AEAD */
};

/* AES-CM as a pseudo-random function (RFC 3711 section 4.3.3, RFC 6188 for 256 bits); `salt` has
 * 14 bytes. -EIO if OpenSSL fails. */
int srtp_derive(const uint8_t *master_key, size_t key_bytes, const uint8_t *salt,
		enum srtp_label label, uint8_t *out, size_t out_bytes) MUST_CHECK;

/* The keys of both protocols; on failure they are undefined and still to be wiped. */
int srtp_session_keys_derive(enum srtp_suite suite, const uint8_t *master_key, const uint8_t *salt,
			     struct srtp_session_keys *ret_rtp,
			     struct srtp_session_keys *ret_rtcp) MUST_CHECK;

/* media_crypto_new() without the derivation. */
int media_crypto_new_from_session(enum srtp_suite suite, const struct srtp_session_keys *rtp,
				  const struct srtp_session_keys *rtcp,
				  struct media_crypto **ret_crypto) MUST_CHECK;

#endif
