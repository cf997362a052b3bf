/* idempotency_keys.h - the answers to requests that may come twice (draft-ietf-httpapi-
 * idempotency-key-header): same caller, same key, same answer.
 *
 *   nothing --begin--> being served --finish--> answered --a day--> nothing
 *                          \--drop: it failed--> nothing
 *
 * A process that dies leaves the second state behind; whoever asks again after `leased_until` takes
 * the request over. All functions may also fail with the errors of statement_step()
 * (db/statement.h). Thread: the store's.
 */
#ifndef DB_IDEMPOTENCY_KEYS_H
#define DB_IDEMPOTENCY_KEYS_H

#include <stdint.h>

#include "core/error.h"
#include "db/store.h"

enum {
	IDEMPOTENCY_KEY_BYTES_MAX = 255,
	IDEMPOTENCY_HASH_BYTES = 32,
	IDEMPOTENCY_KEYS_MAX = 100000 /* of all callers; the oldest go first */
};

struct idempotent_request {
	const char *caller, *key;
	uint8_t hash[IDEMPOTENCY_HASH_BYTES]; /* of what is asked for */
};

struct idempotent_answer {
	int status;
	char *headers, *body; /* owned; body NULL: none */
};

void idempotent_answer_fini(struct idempotent_answer *answer);

/* Is it new? Belongs into a transaction.
 *   0 it is, and is now being served until `leased_until`   1 *ret_answer has its answer, owned
 *   -ENOTUNIQ "idempotency_key_reused"   -EINPROGRESS "request_in_progress" */
int idempotency_keys_begin(struct store *store, const struct idempotent_request *request,
			   int64_t now_unix_ms, int64_t leased_until_unix_ms,
			   struct idempotent_answer *ret_answer, struct error *reterr) MUST_CHECK;
/* It has been served with this answer. */
int idempotency_keys_finish(struct store *store, const struct idempotent_request *request,
			    const struct idempotent_answer *answer,
			    struct error *reterr) MUST_CHECK;
/* It has failed and may be asked again. */
int idempotency_keys_drop(struct store *store, const struct idempotent_request *request,
			  struct error *reterr) MUST_CHECK;

/* Forget up to `limit` that are older than `before`, or beyond IDEMPOTENCY_KEYS_MAX. How many. */
int idempotency_keys_trim(struct store *store, int64_t before_unix_ms, int64_t limit,
			  struct error *reterr) MUST_CHECK;

#endif
