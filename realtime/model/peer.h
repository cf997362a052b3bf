/* peer.h - somebody in a call, and the room they are in.
 *
 * A "call" peer is driven by a signalling session. When realtimed was restarted the media of its
 * peers goes on in the SFU, and they stand here detached, without a session, until their clients
 * come back with the resume token or the linger is over. "whip" peers publish and "whep" peers
 * watch by HTTP alone and never have a session.
 *
 *   call: ATTACHED <--resume-- DETACHED --linger over--> gone;  ATTACHED --session closes--> gone
 *
 * Thread: loop.
 */
#ifndef REALTIME_MODEL_PEER_H
#define REALTIME_MODEL_PEER_H

#include <jansson.h>
#include <stdbool.h>

#include "core/error.h"
#include "core/id.h"
#include "core/list.h"
#include "realtime/model/subscriber.h"
#include "realtime/model/table.h"
#include "realtime/wire/signal.h"

enum peer_kind { PEER_CALL, PEER_WHIP, PEER_WHEP };

/* How its media gets on with the SFU, as the SFU says. */
enum connection_state {
	CONNECTION_NEW, /* nothing was negotiated yet */
	CONNECTION_CONNECTING,
	CONNECTION_CONNECTED,
	CONNECTION_FAILED /* it may try again */
};

enum { PEER_ID_SIZE = PEER_ID_MAX + 1, PEER_NAME_MAX = 200, RESUME_HASH_SIZE = 65 };

struct signaling_session;

struct call_room {
	struct table_link by_id;
	struct list peers; /* of struct peer.room_link; owned */
	char room_id[ROOM_ID_MAX + 1];
	bool is_mesh;
	int64_t max_participants; /* 0: not known yet */
	json_t *muted_users; /* owned; {user_id: [audio, video]}: a mute holds for who comes again
			      */
	json_t *codecs;	     /* owned; that it takes, an array; NULL: none said, or not known yet */
};

struct peer {
	struct table_link by_id;
	struct list room_link;
	struct call_room *room;
	enum peer_kind kind;
	bool may_publish;	       /* media; false: it only watches */
	bool is_announced;	       /* the others have been told of it; never for whep */
	bool audio_muted, video_muted; /* by a moderator: the SFU does not forward it */
	char peer_id[PEER_ID_SIZE];
	char user_id[USER_ID_MAX + 1]; /* "" for somebody unknown */
	char name[PEER_NAME_MAX + 1];
	char resume_hash[RESUME_HASH_SIZE]; /* SHA-256 of the token, in hex; "" for whip, whep */
	json_t *tracks;			    /* owned; an array */
	enum connection_state connection;
	struct error failure; /* why it is FAILED: code and message */
	int64_t joined_at_unix_ms;
	struct signaling_session *session; /* borrowed; NULL while detached, and for whip, whep */
	uint64_t linger_until_us;	   /* while detached */
};

/* Who asks by REST that something be done for a peer. */
struct caller {
	const char *user_id; /* "" for somebody unknown */
	bool is_moderator;   /* of the peer's room */
};

const char *peer_kind_name(enum peer_kind kind);
int peer_kind_parse(const char *text, enum peer_kind *ret_kind) MUST_CHECK;

/* In `room` (borrowed), at the end of its list. NULL without memory. */
struct peer *peer_new(struct call_room *room, enum peer_kind kind, const char *peer_id);
struct peer *peer_free(struct peer *peer);

/* Muted by a moderator, as its user is to be in this room from now on. */
void peer_set_muted(struct peer *peer, bool audio, bool video);
/* Somebody who has just come in: they are muted as they were when they left. */
void peer_recall_muted(struct peer *peer);

/* {peer_id, user_id, name, kind, joined_at, tracks, audio_muted, video_muted}: as the others see
 * it.
 */
json_t *peer_to_json(const struct peer *peer);
/* The same with {connection_state, failure}, as the API shows it; in a mesh room both are null. */
json_t *peer_to_participant_json(const struct peer *peer);
/* The SFU says so of it; `failure` is {code, detail}. False: we know no such state. */
bool peer_take_connection(struct peer *peer, const char *state, const json_t *failure);
/* What the SFU keeps for us across a restart, and taking it back. */
json_t *peer_state_to_json(const struct peer *peer);
void peer_state_from_json(struct peer *peer, const json_t *state);

/* May the caller act for this peer? Its own user may, and a moderator. Nobody's own are those who
 * watch by HTTP unknown: their id is told to nobody else, so whoever knows it is the one.
 *   -EACCES "forbidden" */
int peer_check_caller(const struct peer *peer, const struct caller *caller,
		      struct error *reterr) MUST_CHECK;

/* What it publishes now, whole (borrowed); anything but an array is ignored. */
void peer_take_tracks(struct peer *peer, json_t *tracks);

/* The body of PEER_MUTE. */
json_t *peer_mute_body(const struct peer *peer);
/* What the SFU is told of it: the body of PEER_JOIN, as far as it is always there. */
json_t *peer_join_body(const struct peer *peer);

void resume_token_hash(const char *token, char out[RESUME_HASH_SIZE]);
bool peer_can_resume(const struct peer *peer, const char *token);

struct call_room *call_room_new(const char *room_id);
/* It must be empty. */
struct call_room *call_room_free(struct call_room *room);
/* Those who count against max_participants: everyone but whep. */
int64_t call_room_participant_count(const struct call_room *room);
/* Of everyone announced except `besides` (may be NULL): an array. */
json_t *call_room_peers_to_json(const struct call_room *room, const struct peer *besides);
/* The same of everyone, as the API shows them. */
json_t *call_room_participants_to_json(const struct call_room *room);

#endif
