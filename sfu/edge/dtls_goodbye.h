/* dtls_goodbye.h - to know a peer's last word, close_notify, without OpenSSL's connection.
 *
 * Once media flows nothing else is waited for, and a connection of OpenSSL's takes 40 KiB, most of
 * it for retransmissions that cannot be asked for any more. The keys that the peer seals its
 * records with take 60 bytes.
 *
 * Thread: worker. DTLS 1.2 with an AEAD cipher: RFC 6347 section 4.1, RFC 5246 section 6.3,
 * RFC 5288, RFC 7905.
 */
#ifndef SFU_EDGE_DTLS_GOODBYE_H
#define SFU_EDGE_DTLS_GOODBYE_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

enum { DTLS_KEY_MAX = 32, DTLS_IV_MAX = 12 };

struct dtls_goodbye { /* secret: the owner erases it */
	const EVP_CIPHER *cipher;
	uint8_t key[DTLS_KEY_MAX], iv[DTLS_IV_MAX];
};

/* Of a server whose handshake is done.
 *   -ENOTSUP  the cipher is none of AES-GCM and ChaCha20-Poly1305    -EIO  OpenSSL failed */
int dtls_goodbye_init(struct dtls_goodbye *goodbye, SSL *ssl) MUST_CHECK;

/* Does the datagram hold the client's close_notify, authentic? */
bool dtls_goodbye_is_in(const struct dtls_goodbye *goodbye, const uint8_t *datagram, size_t length);

#endif
