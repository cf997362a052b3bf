/* WHIP (RFC 9725) and WHEP: a call over plain HTTP. The SFU answers a complete offer with a
 * complete answer; the session is realtimed's, named by the Location. */
#include <errno.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "api/wire/range.h"
#include "core/json.h"
#include "core/password.h"
#include "db/rooms.h"

/* RFC 8839 section 5.4 */
#define ICE_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

#define TRICKLE_TYPE "application/trickle-ice-sdpfrag" /* RFC 8840 */

enum {
	ICE_SESSIONS_MAX = 16, /* in an If-Match */
	PUBLISHERS_MAX = 64,
	PUBLISHER_ID_MAX = 128,
	INVITE_TEXT_MAX = 64, /* bytes */
	ADDRESS_TEXT_MAX = 63
};

static int read_offer(struct api *api, struct request *request, struct error *reterr)
{
	int r;

	if (!request_has_content_type(request, "application/sdp"))
		return error_set(reterr, -EPROTONOSUPPORT, "unsupported_media_type",
				 "the body must be application/sdp");
	r = request_read_body(request, api->config->REALTIME_MAX_BODY, reterr);
	if (r < 0)
		return r;
	if (request->body_length == 0 || strlen(request->body) != request->body_length)
		return error_set(reterr, -EINVAL, "bad_sdp",
				 "the body must be an SDP offer, which has no NUL");
	return 0;
}

/* The publisher= parameters, a new array. */
static int read_publishers(const struct request *request, json_t **ret_publishers,
			   struct error *reterr)
{
	AUTO_JSON publishers = json_array();

	for (size_t i = 0; i < request->query.count; i++) {
		const char *value = request->query.parameters[i].value;

		if (strcmp(request->query.parameters[i].name, "publisher") != 0)
			continue;
		if (!*value || strlen(value) > PUBLISHER_ID_MAX ||
		    json_array_append_new(publishers, json_string(value)) < 0)
			return error_set_field(reterr, -EINVAL, "bad_field", "publisher",
					       "publisher must be a peer_id of 1 to %d bytes of "
					       "UTF-8",
					       PUBLISHER_ID_MAX);
	}
	if (json_array_size(publishers) > PUBLISHERS_MAX)
		return error_set_field(reterr, -EINVAL, "bad_field", "publisher",
				       "publisher may be given %d times", PUBLISHERS_MAX);
	*ret_publishers = json_incref(publishers);
	return 0;
}

/* The ICE session that it is now (RFC 9725 section 4.3.1). */
static void set_etag(struct response *response, const json_t *answer)
{
	const char *ice_session = json_string_value(json_object_get(answer, "ice_session"));

	if (ice_session && *ice_session && strspn(ice_session, ICE_CHARS) == strlen(ice_session))
		response_header(response, "ETag", "\"%s\"", ice_session);
}

static int answer_session(struct response *response, const char *kind, const char *room_id,
			  const json_t *session, struct error *reterr)
{
	const char *session_id = json_string_value(json_object_get(session, "session_id"));
	const char *sdp = json_string_value(json_object_get(session, "sdp"));

	set_etag(response, session);
	if (!session_id || !sdp)
		return error_set(reterr, -EIO, "bad_bus_answer",
				 "the session came without session_id or sdp");
	response_header(response, "Location", "/realtime/webrtc/rooms/%s/%s/%s", room_id, kind,
			session_id);
	return response_text(response, 201, "application/sdp", sdp);
}

/* NULL: none is shown. */
static const char *invite_of(const struct request *request)
{
	const char *invite = request_header(request, "X-Room-Invite");

	return invite && *invite ? invite : NULL;
}

/* May they ask at all? Whoever has an invite is looked at by realtimed. */
static int check_access(struct api *api, const struct request *request, const char *room_id,
			enum access access, enum right right, struct error *reterr)
{
	int r;

