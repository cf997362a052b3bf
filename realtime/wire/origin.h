/* origin.h - may a page from there connect to here (RFC 6454)? Thread: any. */
#ifndef REALTIME_WIRE_ORIGIN_H
#define REALTIME_WIRE_ORIGIN_H

#include <stdbool.h>

/* `origin` as a browser sends it, NULL or "" if no browser asks; `host` the Host header; `allowed`
 * a comma separated list of origins, or "*". */
bool origin_is_allowed(const char *origin, const char *host, const char *allowed);

#endif
