/* signaling_session.h - what a signalling client may say, and where it goes (protocol section 5).
 * Thread: loop. */
#ifndef REALTIME_MODEL_SIGNALING_SESSION_H
#define REALTIME_MODEL_SIGNALING_SESSION_H

#include "realtime/model/switchboard.h"

/* Strings are copied. `look_up` asks the store for the room, after which switchboard_join() or
 * signaling_session_refuse() follows; `identify` as in struct signaling_session. */
void signaling_session_init(struct signaling_session *session, struct switchboard *board,
			    struct outbox *outbox, const char *room_id, const char *name,
			    void (*look_up)(struct signaling_session *session),
			    void (*identify)(struct signaling_session *session,
					     const char *credential));
/* Takes what is shown at the room's door; to be called before the start. */
void signaling_session_set_pass(struct signaling_session *session, struct entry_pass *pass_taken);
void signaling_session_set_resume(struct signaling_session *session, const char *peer_id,
				  const char *token);
/* It is known who it is: may they be in this room at all, and publish there? Refuses by itself. */
void signaling_session_start(struct signaling_session *session, const struct identity *identity,
			     uint64_t now_us);
/* A `refresh`: may this one go on in its place? It must be the same user and allow what the old one
 * did, since the others and the SFU have been told. -EACCES "other_user", "forbidden" */
int signaling_session_check_identity(const struct signaling_session *session,
				     const struct identity *identity,
				     struct error *reterr) MUST_CHECK;
/* It is, or it is not and the old one counts still. */
void signaling_session_on_identified(struct signaling_session *session,
				     const struct identity *identity);
void signaling_session_on_unidentified(struct signaling_session *session,
				       const struct error *error);
/* The connection is over: its peer leaves, unless `keep_peer` (we stop, its media goes on). */
void signaling_session_fini(struct signaling_session *session, bool keep_peer);

void signaling_session_on_text(struct signaling_session *session, const char *text, size_t length);
/* Say why it cannot be, and close. -EDQUOT: for now. */
void signaling_session_refuse(struct signaling_session *session, const struct error *error);

/* A signal that comes by another way, as by REST or over a chat connection: `said` (borrowed) is
 * the message, with the peer who says it in sender_peer_id; without that, the caller's own one in
 * room_id. -EINVAL, -ENOENT "bad_field", "missing_field", "unknown_peer"   -EACCES "forbidden"
 *   -ENOTCONN "sfu_unavailable" */
int signaling_signal_for(struct switchboard *board, json_t *said, const struct caller *caller,
			 struct error *reterr) MUST_CHECK;
/* `sender` says it. Fails like that. */
int signaling_signal(struct switchboard *board, const struct peer *sender,
		     const struct signal *signal, struct error *reterr) MUST_CHECK;

#endif