	if (invite_of(request))
		return 0;
	r = access_check(api, request, access, reterr);
	return r < 0 ? r : access_demand(request, right, GRANT_ROOMS, room_id, reterr);
}

static bool may_moderate(const struct request *request, const char *room_id)
{
	return !identity_is_anonymous(request->identity) &&
	       access_demand_room(request, room_id, NULL) == 0;
}

/* What is shown at the room's door, added to `ask`. */
static int add_pass(const struct request *request, const char *room_id, json_t *ask,
		    struct error *reterr)
{
	const char *password = request_header(request, "X-Room-Password");
	const char *invite = invite_of(request);
	const char *address = request->source->variable(request->data, "REMOTE_ADDR");

	if (password && password_check(password, NULL) < 0)
		return error_set_field(reterr, -EACCES, "wrong_password", "password",
				       "no room has such a password");
	if (invite &&
	    (strlen(invite) > INVITE_TEXT_MAX || !channel_name_is_valid(invite, strlen(invite))))
		return error_set_field(reterr, -EACCES, "bad_invite", "invite",
				       "no invite looks like this");
	if (password)
		(void)json_object_set_new(ask, "password", json_string(password));
	if (invite)
		(void)json_object_set_new(ask, "invite", json_string(invite));
	if (address && strlen(address) <= ADDRESS_TEXT_MAX)
		(void)json_object_set_new(ask, "address", json_string(address));
	if (!invite && may_moderate(request, room_id)) /* who shows one comes by it */
		(void)json_object_set_new(ask, "is_moderator", json_true());
	return 0;
}

static int start(struct api *api, struct request *request, const char *kind, enum access access,
		 enum right right, struct response *response, struct error *reterr)
{
	AUTO_JSON publishers = NULL;
	AUTO_JSON session = NULL;
	AUTO_ROOM_ROW room = {0};
	const char *room_id;
	json_t *ask;
	int r;

	r = request_room_id(request, &room_id, reterr);
	if (r == 0)
		r = check_access(api, request, room_id, access, right, reterr);
	if (r == 0)
		r = read_offer(api, request, reterr);
	if (r == 0)
		r = read_publishers(request, &publishers, reterr);
	if (r == 0)
		r = rooms_get(api->store, room_id, &room, reterr);
	if (r < 0)
		return r;
	ask = json_pack("{s:s, s:s, s:s}", "room_id", room_id, "kind", kind, "sdp", request->body);
	if (!ask)
		return error_set(reterr, -EINVAL, "bad_sdp", "the SDP is not UTF-8");
	if (json_array_size(publishers) > 0)
		(void)json_object_set(ask, "publishers", publishers);
	(void)json_object_set_new(ask, "user_id", json_string(request->identity->user_id));
	(void)json_object_set_new(ask, "name", json_string(request->identity->name));
	r = add_pass(request, room_id, ask, reterr);
	if (r < 0) {
		json_decref(ask);
		return r;
	}
	r = bus_client_call(api->realtimed, BUS_HTTP_SESSION_START, ask, BUS_MEDIA_TIMEOUT_MS,
			    &session, reterr);
	return r < 0 ? r : answer_session(response, kind, room_id, session, reterr);
}

int whip_start(struct api *api, struct request *request, struct response *response,
	       struct error *reterr)
{
	return start(api, request, "whip", ACCESS_PUBLISH, RIGHT_PUBLISH, response, reterr);
}

int whep_start(struct api *api, struct request *request, struct response *response,
	       struct error *reterr)
{
	return start(api, request, "whep", ACCESS_READ, RIGHT_SUBSCRIBE, response, reterr);
}

/* What is asked about the {session_id} of the path, which realtimed does if that is for the caller
 * to ask. A new reference in *ret_ask. */
