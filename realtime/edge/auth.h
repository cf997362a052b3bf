/* auth.h - who is calling? A connection's credentials are read from its request, and looked up on
 * the store's thread; the answer finds the connection by its id. Thread: loop. */
#ifndef REALTIME_EDGE_AUTH_H
#define REALTIME_EDGE_AUTH_H

#include "core/config.h"
#include "realtime/edge/connection.h"
#include "realtime/edge/store_thread.h"

enum { CREDENTIAL_SIZE = 512 };

struct credentials {
	char api_key[CREDENTIAL_SIZE]; /* "" if there is none; to be wiped */
};

/* From Authorization: ApiKey or Bearer, or else X-API-Key, or else ?api_key=.
 *   -EKEYREJECTED "bad_credentials" there are some, but they cannot be used: nobody becomes
 *                 anonymous by that. *ret_credentials is empty then. */
int credentials_read(struct lws *wsi, struct credentials *ret_credentials,
		     struct error *reterr) MUST_CHECK;

/* `error` NULL: `identity` (borrowed) is who it is. */
typedef void (*auth_fn)(void *data, const char *connection_id, struct identity *identity,
			const struct error *error);

/* Look the credentials up and call `done`. Fails like store_thread_submit_take(). */
int auth_check(struct store_thread *thread, const struct credentials *credentials,
	       const char *connection_id, auth_fn done, void *data,
	       struct error *reterr) MUST_CHECK;

#endif
