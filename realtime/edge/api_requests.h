/* api_requests.h - what realtime-api asks for over the bus. Thread: loop. */
#ifndef REALTIME_EDGE_API_REQUESTS_H
#define REALTIME_EDGE_API_REQUESTS_H

#include "realtime/edge/daemon.h"

void api_on_request(struct daemon *daemon, struct bus_peer *peer, const struct bus_frame *frame);
void api_on_event(struct daemon *daemon, const struct bus_frame *frame);

/* struct switchboard_events.http_started. */
void api_on_http_started(void *data, uint64_t token, const char *peer_id, const json_t *answer,
			 const struct error *error);

#endif