static int begin_ask(const struct request *request, json_t **ret_ask, struct error *reterr)
{
	const char *session_id = request_parameter(request, "session_id"), *room_id;
	json_t *ask;
	int r = request_room_id(request, &room_id, reterr);

	if (r < 0)
		return r;
	ask = json_pack("{s:s, s:s, s:o}", "room_id", room_id, "session_id", session_id, "caller",
			access_caller(request, room_id));
	if (!ask)
		return error_set_field(reterr, -EINVAL, "bad_field", "session_id",
				       "session_id must be UTF-8");
	*ret_ask = ask;
	return 0;
}

/* ---- PATCH: trickled candidates, and restarts of ICE ---- */

/* *ret_sessions, a new reference, has the tags of If-Match; NULL: any will do ("*"). */
static int read_if_match(const struct request *request, json_t **ret_sessions, struct error *reterr)
{
	const char *list = request_header(request, "If-Match"), *tag;
	AUTO_JSON sessions = json_array();
	size_t length;

	if (!list)
		return error_set_field(reterr, -ENODATA, "precondition_required", "If-Match",
				       "If-Match must name the ICE session by the ETag that came "
				       "with it; * for a restart, whichever it is");
	while (etag_list_next(&list, &tag, &length) &&
	       json_array_size(sessions) < ICE_SESSIONS_MAX) {
		if (length == 1 && *tag == '*')
			return 0;
		/* One that is not UTF-8 is none of ours. */
		(void)json_array_append_new(sessions, json_stringn(tag, length));
	}
	*ret_sessions = STEAL(sessions);
	return 0;
}

static int read_fragment(struct api *api, struct request *request, json_t *ask,
			 struct error *reterr)
{
	json_t *text;
	int r = request_read_body(request, api->config->REALTIME_MAX_BODY, reterr);

	if (r < 0)
		return r;
	text = request->body_length > 0 ? json_stringn(request->body, request->body_length) : NULL;
	if (!text || strlen(json_string_value(text)) != request->body_length) {
		json_decref(text);
		return error_set(reterr, -EINVAL, "bad_sdp_fragment",
				 "the body must be an SDP fragment in UTF-8 (RFC 8840), which has "
				 "no NUL");
	}
	(void)json_object_set_new(ask, "sdp_fragment", text);
	return 0;
}

static int answer_patch(struct response *response, const json_t *answer)
{
	const char *fragment = json_string_value(json_object_get(answer, "sdp_fragment"));

	if (!fragment) {
		response_empty(response, 204);
		return 0;
	}
	set_etag(response, answer);
	return response_text(response, 200, TRICKLE_TYPE, fragment);
}

int whip_patch(struct api *api, struct request *request, struct response *response,
	       struct error *reterr)
{
	AUTO_JSON sessions = NULL;
	AUTO_JSON answer = NULL;
	AUTO_JSON ask = NULL;
	int r;

	if (!request_has_content_type(request, TRICKLE_TYPE))
		return error_set(reterr, -EPROTONOSUPPORT, "unsupported_media_type",
				 "the body must be %s", TRICKLE_TYPE);
	r = begin_ask(request, &ask, reterr);
	if (r == 0)
		r = read_if_match(request, &sessions, reterr);
	if (r == 0)
		r = read_fragment(api, request, ask, reterr);
	if (r < 0)
		return r;
	if (sessions)
		(void)json_object_set(ask, "ice_sessions", sessions);
	r = bus_client_call(api->realtimed, BUS_HTTP_SESSION_ICE, STEAL(ask), BUS_MEDIA_TIMEOUT_MS,
			    &answer, reterr);
	return r < 0 ? r : answer_patch(response, answer);
}

int whip_end(struct api *api, struct request *request, struct response *response,
	     struct error *reterr)
{
	json_t *ask;
	int r = begin_ask(request, &ask, reterr);

	if (r == 0)
		r = bus_client_call(api->realtimed, BUS_HTTP_SESSION_END, ask, BUS_TIMEOUT_MS, NULL,
				    reterr);
	if (r < 0)
		return r;
	response_empty(response, 204);
	return 0;
}
