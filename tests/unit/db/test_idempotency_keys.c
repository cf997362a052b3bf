/* Answers that are given again: to whom, for how long, and to nobody else. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/idempotency_keys.h"
#include "tests/unit/db/memory_store.h"

static struct idempotent_request request_of(const char *caller, const char *key, int what)
{
	struct idempotent_request request = {.caller = caller, .key = key};

	memset(request.hash, what, sizeof(request.hash));
	return request;
}

static int begin_at(const struct idempotent_request *request, int64_t now)
{
	struct idempotent_answer answer = {0};
	int r = idempotency_keys_begin(store, request, now, now + 100, &answer, &error);

	idempotent_answer_fini(&answer);
	return r;
}

static void finish(const struct idempotent_request *request, const char *body)
{
	const struct idempotent_answer answer = {
		.status = 201, .headers = (char[]){"A: b\r\n"}, .body = (char *)(uintptr_t)body};

	assert_int_equal(idempotency_keys_finish(store, request, &answer, &error), 0);
}

static void an_answer_is_given_to_the_same_request_again(void **state)
{
	struct idempotent_request request = request_of("ann", "k", 1);
	struct idempotent_answer answer;

	(void)state;
	assert_int_equal(begin_at(&request, 1000), 0);
	finish(&request, "{}");
	assert_int_equal(idempotency_keys_begin(store, &request, 5000, 5100, &answer, &error), 1);
	assert_int_equal(answer.status, 201);
	assert_string_equal(answer.headers, "A: b\r\n");
	assert_string_equal(answer.body, "{}");
	idempotent_answer_fini(&answer);
	/* An answer without a body comes back without one. */
	request.key = "empty";
	assert_int_equal(begin_at(&request, 1000), 0);
	finish(&request, NULL);
	assert_int_equal(idempotency_keys_begin(store, &request, 5000, 5100, &answer, &error), 1);
	assert_null(answer.body);
	idempotent_answer_fini(&answer);
}

static void another_request_with_the_key_is_refused(void **state)
{
	struct idempotent_request request = request_of("ann", "k", 1),
				  other = request_of("ann", "k", 2);

	(void)state;
	assert_int_equal(begin_at(&request, 1000), 0);
	assert_int_equal(begin_at(&other, 1001), -ENOTUNIQ);
	assert_string_equal(error.code, "idempotency_key_reused");
	finish(&request, "{}");
	assert_int_equal(begin_at(&other, 2000), -ENOTUNIQ);
}

static void keys_are_the_callers_own(void **state)
{
	struct idempotent_request ann = request_of("ann", "k", 1), ben = request_of("ben", "k", 2);

	(void)state;
	assert_int_equal(begin_at(&ann, 1000), 0);
	assert_int_equal(begin_at(&ben, 1000), 0);
}

static void whoever_asks_meanwhile_is_told_to_wait_until_the_lease_is_over(void **state)
{
	struct idempotent_request request = request_of("ann", "k", 1);

	(void)state;
	assert_int_equal(begin_at(&request, 1000), 0);
	assert_int_equal(begin_at(&request, 1099), -EINPROGRESS);
	assert_string_equal(error.code, "request_in_progress");
	assert_int_equal(begin_at(&request, 1100), 0); /* whoever had it is dead */
	assert_int_equal(begin_at(&request, 1101), -EINPROGRESS);
}

static void a_request_that_failed_leaves_its_key_free(void **state)
{
	struct idempotent_request request = request_of("ann", "k", 1),
				  other = request_of("ann", "k", 2);

	(void)state;
	assert_int_equal(begin_at(&request, 1000), 0);
	assert_int_equal(idempotency_keys_drop(store, &request, &error), 0);
	assert_int_equal(begin_at(&other, 1001), 0);
	finish(&other, "{}");
	/* An answer is not dropped any more. */
	assert_int_equal(idempotency_keys_drop(store, &other, &error), 0);
	assert_int_equal(begin_at(&other, 1002), 1);
}

static void old_answers_are_forgotten(void **state)
{
	struct idempotent_request old = request_of("ann", "old", 1),
				  newer = request_of("ann", "new", 1);

	(void)state;
	assert_int_equal(begin_at(&old, 1000), 0);
	assert_int_equal(begin_at(&newer, 3000), 0);
	finish(&newer, "{}");
	assert_int_equal(idempotency_keys_trim(store, 2000, 10, &error), 1);
	assert_int_equal(begin_at(&old, 1001), 0);
	assert_int_equal(begin_at(&newer, 4000), 1);
}

static void no_more_than_the_newest_are_kept(void **state)
{
	char key[16];

	(void)state;
	assert_int_equal(store_begin(store, &error), 0);
	for (int i = 0; i < IDEMPOTENCY_KEYS_MAX + 5; i++) {
		struct idempotent_request request = request_of("ann", key, 1);

		(void)snprintf(key, sizeof(key), "%d", i);
		assert_int_equal(begin_at(&request, 1000 + i), 0);
	}
	assert_int_equal(store_commit(store, &error), 0);
	assert_int_equal(idempotency_keys_trim(store, 0, 100, &error), 4);
	assert_int_equal(idempotency_keys_trim(store, 0, 100, &error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(an_answer_is_given_to_the_same_request_again),
		STORE_TEST(another_request_with_the_key_is_refused),
		STORE_TEST(keys_are_the_callers_own),
		STORE_TEST(whoever_asks_meanwhile_is_told_to_wait_until_the_lease_is_over),
		STORE_TEST(a_request_that_failed_leaves_its_key_free),
		STORE_TEST(old_answers_are_forgotten),
		STORE_TEST(no_more_than_the_newest_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
