/* /realtime/webrtc/rooms/{room_id}/bans: users who may not come in, for a time or for good. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "api/handlers/listing.h"
#include "core/clock.h"
#include "core/json.h"
#include "db/participant_sessions.h"
#include "db/room_bans.h"
#include "db/rooms.h"

enum { PEER_ID_MAX = 128 };

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *ban_to_json(const struct room_ban_row *ban)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:o}", "ban_id", ban->ban_id, "room_id",
			 ban->room_id, "user_id", ban->user_id, "reason", text_or_null(ban->reason),
			 "created_by", text_or_null(ban->created_by), "created_at",
			 (json_int_t)ban->created_at_unix_ms, "expires_at",
			 expiry_to_json(ban->expires_at_unix_ms));
}

/* ---- POST ---- */

/* Whose peer is that, or was it? The store knows also those who have just left, and answers when
 * realtimed does not; realtimed knows who came a moment ago. */
static int user_of_peer(struct api *api, const char *room_id, const char *peer_id,
			char ret_user_id[USER_ID_BYTES_MAX + 1], struct error *reterr)
{
	AUTO_JSON answer = NULL;
	const char *user_id;
	int r = participant_sessions_user(api->store, room_id, peer_id, ret_user_id, reterr);

	if (r != 0)
		return r < 0 ? r : 0;
	r = bus_client_call(api->realtimed, BUS_PARTICIPANT,
			    json_pack("{s:s, s:s}", "room_id", room_id, "peer_id", peer_id),
			    BUS_TIMEOUT_MS, &answer, reterr);
	if (r < 0)
		return r;
	user_id = json_string_value(
		json_object_get(json_object_get(answer, "participant"), "user_id"));
	(void)snprintf(ret_user_id, USER_ID_BYTES_MAX + 1, "%s", user_id ? user_id : "");
	return 0;
}

static int read_user(struct api *api, const json_t *body, struct room_ban_row *ban,
		     struct error *reterr)
{
	const char *user_id = NULL, *peer_id = NULL;
	int u = json_get_text(body, "user_id", 1, USER_ID_BYTES_MAX, &user_id, reterr), p, r;

	p = u < 0 ? u : json_get_text(body, "peer_id", 1, PEER_ID_MAX, &peer_id, reterr);
	if (p < 0)
		return p;
	if (u == 0 && p == 0)
		return json_missing("user_id", reterr);
	if (u > 0 && p > 0)
		return error_set_field(reterr, -EINVAL, "bad_field", "peer_id",
				       "give user_id or peer_id, not both");
	if (u > 0 && !user_id_is_valid(user_id))
		return error_set_field(reterr, -EINVAL, "bad_field", "user_id",
				       "user_id must be UTF-8 without control characters and *");
	if (u > 0) {
		(void)snprintf(ban->user_id, sizeof(ban->user_id), "%s", user_id);
		return 0;
	}
	r = user_of_peer(api, ban->room_id, peer_id, ban->user_id, reterr);
	if (r < 0 || *ban->user_id)
		return r;
	return error_set_field(reterr, -EEXIST, "unknown_user", "peer_id",
			       "%s has shown no token and no key, so that no ban would know it "
			       "again: kick it, and lock the room or give it a password",
			       peer_id);
}

/* How many were sent out, or null: realtimed is away, and does it when it is back. */
static json_t *send_out(struct api *api, const struct room_ban_row *ban)
{
	AUTO_JSON answer = NULL;

	if (bus_client_call(api->realtimed, BUS_KICK,
			    json_pack("{s:s, s:s, s:s, s:s}", "room_id", ban->room_id, "user_id",
				      ban->user_id, "code", "banned", "reason", ban->reason),
			    BUS_TIMEOUT_MS, &answer, NULL) < 0)
		return json_null();
	return json_incref(json_object_get(answer, "kicked"));
}

int bans_create(struct api *api, struct request *request, struct response *response,
		struct error *reterr)
{
	AUTO_JSON body = NULL;
	struct room_ban_row ban = {0};
	int64_t now_unix_ms = clock_unix_ms();
	const char *room_id, *reason = "";
	json_t *answer;
	int r = access_demand_room_of_path(request, &room_id, reterr);

	if (r == 0)
		r = request_read_json(request, api->config->REALTIME_MAX_BODY, &body, reterr);
	if (r < 0)
		return r;
	(void)snprintf(ban.room_id, sizeof(ban.room_id), "%s", room_id);
	(void)snprintf(ban.created_by, sizeof(ban.created_by), "%s", request->identity->user_id);
	r = json_get_text(body, "reason", 0, BAN_REASON_MAX, &reason, reterr);
	if (r >= 0)
		r = expiry_get(body, now_unix_ms, &ban.expires_at_unix_ms, reterr);
	if (r >= 0)
		r = read_user(api, body, &ban, reterr);
	if (r < 0)
		return r;
	(void)snprintf(ban.reason, sizeof(ban.reason), "%s", reason);
	r = room_bans_put(api->store, &ban, now_unix_ms, reterr);
	if (r < 0)
		return r;
	answer = ban_to_json(&ban);
	(void)json_object_set_new(answer, "kicked", send_out(api, &ban));
	response_header(response, "Location", "/realtime/webrtc/rooms/%s/bans/%s", room_id,
			ban.ban_id);
	return response_json(response, 201, answer);
}

/* ---- GET, DELETE ---- */

int bans_list(struct api *api, struct request *request, struct response *response,
	      struct error *reterr)
{
	AUTO_FREE struct room_ban_row *bans = calloc(BANS_PAGE_MAX, sizeof(*bans));
	AUTO_ROOM_ROW room = {0};
	const struct room_ban_row *last;
	struct list_request list;
	const char *room_id;
	json_t *items;
	bool more = false;
	int count, r = bans ? access_demand_room_of_path(request, &room_id, reterr) : -ENOMEM;

	if (r == 0)
		r = list_request_get(request, BANS_PAGE_MAX, &list, reterr);
	if (r == 0)
		r = rooms_get(api->store, room_id, &room, reterr);
	if (r < 0)
		return r;
	count = room_bans_list(api->store, room_id, &list.position, list.limit, clock_unix_ms(),
			       bans, &more, reterr);
	if (count < 0)
		return count;
	last = &bans[count > 0 ? count - 1 : 0];
	items = json_array();
	for (int i = 0; i < count; i++)
		(void)json_array_append_new(items, ban_to_json(&bans[i]));
	return response_json(response, 200,
			     page_to_json(items, more, last->created_at_unix_ms, last->ban_id));
}

int bans_delete(struct api *api, struct request *request, struct response *response,
		struct error *reterr)
{
	const char *room_id;
	int r = access_demand_room_of_path(request, &room_id, reterr);

	if (r == 0)
		r = room_bans_delete(api->store, room_id, request_parameter(request, "ban_id"),
				     reterr);
	if (r < 0)
		return r;
	response_empty(response, 204);
	return 0;
}
