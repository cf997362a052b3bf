/* router.h - from a request to its handler and back to an answer.
 *
 * One table (router.c) has every path, its methods and who may use them; it is the list of what
 * this process serves. Thread: the request's.
 */
#ifndef API_ROUTER_H
#define API_ROUTER_H

#include "api/access.h"
#include "api/api.h"
#include "api/request.h"
#include "api/response.h"

/* Fill in the answer and return 0, or return a negative errno with reterr and the router makes a
 * problem of it. */
typedef int handler_fn(struct api *api, struct request *request, struct response *response,
		       struct error *reterr);

/* With an Idempotency-Key (api/idempotency.h), where is the effect? */
enum once {
	ONCE_NO,       /* the header means nothing here */
	ONCE_IN_STORE, /* its handler sees to it, by idempotency_change() */
	ONCE_OVER_BUS
};

struct route {
	const char *method, *pattern; /* "/rooms/{room_id}": a placeholder is one whole segment */
	enum access access;
	handler_fn *handler;
	enum once once;
};

/* The table, to be compared with api/openapi/. */
const struct route *router_routes(size_t *ret_count);

/* Does the path fit the pattern? Fills request->parameters. */
bool router_match(const char *pattern, struct request *request);

/* Serve one request, whatever becomes of it: *response is always an answer, and `response` is
 * initialised here. `request` is to be request_fini()ed by the caller. */
void router_serve(struct api *api, struct request *request, const struct request_source *source,
		  void *data, struct response *response);

#endif
