/* access.h - who makes this request, and may they?
 *
 * A token (core/jwt.h) or an API key (db/api_keys.h), from the first of these that is there:
 * `Authorization: Bearer` or `ApiKey`, `X-API-Key`, `?token=`, `?api_key=`; and the browser's
 * Origin. A credential that was given and is not valid is always refused, even where none is
 * needed: its owner wants to know. Thread: the request's.
 *
 * Whoever is refused for being nobody gets 401 "authentication_required", whoever is known and has
 * not the right 403 "forbidden".
 */
#ifndef API_ACCESS_H
#define API_ACCESS_H

#include "api/api.h"
#include "api/request.h"
#include "api/response.h"

/* The first look, before the body is read. What depends on a channel or a room the handler demands
 * by itself. */
enum access {
	ACCESS_PUBLIC,	/* anyone */
	ACCESS_READ,	/* anyone who may connect, too: with WEBSOCKET_AUTH_REQUIRED the known */
	ACCESS_PUBLISH, /* the known, or anyone under REALTIME_ANONYMOUS_PUBLISH */
	ACCESS_ADMIN	/* who has the right `admin` by itself */
};

/* Set request->identity.
 *   -EKEYREJECTED "bad_credentials", "bad_api_key", "bad_token", "token_expired",
 *   "token_not_yet_valid"   -ENOMEM   or the store's errors */
int access_identify(struct api *api, struct request *request, struct error *reterr) MUST_CHECK;

/* The rest is for a request that has an identity.
 *   -EKEYREJECTED "authentication_required"   -EACCES "forbidden" */
int access_check(const struct api *api, const struct request *request, enum access access,
		 struct error *reterr) MUST_CHECK;
/* That right on the channel or room `name`; "*": on every one. */
int access_demand(const struct request *request, enum right right, enum grant_scope scope,
		  const char *name, struct error *reterr) MUST_CHECK;
/* To publish to a channel (NULL: to everybody, past the channels), also as its namespace has it.
 * Where that lets nobody publish, whoever administers the channel still may. */
int access_demand_publish(const struct api *api, const struct request *request, const char *channel,
			  struct error *reterr) MUST_CHECK;
/* To listen to a channel, or to look at its past, also as its namespace has it. */
int access_demand_subscribe(const struct api *api, const struct request *request,
			    const char *channel, struct error *reterr) MUST_CHECK;
/* To change or end what others have in that room: moderate or admin. */
int access_demand_room(const struct request *request, const char *room_id,
		       struct error *reterr) MUST_CHECK;
/* The same for the {room_id} of the path, checked. -EINVAL "bad_field" */
int access_demand_room_of_path(const struct request *request, const char **ret_room_id,
			       struct error *reterr) MUST_CHECK;
/* To be somebody at all. */
int access_demand_known(const struct request *request, struct error *reterr) MUST_CHECK;

/* Who asks, for realtimed to check whose peer is meant: `caller` of core/bus_messages.h, a new
 * reference; NULL without memory. */
json_t *access_caller(const struct request *request, const char *room_id);

/* A page of another origin must be listed to change anything.
 *   -EACCES "forbidden_origin" */
int access_check_origin(const struct api *api, const struct request *request,
			struct error *reterr) MUST_CHECK;

/* The CORS headers (Fetch Standard) that the request's Origin is owed, if any. */
void access_add_cors(const struct api *api, const struct request *request,
		     struct response *response);

#endif
