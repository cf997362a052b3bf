/* auth.h - whose credentials are these? Tokens and tickets are known at once; an API key is looked
 * up on the store's thread, and the answer finds the connection by its id. Thread: loop. */
#ifndef REALTIME_EDGE_AUTH_H
#define REALTIME_EDGE_AUTH_H

#include <libwebsockets.h>

#include "core/identity.h"
#include "core/jwt.h"
#include "realtime/edge/store_thread.h"
#include "realtime/edge/tickets.h"

enum { CREDENTIAL_MAX = 8192, CREDENTIAL_SIZE = CREDENTIAL_MAX + 1 };

enum credential_kind { CREDENTIAL_NONE, CREDENTIAL_KEY, CREDENTIAL_TOKEN, CREDENTIAL_TICKET };

struct credentials {
	enum credential_kind kind;
	char text[CREDENTIAL_SIZE]; /* to be wiped: credentials_wipe() */
};

struct authenticator {
	struct store_thread *store;    /* borrowed */
	struct jwt_verifier *verifier; /* owned */
	struct tickets tickets;
	bool has_unchecked_key; /* somebody came by the ticket of a key, perhaps revoked since */
};

/* From the first of these that is there (protocol section 2): Authorization: Bearer or ApiKey,
 * X-API-Key, a subprotocol bearer.<token>, ?ticket=, ?token=, ?api_key=.
 *   -EKEYREJECTED "bad_credentials" there are some, but they cannot be used: nobody becomes
 *                 anonymous by that. *ret_credentials is empty then. */
int credentials_read(struct lws *wsi, struct credentials *ret_credentials,
		     struct error *reterr) MUST_CHECK;
/* Of an `auth` or `refresh` message: a token, a key or a ticket. -EKEYREJECTED "bad_credentials" */
int credentials_from_text(const char *text, struct credentials *ret_credentials,
			  struct error *reterr) MUST_CHECK;
void credentials_wipe(struct credentials *credentials);

/* 1: *ret_identity (one reference, the caller's) is who it is. 0: to be looked up.
 *   -EKEYREJECTED "token_expired", "bad_token", "bad_ticket", …   -ENOMEM */
int auth_identify(struct authenticator *auth, const struct credentials *credentials,
		  int64_t now_unix_ms, struct identity **ret_identity,
		  struct error *reterr) MUST_CHECK;

/* `error` NULL: `identity` (borrowed) is who it is. */
typedef void (*auth_fn)(void *data, const char *connection_id, struct identity *identity,
			const struct error *error);

/* Look an API key up and call `done`. Fails like store_thread_submit_take(). */
int auth_look_up(struct authenticator *auth, const struct credentials *credentials,
		 const char *connection_id, auth_fn done, void *data,
		 struct error *reterr) MUST_CHECK;

#endif
