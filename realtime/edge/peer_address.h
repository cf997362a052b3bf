/* peer_address.h - where does a request come from? A proxy on this host is believed when it says
 * for whom it asks (the last of X-Forwarded-For, or X-Real-IP); nobody else is. Thread: loop. */
#ifndef REALTIME_EDGE_PEER_ADDRESS_H
#define REALTIME_EDGE_PEER_ADDRESS_H

#include <libwebsockets.h>
#include <stdbool.h>

enum { PEER_ADDRESS_SIZE = 64 };

/* The client's address as text; "" for a program on this host that speaks for itself. */
void peer_address_get(struct lws *wsi, char out[PEER_ADDRESS_SIZE]);

/* It is such a program. */
bool peer_is_local(struct lws *wsi);

#endif
