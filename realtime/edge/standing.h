/* standing.h - how long a connection may stay who it is: until its token or key expires, its key is
 * revoked, or it has waited too long with saying who it is; and becoming somebody while connected.
 *
 * WARN_BEFORE_MS before a token's end (half of its time, if that is shorter) the client is told
 * (`refresh_required`). REALTIME_JWT_LEEWAY after the end the connection is closed (4401). Revoked
 * keys are looked for once a second, if anything was written to the store. Thread: loop.
 */
#ifndef REALTIME_EDGE_STANDING_H
#define REALTIME_EDGE_STANDING_H

#include "realtime/edge/server.h"

enum { WARN_BEFORE_MS = 25000, AUTH_TIME_S = 5, KEYS_CHECK_MS = 1000 };

/* connection->identity is known, or is known better. */
void standing_begin(struct server *server, struct connection *connection);
/* It must say who it is within AUTH_TIME_S, or is closed (4408). */
void standing_await(struct server *server, struct connection *connection);
void standing_end(struct server *server, struct connection *connection);

void standing_on_timer(struct server *server);

/* An `auth` or `refresh` message: for session_limits.identify and signaling_session.identify. */
void standing_identify(struct session *session, const char *credential);
void standing_identify_caller(struct signaling_session *session, const char *credential);

#endif
