/* drain.h - sending clients away: all of them when we stop, a few at a time, so that they do not
 * all knock at the next door at once; or one, because an admin says so. Thread: loop. */
#ifndef REALTIME_EDGE_DRAIN_H
#define REALTIME_EDGE_DRAIN_H

#include "realtime/edge/server.h"

/* Say goodbye (a `disconnect` message with a time to wait, then close code 1012), over `drain_ms`;
 * to fewer than some dozens at once. Nothing that was acknowledged is lost by it. */
void drain_start(struct server *server, uint64_t drain_ms);

/* Say goodbye to one for good; `code` and `reason` are what it is told besides the close code. */
void drain_dismiss(struct connection *connection, enum close_code close_code, const char *code,
		   const char *reason);

#endif
