#include "api/access.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/origin.h"
#include "db/api_keys.h"

/* ---- who it is ---- */

/* What follows "<scheme> " in an Authorization header; NULL if it is another scheme. */
static const char *credentials_of(const char *authorization, const char *scheme)
{
	size_t length = strlen(scheme);

	if (!authorization || strncasecmp(authorization, scheme, length) != 0 ||
	    (authorization[length] && authorization[length] != ' '))
		return NULL;
	authorization += length;
	return authorization + strspn(authorization, " ");
}

/* The first that is there, or NULL. */
static const char *find_credential(const struct request *request)
{
	static const char *const schemes[] = {"Bearer", "ApiKey"};
	static const char *const arguments[] = {"token", "api_key"};
	const char *authorization = request_header(request, "Authorization"), *found = NULL;

	for (size_t i = 0; !found && i < ARRAY_LEN(schemes); i++)
		found = credentials_of(authorization, schemes[i]);
	if (!found)
		found = request_header(request, "X-API-Key");
	for (size_t i = 0; !found && i < ARRAY_LEN(arguments); i++)
		found = query_find(&request->query, arguments[i]);
	return found;
}

static int identify_key(struct api *api, const char *key, struct identity **ret_identity,
			struct error *reterr)
{
	struct api_key_row row;
	int r = api_keys_check(api->store, key, clock_unix_ms(), &row, reterr);

	if (r < 0)
		return r;
	r = api_key_identity(&row, ret_identity, reterr);
	api_key_row_fini(&row);
	return r;
}

int access_identify(struct api *api, struct request *request, struct error *reterr)
{
	const char *credential = find_credential(request);

	if (!credential) {
		request->identity = identity_ref(api->anonymous);
		return 0;
	}
	if (!*credential)
		return error_set(reterr, -EKEYREJECTED, "bad_credentials",
				 "the token or API key is empty");
	if (api_key_looks_like_one(credential))
		return identify_key(api, credential, &request->identity, reterr);
	return jwt_verify(api->verifier, credential, clock_unix_ms(), &request->identity, reterr);
}

/* ---- what they may ---- */

static int refuse(const struct request *request, const char *what, struct error *reterr)
{
	if (identity_is_anonymous(request->identity))
		return error_set(reterr, -EKEYREJECTED, "authentication_required",
				 "this needs a token or an API key, in Authorization or X-API-Key");
	return error_set(reterr, -EACCES, "forbidden", "%s is not for you with what you have shown",
			 what);
}

int access_demand(const struct request *request, enum right right, enum grant_scope scope,
		  const char *name, struct error *reterr)
{
	return identity_may(request->identity, right, scope, name) ? 0
								   : refuse(request, name, reterr);
}

int access_demand_publish(const struct api *api, const struct request *request, const char *channel,
			  struct error *reterr)
{
	const struct identity *identity = request->identity;
	const struct namespace *namespace;

	if (!channel)
		return access_demand(request, RIGHT_PUBLISH, GRANT_CHANNELS, "*", reterr);
	namespace = namespaces_find(api->namespaces, channel);
	if (namespace_lets(namespace, identity, RIGHT_PUBLISH, channel) ||
	    (namespace->publish == AUDIENCE_NOBODY &&
	     identity_may(identity, RIGHT_ADMIN, GRANT_CHANNELS, channel)))
		return 0;
	return refuse(request, channel, reterr);
}

int access_demand_subscribe(const struct api *api, const struct request *request,
			    const char *channel, struct error *reterr)
{
	if (namespace_lets(namespaces_find(api->namespaces, channel), request->identity,
			   RIGHT_SUBSCRIBE, channel))
		return 0;
	return refuse(request, channel, reterr);
}

int access_demand_room(const struct request *request, const char *room_id, struct error *reterr)
{
	if (identity_may(request->identity, RIGHT_MODERATE, GRANT_ROOMS, room_id) ||
	    identity_may(request->identity, RIGHT_ADMIN, GRANT_ROOMS, room_id))
		return 0;
	return refuse(request, room_id, reterr);
}

int access_demand_room_of_path(const struct request *request, const char **ret_room_id,
			       struct error *reterr)
{
	int r = request_room_id(request, ret_room_id, reterr);

	return r < 0 ? r : access_demand_room(request, *ret_room_id, reterr);
}

int access_demand_known(const struct request *request, struct error *reterr)
{
	return identity_is_anonymous(request->identity) ? refuse(request, "", reterr) : 0;
}

int access_check(const struct api *api, const struct request *request, enum access access,
		 struct error *reterr)
{
	const struct identity *identity = request->identity;
	bool is_known = !identity_is_anonymous(identity), may = false;

	switch (access) {
	case ACCESS_PUBLIC:
		may = true;
		break;
	case ACCESS_READ:
		may = is_known || !api->config->WEBSOCKET_AUTH_REQUIRED;
		break;
	case ACCESS_PUBLISH:
		may = is_known || identity_may_anywhere(identity, RIGHT_PUBLISH);
		break;
	case ACCESS_ADMIN:
		may = identity_may_anywhere(identity, RIGHT_ADMIN);
		break;
	}
	return may ? 0 : refuse(request, request->path, reterr);
}

json_t *access_caller(const struct request *request, const char *room_id)
{
	return json_pack(
		"{s:s, s:b}", "user_id", request->identity->user_id, "is_moderator",
		(int)identity_may(request->identity, RIGHT_MODERATE, GRANT_ROOMS, room_id));
}

/* ---- origins ---- */

static const char *origin_of(const struct request *request)
{
	const char *origin = request_header(request, "Origin");

	return origin && *origin ? origin : NULL;
}

static bool is_allowed(const struct api *api, const struct request *request)
{
	return origin_is_allowed(origin_of(request), request_header(request, "Host"),
				 api->config->REALTIME_ALLOWED_ORIGINS);
}

int access_check_origin(const struct api *api, const struct request *request, struct error *reterr)
{
	if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0 ||
	    strcmp(request->method, "OPTIONS") == 0 || is_allowed(api, request))
		return 0;
	return error_set(reterr, -EACCES, "forbidden_origin",
			 "pages of this origin may not do this; REALTIME_ALLOWED_ORIGINS lists "
			 "those that may");
}

void access_add_cors(const struct api *api, const struct request *request,
		     struct response *response)
{
	const char *origin = origin_of(request);

	if (!origin)
		return;
	response_header(response, "Vary", "Origin");
	if (!is_allowed(api, request))
		return;
	response_header(response, "Access-Control-Allow-Origin", "%s", origin);
	response_header(response, "Access-Control-Expose-Headers",
			"Location, ETag, Idempotency-Replayed, Link, Retry-After, X-Request-Id, "
			"Accept-Ranges, "
			"Content-Disposition, Content-Location, Content-Range, Tus-Resumable, "
			"Tus-Version, Tus-Extension, Tus-Max-Size, Upload-Offset, Upload-Length, "
			"Upload-Expires");
	if (strcmp(request->method, "OPTIONS") == 0) {
		response_header(
			response, "Access-Control-Allow-Headers",
			"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
			"If-Range, Range, Tus-Resumable, Upload-Checksum, Upload-Length, "
			"Upload-Metadata, Upload-Offset, X-API-Key, X-Request-Id, "
			"X-Room-Invite, X-Room-Password");
		response_header(response, "Access-Control-Max-Age", "600");
	}
}
