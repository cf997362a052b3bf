/* origin.h - may a page from there connect to here, or change something (RFC 6454)? The one rule
 * for realtimed and for the API. Thread: any. */
#ifndef CORE_ORIGIN_H
#define CORE_ORIGIN_H

#include <stdbool.h>

/* `origin` as a browser sends it, NULL or "" if no browser asks; `host` the Host header, NULL if
 * there is none; `allowed` a comma separated list of origins, or "*". */
bool origin_is_allowed(const char *origin, const char *host, const char *allowed);

#endif
