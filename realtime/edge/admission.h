/* admission.h - a request comes in: may it, and what becomes of it? Paths, limits, origins and
 * credentials, up to the point where a connection's own protocol takes over. Thread: loop. */
#ifndef REALTIME_EDGE_ADMISSION_H
#define REALTIME_EDGE_ADMISSION_H

#include "realtime/edge/server.h"

/* The subprotocol of those who want bytes as native frames from the start. */
#define NATIVE_PROTOCOL "realtime.v1+bin"

/* A plain GET. Returns what the callback returns: negative closes the socket. */
int admission_on_http(struct server *server, struct lws *wsi);
/* An upgrade is asked for. Negative: refused and answered. */
int admission_on_upgrade(struct server *server, struct lws *wsi);
/* The upgrade is done: find out who it is, then start. */
void admission_on_established(struct connection *connection);

/* The socket is gone. */
void admission_on_closed(struct server *server, struct connection *connection);

#endif
