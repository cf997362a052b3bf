/* srtp.h - SRTP and SRTCP (RFC 3711, RFC 7714).
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

/* The DTLS-SRTP profile ids (RFC 5764, RFC 7714). <openssl/srtp.h> has macros of the shorter names.
 */
enum srtp_suite {
	SRTP_SUITE_NONE = 0,
	SRTP_SUITE_AES128_CM_SHA1_80 = 1,
	SRTP_SUITE_AEAD_AES_128_GCM = 7,
	SRTP_SUITE_AEAD_AES_256_GCM = 8
};

enum {
	SRTP_KEY_MAX = 32,
	SRTP_SALT_MAX = 14,
	SRTP_OVERHEAD_MAX = 16 + 4, /* the most that protect adds: tag, and the SRTCP index */
	SRTP_REPLAY_WINDOW = 1024   /* packets */
};

/* 0 for an unknown suite. */
size_t srtp_suite_key_bytes(enum srtp_suite suite);
size_t srtp_suite_salt_bytes(enum srtp_suite suite);

struct media_crypto; /* one direction */

/* `key` and `salt` are not kept, what is derived from them is wiped on free.
 * -EINVAL for an unknown suite, -ENOMEM, -EIO if OpenSSL fails. */
int media_crypto_new(enum srtp_suite suite, const uint8_t *key, const uint8_t *salt,
		     struct media_crypto **ret_crypto) MUST_CHECK;
struct media_crypto *media_crypto_free(struct media_crypto *crypto);
DEFINE_AUTO(media_crypto, media_crypto_free);

/* Per-SSRC state (rollover counter, replay window or window of sent indices). An open hash: adding
 * an SSRC may allocate, finding one is O(1). At most SRTP_STREAMS_MAX of them at a time, so that a
 * peer inventing SSRCs cannot grow us, and SRTP_LIFETIME_STREAMS_MAX in the life of a context;
 * unprotect adds an SSRC only once its first packet has authenticated. */
enum { SRTP_STREAMS_MAX = 1024, SRTP_LIFETIME_STREAMS_MAX = 16384 };
/* Forget an SSRC that is retired. Its indices must never be used again with the same key, nor its
 * old packets be replayed: from now on every call refuses this SSRC with -EEXIST. */
void media_crypto_forget(struct media_crypto *crypto, uint32_t ssrc);

/* Decrypt and authenticate in place. *length shrinks to the plain packet.
 *   -EBADMSG  malformed, or SRTCP without encryption, which WebRTC never sends
 *   -EKEYREJECTED  does not authenticate
 *   -EALREADY replayed     -ESTALE  older than the replay window    -ENOSPC too many SSRCs
 *   -EEXIST   a forgotten SSRC   -EOVERFLOW index space used up   -ENOMEM, -EIO ours
 * On failure no state has changed, but the packet's bytes may have. */
int media_crypto_unprotect_rtp(struct media_crypto *crypto, uint8_t *packet,
			       size_t *length) MUST_CHECK;
int media_crypto_unprotect_rtcp(struct media_crypto *crypto, uint8_t *packet,
				size_t *length) MUST_CHECK;

/* Encrypt one RTP packet given as header (fixed part and extensions, plain, authenticated) already
 * written at out[0..header_bytes) and payload elsewhere, shared and untouched. `prefix` is up to 2
 * bytes put before the payload and encrypted with it (RTX's original sequence number), NULL if
 * none. Ciphertext and tag are appended to the header. Returns the whole length, or -EMSGSIZE
 * `capacity` is too small   -ENOSPC too many SSRCs   -EOVERFLOW index space used up -EALREADY this
 * index was sent before: with GCM a second use of a nonce would give the key stream away, so
 * protect keeps a window of sent indices and refuses -ESTALE   before that window, so it may have
 * been sent   -EEXIST a forgotten SSRC -ENOMEM, -EIO ours; the index counts as not sent */
int media_crypto_protect_rtp(struct media_crypto *crypto, uint8_t *out, size_t capacity,
			     size_t header_bytes, const uint8_t *prefix, size_t prefix_bytes,
			     const uint8_t *payload, size_t payload_bytes) MUST_CHECK;
/* The same where many go out under one SSRC, which is looked up once: *stream is NULL at first, and
 * again once the SSRC is forgotten. */
struct srtp_stream;
int media_crypto_protect_rtp_on(struct media_crypto *crypto, struct srtp_stream **stream,
				uint8_t *out, size_t capacity, size_t header_bytes,
				const uint8_t *prefix, size_t prefix_bytes, const uint8_t *payload,
				size_t payload_bytes) MUST_CHECK;
/* Encrypt a packet once more, to answer a NACK where RTX was not negotiated. Only for a packet
 * byte-identical to the one sent, header and payload: the same nonce then yields the same bytes
 * and tells nobody anything. Changes no state. Errors as above, but -ENOENT for an index that is
 * not in the window of those sent, in place of -EALREADY and -ESTALE. */
int media_crypto_protect_rtp_again(struct media_crypto *crypto, uint8_t *out, size_t capacity,
				   size_t header_bytes, const uint8_t *prefix, size_t prefix_bytes,
				   const uint8_t *payload, size_t payload_bytes) MUST_CHECK;
/* Encrypt a compound RTCP packet of `length` bytes (at least 8) in place; returns the new length,
 * or an error as above. Packets of one sender SSRC are numbered from 0. */
int media_crypto_protect_rtcp(struct media_crypto *crypto, uint8_t *packet, size_t length,
			      size_t capacity) MUST_CHECK;

#endif
