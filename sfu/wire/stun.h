/* stun.h - STUN Binding for an ICE-lite server (RFC 8489, RFC 8445), on libnice's STUN agent.
 *
 * The agent validates (length, FINGERPRINT, MESSAGE-INTEGRITY, unknown attributes) and answers; we
 * only find out whose request it is first, since every transport has credentials of its own.
 * Thread: worker (one stun_server each).
 */
#ifndef SFU_WIRE_STUN_H
#define SFU_WIRE_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/cursor.h"

/* The agent repeats the USERNAME (513 bytes at most) or names every unknown attribute. */
enum { STUN_RESPONSE_MAX = 640 };

struct stun_server; /* wraps a StunAgent */
int stun_server_new(struct stun_server **ret_server) MUST_CHECK;
struct stun_server *stun_server_free(struct stun_server *server);
DEFINE_AUTO(stun_server, stun_server_free);

/* The part of USERNAME before the colon: our ufrag, borrowed from the datagram; {NULL, 0} if the
 * datagram is not a well-formed Binding request with USERNAME, MESSAGE-INTEGRITY and FINGERPRINT.
 * Authenticates nothing. */
struct slice stun_local_ufrag_peek(const uint8_t *datagram, size_t length);

enum stun_verdict {
	STUN_ACCEPTED, /* authenticated; the response is a success */
	STUN_REPLIED,  /* authenticated but refused (role conflict, unknown attribute): send the
			  reply */
	STUN_DROPPED   /* forged, damaged or not ours: say nothing (no reflection) */
};

struct stun_binding {
	uint32_t priority;
	bool use_candidate;
	uint8_t response[STUN_RESPONSE_MAX];
	size_t response_bytes; /* 0 if STUN_DROPPED */
};

/* Check a Binding request against `local_ufrag` and `local_password` and compose the answer, with
 * the sender's address in XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY and FINGERPRINT. A v4-mapped source
 * is told as IPv4. Of *ret_binding only response_bytes is written if STUN_DROPPED. */
enum stun_verdict stun_binding_answer(struct stun_server *server, const uint8_t *datagram,
				      size_t length, const char *local_ufrag,
				      const char *local_password, const struct sockaddr *source,
				      socklen_t source_bytes, struct stun_binding *ret_binding);

#endif
