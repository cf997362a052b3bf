/* srtp.h - SRTP and SRTCP (RFC 3711, RFC 7714) on OpenSSL's EVP.
 *
 * Every packet is encrypted once per subscriber, so this is the hottest code there is: contexts are
 * keyed once and reused, nothing is allocated per packet, and protect reads the shared payload and
 * writes the ciphertext straight into the send arena, without a copy in between.
 *
 * A context serves one direction of one transport and any number of SSRCs.
 * Thread: worker; one context is used by one thread at a time.
 */
#ifndef SFU_WIRE_SRTP_H
#define SFU_WIRE_SRTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

enum srtp_suite {
	SRTP_NONE = 0,
	SRTP_AES128_CM_SHA1_80 = 1, /* the DTLS-SRTP profile ids (RFC 5764, RFC 7714) */
	SRTP_AEAD_AES_128_GCM = 7,
	SRTP_AEAD_AES_256_GCM = 8
};

enum {
	SRTP_KEY_MAX = 32,
	SRTP_SALT_MAX = 14,
	SRTP_OVERHEAD_MAX = 16 + 4, /* the most that protect adds: tag, and the SRTCP index */
	SRTP_REPLAY_WINDOW = 1024   /* packets */
};

size_t srtp_suite_key_bytes(enum srtp_suite suite);
size_t srtp_suite_salt_bytes(enum srtp_suite suite);

struct media_crypto; /* one direction */

/* `key` and `salt` are copied and wiped on free. -EINVAL for an unknown suite, -ENOMEM. */
int media_crypto_new(enum srtp_suite suite, const uint8_t *key, const uint8_t *salt,
		     struct media_crypto **ret_crypto) MUST_CHECK;
struct media_crypto *media_crypto_free(struct media_crypto *crypto);
DEFINE_AUTO(media_crypto, media_crypto_free);

/* Per-SSRC state (rollover counter, replay window or send index). An open hash: adding an SSRC may
 * allocate, finding one is O(1). At most SRTP_STREAMS_MAX of them, so that a peer inventing SSRCs
 * cannot grow us; unprotect adds an SSRC only once its first packet has authenticated. */
enum { SRTP_STREAMS_MAX = 1024 };
/* Forget an SSRC that is retired (the index must never be reused with the same key: re-adding the
 * same SSRC is refused with -EEXIST by protect). */
void media_crypto_forget(struct media_crypto *crypto, uint32_t ssrc);

/* Decrypt and authenticate in place. *length shrinks to the plain packet.
 *   -EBADMSG  malformed    -EAUTH (EKEYREJECTED)  does not authenticate
 *   -EALREADY replayed     -ESTALE  older than the replay window    -ENOSPC too many SSRCs
 * On failure no state has changed. */
int media_crypto_unprotect_rtp(struct media_crypto *crypto, uint8_t *packet,
			       size_t *length) MUST_CHECK;
int media_crypto_unprotect_rtcp(struct media_crypto *crypto, uint8_t *packet,
				size_t *length) MUST_CHECK;

/* Encrypt one RTP packet given as header (fixed part and extensions, plain, authenticated) already
 * written at out[0..header_bytes) and payload elsewhere, shared and untouched. `prefix` is up to 2
 * bytes put before the payload and encrypted with it (RTX's original sequence number), NULL if none.
 * Ciphertext and tag are appended to the header. Returns the whole length, or
 *   -EMSGSIZE `capacity` is too small   -ENOSPC too many SSRCs   -EOVERFLOW index space used up
 *   -EALREADY this index was sent before: with GCM a second use of a nonce would give the key
 *             stream away, so protect keeps a window of sent indices and refuses. */
int media_crypto_protect_rtp(struct media_crypto *crypto, uint8_t *out, size_t capacity,
			     size_t header_bytes, const uint8_t *prefix, size_t prefix_bytes,
			     const uint8_t *payload, size_t payload_bytes) MUST_CHECK;
/* Encrypt a compound RTCP packet of `length` bytes in place; returns the new length. */
int media_crypto_protect_rtcp(struct media_crypto *crypto, uint8_t *packet, size_t length,
			      size_t capacity) MUST_CHECK;

#endif
