/* access.h - who may make this request?
 *
 * API keys, from (first that is there) `Authorization: Bearer` or `ApiKey`, `X-API-Key`,
 * `?api_key=`; and the browser's Origin. A key that was given and is not valid is always refused,
 * even where none is needed: its owner wants to know. Thread: the request's.
 */
#ifndef API_ACCESS_H
#define API_ACCESS_H

#include "api/api.h"
#include "api/request.h"
#include "api/response.h"

enum access {
	ACCESS_PUBLIC,	/* anyone */
	ACCESS_PUBLISH, /* a key, or anyone under REALTIME_ANONYMOUS_PUBLISH */
	ACCESS_ADMIN	/* the same for now; tokens will have roles */
};

/* On success request->user_id says whose key it was ("" for nobody's).
 *   -EKEYREJECTED "bad_api_key", "bad_token", "authentication_required"   or the store's errors */
int access_check(struct api *api, struct request *request, enum access access,
		 struct error *reterr) MUST_CHECK;

/* A page of another origin must be listed to change anything.
 *   -EACCES "origin_not_allowed" */
int access_check_origin(const struct api *api, const struct request *request,
			struct error *reterr) MUST_CHECK;

/* The CORS headers (Fetch Standard) that the request's Origin is owed, if any. */
void access_add_cors(const struct api *api, const struct request *request,
		     struct response *response);

#endif
