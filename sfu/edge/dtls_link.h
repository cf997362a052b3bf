/* dtls_link.h - one DTLS 1.2 association (RFC 6347, RFC 5764). The SFU is always the server; the
 * client's side is there for load tools and tests.
 *
 * Datagrams go in and out through the caller; nothing here touches a socket. The handshake is
 * finished only once the peer's certificate has the fingerprint that its SDP announced, and keys
 * are handed out only then. Once media has shown that the peer's side of it is finished, too, only
 * what a goodbye takes is kept (dtls_goodbye.h).
 *
 *   HANDSHAKING --finished, fingerprint right--> CONNECTED --close_notify--> CLOSED
 *   HANDSHAKING --alert, wrong fingerprint, 30 s--> FAILED
 *
 * Thread: worker. The identity is made once and shared read-only.
 */
#ifndef SFU_EDGE_DTLS_LINK_H
#define SFU_EDGE_DTLS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "sfu/wire/srtp.h"

enum { DTLS_DATAGRAM_MAX = 1200, DTLS_GIVE_UP_US = 30000000, HELLOS_PASSED_OVER_MAX = 64 };

enum dtls_role { DTLS_SERVER, DTLS_CLIENT };
enum dtls_state { DTLS_HANDSHAKING, DTLS_CONNECTED, DTLS_CLOSED, DTLS_FAILED };

/* An ECDSA P-256 certificate of our own, and the context that all links share. */
struct dtls_identity;
int dtls_identity_new(struct dtls_identity **ret_identity, struct error *reterr) MUST_CHECK;
struct dtls_identity *dtls_identity_free(struct dtls_identity *identity);
DEFINE_AUTO(dtls_identity, dtls_identity_free);
const uint8_t *dtls_identity_fingerprint_sha256(const struct dtls_identity *identity);

struct dtls_link;

/* Called with each datagram to send, at most DTLS_DATAGRAM_MAX bytes unless one record is larger.
 */
typedef void (*dtls_send_fn)(void *data, const uint8_t *datagram, size_t length);

/* `identity` is borrowed and must outlive the link. A client says hello with its first tick.
 * -ENOMEM. */
int dtls_link_new(const struct dtls_identity *identity, enum dtls_role role, dtls_send_fn send,
		  void *data, uint64_t now_us, struct dtls_link **ret_link) MUST_CHECK;
struct dtls_link *dtls_link_free(struct dtls_link *link);

/* A datagram came. `fingerprint_sha256` is what the peer's SDP says. What a server gets before a
 * ClientHello that it can use, it passes over (HELLOS_PASSED_OVER_MAX useless ones). The state may
 * have changed after; a failed link stays failed and reports once: -EKEYREJECTED "dtls_fingerprint"
 * -EPROTO "dtls_failed" */
int dtls_link_receive(struct dtls_link *link, const uint8_t *datagram, size_t length,
		      const uint8_t fingerprint_sha256[32], struct error *reterr) MUST_CHECK;
/* Serve the retransmission timer; call about every 20 ms while HANDSHAKING.
 *   -ETIMEDOUT "dtls_timeout" */
int dtls_link_tick(struct dtls_link *link, uint64_t now_us, struct error *reterr) MUST_CHECK;
/* Of a server: the peer's media authenticates, so it has our last flight and will not repeat its
 * own (RFC 6347 section 4.2.4). The memory of the handshake is given back; whoever asks for
 * anything of it now is not answered, but a goodbye is said and heard as before. Nothing happens if
 * it is not connected, was settled, or without memory: tried again with the next call. */
void dtls_link_settle(struct dtls_link *link);
/* Say goodbye (close_notify), if connected. */
void dtls_link_close(struct dtls_link *link);

enum dtls_state dtls_link_state(const struct dtls_link *link);
/* Of a server: has it taken a hello? If not, why the last was of no use; NULL: none came. */
bool dtls_link_has_begun(const struct dtls_link *link);
const char *dtls_link_last_reason(const struct dtls_link *link);

/* The SRTP keys, in CONNECTED and not settled yet. The client protects with the client's, the
 * server with the server's (RFC 5764 section 4.2). -EPROTO "no_srtp_profile". */
int dtls_link_media_crypto(struct dtls_link *link, struct media_crypto **ret_receive,
			   struct media_crypto **ret_send, struct error *reterr) MUST_CHECK;

#endif
