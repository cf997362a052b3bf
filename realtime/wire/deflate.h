/* deflate.h - one WebSocket message deflated, or inflated again (RFC 7692 section 7.2).
 *
 * What we send starts each message with an empty window, so that one deflated message serves every
 * subscriber whatever it was sent before; that is allowed whether or not server_no_context_takeover
 * was agreed on. A client may refer to its earlier messages, so what it sends needs an inflater of
 * its own, made with its first deflated message.
 *
 * Thread: any, one at a time for each inflater; message_deflate() on the loop only.
 */
#ifndef REALTIME_WIRE_DEFLATE_H
#define REALTIME_WIRE_DEFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

/* `ret_bytes` is malloc()ed. -ENOMEM */
int message_deflate(const void *bytes, size_t length, uint8_t **ret_bytes,
		    size_t *ret_length) MUST_CHECK;

struct inflater;

struct inflater *inflater_new(void); /* some 40 KiB; NULL without memory */
struct inflater *inflater_free(struct inflater *inflater);

/* A whole message. `ret_bytes` is malloc()ed and has a NUL after its end. After a failure the
 * inflater is of no further use.
 *   -EMSGSIZE more than `limit` bytes   -EBADMSG it is not deflated data   -ENOMEM */
int inflater_message(struct inflater *inflater, const void *bytes, size_t length, size_t limit,
		     char **ret_bytes, size_t *ret_length) MUST_CHECK;

#endif
