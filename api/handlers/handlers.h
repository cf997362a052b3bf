/* handlers.h - every request handler, as router.c's table names them; one file per resource.
 *
 * A handler reads the request, works on the store or asks over the bus, and fills in the answer.
 * All have the type and the contract of handler_fn (api/router.h). Thread: the request's.
 */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include <stdio.h>

#include "api/router.h"

/* health.c */
handler_fn health_live, health_get, health_realtimed, health_sfu;

/* openapi.c */
handler_fn openapi_get;

/* rooms.c */
handler_fn rooms_handle_list, rooms_handle_create, rooms_handle_get, rooms_handle_update,
	rooms_handle_delete;

/* participants.c */
handler_fn participants_list, participants_get, participants_mute, participants_kick;
handler_fn sessions_list;
handler_fn call_stats_get;
handler_fn call_graph_get;

/* bans.c */
handler_fn bans_create, bans_list, bans_delete;

/* invites.c */
handler_fn invites_create, invites_list, invites_delete;

/* connections.c */
handler_fn connections_list, connections_get, connections_close, connections_close_all,
	connections_list_webrtc;

/* metrics.c */
handler_fn metrics_get;
/* metrics_sfu.c: nothing if the media server does not answer. */
void metrics_write_sfu(struct api *api, FILE *out);

/* messages.c */
handler_fn messages_send, messages_broadcast;
/* May this be published: {channel}, {user_id}, or neither? What goes to a connection or to
 * everybody passes by the channels, so it takes the right to all. */
int messages_demand_rights(const struct api *api, const struct request *request,
			   const json_t *message, struct error *reterr) MUST_CHECK;
/* From a request's body into a message for the bus, checked. The target is channel, user_id or
 * connection_id; none is the channel "general". -EINVAL "bad_field" */
int messages_copy_target(const json_t *body, json_t *message, struct error *reterr) MUST_CHECK;
int messages_copy_options(const json_t *body, json_t *message, struct error *reterr) MUST_CHECK;
/* Send it on its way in the caller's name. bus_client_call()'s errors, and realtimed's. */
int messages_publish(const struct api *api, const struct request *request, json_t *message,
		     json_t **ret_answer, struct error *reterr) MUST_CHECK;

/* binary.c */
handler_fn binary_send, binary_text;
/* Is somebody there to tell of a file? -ENOTCONN "bus_unavailable" */
int binary_demand_hub(const struct api *api, struct error *reterr) MUST_CHECK;
/* Publish a file that is kept: with its bytes (of the draft they came by) if they are few, else by
 * its URL. *ret_answer has what publishing answered and what it was. Where it surely was not told
 * of, it is not kept any more. */
int binary_publish_file(const struct api *api, const struct request *request, json_t *message,
			const struct file_draft *draft, const struct upload_row *row,
			json_t **ret_answer, struct error *reterr) MUST_CHECK;
/* Add file_id, url, sha256, size, content_type and filename. */
void binary_describe_file(json_t *answer, const struct upload_row *row);

/* uploads.c */
handler_fn uploads_receive, uploads_put;

/* tus.c */
handler_fn tus_options, tus_create, tus_head, tus_patch, tus_delete;

/* files.c */
handler_fn files_handle_list, files_get, files_delete;

/* channels.c */
handler_fn channels_handle_list, channels_get, channels_messages, channels_presence,
	channels_search;

/* notifications.c */
handler_fn notifications_send, notifications_send_to_channel, notifications_broadcast,
	notifications_handle_list, notifications_read, notifications_read_all;

/* webhooks.c */
handler_fn webhooks_handle_list, webhooks_handle_create, webhooks_handle_get,
	webhooks_handle_update, webhooks_handle_delete, webhooks_handle_rotate;

/* webhook_deliveries.c */
handler_fn webhook_deliveries_handle_list, webhook_deliveries_handle_retry,
	webhook_deliveries_handle_test;

/* tickets.c */
handler_fn tickets_create;

/* signal.c */
handler_fn signal_send;

/* whip.c: WHIP (RFC 9725) and WHEP */
handler_fn whip_start, whep_start, whip_patch, whip_end;

#endif
