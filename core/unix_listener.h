/* unix_listener.h - listen on a Unix socket without stealing it from somebody who does. Thread:
 * any. */
#ifndef CORE_UNIX_LISTENER_H
#define CORE_UNIX_LISTENER_H

#include "core/error.h"

/* A listening, non-blocking socket at `path`, mode 0660. A file left by a process that died is
 * replaced; one that somebody listens on is not.
 *   -EADDRINUSE "socket_taken"  -EEXIST, -ENAMETOOLONG "bad_setting"  other errnos "socket_failed"
 */
int unix_listener_open(const char *path, struct error *reterr) MUST_CHECK;

#endif
