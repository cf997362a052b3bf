/* participant_log.h - the rows of participant_sessions, written on the store's thread.
 * Thread: loop. */
#ifndef REALTIME_EDGE_PARTICIPANT_LOG_H
#define REALTIME_EDGE_PARTICIPANT_LOG_H

#include "realtime/edge/store_thread.h"
#include "realtime/model/peer.h"

void participant_log_joined(struct store_thread *thread, const struct peer *peer);
void participant_log_left(struct store_thread *thread, const struct peer *peer, const char *reason);
/* End the rows that an earlier run left open and that are not among `present` (an array of
 * "room_id/peer_id"; taken). */
void participant_log_end_stale(struct store_thread *thread, int64_t started_at_unix_ms,
			       json_t *present);

#endif
