/* api.h - what a request handler works with.
 *
 * One for each request thread. What is the thread's own belongs to whoever started the thread; the
 * rest is shared and borrowed from main(). Thread: the request's.
 */
#ifndef API_API_H
#define API_API_H

#include "api/file_keeper.h"
#include "api/occupancy.h"
#include "api/page_cache.h"
#include "api/webhook_tally.h"
#include "core/bus_client.h"
#include "core/config.h"
#include "core/identity.h"
#include "core/jwt.h"
#include "core/namespaces.h"
#include "db/store.h"
#include "db/store_group.h"

enum {
	BUS_TIMEOUT_MS = 2000,	    /* for what the answer depends on */
	BUS_GLANCE_MS = 500,	    /* for what it can do without: health, participants */
	BUS_MEDIA_TIMEOUT_MS = 6000 /* an SDP answer comes from the SFU through realtimed */
};

struct api {
	const struct config *config;
	const struct namespaces *namespaces;
	struct store *store;	       /* the thread's own */
	struct jwt_verifier *verifier; /* the thread's own */
	struct identity *anonymous;    /* the thread's own; who a request without credentials is */
	struct store_group *changes;   /* shared */
	struct file_keeper *keeper;    /* shared */
	struct occupancy *occupancy;   /* shared */
	struct page_cache *pages;      /* shared; of lists of rooms */
	struct page_cache *rooms;      /* shared */
	struct webhook_tally *webhook_tally; /* shared */
	struct bus_client *realtimed;	     /* shared */
	struct bus_client *sfu;		     /* shared; its control socket */
};

#endif
