/* Files: arriving, kept once, removed when nobody has them any more; and what a crash leaves. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "api/file_keeper.h"
#include "core/config.h"
#include "tests/unit/cmocka_all.h"

static const char sha256_of_abc[] =
	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static char folder[64];
static struct config *config;
static struct store *store;
static struct file_keeper *keeper;
static struct error error;

static int start(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/rt-files-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)setenv("REALTIME_CONFIG", "/dev/null", 1);
	(void)setenv("REALTIME_DATA_DIR", folder, 1);
	(void)setenv("REALTIME_FILES_TTL", "60", 1);
	(void)setenv("REALTIME_FILES_USER_QUOTA", "10", 1);
	(void)setenv("REALTIME_API_THREADS", "4", 1);
	assert_int_equal(config_load(&config, &error), 0);
	assert_int_equal(store_open(":memory:", STORE_RELAXED, &store, &error), 0);
	assert_int_equal(file_keeper_new(config, &keeper, &error), 0);
	return 0;
}

static int stop(void **state)
{
	char command[128];

	(void)state;
	keeper = file_keeper_free(keeper);
	store = store_free(store);
	config = config_free(config);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static bool is_there(const char *path)
{
	char whole[256];
	struct stat status;

	(void)snprintf(whole, sizeof(whole), "%s/files/%s", folder, path);
	return stat(whole, &status) == 0;
}

static int count_incoming(void)
{
	char command[160];
	int count = -1;
	FILE *pipe;

	(void)snprintf(command, sizeof(command), "ls '%s/files/incoming' | grep -vc lock", folder);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%d", &count), 1);
	(void)pclose(pipe);
	return count;
}

static struct file_draft *draft_of(const char *text)
{
	struct file_draft *draft;

	assert_int_equal(file_draft_new(file_keeper_files(keeper), &draft, &error), 0);
	for (const char *at = text; *at; at++) /* in as many pieces as can be */
		assert_int_equal(file_draft_write(draft, at, 1, &error), 0);
	assert_int_equal(file_draft_seal(draft, &error), 0);
	return draft;
}

static int keep(const char *text, const char *user_id, struct upload_row *row)
{
	struct file_draft *draft = draft_of(text);
	int r;

	*row = (struct upload_row){.content_type = "text/plain"};
	(void)snprintf(row->user_id, sizeof(row->user_id), "%s", user_id);
	r = file_keeper_keep(keeper, store, draft, row, 1000, &error);
	(void)file_draft_free(draft);
	return r;
}

static void a_file_lies_under_its_sha256_and_can_be_read(void **state)
{
	struct upload_row row;
	char bytes[4] = "";
	int fd;

	(void)state;
	assert_int_equal(keep("abc", "ann", &row), 0);
	assert_string_equal(row.sha256, sha256_of_abc);
	assert_int_equal(row.size_bytes, 3);
	assert_int_equal(row.expires_at_unix_ms, 61000);
	assert_true(
		is_there("ba/78/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
	assert_int_equal(count_incoming(), 0);
	fd = file_store_open(file_keeper_files(keeper), row.sha256, &error);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, bytes, 4), 3);
	assert_string_equal(bytes, "abc");
	(void)close(fd);
}

static void what_is_given_up_leaves_nothing(void **state)
{
	struct file_draft *draft = draft_of("abc");
	const uint8_t *head;
	char bytes[3];

	(void)state;
	assert_int_equal(count_incoming(), 1);
	assert_int_equal(file_draft_head(draft, &head), 3);
	assert_memory_equal(head, "abc", 3);
	assert_int_equal(file_draft_read(draft, bytes, 3, &error), 0);
	assert_memory_equal(bytes, "abc", 3);
	(void)file_draft_free(draft);
	assert_int_equal(count_incoming(), 0);
	assert_int_equal(file_store_open(file_keeper_files(keeper), sha256_of_abc, &error),
			 -ENOENT);
}

static void bytes_stay_until_the_last_upload_that_has_them_goes(void **state)
{
	struct upload_row first, second;

	(void)state;
	assert_int_equal(keep("abc", "ann", &first), 0);
	assert_int_equal(keep("abc", "bob", &second), 0);
	assert_string_not_equal(first.file_id, second.file_id);
	assert_int_equal(file_keeper_drop(keeper, store, first.file_id, &error), 0);
	assert_int_equal(file_keeper_drop(keeper, store, first.file_id, &error), -ENOENT);
	assert_true(file_store_open(file_keeper_files(keeper), first.sha256, &error) >= 0);
	assert_int_equal(file_keeper_drop(keeper, store, second.file_id, &error), 0);
	assert_int_equal(file_store_open(file_keeper_files(keeper), first.sha256, &error), -ENOENT);
}

