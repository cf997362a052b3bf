/* /realtime/webrtc/rooms/{room_id}/invites: links that let their bearer in, past password and lock.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "api/handlers/listing.h"
#include "core/clock.h"
#include "core/json.h"
#include "db/room_invites.h"
#include "db/rooms.h"

static json_t *invite_to_json(const struct room_invite_row *invite)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:I, s:o, s:I, s:o}", "invite_id", invite->invite_id,
			 "room_id", invite->room_id, "name", invite->name, "max_uses",
			 invite->max_uses > 0 ? json_integer(invite->max_uses) : json_null(),
			 "use_count", (json_int_t)invite->use_count, "created_by",
			 *invite->created_by ? json_string(invite->created_by) : json_null(),
			 "created_at", (json_int_t)invite->created_at_unix_ms, "expires_at",
			 expiry_to_json(invite->expires_at_unix_ms));
}

/* ---- POST ---- */

/* Only what can stand in an address: a host that was sent by a stranger is printed as sent. */
static bool host_is_plain(const char *host)
{
	return host && *host &&
	       strspn(host,
		      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") ==
		       strlen(host);
}

/* The call page's address. What follows the # stays in the browser: no server logs it. */
static json_t *url_of(const struct request *request, const char *room_id, const char *token)
{
	const char *host = request_header(request, "Host");
	const char *https = request->source->variable(request->data, "HTTPS");
	bool is_secure = https && *https && strcasecmp(https, "off") != 0;

	if (!host_is_plain(host))
		return json_sprintf("/?room=%s#invite=%s", room_id, token);
	return json_sprintf("%s://%s/?room=%s#invite=%s", is_secure ? "https" : "http", host,
			    room_id, token);
}

static int read_invite(const json_t *body, int64_t now_unix_ms, struct room_invite_row *invite,
		       struct error *reterr)
{
	const char *name = "";
	int r = json_get_text(body, "name", 0, INVITE_NAME_MAX, &name, reterr);

	if (r > 0 && *name && !channel_name_is_valid(name, strlen(name)))
		return error_set_field(reterr, -EINVAL, "bad_field", "name",
				       "name must be UTF-8 without control characters");
	if (r >= 0)
		r = json_get_int(body, "max_uses", 1, INVITE_USES_MAX, &invite->max_uses, reterr);
	if (r >= 0)
		r = expiry_get(body, now_unix_ms, &invite->expires_at_unix_ms, reterr);
	(void)snprintf(invite->name, sizeof(invite->name), "%s", name);
	return r < 0 ? r : 0;
}

int invites_create(struct api *api, struct request *request, struct response *response,
		   struct error *reterr)
{
	AUTO_JSON body = NULL;
	struct room_invite_row invite = {0};
	int64_t now_unix_ms = clock_unix_ms();
	char token[INVITE_TOKEN_SIZE];
	const char *room_id;
	json_t *answer;
	int r = access_demand_room_of_path(request, &room_id, reterr);

	if (r == 0)
		r = request_read_json(request, api->config->REALTIME_MAX_BODY, &body, reterr);
	if (r == 0)
		r = read_invite(body, now_unix_ms, &invite, reterr);
	if (r < 0)
		return r;
	(void)snprintf(invite.room_id, sizeof(invite.room_id), "%s", room_id);
	(void)snprintf(invite.created_by, sizeof(invite.created_by), "%s",
		       request->identity->user_id);
	r = room_invites_create(api->store, &invite, now_unix_ms, token, reterr);
	if (r < 0)
		return r;
	answer = invite_to_json(&invite);
	(void)json_object_set_new(answer, "token", json_string(token));
	(void)json_object_set_new(answer, "url", url_of(request, room_id, token));
	explicit_bzero(token, sizeof(token));
	response_header(response, "Location", "/realtime/webrtc/rooms/%s/invites/%s", room_id,
			invite.invite_id);
	return response_json(response, 201, answer);
}

/* ---- GET, DELETE ---- */

int invites_list(struct api *api, struct request *request, struct response *response,
		 struct error *reterr)
{
	AUTO_FREE struct room_invite_row *invites = calloc(INVITES_PAGE_MAX, sizeof(*invites));
	AUTO_ROOM_ROW room = {0};
	const struct room_invite_row *last;
	struct list_request list;
	const char *room_id;
	json_t *items;
	bool more = false;
	int count, r = invites ? access_demand_room_of_path(request, &room_id, reterr) : -ENOMEM;

	if (r == 0)
		r = list_request_get(request, INVITES_PAGE_MAX, &list, reterr);
	if (r == 0)
		r = rooms_get(api->store, room_id, &room, reterr);
	if (r < 0)
		return r;
	count = room_invites_list(api->store, room_id, &list.position, list.limit, clock_unix_ms(),
				  invites, &more, reterr);
	if (count < 0)
		return count;
	last = &invites[count > 0 ? count - 1 : 0];
	items = json_array();
	for (int i = 0; i < count; i++)
		(void)json_array_append_new(items, invite_to_json(&invites[i]));
	return response_json(response, 200,
			     page_to_json(items, more, last->created_at_unix_ms, last->invite_id));
}

int invites_delete(struct api *api, struct request *request, struct response *response,
		   struct error *reterr)
{
	const char *room_id;
	int r = access_demand_room_of_path(request, &room_id, reterr);

	if (r == 0)
		r = room_invites_delete(api->store, room_id,
					request_parameter(request, "invite_id"), reterr);
	if (r < 0)
		return r;
	response_empty(response, 204);
	return 0;
}
