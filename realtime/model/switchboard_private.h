/* switchboard_private.h - the inside of switchboard.h, for its three sources alone. Thread: loop.
 */
#ifndef REALTIME_MODEL_SWITCHBOARD_PRIVATE_H
#define REALTIME_MODEL_SWITCHBOARD_PRIVATE_H

#include "realtime/model/switchboard.h"

/* To this peer alone, if it has a session. `body` is taken. */
void peer_tell(const struct peer *peer, json_t *body);
/* Its session ends with this code; the peer stays, detached. `reason` is a constant. */
void peer_close_session(struct peer *peer, enum close_code code, const char *reason);
/* {type: "kicked", code, reason}: its last message. `words` may be NULL. */
void peer_tell_kicked(const struct peer *peer, const char *code, const char *words);
/* Tell the room {type, peer}, except `besides`. */
void peer_announce(const struct peer *peer, const char *type, const struct peer *besides);

/* Its session, if it is one by HTTP, was ended by the SFU: whoever asks for it hears why, as long
 * as it is among the last ENDED_MAX. */
void switchboard_note_ended(struct switchboard *board, const struct peer *peer, const char *code,
			    const char *detail);

#endif
