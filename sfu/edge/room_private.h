/* room_private.h - the inside of room.h, for its three sources alone. Thread: worker. */
#ifndef SFU_EDGE_ROOM_PRIVATE_H
#define SFU_EDGE_ROOM_PRIVATE_H

#include "sfu/edge/room.h"
#include "sfu/model/allocator.h"
#include "sfu/model/layer_switch.h"

struct room_peer;

enum { TRACK_ID_MAX = 64 }; /* RFC 8830 section 2 */

/* How a publisher calls what its packets bring, as last negotiated. */
struct track_names {
	uint8_t extension_ids[EXTENSION_COUNT];
	char rids[SDP_LAYERS_MAX][SDP_RID_MAX + 1];
	size_t rid_count;
};

struct room_track {
	struct list link; /* in room_peer.tracks */
	struct room_peer *publisher;
	char mid[SDP_MID_MAX + 1];
	char track_id[TRACK_ID_MAX +
		      1];	    /* as the world calls it: one name, one track of the room */
	char own_id[SDP_TOKEN_MAX]; /* as its publisher does; "": it does not say */
	char source[16];	    /* "camera", "microphone", "screen" or "" */
	bool is_muted;
	enum media_kind kind;
	uint8_t layer_count;	    /* streams; see room_track_layer_count() */
	struct layer_switch layers; /* which of several the publisher need not send */
	bool is_heard;		    /* audio: one of those that are forwarded */
	uint32_t appearance;	    /* of its layers: room_track_watch_layers() */
	struct media_format format;
	struct track_names incoming;
	RtcTrack *element;     /* a reference; also in the bin */
	struct list exports;   /* to other parts */
	struct mirror *mirror; /* owned; NULL: it is published here */
};

/* A track on its way to a peer; linked once the peer has agreed to receive it. */
struct subscription {
	struct list link; /* in room_peer.subscriptions */
	struct room_peer *subscriber;
	struct room_track *track;
	GstPad *track_pad, *transport_pad;  /* NULL until linked */
	uint8_t payload_type;		    /* linked with this one */
	bool is_refused;		    /* the peer cannot take it, and was told */
	bool is_prepared;		    /* a keyframe was asked for ahead of it */
	struct allocator_stream allocation; /* video: which layer it gets */
	unsigned priority;		    /* as the subscriber said; higher is more important */
	bool is_unwanted;		    /* it said so: not for now */
};

enum connection_state { /* room_connection.c */
			CONNECTION_NEW,
			CONNECTION_CONNECTING,
			CONNECTION_CONNECTED,
			CONNECTION_FAILED
};

struct room_peer {
	struct list link;     /* in room.peers */
	struct list due_link; /* in room_context.wheel */
	bool is_calm;	      /* its next ticks are left out */
	/* Noted by a transport event, acted on in the room's tick: room.has_news. */
	bool is_connected, has_ended;
	enum connection_state connection;

	struct room *room;
	char peer_id[PEER_ID_MAX + 1];
	enum peer_kind kind;
	json_t *state;
	struct mutes mutes;
	unsigned worker;	 /* of a remote one */
	RtcTransport *transport; /* a reference; also in the bin. NULL of a remote one */
	struct transport_events transport_events;
	struct negotiation negotiation;
	struct list tracks, subscriptions;
	size_t subscription_count;
	uint64_t joined_us, layers_chosen_us;
	bool has_offered; /* it has sent an offer of its own */
	bool has_settled; /* what it is sent is what it should be, and all that it could be */
	uint64_t awaited_since_us; /* while CONNECTING */
	struct error failure;	   /* why it has ended, or FAILED */
};

struct room {
	char room_id[ROOM_ID_MAX + 1];
	const struct room_context *context;
	GstElement *bin;
	struct list peers;
	size_t peer_count;	       /* without the remote ones */
	bool has_news;		       /* somebody has connected or ended since the last tick */
	unsigned track_count;	       /* ever published, for the elements' names */
	char speaker[PEER_ID_MAX + 1]; /* who has the floor; "": nobody has spoken */
	uint64_t listened_at_us, slots_filled_us;
	bool are_slots_due; /* see slots.c */
	/* Of a room that may have parts on other workers: parts.h. */
	uint64_t part_id;
	uint64_t *others; /* the parts on other workers, 0: none; NULL: it cannot have any */
	unsigned awaited; /* workers that have not answered yet */
	uint64_t told_at_us;
};

/* room.c */
/* Of this part. */
struct room_peer *room_peer_find(const struct room *room, const char *peer_id);
struct room_peer *room_peer_new_remote(struct room *room, const char *peer_id, unsigned worker);
void room_peer_free(struct room_peer *peer);
/* A remote peer without tracks need not be known; NULL is fine. */
void room_peer_free_if_empty(struct room_peer *peer);
/* Something may have changed for it: if its ticks are left out, one comes now. */
static inline void room_peer_wake(struct room_peer *peer)
{
	peer->has_settled = false;
	if (!peer->is_calm)
		return;
	peer->is_calm = false;
	due_wheel_hurry(peer->room->context->wheel, &peer->due_link);
}
/* It is let go in the room's next tick. */
void room_peer_end(struct room_peer *peer);
bool room_track_is_muted_by_moderator(const struct room_track *track);
void room_publish_changed(struct room_peer *peer);
const char *room_peer_kind(const struct room_peer *peer);
json_t *room_tracks_to_json(const struct room_peer *peer);

