#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "db/api_keys.h"
#include "db/statement.h"
#include "tests/unit/db/memory_store.h"

static void a_fresh_key_opens(void **state)
{
	char key[API_KEY_SIZE];
	struct api_key_row row;

	(void)state;
	assert_int_equal(api_keys_create(store, "build server", "ci", NULL, 0, 100, key, &error),
			 0);
	assert_true(api_key_looks_like_one(key));
	assert_int_equal(strlen(key), API_KEY_CHARS);
	assert_int_equal(api_keys_check(store, key, 200, &row, &error), 0);
	assert_string_equal(row.name, "build server");
	assert_string_equal(row.user_id, "ci");
	assert_int_equal(row.created_at_unix_ms, 100);
}

static void the_key_itself_is_not_kept(void **state)
{
	static const char sql[] = "SELECT count(*) FROM api_keys WHERE prefix = :key OR key_hash = "
				  ":key OR instr(hex(key_hash), hex(:key)) > 0";
	sqlite3_stmt *statement;
	char key[API_KEY_SIZE];

	(void)state;
	assert_int_equal(api_keys_create(store, "x", NULL, NULL, 0, 1, key, &error), 0);
	assert_int_equal(statement_get(store, sql, &statement, &error), 0);
	statement_bind_text(statement, ":key", key);
	assert_int_equal(statement_step(store, statement, &error), 1);
	assert_int_equal(sqlite3_column_int(statement, 0), 0);
}

static void another_key_does_not_open(void **state)
{
	char key[API_KEY_SIZE];
	struct api_key_row row;

	(void)state;
	assert_int_equal(api_keys_create(store, "x", NULL, NULL, 0, 1, key, &error), 0);
	key[API_KEY_CHARS - 1] = key[API_KEY_CHARS - 1] == 'a' ? 'b' : 'a';
	assert_int_equal(api_keys_check(store, key, 2, &row, &error), -EKEYREJECTED);
	assert_string_equal(error.code, "bad_api_key");
	assert_int_equal(api_keys_check(store, "", 2, &row, &error), -EKEYREJECTED);
}

static void an_expired_or_revoked_key_does_not_open(void **state)
{
	char brief[API_KEY_SIZE], revoked[API_KEY_SIZE];
	struct api_key_row row;

	(void)state;
	assert_int_equal(api_keys_create(store, "brief", NULL, NULL, 50, 1, brief, &error), 0);
	assert_int_equal(api_keys_check(store, brief, 49, &row, &error), 0);
	assert_int_equal(api_keys_check(store, brief, 50, &row, &error), -EKEYREJECTED);

	assert_int_equal(api_keys_create(store, "r", NULL, NULL, 0, 1, revoked, &error), 0);
	assert_int_equal(api_keys_check(store, revoked, 2, &row, &error), 0);
	assert_int_equal(api_keys_revoke(store, row.key_id, 3, &error), 0);
	assert_int_equal(api_keys_check(store, revoked, 4, &row, &error), -EKEYREJECTED);
	assert_int_equal(api_keys_revoke(store, "key_none", 3, &error), -ENOENT);
}

static void a_key_needs_a_name(void **state)
{
	char key[API_KEY_SIZE];

	(void)state;
	assert_int_equal(api_keys_create(store, "", NULL, NULL, 0, 1, key, &error), -EINVAL);
	assert_string_equal(error.field, "name");
}

static void names_and_users_are_checked(void **state)
{
	char key[API_KEY_SIZE];

	(void)state;
	assert_int_equal(api_keys_create(store, "a\033[2J", NULL, NULL, 0, 1, key, &error),
			 -EINVAL);
	assert_string_equal(error.field, "name");
	assert_int_equal(api_keys_create(store, "x", "a*b", NULL, 0, 1, key, &error), -EINVAL);
	assert_string_equal(error.field, "user_id");
}

static struct identity *identity_by(const char *key)
{
	struct identity *identity = NULL;
	struct api_key_row row;

