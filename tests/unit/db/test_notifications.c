#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "db/notifications.h"
#include "db/statement.h"
#include "tests/unit/db/memory_store.h"

static void message_id_of(int number, char out[24])
{
	(void)snprintf(out, 24, "msg_%016x", (unsigned)number);
}

static int insert_fields(const char *user_id, int number, const char *fields, int64_t expires_at)
{
	char message_id[24];
	struct notification_row row = {.user_id = user_id,
				       .message_id = message_id,
				       .fields = fields,
				       .offset = number,
				       .created_at_unix_ms = 10 * number,
				       .expires_at_unix_ms = expires_at};

	message_id_of(number, message_id);
	return notifications_insert(store, &row, &error);
}

/* The number names it, orders it, and is ten times its age. */
static void insert(const char *user_id, int number, int64_t expires_at)
{
	char fields[128];

	(void)snprintf(fields, sizeof(fields),
		       "{\"notification_id\":\"ntf_%d\",\"title\":\"T\",\"body\":\"B\","
		       "\"notification_type\":\"call\"}",
		       number);
	assert_int_equal(insert_fields(user_id, number, fields, expires_at), 0);
}

struct seen {
	int64_t offsets[16];
	size_t count, limit;
	char fields[512], sender[16];
	int64_t created_at, expires_at, delivered_at, read_at;
};

static bool see(void *data, const struct notification_row *row)
{
	struct seen *seen = data;

	(void)snprintf(seen->fields, sizeof(seen->fields), "%s", row->fields);
	(void)snprintf(seen->sender, sizeof(seen->sender), "%s", row->sender ? row->sender : "-");
	seen->created_at = row->created_at_unix_ms;
	seen->expires_at = row->expires_at_unix_ms;
	seen->delivered_at = row->delivered_at_unix_ms;
	seen->read_at = row->read_at_unix_ms;
	seen->offsets[seen->count++] = row->offset;
	return seen->count != seen->limit;
}

/* Compared as "1 2 3". */
static void assert_seen(const struct seen *seen, const char *offsets)
{
	char text[128] = "";

	for (size_t i = 0; i < seen->count; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%lld",
			       i ? " " : "", (long long)seen->offsets[i]);
	assert_string_equal(text, offsets);
}

static void assert_undelivered(const char *user_id, int64_t limit, int64_t now, const char *offsets)
{
	struct seen seen = {0};

	assert_int_equal(
		notifications_read_undelivered(store, user_id, limit, now, see, &seen, &error), 0);
	assert_seen(&seen, offsets);
}

static const struct notification_filter all_of_u = {.user_id = "u"};

static void assert_listed(const char *before, bool is_unread_only, int64_t limit,
			  const char *offsets)
{
	const struct notification_filter filter = {
		.user_id = "u", .before_message_id = before, .is_unread_only = is_unread_only};
	struct seen seen = {0};

	assert_int_equal(notifications_list(store, &filter, limit, 500, see, &seen, &error), 0);
	assert_seen(&seen, offsets);
}

static void assert_unread(const char *user_id, int64_t expected)
{
	int64_t count = -1;

	assert_int_equal(notifications_count_unread(store, user_id, 500, &count, &error), 0);
	assert_int_equal(count, expected);
}

/* ---- tests ---- */

static void data_of_every_kind_comes_back_as_it_went_in(void **state)
{
	static const char *const kinds[] = {
		"\"text\"",
		"\"7\"",
		"7",
		"12345678901234567890123",
		"1.50",
		"true",
		"null",
		"[1,\"two\",null]",
		"{\"a\":{\"b\":[]}}",
		"\"quote \\\" and \\u00e9\\ud83d\\ude00\"",
		"\"{\\\"a\\\":1}\"",
		"{}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		char fields[512];
		struct seen seen = {0};

		(void)snprintf(fields, sizeof(fields),
			       "{\"notification_id\":\"ntf_%zu\",\"title\":\"T\",\"body\":\"B\","
			       "\"notification_type\":\"call\",\"data\":%s}",
			       i, kinds[i]);
		assert_int_equal(insert_fields("u", (int)i + 1, fields, 0), 0);
		assert_int_equal(notifications_list(store, &all_of_u, 1, 0, see, &seen, &error), 0);
		assert_string_equal(seen.fields, fields);
	}
}

static void texts_lose_nothing_and_absent_data_stays_absent(void **state)
{
	static const char fields[] =
		"{\"notification_id\":\"ntf_1\",\"title\":\"Zeile\\n\\\"zwei\\\" \\\\\","
		"\"body\":\"\\u00dc \\ud83d\\ude00 Привет\",\"notification_type\":\"a.b-c_1\"}";
	json_t *before = json_loads(fields, 0, NULL), *after;
	struct seen seen = {0};

	(void)state;
	assert_int_equal(insert_fields("u", 1, fields, 0), 0);
	assert_int_equal(notifications_list(store, &all_of_u, 1, 0, see, &seen, &error), 0);
	after = json_loads(seen.fields, 0, NULL);
	assert_true(json_equal(before, after));
	json_decref(before);
	json_decref(after);
}

