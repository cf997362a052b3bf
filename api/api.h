/* api.h - what a request handler works with.
 *
 * One for each request thread: the store is the thread's own, the rest is shared and borrowed from
 * main(). Thread: the request's.
 */
#ifndef API_API_H
#define API_API_H

#include "core/bus_client.h"
#include "core/config.h"
#include "db/store.h"

enum {
	BUS_TIMEOUT_MS = 2000,	    /* for what the answer depends on */
	BUS_GLANCE_MS = 500,	    /* for what it can do without: health, participants */
	BUS_MEDIA_TIMEOUT_MS = 6000 /* an SDP answer comes from the SFU through realtimed */
};

struct api {
	const struct config *config;
	struct store *store;	      /* owned by the thread's starter */
	struct bus_client *realtimed; /* shared */
	struct bus_client *sfu;	      /* shared; its control socket */
};

#endif
