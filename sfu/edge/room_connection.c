/* room_connection.c - whether a peer's media gets through, and being told why not.
 *
 *   NEW --offer or answer taken--> CONNECTING --DTLS done--> CONNECTED
 *   CONNECTING --CONNECT_US without--> FAILED --it offers again--> CONNECTING
 *   FAILED --DTLS done after all--> CONNECTED
 *
 * That is of who calls: its signalling is there, and it may try again. A peer by HTTP is let go
 * instead, as is everybody whose transport has ended (room.c).
 */
#include <errno.h>

#include "core/log.h"
#include "sfu/edge/room_private.h"

enum {
	/* Browsers give up after 15 s of checks that nobody answers. */
	CONNECT_US = 15000000
};

static const char *state_name(enum connection_state state)
{
	static const char *const names[] = {
		[CONNECTION_NEW] = "new",
		[CONNECTION_CONNECTING] = "connecting",
		[CONNECTION_CONNECTED] = "connected",
		[CONNECTION_FAILED] = "failed",
	};

	return names[state];
}

void room_peer_tell_connection(const struct room_peer *peer)
{
	const struct room_context *context = peer->room->context;

	if (peer->connection != CONNECTION_NEW)
		context->events->state(context->events_data, peer->room->room_id, peer->peer_id,
				       state_name(peer->connection),
				       peer->connection == CONNECTION_FAILED ? &peer->failure
									     : NULL);
}

static void set_state(struct room_peer *peer, enum connection_state state)
{
	if (peer->connection == state)
		return;
	peer->connection = state;
	room_peer_tell_connection(peer);
}

/* Where everything was refused (data channels alone) there is nothing to connect for. */
static bool has_lines(const struct negotiation *negotiation)
{
	for (size_t i = 0; i < negotiation->line_count; i++)
		if (!negotiation->lines[i]->is_rejected)
			return true;
	return false;
}

void room_peer_await_connection(struct room_peer *peer)
{
	if (peer->is_connected || peer->has_ended || !has_lines(&peer->negotiation))
		return;
	peer->awaited_since_us = peer->room->context->port->now_us;
	set_state(peer, CONNECTION_CONNECTING);
}

void room_peer_tell_connected(struct room_peer *peer)
{
	LOG(LOG_INFO, LOG_WEBRTC, "peer_connected", LOG_TEXT("room", peer->room->room_id),
	    LOG_TEXT("peer", peer->peer_id),
	    LOG_INT("after_ms",
		    (peer->room->context->port->now_us - peer->awaited_since_us) / 1000));
	set_state(peer, CONNECTION_CONNECTED);
}

void room_peer_check_connection(struct room_peer *peer)
{
	if (peer->connection != CONNECTION_CONNECTING || peer->is_connected ||
	    peer->room->context->port->now_us - peer->awaited_since_us < CONNECT_US)
		return;
	rtc_transport_explain(peer->transport, CONNECT_US / 1000000, &peer->failure);
	if (peer->kind != PEER_CALL) { /* nobody else would notice that it never came */
		room_peer_end(peer);
		return;
	}
	LOG(LOG_INFO, LOG_WEBRTC, "peer_not_connected", LOG_TEXT("room", peer->room->room_id),
	    LOG_TEXT("peer", peer->peer_id), LOG_ERR(&peer->failure));
	set_state(peer, CONNECTION_FAILED);
}

void room_peer_add_connection(const struct room_peer *peer, json_t *told)
{
	(void)json_object_set_new(told, "connection_state",
				  json_string(state_name(peer->connection)));
	if (peer->connection == CONNECTION_FAILED)
		(void)json_object_set_new(told, "failure",
					  json_pack("{s:s, s:s}", "code", peer->failure.code,
						    "detail", peer->failure.message));
}
