/* health.h - the daemon's own answer to "are you well?", for when the API is not there to ask.
 * Thread: loop. */
#ifndef REALTIME_EDGE_HEALTH_H
#define REALTIME_EDGE_HEALTH_H

#include "realtime/edge/server.h"

/* Both return what http_answer() does. */
int health_answer_hub(struct server *server, struct lws *wsi);
int health_answer_sfu(struct server *server, struct lws *wsi);

#endif
