/* room.h - one call on its worker: participants, what they publish, who gets it.
 *
 * Every participant is sent every other's tracks. The graph is a GstBin:
 *
 *   publisher's rtctransport ─src─▶ rtctrack ─src_%u─▶ subscriber's rtctransport
 *
 * What must be told to the peers and to realtimed leaves through struct room_events.
 * A large room has parts on several workers (parts.h); this is one of them.
 *
 * Sources: room.c (who is there), room_connection.c (does its media get through), room_signaling.c
 * (offers and answers), subscription.c (pads).
 * Thread: worker.
 */
#ifndef SFU_EDGE_ROOM_H
#define SFU_EDGE_ROOM_H

#include <jansson.h>

#include "core/id.h"
#include "core/list.h"
#include "sfu/edge/rtctransport.h"
#include "sfu/model/due_wheel.h"
#include "sfu/model/overload.h"

enum { PEER_ID_MAX = 64, PEERS_PER_ROOM_MAX = 10000 };
enum peer_kind { PEER_CALL, PEER_WHIP, PEER_WHEP, PEER_REMOTE /* of another part: parts.h */ };

struct room;

struct room_events {
	/* An offer or answer for a peer. */
	void (*signal)(void *data, const char *room_id, const char *peer_id,
		       const char *signal_type, const char *sdp, uint64_t offer_id,
		       const json_t *id);
	void (*refused)(void *data, const char *room_id, const char *peer_id,
			const struct error *error, const json_t *id);
	/* The peer cannot take this track of `publisher_id`. */
	void (*track_refused)(void *data, const char *room_id, const char *peer_id,
			      const char *publisher_id, const char *track_id,
			      const struct error *error);
	/* What the peer publishes now, whole: [{track_id, mid, kind, source, muted, codec}]; taken.
	 */
	void (*tracks)(void *data, const char *room_id, const char *peer_id, json_t *tracks);
	/* Which layers of its m-line are of use now: [{rid, active}], of those inside one stream
	 * [{spatial_layer, active}]; taken. */
	void (*layers)(void *data, const char *room_id, const char *peer_id, const char *mid,
		       json_t *layers);
	/* The peer's m-line `mid` goes on with this track of `publisher_id`. */
	void (*slot)(void *data, const char *room_id, const char *peer_id, const char *mid,
		     const char *publisher_id, const char *track_id);
	/* Somebody else speaks now. */
	void (*speaker)(void *data, const char *room_id, const char *peer_id);
	/* Its media is "connecting", "connected" or "failed"; `failure` says why, of the last. */
	void (*state)(void *data, const char *room_id, const char *peer_id, const char *state,
		      const struct error *failure);
	/* The room let the peer go by itself. */
	void (*gone)(void *data, const char *room_id, const char *peer_id, const struct error *why);
};

/* Why somebody is gone whom the SFU does not know. */
extern const struct error room_unknown_peer;

struct room_context { /* what all rooms of a worker share; borrowed */
	struct media_port *port;
	struct due_wheel *wheel; /* whose tick is due when; of all rooms */
	const struct dtls_identity *dtls;
	const struct room_events *events;
	void *events_data;
	struct codec_preferences preferences; /* of rooms that have none of their own */
	size_t audio_streams_max;	      /* heard at once in one room; 0: all */
	size_t video_streams_max;	      /* sent to one peer at once; 0: all */
	bool with_svc;			      /* choose among the spatial layers in a stream */
	const struct overload *overload;
	struct parts *parts; /* NULL: rooms stay on one worker */
};

/* -ENOMEM. */
int room_new(const char *room_id, const struct room_context *context,
	     struct room **ret_room) MUST_CHECK;
struct room *room_free(struct room *room);
const char *room_id(const struct room *room);
/* Nobody is in it (in this part of it), and nobody is about to come. */
bool room_is_empty(const struct room *room);
/* It has heard from all workers who else is in it. */
bool room_is_whole(const struct room *room);
void room_for_each_peer_id(const struct room *room, void (*visit)(void *data, const char *peer_id),
			   void *data);