static void what_does_not_fit_the_quota_is_not_kept(void **state)
{
	struct upload_row row;

	(void)state;
	assert_int_equal(keep("0123456789", "ann", &row), 0);
	assert_int_equal(keep("a", "ann", &row), -ENOSPC);
	assert_string_equal(error.code, "user_quota_exceeded");
	assert_int_equal(uploads_get(store, row.file_id, &row, &error), -ENOENT);
	assert_int_equal(count_incoming(), 0);
	assert_int_equal(keep("a", "bob", &row), 0);
}

static void the_expired_are_dropped(void **state)
{
	struct upload_row row;

	(void)state;
	assert_int_equal(keep("abc", "ann", &row), 0);
	assert_int_equal(file_keeper_drop_expired(keeper, store, 60999, &error), 0);
	assert_int_equal(file_keeper_drop_expired(keeper, store, 61000, &error), 1);
	assert_int_equal(file_store_open(file_keeper_files(keeper), row.sha256, &error), -ENOENT);
}

static void strays_are_found_and_the_wanted_stay(void **state)
{
	struct upload_row row;
	struct file_draft *draft;

	(void)state;
	assert_int_equal(keep("wanted", "ann", &row), 0);
	draft = draft_of("abc"); /* as if we died before the row was written */
	assert_int_equal(file_draft_place(draft, &error), 0);
	(void)file_draft_free(draft);
	assert_int_equal(file_keeper_drop_strays(keeper, store, &error), 1);
	assert_int_equal(file_store_open(file_keeper_files(keeper), sha256_of_abc, &error),
			 -ENOENT);
	assert_true(file_store_open(file_keeper_files(keeper), row.sha256, &error) >= 0);
	assert_int_equal(file_keeper_drop_strays(keeper, store, &error), 0);
}

/* Another process that is writing must not lose its file; a dead one's goes. */
static void the_next_start_clears_what_the_dead_left(void **state)
{
	struct file_store *mine = NULL;
	struct file_draft *draft;
	char byte = 0;
	int ready[2], status;
	pid_t child;

	(void)state;
	keeper = file_keeper_free(keeper);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		struct file_store *theirs;

		if (file_store_new(folder, &theirs, NULL) < 0 ||
		    file_draft_new(theirs, &draft, NULL) < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		(void)pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(file_store_new(folder, &mine, &error), 0);
	assert_int_equal(count_incoming(), 1);
	mine = file_store_free(mine);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(count_incoming(), 1);
	assert_int_equal(file_store_new(folder, &mine, &error), 0);
	assert_int_equal(count_incoming(), 0);
	mine = file_store_free(mine);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void a_path_is_no_sha256(void **state)
{
	static const char *const bad[] = {
		"", "../../etc/passwd", "BA7816BF",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f2001/.."};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(file_store_open(file_keeper_files(keeper), bad[i], &error), -EIO);
		assert_int_equal(file_store_remove(file_keeper_files(keeper), bad[i], &error),
				 -EIO);
	}
}

static void types_are_seen_and_arrivals_bounded(void **state)
{
	static const char gzip[] = "\x1f\x8b\x08\0\0\0\0\0\0\3";
	char type[CONTENT_TYPE_MAX + 1];

	(void)state;
	assert_int_equal(file_keeper_choose_type(keeper, NULL, "%PDF-1.4\n", 9, type, &error), 0);
	assert_string_equal(type, "application/pdf");
	assert_int_equal(
		file_keeper_choose_type(keeper, "image/png", gzip, sizeof(gzip), type, &error),
		-EPROTONOSUPPORT);
	assert_int_equal(file_keeper_enter(keeper, &error), 0);
	assert_int_equal(file_keeper_enter(keeper, &error), 0);
	assert_int_equal(file_keeper_enter(keeper, &error), -EAGAIN);
	file_keeper_leave(keeper);
	assert_int_equal(file_keeper_enter(keeper, &error), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_lies_under_its_sha256_and_can_be_read),
		TEST(what_is_given_up_leaves_nothing),
		TEST(bytes_stay_until_the_last_upload_that_has_them_goes),
		TEST(what_does_not_fit_the_quota_is_not_kept),
		TEST(the_expired_are_dropped),
		TEST(strays_are_found_and_the_wanted_stay),
		TEST(the_next_start_clears_what_the_dead_left),
		TEST(a_path_is_no_sha256),
		TEST(types_are_seen_and_arrivals_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
