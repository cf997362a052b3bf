/* listener.h - a listening TCP socket from a setting. Thread: any. */
#ifndef REALTIME_EDGE_LISTENER_H
#define REALTIME_EDGE_LISTENER_H

#include "core/error.h"

/* `address` is HOST:PORT, [IPV6]:PORT or :PORT (all addresses). Returns a descriptor, non-blocking.
 *   -EINVAL "bad_setting"   -EADDRINUSE "port_taken"   others "cannot_listen" */
int listener_open(const char *address, struct error *reterr) MUST_CHECK;

#endif