/* room_signaling.c */
int room_peer_start_negotiation(struct room_peer *peer);
/* Take an offer: sets *ret_answer (malloc()ed). */
int room_peer_take_offer(struct room_peer *peer, const char *text, const json_t *publishers,
			 char **ret_answer, struct error *reterr) MUST_CHECK;
/* Offer what has changed, if it is the SFU's turn. */
void room_peer_negotiate(struct room_peer *peer);
void room_negotiate_all(struct room *room);

/* room_connection.c */
/* It has been told where we are: it should connect, from now on. */
void room_peer_await_connection(struct room_peer *peer);
void room_peer_tell_connected(struct room_peer *peer);
/* Has it taken too long? Often. */
void room_peer_check_connection(struct room_peer *peer);
/* How it stands: once more, it may not have heard. */
void room_peer_tell_connection(const struct room_peer *peer);
/* {connection_state, failure?} */
void room_peer_add_connection(const struct room_peer *peer, json_t *told);

/* subscription.c */
/* Bring tracks and receive pads in line with what was negotiated. True: what it publishes changed.
 */
bool room_peer_sync_tracks(struct room_peer *peer);
/* Without numbers: format, incoming and layer_count are the caller's to fill in. NULL without
 * memory.
 */
struct room_track *room_track_new(struct room_peer *peer, const char *mid, enum media_kind kind);
void room_track_free(struct room_track *track);
/* Another part has a track of this name as well, and keeps it. */
void room_track_rename(struct room_track *track);
/* It has another name: who is sent it is offered that. */
void room_track_renamed(const struct room_track *track);
/* Subscribe everyone in a call. */
void room_offer_track(struct room_track *track);
/* It was offered them, or is about to connect: have their pictures begin as soon as they may. */
void room_peer_prepare_subscriptions(struct room_peer *peer);
/* Link what may flow, unlink what may not. */
void room_peer_sync_subscriptions(struct room_peer *peer);
int subscription_new(struct room_peer *subscriber, struct room_track *track,
		     struct subscription **ret_subscription);
void subscription_free(struct subscription *subscription);
struct send_stream subscription_stream(struct subscription *subscription);
/* layers.c */
/* How many layers there are to choose from: of a simulcast, or inside one stream. */
uint8_t room_track_layer_count(const struct room_track *track);
/* Give each video that the peer is sent the layer that fits it, of many videos to the most
 * important ones. */
void room_peer_choose_layers(struct room_peer *peer);
/* The same when it is time: every 20 ms, less often for who is sent many. */
void room_peer_tick_layers(struct room_peer *peer);
/* Whoever is calm looks again at once when a layer comes or goes. Every 20 ms. */
void room_track_watch_layers(struct room_track *track);
/* Tell the publisher which layers nobody is sent, once that has been so for a while. */
void room_track_switch_layers(struct room_track *track);
/* Tell it how they stand. Nothing to tell of a single one. */
void room_track_tell_layers(const struct room_track *track);

/* speakers.c */
/* Who has the floor, and in a large room who is heard at all. Every 20 ms; looks every 100. */
void room_listen(struct room *room);
/* When a peer was last heard to speak; 0: never. */
uint64_t room_peer_spoke_at_us(const struct room_peer *peer);
void room_tell_speaker(const struct room *room);
/* Forward an audio track to this subscriber, or leave it out. */
void subscription_set_heard(struct subscription *subscription);

/* slots.c */
/* Is there room for one more track of others? */
bool room_peer_has_slot(const struct room_peer *peer, enum media_kind kind);
/* In a large room, show each peer who deserves it now. Often; it looks when something has changed.
 */
void room_fill_slots(struct room *room);
/* The subscription's track ends: go on with one that had no slot. False: there is none. */
bool subscription_show_another(struct subscription *subscription);
void subscription_tell_slot(const struct subscription *subscription, const char *mid);

/* parts.c */
void parts_add_room(struct room *room);
/* After its peers. */
void parts_remove_room(struct room *room);
/* Tell the other parts how its tracks stand. Every 20 ms. */
void parts_tick(struct room *room);
void parts_tell_speaker(const struct room *room);
/* Does another part's worker have too much to do? */
bool parts_are_busy(const struct room *room);
/* Of all parts, is it this one that gives the floor? */
bool room_decides(const struct room *room);
/* It is new, or its numbers have changed: the other parts hear of it. */
void room_track_export(struct room_track *track);

/* mirror.c */
void mirror_free(struct mirror *mirror);
void room_track_use_exported_layers(struct room_track *track);
void room_track_end_exports(struct room_track *track);
bool room_track_source_is_congested(const struct room_track *track);

/* Subscribe `peer` to `track` by an offer of ours; not if it has no slot for it. */
void room_peer_subscribe(struct room_peer *peer, struct room_track *track);

#endif
