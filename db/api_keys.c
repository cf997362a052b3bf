#include "db/api_keys.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "core/id.h"
#include "db/statement.h"

static const char key_prefix[] = "rtk_";

static const char create_sql[] =
	"INSERT INTO api_keys (key_id, name, prefix, key_hash, user_id, created_at, expires_at) "
	"VALUES (:key_id, :name, :prefix, :key_hash, :user_id, :created_at, "
	"nullif(:expires_at, 0))";

static const char check_sql[] =
	"SELECT key_id, name, user_id, created_at, coalesce(expires_at, 0) FROM api_keys "
	"WHERE key_hash = :key_hash "
	"AND revoked_at IS NULL "
	"AND (expires_at IS NULL OR expires_at > :now)";

static const char revoke_sql[] =
	"UPDATE api_keys SET revoked_at = coalesce(revoked_at, :now) WHERE key_id = :key_id";

bool api_key_looks_like_one(const char *text)
{
	return strncmp(text, key_prefix, sizeof(key_prefix) - 1) == 0;
}

static void hash_key(const char *key, uint8_t ret_hash[SHA256_DIGEST_LENGTH])
{
	(void)SHA256((const unsigned char *)key, strlen(key), ret_hash);
}

int api_keys_create(struct store *store, const char *name, const char *user_id,
		    int64_t expires_at_unix_ms, int64_t now_unix_ms, char ret_key[API_KEY_SIZE],
		    struct error *reterr)
{
	char key[API_KEY_SIZE], prefix[API_KEY_PREFIX_CHARS + 1], key_id[64];
	uint8_t hash[SHA256_DIGEST_LENGTH];
	sqlite3_stmt *statement;
	int r;

	if (strlen(name) < 1 || strlen(name) > API_KEY_NAME_MAX)
		return error_set_field(reterr, -EINVAL, "bad_field", "name",
				       "name must have 1 to %d bytes", API_KEY_NAME_MAX);
	if (user_id && strlen(user_id) > 128)
		return error_set_field(reterr, -EINVAL, "bad_field", "user_id",
				       "user_id must have at most 128 bytes");
	r = statement_get(store, create_sql, &statement, reterr);
	if (r < 0)
		return r;

	id_new("key", key_id, sizeof(key_id));
	memcpy(key, key_prefix, sizeof(key_prefix));
	id_random_chars(key + sizeof(key_prefix) - 1, API_KEY_CHARS - (sizeof(key_prefix) - 1));
	(void)snprintf(prefix, sizeof(prefix), "%.*s", API_KEY_PREFIX_CHARS, key);
	hash_key(key, hash);

	statement_bind_text(statement, ":key_id", key_id);
	statement_bind_text(statement, ":name", name);
	statement_bind_text(statement, ":prefix", prefix);
	statement_bind_blob(statement, ":key_hash", hash, sizeof(hash));
	statement_bind_text(statement, ":user_id", user_id && *user_id ? user_id : key_id);
	statement_bind_int(statement, ":created_at", now_unix_ms);
	statement_bind_int(statement, ":expires_at", expires_at_unix_ms);
	r = statement_run(store, statement, reterr);
	if (r >= 0)
		memcpy(ret_key, key, sizeof(key));
	explicit_bzero(key, sizeof(key));
	return r < 0 ? r : 0;
}

int api_keys_check(struct store *store, const char *key, int64_t now_unix_ms,
		   struct api_key_row *ret_row, struct error *reterr)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	sqlite3_stmt *statement;
	int r;

	/* Looked up by its hash: what a stranger can learn from the time it takes is about hashes
	 * of his own making. */
	hash_key(key, hash);
	r = statement_get(store, check_sql, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_blob(statement, ":key_hash", hash, sizeof(hash));
	statement_bind_int(statement, ":now", now_unix_ms);
	r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	if (r == 0)
		return error_set(reterr, -EKEYREJECTED, "bad_api_key",
				 "the API key is unknown, revoked or expired");
	(void)snprintf(ret_row->key_id, sizeof(ret_row->key_id), "%s",
		       statement_text(statement, 0));
	(void)snprintf(ret_row->name, sizeof(ret_row->name), "%s", statement_text(statement, 1));
	(void)snprintf(ret_row->user_id, sizeof(ret_row->user_id), "%s",
		       statement_text(statement, 2));
	ret_row->created_at_unix_ms = sqlite3_column_int64(statement, 3);
	ret_row->expires_at_unix_ms = sqlite3_column_int64(statement, 4);
	(void)sqlite3_reset(statement);
	return 0;
}

int api_keys_revoke(struct store *store, const char *key_id, int64_t now_unix_ms,
		    struct error *reterr)
{
	sqlite3_stmt *statement;
	int r;

	r = statement_get(store, revoke_sql, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_text(statement, ":key_id", key_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	r = statement_run(store, statement, reterr);
	if (r < 0)
		return r;
	return r > 0 ? 0
		     : error_set(reterr, -ENOENT, "api_key_not_found", "there is no API key %s",
				 key_id);
}
