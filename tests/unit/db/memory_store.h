/* memory_store.h - a store in memory, new for each test of the file that includes this, and why
 * something failed last. Thread: one. */
#ifndef TESTS_UNIT_DB_MEMORY_STORE_H
#define TESTS_UNIT_DB_MEMORY_STORE_H

#include "tests/unit/cmocka_all.h"

#include "db/rooms.h"
#include "db/store.h"

static struct store *store;
static struct error error;

static inline int open_store(void **state)
{
	(void)state;
	error = (struct error){0};
	return store_open(":memory:", STORE_RELAXED, &store, &error);
}

/* The same, and room "r" is in it. */
static inline int open_store_with_room(void **state)
{
	struct room_row room = {.room_id = "r", .max_participants = 2};
	int r = open_store(state);

	return r < 0 ? r : rooms_create(store, &room, 10, 1, &error);
}

static inline int close_store(void **state)
{
	(void)state;
	store = store_free(store);
	return 0;
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)
#define ROOM_TEST(name) cmocka_unit_test_setup_teardown(name, open_store_with_room, close_store)

#endif
