/* handlers.h - every request handler, as router.c's table names them; one file per resource.
 *
 * A handler reads the request, works on the store or asks over the bus, and fills in the answer.
 * All have the type and the contract of handler_fn (api/router.h). Thread: the request's.
 */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "api/router.h"

/* health.c */
handler_fn health_live, health_get, health_realtimed, health_sfu;

/* rooms.c */
handler_fn rooms_handle_list, rooms_handle_create, rooms_handle_get, rooms_handle_update,
	rooms_handle_delete;

/* participants.c */
handler_fn participants_list;

/* connections.c */
handler_fn connections_list, connections_get, connections_close, connections_close_all,
	connections_list_webrtc;

/* metrics.c */
handler_fn metrics_get;

/* messages.c */
handler_fn messages_send, messages_broadcast;
/* May this be published: {channel}, {user_id}, or neither? What goes to a connection or to
 * everybody passes by the channels, so it takes the right to all. */
int messages_demand_rights(const struct api *api, const struct request *request,
			   const json_t *message, struct error *reterr) MUST_CHECK;

/* channels.c */
handler_fn channels_handle_list, channels_get, channels_messages, channels_presence;

/* notifications.c */
handler_fn notifications_send, notifications_send_to_channel, notifications_broadcast,
	notifications_handle_list, notifications_read, notifications_read_all;

/* tickets.c */
handler_fn tickets_create;

/* signal.c */
handler_fn signal_send;

/* whip.c: WHIP (RFC 9725) and WHEP */
handler_fn whip_start, whep_start, whip_patch, whip_end;

#endif
