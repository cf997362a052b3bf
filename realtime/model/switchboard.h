/* switchboard.h - every call: its rooms and peers, who hears of whom, and what the SFU is told.
 *
 * It knows no sockets, no bus and no database: signalling sessions feed it what clients say, the
 * edge what the SFU says, and it answers into their outboxes and through struct switchboard_events.
 *
 * The SFU outlives this process and this process the SFU: whichever comes back says hello with
 * what it still has (switchboard_on_sfu_connected), and the two are made to agree again.
 *
 * Thread: loop.
 */
#ifndef REALTIME_MODEL_SWITCHBOARD_H
#define REALTIME_MODEL_SWITCHBOARD_H

#include "core/bus_messages.h"
#include "realtime/model/entry_pass.h"
#include "realtime/model/peer.h"

enum {
	LINGER_US = 10000000,	   /* for a detached peer's client to come back */
	KICK_MEMORY_US = 30000000, /* for the SFU to have read of a kick, while it is connected */
	RESUME_WAIT_US = 2000000,  /* for the SFU to say who is there, after our start */
	ENDED_MAX = 64,		   /* sessions by HTTP of which we know why they ended */
	RESUME_TOKEN_CHARS = 32,
	CLIENT_ADDRESS_SIZE = 64
};

struct switchboard;

struct switchboard_events {
	/* Tell the SFU; lost if it is not there. `body` is taken. */
	void (*sfu_event)(void *data, enum bus_message message, json_t *body);
	/* Have the SFU take `peer` in. `body` is taken. Answer by switchboard_on_sfu_answer() with
	 * the same token. Only called while the SFU is connected. */
	void (*sfu_join)(void *data, const struct peer *peer, uint64_t token, json_t *body);
	/* What this peer is to try for ICE: RTCIceServers, a new reference. */
	json_t *(*ice_servers)(void *data, const struct peer *peer);
	/* How pictures are to be sent in this room if as layers of one stream: {codec,
	 * scalability_mode}, a new reference. NULL: they are not. */
	json_t *(*svc)(void *data, const struct call_room *room);
	/* For the records. */
	void (*joined)(void *data, const struct peer *peer);
	void (*left)(void *data, const struct peer *peer, const char *reason);
	/* An HTTP session's request has been answered; `answer` is borrowed, NULL on failure. */
	void (*http_started)(void *data, uint64_t token, const char *peer_id, const json_t *answer,
			     const struct error *error);
};

/* What is known of a room from the store. */
struct room_facts {
	const char *room_id;
	bool is_mesh;
	int64_t max_participants;
	const json_t *codecs;	/* borrowed; an array of names, or NULL */
	const char *guest_name; /* by their invite, for who has given none; borrowed, or NULL */
};

enum signaling_state {
	SIGNALING_OPENING, /* the room is being looked up */
	SIGNALING_WAITING, /* it wants to resume, and the SFU has not said yet who is there */
	SIGNALING_JOINED,
	SIGNALING_CLOSED
};

/* One client's signalling connection. */
struct signaling_session {
	struct switchboard *board; /* borrowed */
	struct outbox *outbox;	   /* borrowed */
	enum signaling_state state;
	struct peer *peer;	  /* borrowed; set while joined */
	struct list waiting_link; /* on board->waiting */
	char room_id[ROOM_ID_MAX + 1];
	char user_id[USER_ID_MAX + 1];
	bool may_publish;  /* media in this room */
	bool is_moderator; /* of this room, and somebody known */
	bool is_invited;   /* by an invite, which lets them publish, whatever the identity may */
	struct entry_pass *pass; /* owned; NULL once it was looked at, or if nothing was shown */
	char address[CLIENT_ADDRESS_SIZE]; /* where it comes from; "": a program of this host */
	char name[PEER_NAME_MAX + 1];
	char resume_peer_id[PEER_ID_SIZE], resume_token[PEER_ID_SIZE]; /* "" if not asked for */
	char own_token[RESUME_TOKEN_CHARS + 1]; /* by which a new peer of this session may resume */
	void (*look_up)(struct signaling_session *session); /* go on without resuming */
	/* Whose credential is that? Answered by signaling_session_on_identified() or
	 * signaling_session_on_unidentified(), perhaps before it returns. */
	void (*identify)(struct signaling_session *session, const char *credential);
	bool is_identifying;	/* identify() was asked and has not answered */
	json_t *identifying_id; /* owned; of that request; may be NULL */
};

struct switchboard {
	struct table rooms, peers;
	struct list waiting; /* of struct signaling_session.waiting_link */
	bool is_sfu_connected, was_sfu_heard;
	json_t *kicked_ids; /* owned; {peer_id: when it may be forgotten, 0 until the timer says}
			       of whom the SFU is to let go and may not have heard it */
	json_t *ended; /* owned; [{room_id, peer_id, user_id, kind, code, detail}], the newest last
			*/
	uint64_t started_at_us;
	const struct switchboard_events *events;
	void *events_data;
};

/* -ENOMEM. */
int switchboard_init(struct switchboard *board, const struct switchboard_events *events,
		     void *events_data, uint64_t now_us) MUST_CHECK;
