/* api_publish.h - what realtime-api asks for over the bus that makes messages: publishing, and
 * notifications. Whoever called the API was found to have the right to do it there.
 *
 * The functions answer the request by themselves, perhaps later; if they fail, it is still to be
 * answered. Thread: loop. */
#ifndef REALTIME_EDGE_API_PUBLISH_H
#define REALTIME_EDGE_API_PUBLISH_H

#include "realtime/edge/daemon.h"

/* Who asked, and what: enough to answer later. */
uint64_t api_token_of(const struct bus_peer *peer, const struct bus_frame *frame);
/* NULL: it has gone meanwhile. */
struct bus_peer *api_asker_of(struct daemon *daemon, uint64_t token);

/* BUS_PUBLISH */
int api_on_publish(struct daemon *daemon, struct bus_peer *peer, const struct bus_frame *frame,
		   struct error *reterr) MUST_CHECK;
/* BUS_NOTIFY */
int api_on_notify(struct daemon *daemon, struct bus_peer *peer, const struct bus_frame *frame,
		  struct error *reterr) MUST_CHECK;
/* BUS_NOTIFICATIONS_READ */
int api_on_notifications_read(struct daemon *daemon, struct bus_peer *peer,
			      const struct bus_frame *frame, struct error *reterr) MUST_CHECK;

#endif