static void a_row_comes_back_whole(void **state)
{
	char message_id[24];
	struct seen seen = {0};
	struct notification_row row = {
		.user_id = "u",
		.message_id = message_id,
		.fields = "{\"notification_id\":\"ntf_x\",\"title\":\"T\",\"body\":\"B\","
			  "\"notification_type\":\"call\",\"more\":1}",
		.sender = "shop",
		.offset = 9,
		.created_at_unix_ms = 100,
		.expires_at_unix_ms = 1000};

	(void)state;
	message_id_of(1, message_id);
	assert_int_equal(notifications_insert(store, &row, &error), 0);
	assert_int_equal(notifications_list(store, &all_of_u, 1, 0, see, &seen, &error), 0);
	assert_string_equal(seen.sender, "shop");
	assert_int_equal(seen.created_at, 100);
	assert_int_equal(seen.expires_at, 1000);
	assert_int_equal(seen.delivered_at, 0);
	assert_int_equal(seen.read_at, 0);
	assert_int_equal(notifications_insert(store, &row, &error), -EEXIST);
}

static void what_is_not_whole_is_refused(void **state)
{
	(void)state;
	assert_int_equal(insert_fields("u", 1, "{\"notification_id\":\"n\",\"title\":\"T\"}", 0),
			 -EINVAL);
	assert_string_equal(error.code, "constraint");
	assert_int_equal(insert_fields("u", 1, "{", 0), -EIO);
	assert_listed(NULL, false, 10, "");
}

static void the_newest_undelivered_come_oldest_first(void **state)
{
	(void)state;
	for (int i = 1; i <= 5; i++)
		insert("u", i, i == 4 ? 500 : 0);
	insert("other", 6, 0);
	assert_undelivered("u", 10, 499, "1 2 3 4 5");
	assert_undelivered("u", 3, 500, "2 3 5");
	assert_undelivered("nobody", 10, 0, "");
}

static void delivery_is_of_one_alone(void **state)
{
	char message_id[24];

	(void)state;
	for (int i = 1; i <= 4; i++)
		insert("u", i, 0);
	insert("other", 5, 0);
	message_id_of(3, message_id);
	assert_int_equal(notifications_mark_delivered(store, message_id, 77, &error), 1);
	assert_int_equal(notifications_mark_delivered(store, message_id, 78, &error), 0);
	assert_undelivered("u", 10, 100, "1 2 4");
	assert_undelivered("other", 10, 100, "5");
	assert_unread("u", 4);
}

static void what_was_read_counts_as_delivered(void **state)
{
	struct seen seen = {0};

	(void)state;
	insert("u", 1, 0);
	insert("u", 2, 0);
	assert_int_equal(notifications_mark_read(store, "u", "ntf_1", 70, &error), 1);
	assert_int_equal(notifications_mark_read(store, "u", "ntf_1", 71, &error), 0);
	assert_undelivered("u", 10, 100, "2");
	assert_unread("u", 1);
	assert_listed(NULL, true, 10, "2");
	assert_int_equal(notifications_list(store, &all_of_u, 10, 0, see, &seen, &error), 0);
	assert_seen(&seen, "2 1");
	assert_int_equal(seen.delivered_at, 70);
	assert_int_equal(seen.read_at, 70);
}

static void another_users_notification_is_not_found(void **state)
{
	(void)state;
	insert("u", 1, 0);
	assert_int_equal(notifications_mark_read(store, "thief", "ntf_1", 70, &error), -ENOENT);
	assert_string_equal(error.code, "notification_not_found");
	assert_int_equal(notifications_mark_read(store, "u", "ntf_9", 70, &error), -ENOENT);
	assert_unread("u", 1);
}

static void all_of_one_user_are_read_at_once(void **state)
{
	(void)state;
	for (int i = 1; i <= 4; i++)
		insert(i == 4 ? "other" : "u", i, i == 2 ? 60 : 0);
	assert_int_equal(notifications_mark_read(store, "u", NULL, 70, &error), 2);
	assert_int_equal(notifications_mark_read(store, "u", NULL, 71, &error), 0);
	assert_unread("u", 0);
	assert_unread("other", 1);
}

static void the_list_goes_back_page_by_page(void **state)
{
	char message_id[24];

	(void)state;
	for (int i = 1; i <= 5; i++)
		insert("u", i, i == 2 ? 400 : 0);
	insert("other", 6, 0);
	assert_listed(NULL, false, 2, "5 4");
	message_id_of(4, message_id);
	assert_listed(message_id, false, 2, "3 1");
	message_id_of(1, message_id);
	assert_listed(message_id, false, 2, "");
	assert_int_equal(notifications_mark_read(store, "u", "ntf_4", 70, &error), 1);
	assert_listed(NULL, true, 2, "5 3");
}

