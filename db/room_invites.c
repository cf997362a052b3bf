#include "db/room_invites.h"

#include <assert.h>
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "db/rooms.h"
#include "db/statement.h"

#define INVITE_COLUMNS                                                                             \
	"invite_id, room_id, name, coalesce(max_uses, 0), use_count, created_by, created_at, "     \
	"coalesce(expires_at, 0) "
#define IN_FORCE "(expires_at IS NULL OR expires_at > :now) "

static const char token_prefix[] = "inv_";

static const char create_sql[] =
	"INSERT INTO room_invites (invite_id, room_id, token_hash, name, max_uses, created_by,"
	" created_at, expires_at)"
	" SELECT :invite_id, room_id, :token_hash, :name, nullif(:max_uses, 0),"
	" nullif(:created_by, ''), :now, nullif(:expires_at, 0)"
	" FROM rooms WHERE room_id = :room_id"
	" AND (SELECT count(*) FROM room_invites WHERE room_id = :room_id) < :max";

static const char delete_sql[] =
	"DELETE FROM room_invites WHERE room_id = :room_id AND invite_id = :invite_id";

static const char list_sql[] = "SELECT " INVITE_COLUMNS "FROM room_invites "
			       "WHERE room_id = :room_id AND " IN_FORCE
			       "AND (created_at, invite_id) > (:created_at, :after_id) "
			       "ORDER BY created_at, invite_id LIMIT :limit";

static const char find_sql[] =
	"SELECT " INVITE_COLUMNS
	"FROM room_invites WHERE token_hash = :token_hash AND room_id = :room_id AND " IN_FORCE;

static const char move_place_sql[] = "UPDATE room_invite_uses SET holder = :holder"
				     " WHERE invite_id = :invite_id AND holder = :was_holder";

static const char count_sql[] = "UPDATE room_invites SET use_count = use_count + 1"
				" WHERE invite_id = :invite_id"
				" AND (max_uses IS NULL OR use_count < max_uses)";

static const char take_place_sql[] = "INSERT INTO room_invite_uses (invite_id, holder, used_at)"
				     " VALUES (:invite_id, :holder, :now)";

static const char leave_place_sql[] =
	"DELETE FROM room_invite_uses WHERE invite_id = :invite_id AND holder = :holder";

static const char uncount_sql[] = "UPDATE room_invites SET use_count = use_count - 1"
				  " WHERE invite_id = :invite_id AND use_count > 0";

static const char forget_sql[] = "UPDATE room_invite_uses"
				 " SET holder = 'ended:' || substr(:holder, 7)"
				 " WHERE holder = :holder";

static const char delete_expired_sql[] = "DELETE FROM room_invites WHERE expires_at <= :now";

static void hash_token(const char *token, uint8_t ret_hash[SHA256_DIGEST_LENGTH])
{
	(void)SHA256((const unsigned char *)token, strlen(token), ret_hash);
}

/* Either there is no such room, or it has as many as it may. */
static int none_created(struct store *store, const char *room_id, struct error *reterr)
{
	AUTO_ROOM_ROW room = {0};
	int r = rooms_get(store, room_id, &room, reterr);

	if (r < 0)
		return r;
	return error_set(reterr, -EUSERS, "too_many_invites", "%s has %d invites already", room_id,
			 INVITES_PER_ROOM_MAX);
}

int room_invites_create(struct store *store, struct room_invite_row *row, int64_t now_unix_ms,
			char ret_token[INVITE_TOKEN_SIZE], struct error *reterr)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	sqlite3_stmt *statement;
	int r = statement_get(store, create_sql, &statement, reterr);

	if (r < 0)
		return r;
	id_new("invite", row->invite_id, sizeof(row->invite_id));
	memcpy(ret_token, token_prefix, sizeof(token_prefix));
	id_random_chars(ret_token + sizeof(token_prefix) - 1,
			INVITE_TOKEN_CHARS - (sizeof(token_prefix) - 1));
	hash_token(ret_token, hash);
	row->created_at_unix_ms = now_unix_ms;
	row->use_count = 0;
	statement_bind_text(statement, ":invite_id", row->invite_id);
	statement_bind_text(statement, ":room_id", row->room_id);
	statement_bind_blob(statement, ":token_hash", hash, sizeof(hash));
	statement_bind_text(statement, ":name", row->name);
	statement_bind_int(statement, ":max_uses", row->max_uses);
	statement_bind_text(statement, ":created_by", row->created_by);
	statement_bind_int(statement, ":now", now_unix_ms);
	statement_bind_int(statement, ":expires_at", row->expires_at_unix_ms);
	statement_bind_int(statement, ":max", INVITES_PER_ROOM_MAX);
	r = statement_run(store, statement, reterr);
	if (r < 0)
		return r;
	return r > 0 ? 0 : none_created(store, row->room_id, reterr);
}

int room_invites_delete(struct store *store, const char *room_id, const char *invite_id,
			struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, delete_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":room_id", room_id);
	statement_bind_text(statement, ":invite_id", invite_id);
	r = statement_run(store, statement, reterr);
	if (r < 0)
		return r;
	return r > 0 ? 0
		     : error_set(reterr, -ENOENT, "invite_not_found", "%s has no invite %s",
				 room_id, invite_id);
}

static void read_row(sqlite3_stmt *statement, struct room_invite_row *row)
{
	statement_copy_text(statement, 0, row->invite_id, sizeof(row->invite_id));
	statement_copy_text(statement, 1, row->room_id, sizeof(row->room_id));
	statement_copy_text(statement, 2, row->name, sizeof(row->name));
	row->max_uses = sqlite3_column_int64(statement, 3);
	row->use_count = sqlite3_column_int64(statement, 4);
	statement_copy_text(statement, 5, row->created_by, sizeof(row->created_by));
	row->created_at_unix_ms = sqlite3_column_int64(statement, 6);
	row->expires_at_unix_ms = sqlite3_column_int64(statement, 7);
}