/* What a moderator has forbidden to be heard and seen of a peer. */
struct mutes {
	bool audio, video;
};

struct peer_request {
	const char *peer_id;
	enum peer_kind kind;
	bool may_publish;
	struct mutes mutes;
	const json_t *codecs;	  /* names, the most wanted first; NULL or empty: the context's */
	json_t *state;		  /* anything, given back by room_describe(); borrowed */
	const char *sdp;	  /* whip, whep: the complete offer */
	const json_t *publishers; /* whep: array of peer ids, or NULL for all who publish */
};

/* Admit a peer. For whip and whep *ret_answer is a malloc()ed SDP answer, else NULL.
 *   -EEXIST "peer_exists"  -ENOENT "unknown_publisher"  -EPROTO …  whatever negotiation refuses */
int room_join(struct room *room, const struct peer_request *request, char **ret_answer,
	      struct error *reterr) MUST_CHECK;
/* Unknown peers are no error: they may just have gone. */
void room_leave(struct room *room, const char *peer_id);
/* The peer signalled something to the SFU; a refusal goes to room_events.refused. */
void room_signal(struct room *room, const char *peer_id, const json_t *signal);
/* PATCH of a session by HTTP (RFC 9725 section 4.3): {sdp_fragment, ice_sessions?}. ICE is
 * restarted if it has a new ufrag. *ret_answer, a new reference, is {ice_session, sdp_fragment?}:
 * the last of a restart, or where any session was meant, to tell how it stands now. -ENOENT
 * "session_not_found"  -EPROTO, -EMSGSIZE "bad_sdp_fragment" -ESTALE "ice_session_changed" it is
 * none of `ice_sessions` -ENOTUNIQ "no_ice_credentials" any session was meant, which is for a
 * restart  -ENOMEM */
int room_patch_ice(struct room *room, const char *peer_id, const json_t *patch, json_t **ret_answer,
		   struct error *reterr) MUST_CHECK;
/* By what a session's ICE is known until it is restarted; "": there is no such peer. Borrowed. */
const char *room_ice_session(const struct room *room, const char *peer_id);
/* Its signalling came back: repeat an unanswered offer, tell its tracks. */
void room_resume(struct room *room, const char *peer_id);
/* It says more about a track of its own: {mid|track_id, source?, muted?}. */
void room_describe_track(struct room *room, const char *peer_id, const json_t *track);

/* How it shows a track of another's: {track_id, width?, height?, priority?, paused?}. */
void room_describe_view(struct room *room, const char *peer_id, const json_t *view);

/* By a moderator. `state` (borrowed) is what room_describe() gives back from now on. *ret_tracks is
 * a new reference, what it publishes as that stands now. -ENOENT "unknown_peer" */
int room_mute(struct room *room, const char *peer_id, const struct mutes *mutes, json_t *state,
	      json_t **ret_tracks, struct error *reterr) MUST_CHECK;

/* Timers, every 20 ms: speakers, parts, who has ended. */
void room_tick(struct room *room);
/* Each peer's transport, keyframe requests, layers and delayed offers, of those of all rooms who
 * are due: every 20 ms, the calm ones every 100. Until the clock shows `until_us`: those who are
 * left are for the next call, as packets come first. */
void room_tick_due_peers(struct due_wheel *wheel, uint64_t until_us);

/* {room_id, peers: [{peer_id, kind, state, tracks, connection_state, failure?}]}, as HELLO has it.
 */
json_t *room_describe(const struct room *room);
/* How everyone's media fares, {room_id, speaker, peers: [...]}; see room_stats.c. */
json_t *room_stats(const struct room *room);
/* Live graph in GraphViz's DOT; g_free() it. */
gchar *room_graph(const struct room *room);

struct room_totals {
	size_t rooms; /* each in one of its parts */
	size_t peers, tracks, subscriptions;
	struct transport_totals transports;
};
void room_add_totals(const struct room *room, struct room_totals *totals);

#endif