/* Every session must have been closed. Peers are let go without a word: they may come back. */
void switchboard_fini(struct switchboard *board);

/* Borrowed, or NULL. */
struct peer *switchboard_peer_find(const struct switchboard *board, const char *peer_id);
struct call_room *switchboard_room_find(const struct switchboard *board, const char *room_id);

/* A new call peer for `session`; the others and the SFU are told.
 *   -EUSERS "room_full"   -ENOMEM */
int switchboard_join(struct switchboard *board, struct signaling_session *session,
		     const struct room_facts *facts, int64_t now_unix_ms,
		     struct error *reterr) MUST_CHECK;
/* Take over the peer that session->resume_peer_id names: 1; 0 if it is not there or not in that
 * room; -EACCES "bad_resume_token", or "forbidden" if it is another user's. */
int switchboard_resume(struct switchboard *board, struct signaling_session *session,
		       struct error *reterr) MUST_CHECK;

/* Take `peer` out, telling everyone who should hear of it. It is freed. Who "left" because its
 * media did not get through is said to have left for that. */
void switchboard_leave(struct switchboard *board, struct peer *peer, const char *reason,
		       bool tell_sfu);

/* An HTTP session (whip, whep): answered by events->http_started with `token`.
 *   -ENOTCONN "sfu_unavailable"  -EUSERS "room_full"  -EINVAL "mesh_room"  -ENOMEM */
int switchboard_http_start(struct switchboard *board, const struct room_facts *facts,
			   enum peer_kind kind, const json_t *request, uint64_t token,
			   int64_t now_unix_ms, struct error *reterr) MUST_CHECK;
/* The caller's own HTTP session in that room. *ret_peer is borrowed.
 *   -ENOENT "session_not_found", with the reason if the SFU has ended it   -EACCES "forbidden" */
int switchboard_http_find(const struct switchboard *board, const char *room_id, const char *peer_id,
			  const struct caller *caller, struct peer **ret_peer,
			  struct error *reterr) MUST_CHECK;

/* ---- moderation (switchboard_moderation.c) ---- */

/* -ENOENT "participant_not_found" */
int switchboard_participant_find(const struct switchboard *board, const char *room_id,
				 const char *peer_id, struct peer **ret_peer,
				 struct error *reterr) MUST_CHECK;
/* Send `peer` out, for good: it cannot be resumed. `code` is "kicked" or "banned"; `words`, which
 * may be NULL, are for it alone. It is freed. */
void switchboard_kick(struct switchboard *board, struct peer *peer, const char *code,
		      const char *words);
/* Whatever `peer` publishes of a kind is not forwarded any more, or again; negative: as before. To
 * be carried out by the SFU: *ret_body is what it is to be told (PEER_MUTE), a new reference.
 *   -EINVAL "mesh_room"   -ENOTCONN "sfu_unavailable" */
int switchboard_mute(struct switchboard *board, struct peer *peer, int audio, int video,
		     json_t **ret_body, struct error *reterr) MUST_CHECK;
/* It has done so; `answer` is its. */
void switchboard_on_muted(struct peer *peer, const json_t *answer);
/* [[room_id, user_id]] of everyone known, a new reference. */
json_t *switchboard_users(const struct switchboard *board);
/* The next peer of that user in that room, or NULL. */
struct peer *switchboard_user_find(const struct switchboard *board, const char *room_id,
				   const char *user_id);

/* `rooms` is what the SFU still serves (BUS_HELLO). */
void switchboard_on_sfu_connected(struct switchboard *board, const json_t *rooms, uint64_t now_us);
void switchboard_on_sfu_disconnected(struct switchboard *board);
/* PEER_SIGNAL, PEER_ERROR, PEER_TRACKS, PEER_STATE, PEER_GONE. Others are ignored. */
void switchboard_on_sfu_event(struct switchboard *board, enum bus_message message,
			      const json_t *body);
/* The answer to events->sfu_join; `token` is that of switchboard_http_start(), 0 for a call. */
void switchboard_on_sfu_answer(struct switchboard *board, const char *peer_id, uint64_t token,
			       const json_t *answer, const struct error *error);
/* Several times a second: lingers, and sessions that wait. */
void switchboard_on_timer(struct switchboard *board, uint64_t now_us);

void switchboard_on_room_updated(struct switchboard *board, const json_t *body);
void switchboard_on_room_deleted(struct switchboard *board, const char *room_id);

/* {room_id: {participants, viewers}}: of `room_ids` (an array), or of all if it is NULL. */
json_t *switchboard_occupancy(const struct switchboard *board, const json_t *room_ids);
/* {room_id: how many are in it} of every room that has somebody. */
json_t *switchboard_counts(const struct switchboard *board);
/* ["room_id/peer_id"] of everyone. */
json_t *switchboard_present(const struct switchboard *board);

/* Send to everyone announced in the room, except `besides`. `body` is taken. */
void switchboard_tell_room(const struct call_room *room, const struct peer *besides, json_t *body);

#endif
