#include "db/idempotency_keys.h"

#include <errno.h>
#include <string.h>

#include "db/statement.h"

static const char find_sql[] =
	"SELECT request_hash, status, leased_until, headers, body FROM idempotency_keys"
	" WHERE caller = :caller AND key = :key";

static const char begin_sql[] =
	"INSERT INTO idempotency_keys (caller, key, request_hash, created_at, leased_until)"
	" VALUES (:caller, :key, :hash, :now, :leased_until)"
	" ON CONFLICT (caller, key) DO UPDATE SET leased_until = excluded.leased_until";

static const char finish_sql[] =
	"UPDATE idempotency_keys SET status = :status, headers = :headers, body = :body"
	" WHERE caller = :caller AND key = :key";

static const char drop_sql[] =
	"DELETE FROM idempotency_keys WHERE caller = :caller AND key = :key AND status IS NULL";

static const char trim_sql[] =
	"DELETE FROM idempotency_keys WHERE rowid IN (SELECT rowid FROM idempotency_keys"
	"  WHERE created_at < max(:before, coalesce((SELECT created_at FROM idempotency_keys"
	"   ORDER BY created_at DESC LIMIT 1 OFFSET :kept), 0))"
	"  ORDER BY created_at LIMIT :limit)";

void idempotent_answer_fini(struct idempotent_answer *answer)
{
	free(answer->headers);
	free(answer->body);
	*answer = (struct idempotent_answer){0};
}

static int bound(struct store *store, const char *sql, const struct idempotent_request *request,
		 sqlite3_stmt **ret_statement, struct error *reterr)
{
	int r = statement_get(store, sql, ret_statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(*ret_statement, ":caller", request->caller);
	statement_bind_text(*ret_statement, ":key", request->key);
	return 0;
}

static int copy_answer(sqlite3_stmt *statement, struct idempotent_answer *ret_answer)
{
	const char *body = statement_text_or_null(statement, 4);
	struct idempotent_answer answer = {.status = sqlite3_column_int(statement, 1),
					   .headers = strdup(statement_text(statement, 3)),
					   .body = body ? strdup(body) : NULL};

	if (!answer.headers || (body && !answer.body)) {
		idempotent_answer_fini(&answer);
		return -ENOMEM;
	}
	*ret_answer = answer;
	return 1;
}

/* A row that is there: 1 it is the answer, 0 nobody serves it any more, or why not. */
static int judge(sqlite3_stmt *statement, const struct idempotent_request *request,
		 int64_t now_unix_ms, struct idempotent_answer *ret_answer, struct error *reterr)
{
	const void *hash = sqlite3_column_blob(statement, 0);

	if (sqlite3_column_bytes(statement, 0) != IDEMPOTENCY_HASH_BYTES ||
	    memcmp(hash, request->hash, IDEMPOTENCY_HASH_BYTES) != 0)
		return error_set_field(reterr, -ENOTUNIQ, "idempotency_key_reused",
				       "Idempotency-Key",
				       "this key came with another request before; a new request "
				       "needs a new key");
	if (sqlite3_column_type(statement, 1) != SQLITE_NULL)
		return copy_answer(statement, ret_answer);
	if (sqlite3_column_int64(statement, 2) > now_unix_ms)
		return error_set_field(reterr, -EINPROGRESS, "request_in_progress",
				       "Idempotency-Key",
				       "a request with this key is being served; ask again in a "
				       "moment");
	return 0;
}

int idempotency_keys_begin(struct store *store, const struct idempotent_request *request,
			   int64_t now_unix_ms, int64_t leased_until_unix_ms,
			   struct idempotent_answer *ret_answer, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = bound(store, find_sql, request, &statement, reterr);

	if (r == 0)
		r = statement_step(store, statement, reterr);
	if (r > 0) {
		r = judge(statement, request, now_unix_ms, ret_answer, reterr);
		(void)sqlite3_reset(statement); /* a SELECT that went well */
	}
	if (r == 0)
		r = bound(store, begin_sql, request, &statement, reterr);
	if (r != 0)
		return r;
	statement_bind_blob(statement, ":hash", request->hash, sizeof(request->hash));
	statement_bind_int(statement, ":now", now_unix_ms);
	statement_bind_int(statement, ":leased_until", leased_until_unix_ms);
	r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}

int idempotency_keys_finish(struct store *store, const struct idempotent_request *request,
			    const struct idempotent_answer *answer, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = bound(store, finish_sql, request, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":status", answer->status);
	statement_bind_text(statement, ":headers", answer->headers);
	statement_bind_text(statement, ":body", answer->body);
	r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}

int idempotency_keys_drop(struct store *store, const struct idempotent_request *request,
			  struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = bound(store, drop_sql, request, &statement, reterr);

	if (r == 0)
		r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}

int idempotency_keys_trim(struct store *store, int64_t before_unix_ms, int64_t limit,
			  struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, trim_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":before", before_unix_ms);
	statement_bind_int(statement, ":kept", IDEMPOTENCY_KEYS_MAX);
	statement_bind_int(statement, ":limit", limit);
	return statement_run(store, statement, reterr);
}
