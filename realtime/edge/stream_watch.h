/* stream_watch.h - the socket of an event stream, watched beside libwebsockets: its reader has
 * gone, or it can take more.
 *
 * libwebsockets 4.1 does not notice the end of a stream's reader and spins, which only stopping it
 * from reading prevents; and while it does not read it does not tell of writability either, and
 * spins again. So it has no part in a stream after the request's head. Thread: loop.
 */
#ifndef REALTIME_EDGE_STREAM_WATCH_H
#define REALTIME_EDGE_STREAM_WATCH_H

#include <uv.h>

#include "core/cleanup.h"

struct stream_watch;

struct stream_watch_events {
	void (*gone)(void *data);     /* once */
	void (*writable)(void *data); /* once for each stream_watch_writable() */
};

/* `fd` is borrowed: it is duplicated. -ENOMEM, -EMFILE … */
int stream_watch_new(uv_loop_t *loop, int fd, const struct stream_watch_events *events, void *data,
		     struct stream_watch **ret_watch) MUST_CHECK;
struct stream_watch *stream_watch_free(struct stream_watch *watch);

/* Say when the socket takes more. */
void stream_watch_writable(struct stream_watch *watch);

#endif