	assert_int_equal(api_keys_check(store, key, 2, &row, &error), 0);
	error = (struct error){0};
	if (api_key_identity(&row, &identity, &error) < 0)
		assert_null(identity);
	api_key_row_fini(&row);
	return identity;
}

static void a_key_is_limited_to_its_scope(void **state)
{
	static const struct api_key_scope scope = {.rights = RIGHTS_USER,
						   .channels = "{\"news\":\"publish\"}"};
	char key[API_KEY_SIZE], whole[API_KEY_SIZE];
	AUTO(identity) limited = NULL;
	AUTO(identity) everything = NULL;

	(void)state;
	assert_int_equal(api_keys_create(store, "x", "ci", &scope, 50, 1, key, &error), 0);
	assert_int_equal(api_keys_create(store, "y", NULL, NULL, 0, 1, whole, &error), 0);
	limited = identity_by(key);
	assert_string_equal(limited->user_id, "ci");
	assert_int_equal(limited->expires_at_unix_ms, 50);
	assert_true(identity_may(limited, RIGHT_PUBLISH, GRANT_CHANNELS, "news"));
	assert_false(identity_may(limited, RIGHT_PUBLISH, GRANT_CHANNELS, "chat"));
	assert_true(identity_may(limited, RIGHT_PUBLISH, GRANT_ROOMS, "r"));
	assert_false(identity_may(limited, RIGHT_MODERATE, GRANT_ROOMS, "r"));
	everything = identity_by(whole);
	assert_string_equal(everything->user_id, everything->key_id);
	assert_true(identity_may_anywhere(everything, RIGHT_ADMIN));
}

static void run_sql(const char *sql)
{
	sqlite3_stmt *statement;

	assert_int_equal(statement_get(store, sql, &statement, &error), 0);
	assert_true(statement_run(store, statement, &error) >= 0);
}

/* The table is an admin's to edit; what makes no sense there must not open everything. */
static void a_row_that_makes_no_sense_opens_nothing(void **state)
{
	static const char *const edits[] = {"UPDATE api_keys SET user_id = ''",
					    "UPDATE api_keys SET user_id = 'a', channels = '{'",
					    "UPDATE api_keys SET channels = NULL, rooms = '[]'"};
	char key[API_KEY_SIZE];

	(void)state;
	assert_int_equal(api_keys_create(store, "x", NULL, NULL, 0, 1, key, &error), 0);
	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		run_sql(edits[i]);
		assert_null(identity_by(key));
		assert_int_equal(error.number, -EKEYREJECTED);
		assert_string_equal(error.code, "bad_api_key");
	}
}

static void a_key_is_valid_until_it_is_revoked_or_gone(void **state)
{
	char key[API_KEY_SIZE];
	struct api_key_row row;

	(void)state;
	assert_int_equal(api_keys_create(store, "x", NULL, NULL, 50, 1, key, &error), 0);
	assert_int_equal(api_keys_check(store, key, 2, &row, &error), 0);
	api_key_row_fini(&row);
	assert_int_equal(api_keys_is_valid(store, row.key_id, 49, &error), 1);
	assert_int_equal(api_keys_is_valid(store, row.key_id, 50, &error), 0);
	run_sql("DELETE FROM api_keys");
	assert_int_equal(api_keys_is_valid(store, row.key_id, 2, &error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_fresh_key_opens),
		STORE_TEST(the_key_itself_is_not_kept),
		STORE_TEST(another_key_does_not_open),
		STORE_TEST(an_expired_or_revoked_key_does_not_open),
		STORE_TEST(a_key_needs_a_name),
		STORE_TEST(names_and_users_are_checked),
		STORE_TEST(a_key_is_limited_to_its_scope),
		STORE_TEST(a_row_that_makes_no_sense_opens_nothing),
		STORE_TEST(a_key_is_valid_until_it_is_revoked_or_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
