/* metrics_page.h - what realtimed says of itself at /metrics. Thread: loop. */
#ifndef REALTIME_EDGE_METRICS_PAGE_H
#define REALTIME_EDGE_METRICS_PAGE_H

#include "realtime/edge/daemon.h"

/* malloc()ed, NUL-terminated; NULL without memory. */
char *metrics_page(const struct server *server);

/* Answer a request for it: for this host alone, since the web server's /metrics asks for a key.
 * Returns what the callback returns. */
int metrics_answer(const struct server *server, struct lws *wsi);

#endif