int room_invites_list(struct store *store, const char *room_id, const struct list_position *after,
		      size_t limit, int64_t now_unix_ms, struct room_invite_row *rows,
		      bool *ret_more, struct error *reterr)
{
	sqlite3_stmt *statement;
	struct statement_page page;
	int r;

	assert(limit <= INVITES_PAGE_MAX);
	r = statement_get(store, list_sql, &statement, reterr);
	if (r < 0)
		return r;
	statement_bind_text(statement, ":room_id", room_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	statement_bind_int(statement, ":created_at", after->created_at_unix_ms);
	statement_bind_text(statement, ":after_id", after->id);
	page = statement_page(statement, limit);
	while ((r = statement_page_step(store, statement, &page, reterr)) > 0)
		read_row(statement, &rows[page.count - 1]);
	if (r < 0)
		return r;
	*ret_more = page.more;
	return (int)page.count;
}

/* ---- using one ---- */

void invite_holder_format(const char *user_id, const char *secret_sha256,
			  char ret_holder[INVITE_HOLDER_SIZE])
{
	(void)snprintf(ret_holder, INVITE_HOLDER_SIZE, "%s%s",
		       *user_id ? "user:" : "guest:", *user_id ? user_id : secret_sha256);
}

static int find(struct store *store, const char *token, const char *room_id, int64_t now_unix_ms,
		struct room_invite_row *ret_row, struct error *reterr)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	sqlite3_stmt *statement;
	int r = statement_get(store, find_sql, &statement, reterr);

	if (r < 0)
		return r;
	hash_token(token, hash);
	statement_bind_blob(statement, ":token_hash", hash, sizeof(hash));
	statement_bind_text(statement, ":room_id", room_id);
	statement_bind_int(statement, ":now", now_unix_ms);
	r = statement_step(store, statement, reterr);
	if (r < 0)
		return r;
	if (r == 0)
		return error_set_field(reterr, -EACCES, "bad_invite", "invite",
				       "the invite to %s is unknown, revoked or expired", room_id);
	read_row(statement, ret_row);
	(void)sqlite3_reset(statement); /* a SELECT that went well */
	return 0;
}

/* Run one of the statements about an invite. Returns the number of rows changed. */
static int run(struct store *store, const char *sql, const char *invite_id, const char *holder,
	       const char *was_holder, const int64_t *now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":invite_id", invite_id);
	if (holder)
		statement_bind_text(statement, ":holder", holder);
	if (was_holder)
		statement_bind_text(statement, ":was_holder", was_holder);
	if (now_unix_ms)
		statement_bind_int(statement, ":now", *now_unix_ms);
	return statement_run(store, statement, reterr);
}

static int keep_place(struct store *store, const char *invite_id, const char *holder,
		      const char *was_holder, struct error *reterr)
{
	int r = run(store, move_place_sql, invite_id, holder, holder, NULL, reterr);

	if (r != 0)
		return r < 0 ? r : PLACE_KEPT;
	if (*was_holder)
		r = run(store, move_place_sql, invite_id, holder, was_holder, NULL, reterr);
	return r <= 0 ? r : PLACE_MOVED;
}

int room_invites_use(struct store *store, const char *token, const char *room_id,
		     const char *holder, const char *was_holder, int64_t now_unix_ms,
		     struct room_invite_row *ret_row, struct error *reterr)
{
	int r = find(store, token, room_id, now_unix_ms, ret_row, reterr);
	bool is_counted = r == 0 && ret_row->max_uses > 0;

	if (is_counted)
		r = keep_place(store, ret_row->invite_id, holder, was_holder, reterr);
	if (r != 0)
		return r;
	r = run(store, count_sql, ret_row->invite_id, NULL, NULL, NULL, reterr);
	if (r == 0)
		return error_set_field(reterr, -EACCES, "invite_used_up", "invite",
				       "the invite to %s has been used %lld times, which is as "
				       "often as it may be",
				       room_id, (long long)ret_row->max_uses);
	if (r < 0 || !is_counted)
		return r < 0 ? r : PLACE_NONE;
	r = run(store, take_place_sql, ret_row->invite_id, holder, NULL, &now_unix_ms, reterr);
	return r < 0 ? r : PLACE_TAKEN;
}

int room_invites_give_back(struct store *store, const char *invite_id, enum invite_place place,
			   const char *holder, const char *was_holder, struct error *reterr)
{
	int r = 0;

	switch (place) {
	case PLACE_NONE:
	case PLACE_KEPT:
		return 0;
	case PLACE_MOVED:
		r = run(store, move_place_sql, invite_id, was_holder, holder, NULL, reterr);
		break;
	case PLACE_TAKEN:
		r = run(store, leave_place_sql, invite_id, holder, NULL, NULL, reterr);
		if (r > 0)
			r = run(store, uncount_sql, invite_id, NULL, NULL, NULL, reterr);
		break;
	}
	return r < 0 ? r : 0;
}

int room_invites_forget_holder(struct store *store, const char *holder, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, forget_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_text(statement, ":holder", holder);
	r = statement_run(store, statement, reterr);
	return r < 0 ? r : 0;
}

int room_invites_delete_expired(struct store *store, int64_t now_unix_ms, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, delete_expired_sql, &statement, reterr);

	if (r < 0)
		return r;
	statement_bind_int(statement, ":now", now_unix_ms);
	return statement_run(store, statement, reterr);
}
