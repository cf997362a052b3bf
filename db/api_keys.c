#include "db/api_keys.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "core/id.h"
#include "core/json.h"
#include "db/statement.h"

static const char key_prefix[] = "rtk_";

static const char create_sql[] =
	"INSERT INTO api_keys (key_id, name, prefix, key_hash, user_id, created_at, expires_at, "
	"rights, channels, rooms) "
	"VALUES (:key_id, :name, :prefix, :key_hash, :user_id, :created_at, "
	"nullif(:expires_at, 0), :rights, :channels, :rooms)";

static const char check_sql[] =
	"SELECT key_id, name, user_id, created_at, coalesce(expires_at, 0), coalesce(rights, 15), "
	"channels, rooms FROM api_keys "
	"WHERE key_hash = :key_hash "
	"AND revoked_at IS NULL "
	"AND (expires_at IS NULL OR expires_at > :now)";

static const char valid_sql[] = "SELECT 1 FROM api_keys "
				"WHERE key_id = :key_id "
				"AND revoked_at IS NULL "
				"AND (expires_at IS NULL OR expires_at > :now)";

static const char list_sql[] =
	"SELECT key_id, name, user_id, created_at, coalesce(expires_at, 0), coalesce(rights, 15), "
	"channels, rooms, prefix, revoked_at IS NOT NULL FROM api_keys "
	"ORDER BY created_at DESC, key_id";

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
		    const struct api_key_scope *scope, int64_t expires_at_unix_ms,
		    int64_t now_unix_ms, char ret_key[API_KEY_SIZE], struct error *reterr)
{
	char key[API_KEY_SIZE], prefix[API_KEY_PREFIX_CHARS + 1], key_id[64];
	uint8_t hash[SHA256_DIGEST_LENGTH];
	sqlite3_stmt *statement;
	int r;

	if (strlen(name) > API_KEY_NAME_MAX || !channel_name_is_valid(name, strlen(name)))
		return error_set_field(reterr, -EINVAL, "bad_field", "name",
				       "name must have 1 to %d bytes of UTF-8 without control "
				       "characters",
				       API_KEY_NAME_MAX);
	if (user_id && *user_id && !user_id_is_valid(user_id))
		return error_set_field(reterr, -EINVAL, "bad_field", "user_id",
				       "user_id must have at most %d bytes of UTF-8 without "
				       "control characters and *",
				       USER_ID_BYTES_MAX);
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
	if (scope) {
		statement_bind_int(statement, ":rights", scope->rights);
		statement_bind_text(statement, ":channels", scope->channels);
		statement_bind_text(statement, ":rooms", scope->rooms);
	}
	r = statement_run(store, statement, reterr);
	if (r >= 0)
		memcpy(ret_key, key, sizeof(key));
	explicit_bzero(key, sizeof(key));
	return r < 0 ? r : 0;
}

/* A row as far as it is borrowed from the statement. */
static void row_read(sqlite3_stmt *statement, struct api_key_row *row)
{
	statement_copy_text(statement, 0, row->key_id, sizeof(row->key_id));
	statement_copy_text(statement, 1, row->name, sizeof(row->name));
	statement_copy_text(statement, 2, row->user_id, sizeof(row->user_id));
	row->created_at_unix_ms = sqlite3_column_int64(statement, 3);
	row->expires_at_unix_ms = sqlite3_column_int64(statement, 4);
	row->rights = (unsigned)sqlite3_column_int(statement, 5);
	row->channels = (char *)(uintptr_t)statement_text_or_null(statement, 6);
	row->rooms = (char *)(uintptr_t)statement_text_or_null(statement, 7);
}

/* … and as its own. -ENOMEM */
static int row_keep(struct api_key_row *row)
{
	const char *channels = row->channels, *rooms = row->rooms;

	row->channels = channels ? strdup(channels) : NULL;
	row->rooms = rooms ? strdup(rooms) : NULL;
	if ((!channels || row->channels) && (!rooms || row->rooms))
		return 0;
	api_key_row_fini(row);
	return -ENOMEM;
}

void api_key_row_fini(struct api_key_row *row)
{
	free(row->channels);
	free(row->rooms);
	row->channels = row->rooms = NULL;
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
	row_read(statement, ret_row);
	r = row_keep(ret_row);
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return r;
}

int api_keys_is_valid(struct store *store, const char *key_id, int64_t now_unix_ms,
		      struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, valid_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":key_id", key_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	r = statement_step(store, statement, reterr);
	if (r > 0)
		(void)sqlite3_reset(statement); /* a SELECT that went well */
	return r;
}

int api_keys_list(struct store *store,
		  void (*visit)(void *data, const struct api_key_row *row, const char *prefix,
				bool is_revoked),
		  void *data, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, list_sql, &statement, reterr);

	if (r < 0)
		return r;
	while ((r = statement_step(store, statement, reterr)) > 0) {
		struct api_key_row row;

		row_read(statement, &row);
		visit(data, &row, statement_text(statement, 8),
		      sqlite3_column_int(statement, 9) != 0);
	}
	return r;
}

static int bad_row(const struct api_key_row *row, const char *column, struct error *reterr)
{
	return error_set(reterr, -EKEYREJECTED, "bad_api_key",
			 "the API key %s cannot be used: its %s in the database makes no sense",
			 row->key_id, column);
}

int api_key_identity(const struct api_key_row *row, struct identity **ret_identity,
		     struct error *reterr)
{
	const char *const grants[] = {[GRANT_CHANNELS] = row->channels, [GRANT_ROOMS] = row->rooms};
	AUTO(identity) identity = NULL;
	int r = 0;

	/* The columns take any text; and a user "" would be nobody. */
	if (!user_id_is_valid(row->user_id))
		return bad_row(row, "user_id", reterr);
	identity = identity_new(row->user_id, row->rights);
	if (!identity)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	(void)snprintf(identity->key_id, sizeof(identity->key_id), "%s", row->key_id);
	identity->expires_at_unix_ms = row->expires_at_unix_ms;
	for (size_t scope = 0; r == 0 && scope < GRANT_SCOPE_COUNT; scope++) {
		AUTO_JSON list = grants[scope] ? json_loads(grants[scope], 0, NULL) : NULL;

		if (grants[scope])
			r = identity_limit(identity, (enum grant_scope)scope, list, NULL);
		if (r == -EINVAL)
			return bad_row(row, scope == GRANT_ROOMS ? "rooms" : "channels", reterr);
	}
	if (r < 0)
		return error_set(reterr, r, "out_of_memory", "out of memory");
	*ret_identity = STEAL(identity);
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
