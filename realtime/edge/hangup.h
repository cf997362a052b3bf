/* hangup.h - notice that the reader of an event stream has gone.
 *
 * libwebsockets 4.1 watches such a socket for input but never reads it, so that a peer's end makes
 * it spin. Instead its watching is switched off, and the kernel tells us of the end by a second
 * descriptor of the same socket. Thread: loop.
 */
#ifndef REALTIME_EDGE_HANGUP_H
#define REALTIME_EDGE_HANGUP_H

#include <uv.h>

#include "core/cleanup.h"

struct hangup;

/* `gone` is called once. -EMFILE, -ENOMEM … */
int hangup_new(uv_loop_t *loop, int fd, void (*gone)(void *data), void *data,
	       struct hangup **ret_hangup) MUST_CHECK;
struct hangup *hangup_free(struct hangup *hangup);

#endif
