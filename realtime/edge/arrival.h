/* arrival.h - an accepted socket, until the head of its first request is there.
 *
 * The head is only looked at, and libwebsockets gets the socket as if it were new; only a head that
 * it could not digest (wire/request_head.h) is read, rewritten, and given to it as read already.
 *
 *   accepted --head is whole--> libwebsockets'
 *            --too long, silent for ARRIVAL_TIME_US, gone--> closed
 *
 * Thread: loop.
 */
#ifndef REALTIME_EDGE_ARRIVAL_H
#define REALTIME_EDGE_ARRIVAL_H

#include <libwebsockets.h>
#include <uv.h>

#include "core/list.h"

enum {
	ARRIVALS_MAX = 4096,
	ARRIVALS_TAKEN_MAX =
		8, /* in one turn of the loop: each holds a large buffer until the next */
	ARRIVAL_TIME_US = 10000000
};

struct arrivals {
	uv_loop_t *loop; /* borrowed, like the next */
	struct lws_vhost *vhost;
	struct list waiting; /* of struct arrival.link, the oldest first */
	size_t count;
	size_t taken_count; /* given to libwebsockets in this turn of the loop */
};

void arrivals_init(struct arrivals *arrivals, uv_loop_t *loop, struct lws_vhost *vhost);
/* `fd` is taken. When there are too many, the one that has waited longest goes. */
void arrivals_add_take(struct arrivals *arrivals, int fd, uint64_t now_us);
/* A turn of the loop is over. */
void arrivals_on_turn(struct arrivals *arrivals);
/* Close those that are silent. */
void arrivals_on_timer(struct arrivals *arrivals, uint64_t now_us);
/* Close all. The loop must run once more afterwards. */
void arrivals_close(struct arrivals *arrivals);

#endif
