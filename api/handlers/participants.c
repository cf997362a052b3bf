/* /realtime/webrtc/rooms/{room_id}/participants: who is in the call now, and what a moderator does
 * to them. */
#include <errno.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "core/json.h"
#include "db/room_bans.h"
#include "db/rooms.h"

int participants_list(struct api *api, struct request *request, struct response *response,
		      struct error *reterr)
{
	AUTO_JSON answer = NULL;
	AUTO_ROOM_ROW room = {0};
	const char *room_id;
	json_t *items;
	int r;

	r = request_room_id(request, &room_id, reterr);
	if (r == 0)
		r = access_demand(request, RIGHT_SUBSCRIBE, GRANT_ROOMS, room_id, reterr);
	if (r == 0)
		r = rooms_get(api->store, room_id, &room, reterr);
	if (r == 0)
		r = bus_client_call(api->realtimed, BUS_ROOM_OCCUPANCY,
				    json_pack("{s:[s]}", "room_ids", room_id), BUS_TIMEOUT_MS,
				    &answer, reterr);
	if (r < 0)
		return r;
	items = json_object_get(json_object_get(json_object_get(answer, "rooms"), room_id),
				"participants");
	items = items ? json_incref(items) : json_array();
	return response_json(response, 200,
			     json_pack("{s:o, s:I}", "items", items, "total",
				       (json_int_t)json_array_size(items)));
}

/* Ask realtimed about, or for, the {peer_id} of the path. `more` is taken. */
static int ask_about(struct api *api, const struct request *request, enum bus_message message,
		     const char *room_id, json_t *more, json_t **ret_answer, struct error *reterr)
{
	const char *peer_id = request_parameter(request, "peer_id");
	json_t *ask = json_pack("{s:s, s:s}", "room_id", room_id, "peer_id", peer_id);

	if (ask)
		(void)json_object_update(ask, more);
	json_decref(more);
	if (!ask)
		return error_set_field(reterr, -EINVAL, "bad_field", "peer_id",
				       "peer_id must be UTF-8");
	return bus_client_call(api->realtimed, message, ask, BUS_MEDIA_TIMEOUT_MS, ret_answer,
			       reterr);
}

static int answer_participant(struct response *response, const json_t *answer)
{
	return response_json(response, 200, json_incref(json_object_get(answer, "participant")));
}

int participants_get(struct api *api, struct request *request, struct response *response,
		     struct error *reterr)
{
	AUTO_JSON answer = NULL;
	const char *room_id;
	int r = request_room_id(request, &room_id, reterr);

	if (r == 0)
		r = access_demand(request, RIGHT_SUBSCRIBE, GRANT_ROOMS, room_id, reterr);
	if (r == 0)
		r = ask_about(api, request, BUS_PARTICIPANT, room_id, json_object(), &answer,
			      reterr);
	return r < 0 ? r : answer_participant(response, answer);
}

/* Mute, or unmute what was muted so. */
int participants_mute(struct api *api, struct request *request, struct response *response,
		      struct error *reterr)
{
	AUTO_JSON body = NULL;
	AUTO_JSON answer = NULL;
	AUTO_JSON flags = json_object();
	const char *const names[] = {"audio_muted", "video_muted"};
	const char *room_id;
	int r = access_demand_room_of_path(request, &room_id, reterr);

	if (r == 0)
		r = request_read_json(request, api->config->REALTIME_MAX_BODY, &body, reterr);
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(names); i++) {
		bool flag;

		r = json_get_bool(body, names[i], &flag, reterr);
		if (r > 0)
			(void)json_object_set_new(flags, names[i], json_boolean(flag));
	}
	if (r >= 0 && json_object_size(flags) == 0)
		return error_set_field(reterr, -EINVAL, "missing_field", "audio_muted",
				       "say audio_muted, video_muted or both");
	if (r >= 0)
		r = ask_about(api, request, BUS_MUTE, room_id, json_incref(flags), &answer, reterr);
	return r < 0 ? r : answer_participant(response, answer);
}

/* `reason` of a body, which need not be there, or of the query; NULL: none. *ret_body owns it. */
static int read_reason(struct api *api, struct request *request, json_t **ret_body,
		       const char **ret_reason, struct error *reterr)
{
	int r = request_read_body(request, api->config->REALTIME_MAX_BODY, reterr);

	*ret_reason = query_find(&request->query, "reason");
	if (r == 0 && request->body_length > 0)
		r = json_object_parse(request->body, request->body_length, ret_body, reterr);
	if (r == 0 && *ret_body)
		r = json_get_text(*ret_body, "reason", 0, BAN_REASON_MAX, ret_reason, reterr);
	if (r >= 0 && *ret_reason && strlen(*ret_reason) > BAN_REASON_MAX)
		return error_set_field(reterr, -EINVAL, "bad_field", "reason",
				       "reason may have %d bytes", BAN_REASON_MAX);
	return r < 0 ? r : 0;
}

int participants_kick(struct api *api, struct request *request, struct response *response,
		      struct error *reterr)
{
	AUTO_JSON body = NULL;
	AUTO_JSON answer = NULL;
	const char *room_id, *reason = NULL;
	int r = access_demand_room_of_path(request, &room_id, reterr);

	if (r == 0)
		r = read_reason(api, request, &body, &reason, reterr);
	if (r == 0)
		r = ask_about(api, request, BUS_KICK, room_id,
			      json_pack("{s:s*}", "reason", reason), &answer, reterr);
	if (r < 0)
		return r;
	response_empty(response, 204);
	return 0;
}
