/* api_keys.h - long-lived keys for servers and scripts.
 *
 * A key is "rtk_" and 40 random characters. Only its SHA-256 is kept: a key is random enough that
 * a slow hash would add nothing, and a lost key can only be replaced. Made by
 * `realtime-api create-api-key`; checked by realtime-api and realtimed.
 *
 * All functions may also fail with the errors of statement_step() (db/statement.h).
 * Thread: the store's.
 */
#ifndef DB_API_KEYS_H
#define DB_API_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/identity.h"
#include "db/store.h"

enum {
	API_KEY_PREFIX_CHARS = 8, /* "rtk_" and the first four, by which people tell keys apart */
	API_KEY_CHARS = 44,
	API_KEY_SIZE = API_KEY_CHARS + 1,
	API_KEY_NAME_MAX = 200 /* bytes */
};

struct api_key_row {
	char key_id[64];
	char name[API_KEY_NAME_MAX + 1];
	char user_id[129]; /* who a request with this key is */
	int64_t created_at_unix_ms;
	int64_t expires_at_unix_ms; /* 0: never */
	unsigned rights;	    /* of enum right */
	char *channels, *rooms;	    /* owned; JSON grants; NULL: not limited */
};

void api_key_row_fini(struct api_key_row *row);

/* Who a request with this key is.
 *   -EKEYREJECTED "bad_api_key" an admin has written into the row what makes no sense   -ENOMEM */
int api_key_identity(const struct api_key_row *row, struct identity **ret_identity,
		     struct error *reterr) MUST_CHECK;

/* What a new key may do; a pointer that is NULL limits nothing. */
struct api_key_scope {
	unsigned rights;
	const char *channels, *rooms; /* JSON grants (core/identity.h) */
};

/* Does it begin like one of our keys ("rtk_")? No promise that it is valid; tells keys from JWTs
 * where both may stand, as in `Authorization: Bearer`. */
bool api_key_looks_like_one(const char *text);

/* Make a key called `name` (1 to 200 bytes) for `user_id` (NULL or empty: the new key_id). `scope`
 * NULL: it may do everything.
 * ret_key is the only copy that will ever exist; wipe it after use. `expires_at_unix_ms` 0: never.
 *   -EINVAL "bad_field" for the name or user_id (core/id.h) */
int api_keys_create(struct store *store, const char *name, const char *user_id,
		    const struct api_key_scope *scope, int64_t expires_at_unix_ms,
		    int64_t now_unix_ms, char ret_key[API_KEY_SIZE],
		    struct error *reterr) MUST_CHECK;

/* Whose key is it? *ret_row is to be api_key_row_fini()ed after success.
 *   -EKEYREJECTED "bad_api_key" unknown, revoked or expired (which one is not told) */
int api_keys_check(struct store *store, const char *key, int64_t now_unix_ms,
		   struct api_key_row *ret_row, struct error *reterr) MUST_CHECK;

/* 1: it exists and is neither revoked nor expired; otherwise 0. */
int api_keys_is_valid(struct store *store, const char *key_id, int64_t now_unix_ms,
		      struct error *reterr) MUST_CHECK;

/* Every key, the newest first; the row is borrowed for the call, and `is_revoked` said with it. */
int api_keys_list(struct store *store,
		  void (*visit)(void *data, const struct api_key_row *row, const char *prefix,
				bool is_revoked),
		  void *data, struct error *reterr) MUST_CHECK;

/* -ENOENT "api_key_not_found" */
int api_keys_revoke(struct store *store, const char *key_id, int64_t now_unix_ms,
		    struct error *reterr) MUST_CHECK;

#endif
