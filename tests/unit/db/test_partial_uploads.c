/* Uploads that come piece by piece: begun, counted, finished, expired. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/partial_uploads.h"
#include "tests/unit/db/memory_store.h"

static void add(const char *upload_id, const char *user_id, int64_t size, int64_t expires)
{
	struct partial_upload_row row = {.size_bytes = size,
					 .fields = "{\"channel\":\"c\"}",
					 .filename = "a.txt",
					 .created_at_unix_ms = 1,
					 .expires_at_unix_ms = expires};

	(void)snprintf(row.upload_id, sizeof(row.upload_id), "%s", upload_id);
	(void)snprintf(row.user_id, sizeof(row.user_id), "%s", user_id);
	assert_int_equal(partial_uploads_add(store, &row, &error), 0);
}

static void what_is_not_whole_is_pending_for_its_user(void **state)
{
	struct partial_upload_row row;
	int64_t pending;

	(void)state;
	add("upl_1", "ann", 10, 100);
	add("upl_2", "ann", 20, 100);
	add("upl_3", "", 5, 100);
	assert_int_equal(partial_uploads_pending(store, "ann", &pending, &error), 0);
	assert_int_equal(pending, 30);
	assert_int_equal(partial_uploads_pending(store, "", &pending, &error), 0);
	assert_int_equal(pending, 5);
	assert_int_equal(partial_uploads_finish(store, "upl_1", "file_1", &error), 0);
	assert_int_equal(partial_uploads_pending(store, "ann", &pending, &error), 0);
	assert_int_equal(pending, 20);
	assert_int_equal(partial_uploads_get(store, "upl_1", &row, &error), 0);
	assert_string_equal(row.file_id, "file_1");
	assert_string_equal(row.fields, "{\"channel\":\"c\"}");
	assert_string_equal(row.filename, "a.txt");
	assert_int_equal(row.size_bytes, 10);
	assert_int_equal(partial_uploads_finish(store, "upl_9", "file_1", &error), -ENOENT);
}

static void they_end_when_told_and_when_their_time_is_over(void **state)
{
	char upload_id[UPLOAD_ID_SIZE];
	struct partial_upload_row row;

	(void)state;
	add("upl_1", "ann", 10, 100);
	add("upl_2", "ann", 20, 200);
	assert_int_equal(partial_uploads_delete_expired(store, 99, upload_id, &error), 0);
	assert_int_equal(partial_uploads_delete_expired(store, 100, upload_id, &error), 1);
	assert_string_equal(upload_id, "upl_1");
	assert_int_equal(partial_uploads_delete(store, "upl_2", &error), 0);
	assert_int_equal(partial_uploads_delete(store, "upl_2", &error), -ENOENT);
	assert_int_equal(partial_uploads_get(store, "upl_2", &row, &error), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(what_is_not_whole_is_pending_for_its_user),
		STORE_TEST(they_end_when_told_and_when_their_time_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
