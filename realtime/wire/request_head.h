/* request_head.h - the head of an HTTP/1.1 request before libwebsockets reads it: what it could not
 * digest of the subprotocols a client offers is taken out.
 *
 * libwebsockets 4.1 refuses a handshake whose list of subprotocols is longer than 127 bytes or has
 * none that it knows. But a browser can give a secret only there: `realtime.v1, bearer.<token>`
 * (protocol section 2), `password.<base64url>` and `invite.<token>` of a room; and a subprotocol
 * that nobody knows is no reason to refuse (RFC 6455 section 4.2.2). Thread: any.
 */
#ifndef REALTIME_WIRE_REQUEST_HEAD_H
#define REALTIME_WIRE_REQUEST_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "core/cleanup.h"

/* The headers in which they go on, in lower case. */
#define BEARER_HEADER "x-realtime-bearer:"
#define PASSWORD_HEADER "x-realtime-password:" /* base64url of UTF-8, as it came */
#define INVITE_HEADER "x-realtime-invite:"

enum { REQUEST_HEAD_MAX = 16384 };

/* Bytes up to and with the empty line; 0: it is not whole yet. */
size_t request_head_length(const char *bytes, size_t length);

/* Does `head` offer subprotocols that must be taken out? */
bool request_head_needs_rewriting(const char *head, size_t length);

/* The head with the subprotocols that we know (or none), and the secrets in headers of their own;
 * headers of these names that came with it are gone. `ret_head` is malloc()ed and holds secrets.
 *   -EINVAL the line makes no sense   -ENOMEM */
int request_head_rewrite(const char *head, size_t length, char **ret_head,
			 size_t *ret_length) MUST_CHECK;

#endif
