/* /realtime/webrtc/signal: one signal of a connected peer, sent over HTTP (protocol section 5). */
#include <errno.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "core/id.h"
#include "core/json.h"

enum { PEER_ID_MAX = 128 };

static const char *const signal_types[] = {"offer", "answer", "ice-candidate", "bye",
					   "renegotiate"};

static int check_type(const json_t *body, struct error *reterr)
{
	const char *type;
	int r = json_get_text(body, "signal_type", 1, 32, &type, reterr);

	if (r <= 0)
		return r < 0 ? r : json_missing("signal_type", reterr);
	for (size_t i = 0; i < ARRAY_LEN(signal_types); i++)
		if (strcmp(type, signal_types[i]) == 0)
			return 0;
	return error_set_field(reterr, -EINVAL, "bad_field", "signal_type",
			       "signal_type must be offer, answer, ice-candidate, bye or "
			       "renegotiate");
}

static int check_ids(const json_t *body, const char **ret_room_id, struct error *reterr)
{
	const char *room_id, *peer_id;
	int r;

	r = json_get_text(body, "room_id", 1, ROOM_ID_MAX, &room_id, reterr);
	if (r <= 0)
		return r < 0 ? r : json_missing("room_id", reterr);
	*ret_room_id = room_id;
	if (!room_id_is_valid(room_id))
		return error_set_field(reterr, -EINVAL, "bad_field", "room_id",
				       "room_id must be 1 to 128 of the characters A-Z a-z 0-9 _ . "
				       ": -");
	r = json_get_text(body, "sender_peer_id", 1, PEER_ID_MAX, &peer_id, reterr);
	if (r <= 0)
		return r < 0 ? r : json_missing("sender_peer_id", reterr);
	r = json_get_text(body, "target_peer_id", 1, PEER_ID_MAX, &peer_id, reterr);
	return r < 0 ? r : 0;
}

int signal_send(struct api *api, struct request *request, struct response *response,
		struct error *reterr)
{
	AUTO_JSON body = NULL;
	json_t *answer = NULL, *candidate;
	const char *sdp, *room_id = NULL;
	int64_t offer_id;
	int r;

	r = request_read_json(request, api->config->REALTIME_MAX_BODY, &body, reterr);
	if (r == 0)
		r = check_type(body, reterr);
	if (r == 0)
		r = check_ids(body, &room_id, reterr);
	if (r == 0)
		r = json_get_text(body, "sdp", 1, (size_t)api->config->REALTIME_MAX_BODY, &sdp,
				  reterr);
	if (r >= 0)
		r = json_get_int(body, "offer_id", 1, INT64_MAX, &offer_id, reterr);
	if (r >= 0)
		r = json_get_container(body, "ice_candidate", JSON_OBJECT, &candidate, reterr);
	/* Over what it may say of itself. */
	if (r >= 0 && json_object_set_new(body, "caller", access_caller(request, room_id)) < 0)
		r = -ENOMEM;
	if (r >= 0)
		r = bus_client_call(api->realtimed, BUS_SIGNAL, json_incref(body), BUS_TIMEOUT_MS,
				    &answer, reterr);
	return r < 0 ? r : response_json(response, 202, answer);
}