static void a_reader_may_stop_early(void **state)
{
	struct seen seen = {.limit = 2};

	(void)state;
	for (int i = 1; i <= 5; i++)
		insert("u", i, 0);
	assert_int_equal(notifications_list(store, &all_of_u, 5, 0, see, &seen, &error), 0);
	assert_seen(&seen, "5 4");
	/* Nothing is left open that would keep a writer out. */
	assert_int_equal(store_begin(store, &error), 0);
	assert_int_equal(store_commit(store, &error), 0);
}

static void age_and_expiry_are_trimmed_a_bounded_step_at_a_time(void **state)
{
	(void)state;
	for (int i = 1; i <= 8; i++)
		insert("u", i, i >= 7 ? 300 : 0);
	assert_int_equal(notifications_trim(store, 50, 300, 3, &error), 5);
	assert_listed(NULL, false, 10, "6 5 4");
	assert_int_equal(notifications_trim(store, 50, 300, 3, &error), 1);
	assert_int_equal(notifications_trim(store, 50, 300, 3, &error), 0);
	assert_listed(NULL, false, 10, "6 5");
}

static void a_user_keeps_only_the_newest(void **state)
{
	(void)state;
	for (int i = 1; i <= 6; i++)
		insert(i == 1 ? "other" : "u", i, 0);
	assert_int_equal(notifications_trim_user(store, "u", 5, &error), 0);
	assert_int_equal(notifications_trim_user(store, "u", 2, &error), 3);
	assert_listed(NULL, false, 10, "6 5");
	assert_unread("other", 1);
}

static void what_an_admin_spoilt_hides_nothing_else(void **state)
{
	struct seen seen = {0};

	(void)state;
	insert("u", 1, 0);
	insert("u", 2, 0);
	assert_int_equal(sqlite3_exec(store_handle(store),
				      "UPDATE notifications SET data = '{no' WHERE offset = 1",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(notifications_list(store, &all_of_u, 5, 0, see, &seen, &error), 0);
	assert_seen(&seen, "2 1");
	assert_null(strstr(seen.fields, "data"));
}

/* A user with many notifications must not cost a walk through all of them. */
static void the_frequent_questions_are_answered_by_an_index(void **state)
{
	static const char *const questions[] = {
		"SELECT 1 FROM notifications WHERE user_id = 'u' AND delivered_at IS NULL"
		" ORDER BY message_id DESC LIMIT 5",
		"SELECT 1 FROM notifications WHERE user_id = 'u' AND read_at IS NULL"
		" AND message_id < 'z' ORDER BY message_id DESC LIMIT 5",
		"SELECT 1 FROM notifications WHERE user_id = 'u' AND message_id < 'z'"
		" ORDER BY message_id DESC LIMIT 5",
		"SELECT 1 FROM notifications WHERE created_at < 5 ORDER BY created_at LIMIT 5",
		"SELECT 1 FROM notifications WHERE expires_at <= 5 ORDER BY expires_at LIMIT 5",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		char sql[256];
		sqlite3_stmt *plan;

		(void)snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", questions[i]);
		assert_int_equal(sqlite3_prepare_v2(store_handle(store), sql, -1, &plan, NULL),
				 SQLITE_OK);
		while (sqlite3_step(plan) == SQLITE_ROW) {
			const char *step = (const char *)sqlite3_column_text(plan, 3);

			assert_non_null(strstr(step, "SEARCH"));
			assert_null(strstr(step, "TEMP B-TREE"));
		}
		assert_int_equal(sqlite3_finalize(plan), SQLITE_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(data_of_every_kind_comes_back_as_it_went_in),
		STORE_TEST(texts_lose_nothing_and_absent_data_stays_absent),
		STORE_TEST(a_row_comes_back_whole),
		STORE_TEST(what_is_not_whole_is_refused),
		STORE_TEST(the_newest_undelivered_come_oldest_first),
		STORE_TEST(delivery_is_of_one_alone),
		STORE_TEST(what_was_read_counts_as_delivered),
		STORE_TEST(another_users_notification_is_not_found),
		STORE_TEST(all_of_one_user_are_read_at_once),
		STORE_TEST(the_list_goes_back_page_by_page),
		STORE_TEST(a_reader_may_stop_early),
		STORE_TEST(age_and_expiry_are_trimmed_a_bounded_step_at_a_time),
		STORE_TEST(a_user_keeps_only_the_newest),
		STORE_TEST(what_an_admin_spoilt_hides_nothing_else),
		STORE_TEST(the_frequent_questions_are_answered_by_an_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
