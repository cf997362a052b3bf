/* bus_messages.h - everything the three processes say to each other.
 *
 * realtimed serves the bus on a Unix socket (REALTIME_BUS); realtime-api and realtime-sfu connect
 * to it. realtime-sfu also answers BUS_SFU_STATUS on a socket of its own (REALTIME_SFU_CONTROL), so
 * that its health can be told while realtimed is away.
 *
 * `caller` is on whose behalf the API asks: {user_id ("" for nobody known), is_moderator (of the
 * room in question)}. Only realtimed knows whose peer is meant, and refuses all others.
 *
 * Requests and events may have `request`, the X-Request-Id on whose behalf they are, for the logs.
 *
 * Numbers are never reused. A change that an older process could not read raises BUS_VERSION;
 * unknown fields are ignored.
 *
 *   X(NAME, number, "name")   // from -> to, kind: request body -> response body
 */
#ifndef CORE_BUS_MESSAGES_H
#define CORE_BUS_MESSAGES_H

enum { BUS_VERSION = 1 };

#define BUS_MESSAGES(X)                                                                            \
	/* any -> server, request, first on a connection: {role: "api"|"sfu", pid, rooms?}         \
	 *   -> {role: "realtimed"|"sfu", pid, epoch}. `rooms` (sfu only) is what it still serves: \
	 *   [{room_id, peers: [{peer_id, kind: "call"|"whip"|"whep", state, tracks,               \
	 *   connection_state, failure?: {code, detail}}]}], `state` being what PEER_JOIN gave it  \
	 *   to keep */                                                                            \
	X(HELLO, 1, "hello")                                                                       \
                                                                                                   \
	/* ---- api -> realtimed ---- */                                                           \
	/* request: {room_id, peer_id} -> {participant} */                                         \
	X(PARTICIPANT, 36, "participant")                                                          \
	/* request: {room_id, peer_id|user_id, code?: "kicked"|"banned", reason?} -> {kicked}: how \
	 *   many were sent out, for good; `reason` is for them alone */                           \
	X(KICK, 37, "kick")                                                                        \
	/* request: {room_id, peer_id, audio_muted?, video_muted?} -> {participant}: answered when \
	 *   the SFU has done it */                                                                \
	X(MUTE, 38, "mute")                                                                        \
	/* request: {channel?|user_id?|connection_id?, data|binary, persistent?, ttl?,             \
	 *   content_type?, tags?, sender?} -> {message_id, channel, offset, epoch, delivered_to}. \
	 *   `binary` is {content_type, filename?} with either {binary_data} (base64) or {file_id, \
	 *   sha256, size} of a file that is kept; whether it may be sent the API has judged */    \
	X(PUBLISH, 16, "publish")                                                                  \
	/* request: {} -> {connections: {websocket, sse, signaling, total}, channels, sfu: bool}   \
	 */                                                                                        \
	X(HUB_STATUS, 17, "hub_status")                                                            \
	/* request: {room_ids?: []} -> {rooms: {room_id: {participants: [{peer_id, user_id, name,  \
	 *   kind, joined_at, tracks, audio_muted, video_muted, connection_state, failure}],       \
	 *   viewers}}}; without room_ids every room that has somebody in it.                      \
	 * request: {counts: true} -> {rooms: {room_id: how many}}, of these */                    \
	X(ROOM_OCCUPANCY, 18, "room_occupancy")                                                    \
	/* event: {room_id, name, max_participants, mode, ...}: tell its peers room-updated */     \
	X(ROOM_UPDATED, 19, "room_updated")                                                        \
	/* event: {room_id}: the room is gone, end its call */                                     \
	X(ROOM_DELETED, 20, "room_deleted")                                                        \
	/* request: a signal of protocol section 5 with sender_peer_id, and caller -> {} */        \
	X(SIGNAL, 21, "signal")                                                                    \
	/* request: {room_id, kind: "whip"|"whep", sdp, publishers?: [], user_id?, name?,          \
	 *   is_moderator?, address?, password?, invite?} -> {session_id, sdp, ice_session}; the   \
	 *   last four asked are are for the room's door */                                        \
	X(HTTP_SESSION_START, 22, "http_session_start")                                            \
	/* request: {room_id, session_id, caller} -> {} */                                         \
	X(HTTP_SESSION_END, 23, "http_session_end")                                                \
	/* request: {room_id, session_id, caller, sdp_fragment, ice_sessions?: []}                 \
	 *   -> {ice_session, sdp_fragment?}: ICE of it by PATCH, see PEER_ICE. (26 asked whether  \
	 * it is there.) */                                                                        \
	X(HTTP_SESSION_ICE, 27, "http_session_ice")                                                \
	/* request: {connection_id?, user_id?, after?, limit?} -> {connections: [{connection_id,   \
	 *   transport, user_id, channels}], next, total, transports: {websocket, sse, signaling}, \
	 *   channels: {name: subscriptions}, channel_count}; the totals count all, the list has   \
	 *   those that match by connection_id, up to the last, `next`, and of channels up to 1000 \
	 *   are named */                                                                          \
	X(CONNECTIONS, 24, "connections")                                                          \
	/* request: {connection_id?|user_id?} -> {closed}: close what matches, for good */         \
	X(CONNECTIONS_CLOSE, 40, "connections_close")                                              \
	/* request: identity (core/identity.h, identity_to_json()) -> {ticket, expires_at}: for    \
	 * one connection as that one */                                                           \
	X(TICKET_NEW, 42, "ticket_new")                                                            \
	/* request: {user_id?|channel?|broadcast?: true, title, body, notification_type?, data?,   \
	 *   ttl?, persistent? (of a channel), tags?, idempotency_key?, sender?}                   \
	 *   -> {notification_id, message_id, channel, offset, epoch, delivered_to} */             \
	X(NOTIFY, 43, "notify")                                                                    \
	/* request: {user_id, notification_id?} -> {changed}: that one, or all of the user, is     \
	 *   read; -ENOENT "notification_not_found" */                                             \
	X(NOTIFICATIONS_READ, 44, "notifications_read")                                            \
	/* request: {after?, limit?} -> {channels: {name: subscriptions}, next, channel_count}: by \
	 *   name, up to the last, `next` */                                                       \
	X(CHANNELS, 45, "channels")                                                                \
	/* request: {channel} -> {subscriptions, epoch?, offset?, presence: {channel, members,     \
	 *   count, version}} */                                                                   \
	X(CHANNEL, 46, "channel")                                                                  \
	/* request: {} -> {text}: a page for Prometheus */                                         \
	X(METRICS, 41, "metrics")                                                                  \
                                                                                                   \
	/* ---- realtimed -> sfu ---- */                                                           \
	/* request: {room_id, peer_id, kind: "call"|"whip"|"whep", sdp?, publishers?, codecs?,     \
	 *   may_publish? (true), audio_muted?, video_muted?, state} -> {sdp?, ice_session?}:      \
	 * `ice_session` is another one after each restart of ICE. `codecs` are those              \
	 * that the room takes, the most wanted first; none: WEBRTC_CODECS. `sdp` is a complete    \
	 * offer and gets a complete answer (whip, whep); a "call" peer offers later, by           \
	 * PEER_SIGNAL. `state` is any JSON, given back in HELLO                                   \
	 */                                                                                        \
	X(PEER_JOIN, 48, "peer_join")                                                              \
	/* event: {room_id, peer_id}: its connection is over */                                    \
	X(PEER_LEAVE, 49, "peer_leave")                                                            \
	/* event: {room_id, peer_id}: its signalling came back after a restart of realtimed:       \
	 * repeat an offer that it may have missed */                                              \
	X(PEER_RESUMED, 50, "peer_resumed")                                                        \
	/* event: {room_id}: every peer leaves */                                                  \
	X(ROOM_CLOSED, 51, "room_closed")                                                          \
                                                                                                   \
	/* ---- both ways between realtimed and sfu ---- */                                        \
	/* event: {room_id, peer_id, signal_type, sdp?, ice_candidate?, offer_id?, id?}. To the    \
	 *   SFU: the peer said this to it. From the SFU: tell the peer. An offer of the SFU has   \
	 *   an `offer_id` (integer); an answer that has it as well answers no other offer */      \
	X(PEER_SIGNAL, 52, "peer_signal")                                                          \
	/* event, sfu -> realtimed: {room_id, peer_id, code, detail, field?, id?}: tell the peer   \
	 *   that what it signalled was refused; with {publisher_peer_id, track_id}: that it does  \
	 *   not get this track, and why */                                                        \
	X(PEER_ERROR, 53, "peer_error")                                                            \
	/* request, realtimed -> sfu: {room_id, peer_id, sdp_fragment, ice_sessions?: []}          \
	 *   -> {ice_session, sdp_fragment?}: the peer, who came by HTTP, says of ICE. It is       \
	 *   restarted if the ufrag is new: what it is then is answered, as it is where no         \
	 *   `ice_sessions` are named. -ENOENT "session_not_found" -ESTALE "ice_session_changed":  \
	 *   it is none of those now -ENOTUNIQ "no_ice_credentials" -EPROTO "bad_sdp_fragment" */  \
	X(PEER_ICE, 58, "peer_ice")                                                                \
	/* event, realtimed -> sfu: {room_id, peer_id, mid|track_id, kind?, source?, muted?} */    \
	X(PEER_TRACK, 54, "peer_track")                                                            \
	/* request or event, realtimed -> sfu: {room_id, peer_id, audio_muted, video_muted, state} \
	 *   -> {tracks}: forward what it publishes of a kind no more, or again, whatever it says  \
	 *   itself, and keep that `state`; -ENOENT "unknown_peer" */                              \
	X(PEER_MUTE, 55, "peer_mute")                                                              \
                                                                                                   \
	/* event, realtimed -> sfu: {room_id, peer_id, track_id, width?, height?, priority?,       \
	 *   paused?}: how the peer shows this track of another's */                               \
	X(PEER_SUBSCRIPTION, 57, "peer_subscription")                                              \
                                                                                                   \
	/* ---- sfu -> realtimed ---- */                                                           \
	/* event: {room_id, peer_id, tracks: [{track_id, mid, kind, source, muted, codec}]}: what  \
	 *   it publishes now, whole */                                                            \
	X(PEER_TRACKS, 64, "peer_tracks")                                                          \
	/* event: {room_id, peer_id, state: "connecting"|"connected"|"failed", code?, detail?}:    \
	 * how its media gets on. Who has "failed" is there all the same, and may try again */     \
	X(PEER_STATE, 65, "peer_state")                                                            \
	/* event: {room_id, peer_id, reason, detail?}: the SFU let it go (silent for too long,     \
	 *   failed); `reason` is a code, `detail` a sentence */                                   \
	X(PEER_GONE, 66, "peer_gone")                                                              \
	/* event: {room_id, peer_id, mid, layers: [{rid, active}], or of layers inside one stream  \
	 * [{spatial_layer, active}]}: tell the peer which layers of its picture are of use to     \
	 * anybody */                                                                              \
	X(PEER_LAYERS, 67, "peer_layers")                                                          \
	/* event: {room_id, peer_id, mid, publisher_peer_id, track_id}: tell the peer that this of \
	 * its m-lines shows that track from now on */                                             \
	X(PEER_SLOT, 69, "peer_slot")                                                              \
	/* event: {room_id, peer_id}: it has the floor now */                                      \
	X(PEER_SPEAKS, 68, "peer_speaks")                                                          \
                                                                                                   \
	/* ---- api -> sfu, on its control socket ---- */                                          \
	/* request: {} -> {workers: [{port, alive, rooms, peers, tracks, subscriptions,            \
	 * packets_in, bytes_in, packets_out, bytes_out, system_calls_out, dropped_unknown,        \
	 * dropped_malformed, dropped_forged, dropped_out, dropped_between, keyframes_withheld,    \
	 * cpu_us, load_percent, share_percent, refuses_publishers, estimated, estimate_bps,       \
	 * wanted_bps, uplinks_collapsed, transports: {state: count}, media: {...} (sfu/edge/      \
	 * media_counters.h), refused_offers, refused_answers, failed_handshakes: {code: count},   \
	 * round_trips, forwarding: {sum_us, counts}}], rooms, peers}. A worker that does not      \
	 * answer has port and alive (false) alone. A room on several workers counts once. Counts  \
	 * of what has happened never go back while the process runs */                            \
	X(SFU_STATUS, 80, "sfu_status")                                                            \
	/* request: {room_id, graph? (false)} -> {room_id, speaker?, peers: [...]} (sfu/edge/      \
	 * room_stats.c), or with `graph` {dot}; -ENOENT "no_call": nobody is in it now */         \
	X(SFU_ROOM, 81, "sfu_room")

enum bus_message {
#define X(name, number, text) BUS_##name = number,
	BUS_MESSAGES(X)
#undef X
};

#endif
