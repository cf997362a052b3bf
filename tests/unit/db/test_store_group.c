/* Changes that share a transaction: each is kept or refused for itself. */
#include "db/store_group.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "db/rooms.h"
#include "tests/unit/cmocka_all.h"

enum { THREADS = 12, ROUNDS = 40 };

static char path[64];
static struct store *store;
static struct store_group *group;
static struct error error;

static int open_store(void **state)
{
	(void)state;
	(void)strcpy(path, "/tmp/store_group_XXXXXX");
	(void)close(mkstemp(path));
	group = store_group_new();
	return store_open(path, STORE_RELAXED, &store, &error);
}

static int close_store(void **state)
{
	char name[80];

	(void)state;
	store = store_free(store);
	group = store_group_free(group);
	(void)unlink(path);
	(void)snprintf(name, sizeof(name), "%s-wal", path);
	(void)unlink(name);
	(void)snprintf(name, sizeof(name), "%s-shm", path);
	(void)unlink(name);
	return 0;
}

static bool room_is_there(const char *room_id)
{
	AUTO_ROOM_ROW room = {0};

	return rooms_get(store, room_id, &room, NULL) == 0;
}

/* ---- changes ---- */

static int make(struct store *by, const char *room_id, struct error *reterr)
{
	AUTO_ROOM_ROW room = {.max_participants = 2};

	(void)snprintf(room.room_id, sizeof(room.room_id), "%s", room_id);
	return rooms_create(by, &room, 100000, 1, reterr);
}

static int make_room(struct store *by, void *data, struct error *reterr)
{
	return make(by, data, reterr);
}

/* What it has written before it fails is to go. */
static int make_room_and_fail(struct store *by, void *data, struct error *reterr)
{
	int r = make(by, data, reterr);

	return r < 0 ? r : error_set(reterr, -ESTALE, "changed_my_mind", "no");
}

/* What a full disk does. */
static int lose_transaction(struct store *by, void *data, struct error *reterr)
{
	int r = make(by, data, reterr);

	store_rollback(by);
	return r < 0 ? r : error_set(reterr, -ENOSPC, "store_full", "no space");
}

/* ---- alone ---- */

static void a_change_is_committed_when_it_returns(void **state)
{
	(void)state;
	assert_int_equal(store_group_change(group, store, make_room, (char[]){"a"}, &error), 0);
	assert_false(store_in_transaction(store));
	assert_true(room_is_there("a"));
}

static void a_change_that_fails_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(
		store_group_change(group, store, make_room_and_fail, (char[]){"a"}, &error),
		-ESTALE);
	assert_string_equal(error.code, "changed_my_mind");
	assert_false(store_in_transaction(store));
	assert_false(room_is_there("a"));
	assert_int_equal(store_group_change(group, store, lose_transaction, (char[]){"a"}, &error),
			 -ENOSPC);
	assert_int_equal(store_group_change(group, store, make_room, (char[]){"a"}, &error), 0);
}

static void within_a_transaction_it_is_a_part_of_that(void **state)
{
	(void)state;
	assert_int_equal(store_begin(store, &error), 0);
	assert_int_equal(store_group_change(group, store, make_room, (char[]){"a"}, &error), 0);
	assert_true(store_in_transaction(store));
	store_rollback(store);
	assert_false(room_is_there("a"));
}

/* ---- together ---- */

static atomic_int asked;
static atomic_bool leads;
static char unexpected; /* what a thread returns that got another answer than it should */

/* Thread n makes room n-i in round i, the last one fails after it, and the first two want the same.
 */
static void *ask(void *data)
{
	int number = *(int *)data;
	struct store *mine = NULL;
	struct error why = {0};

	if (store_open(path, STORE_RELAXED, &mine, &why) < 0)
		return &unexpected;
	for (int i = 0; i < ROUNDS; i++) {
		bool fails = number == THREADS - 1;
		char room_id[32];
		int r;

		(void)snprintf(room_id, sizeof(room_id), "%d-%d", number < 2 ? 0 : number, i);
		asked++;
		r = store_group_change(group, mine, fails ? make_room_and_fail : make_room, room_id,
				       &why);
		if (fails ? r != -ESTALE : r != 0 && !(number < 2 && r == -EEXIST))
			return &unexpected;
	}
	(void)store_free(mine);
	return NULL;
}

static void each_of_many_is_kept_or_refused_for_itself(void **state)
{
	pthread_t threads[THREADS];
	int numbers[THREADS];

	(void)state;
	asked = 0;
	assert_int_equal(store_begin(store, &error), 0); /* so that they gather */
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &numbers[i]), 0);
	}
	while (asked < THREADS)
		(void)usleep(100);
	assert_int_equal(store_commit(store, &error), 0);
	for (int i = 0; i < THREADS; i++) {
		void *complaint;

		(void)pthread_join(threads[i], &complaint);
		assert_null(complaint);
	}
	for (int number = 0; number < THREADS; number++) {
		for (int i = 0; i < ROUNDS; i++) {
			char room_id[32];

			(void)snprintf(room_id, sizeof(room_id), "%d-%d", number, i);
			assert_int_equal(room_is_there(room_id),
					 number != 1 && number != THREADS - 1);
		}
	}
}

/* Blocks the one that leads until `asked` others have come behind it, who come once it leads. */
static int wait_and_make(struct store *by, void *data, struct error *reterr)
{
	leads = true;
	while (asked < 2)
		(void)usleep(100);
	(void)usleep(20000);
	return make(by, data, reterr);
}

struct one {
	store_change_fn *change;
	char room_id[8];
	int result;
};

static void *ask_one(void *data)
{
	struct one *one = data;
	struct store *mine = NULL;

	if (store_open(path, STORE_RELAXED, &mine, NULL) < 0)
		return NULL;
	while (!leads)
		(void)usleep(100);
	asked++;
	one->result = store_group_change(group, mine, one->change, one->room_id, NULL);
	(void)store_free(mine);
	return NULL;
}

static void nobody_is_told_of_success_by_a_transaction_that_was_lost(void **state)
{
	struct one ones[] = {{make_room, "b", 7}, {lose_transaction, "c", 7}};
	pthread_t threads[2];

	(void)state;
	asked = 0;
	leads = false;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_one, &ones[i]), 0);
	assert_int_equal(store_group_change(group, store, wait_and_make, (char[]){"a"}, &error), 0);
	for (int i = 0; i < 2; i++)
		(void)pthread_join(threads[i], NULL);
	assert_int_equal(ones[1].result, -ENOSPC);
	assert_true(ones[0].result == 0 || ones[0].result == -ENOSPC);
	assert_int_equal(room_is_there("b"), ones[0].result == 0);
	assert_false(room_is_there("c"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)
		TEST(a_change_is_committed_when_it_returns),
		TEST(a_change_that_fails_leaves_nothing),
		TEST(within_a_transaction_it_is_a_part_of_that),
		TEST(each_of_many_is_kept_or_refused_for_itself),
		TEST(nobody_is_told_of_success_by_a_transaction_that_was_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
