/* idempotency.h - requests that may come twice and shall count once: the header Idempotency-Key
 * (draft-ietf-httpapi-idempotency-key-header).
 *
 * Answers of success are kept for a day (db/idempotency_keys.h) and given again. What failed had no
 * effect, so nothing of it is kept and the key is free.
 *
 * Where the effect is in the store, it and the answer are one transaction (idempotency_change()).
 * Where it is a message, realtimed is told a key made of this one, and knows the message again
 * should we die between the two (idempotency_serve()). Thread: the request's.
 */
#ifndef API_IDEMPOTENCY_H
#define API_IDEMPOTENCY_H

#include "api/router.h"

/* Change the store and fill in the answer. In a transaction of `store`, which is not always the
 * thread's (db/store_group.h): what takes long or waits belongs before it. */
typedef int once_fn(struct store *store, void *data, struct response *response,
		    struct error *reterr);

/* Change the store by `change` and commit; or answer as before. Without the header it only does the
 * former. The errors of `change` and those of idempotency_serve(). */
int idempotency_change(struct api *api, struct request *request, once_fn *change, void *data,
		       struct response *response, struct error *reterr) MUST_CHECK;

/* Serve it by the route's handler, or answer as before. The handler's errors and
 *   -EINVAL "bad_field" the key is none   -ENOTUNIQ "idempotency_key_reused"
 *   -EINPROGRESS "request_in_progress"    -EMSGSIZE "body_too_big" */
int idempotency_serve(struct api *api, struct request *request, const struct route *route,
		      struct response *response, struct error *reterr) MUST_CHECK;

/* The key for realtimed into a message or notification that has none of its own. */
void idempotency_mark(const struct request *request, json_t *message);

#endif
