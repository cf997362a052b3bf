/* Uploads: what is counted, what expires, what stays. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/messages.h"
#include "db/uploads.h"
#include "tests/unit/db/memory_store.h"

static struct upload_row row_of(const char *file_id, char digit, const char *user_id, int64_t size,
				int64_t expires)
{
	struct upload_row row = {.size_bytes = size,
				 .content_type = "image/png",
				 .created_at_unix_ms = 1000,
				 .expires_at_unix_ms = expires};

	(void)snprintf(row.file_id, sizeof(row.file_id), "%s", file_id);
	(void)snprintf(row.user_id, sizeof(row.user_id), "%s", user_id);
	memset(row.sha256, digit, SHA256_SIZE - 1);
	return row;
}

static void add(const char *file_id, char digit, const char *user_id, int64_t size, int64_t expires)
{
	struct upload_row row = row_of(file_id, digit, user_id, size, expires);

	assert_int_equal(uploads_add(store, &row, &error), 0);
}

static void a_row_comes_back_as_it_went(void **state)
{
	struct upload_row row = row_of("file_1", 'a', "ann", 7, 5000), back;

	(void)state;
	(void)strcpy(row.filename, "dot.png");
	(void)strcpy(row.channel, "c");
	assert_int_equal(uploads_add(store, &row, &error), 0);
	assert_int_equal(uploads_add(store, &row, &error), -EEXIST);
	memset(&back, 0xff, sizeof(back));
	assert_int_equal(uploads_get(store, "file_1", &back, &error), 0);
	assert_string_equal(back.sha256, row.sha256);
	assert_string_equal(back.filename, "dot.png");
	assert_string_equal(back.channel, "c");
	assert_string_equal(back.user_id, "ann");
	assert_int_equal(back.size_bytes, 7);
	assert_int_equal(back.expires_at_unix_ms, 5000);
	assert_int_equal(uploads_get(store, "file_2", &back, &error), -ENOENT);
	assert_int_equal(uploads_delete(store, "file_1", 1000, &error), 0);
	assert_int_equal(uploads_delete(store, "file_1", 1000, &error), -ENOENT);
	assert_string_equal(error.code, "file_not_found");
}

static void bytes_are_held_by_any_of_their_uploads(void **state)
{
	struct upload_row row = row_of("file_x", 'a', "", 1, 0);

	(void)state;
	add("file_1", 'a', "", 1, 0);
	add("file_2", 'a', "ann", 1, 0);
	assert_int_equal(uploads_delete(store, "file_1", 1000, &error), 0);
	assert_int_equal(uploads_have(store, row.sha256, &error), 1);
	assert_int_equal(uploads_delete(store, "file_2", 1000, &error), 0);
	assert_int_equal(uploads_have(store, row.sha256, &error), 0);
}

static void quotas_hold_for_each_user_and_for_all(void **state)
{
	const struct upload_quota quota = {.all_bytes = 100, .user_bytes = 60}, none = {0};

	(void)state;
	assert_int_equal(uploads_check_quota(store, &quota, "ann", 60, &error), 0);
	assert_int_equal(uploads_check_quota(store, &quota, "ann", 61, &error), -ENOSPC);
	assert_string_equal(error.code, "user_quota_exceeded");
	add("file_1", 'a', "ann", 60, 0);
	add("file_2", 'b', "", 30, 0);
	assert_int_equal(uploads_check_quota(store, &quota, "ann", 1, &error), -ENOSPC);
	assert_int_equal(uploads_check_quota(store, &quota, "bob", 10, &error), 0);
	assert_int_equal(uploads_check_quota(store, &quota, "bob", 11, &error), -ENOSPC);
	assert_string_equal(error.code, "quota_exceeded");
	assert_int_equal(uploads_check_quota(store, &quota, "", INT64_MAX, &error), -ENOSPC);
	assert_int_equal(uploads_check_quota(store, &none, "ann", INT64_MAX, &error), 0);
	assert_int_equal(uploads_delete(store, "file_1", 1000, &error), 0);
	assert_int_equal(uploads_check_quota(store, &quota, "ann", 60, &error), 0);
}

static void what_has_expired_goes_unless_a_message_refers_to_it(void **state)
{
	const struct message_row message = {.channel = "c",
					    .offset = 1,
					    .message_id = "msg_1",
					    .kind = "binary",
					    .data = "null",
					    .content_type = "image/png",
					    .file_id = "file_2",
					    .sha256 = "b",
					    .payload_bytes = 1,
					    .created_at_unix_ms = 1};
	char sha256[SHA256_SIZE];
	struct upload_row row;

	(void)state;
	add("file_1", 'a', "ann", 1, 2000);
	add("file_2", 'b', "ann", 1, 2000);
	add("file_3", 'c', "ann", 1, 9000);
	add("file_4", 'd', "ann", 1, 0);
	assert_int_equal(channels_reserve(store, "c", "e", 1, 1, &error), 0);
	assert_int_equal(messages_append(store, &message, &error), 0);
	assert_int_equal(uploads_delete_expired(store, 1999, sha256, &error), 0);
	assert_int_equal(uploads_delete_expired(store, 2000, sha256, &error), 1);
	assert_int_equal(sha256[0], 'a');
	assert_int_equal(uploads_delete_expired(store, 2000, sha256, &error), 0);
	assert_int_equal(uploads_get(store, "file_2", &row, &error), 0);
	assert_int_equal(uploads_get(store, "file_1", &row, &error), -ENOENT);
	assert_int_equal(uploads_delete_expired(store, INT64_MAX, sha256, &error), 1);
	assert_int_equal(sha256[0], 'c');
	assert_int_equal(uploads_delete_expired(store, INT64_MAX, sha256, &error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_row_comes_back_as_it_went),
		STORE_TEST(bytes_are_held_by_any_of_their_uploads),
		STORE_TEST(quotas_hold_for_each_user_and_for_all),
		STORE_TEST(what_has_expired_goes_unless_a_message_refers_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
