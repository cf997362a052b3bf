/* Who may not come in: for how long, and who of those present. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/room_bans.h"
#include "db/rooms.h"
#include "tests/unit/db/memory_store.h"

static struct room_ban_row ban(const char *user_id, int64_t now_ms, int64_t expires_ms)
{
	struct room_ban_row row = {.room_id = "r", .expires_at_unix_ms = expires_ms};

	(void)snprintf(row.user_id, sizeof(row.user_id), "%s", user_id);
	assert_int_equal(room_bans_put(store, &row, now_ms, &error), 0);
	return row;
}

static int is_banned(const char *user_id, int64_t now_ms)
{
	struct room_ban_row row;

	return room_bans_find(store, "r", user_id, now_ms, &row, &error);
}

static void a_ban_holds_until_it_ends(void **state)
{
	struct room_ban_row first = ban("ann", 10, 100);

	(void)state;
	assert_int_equal(is_banned("ann", 99), 1);
	assert_int_equal(is_banned("ann", 100), 0);
	assert_int_equal(is_banned("bob", 50), 0);
	assert_int_equal(is_banned("", 50), 0);
	assert_string_equal(ban("ann", 20, 0).ban_id, first.ban_id); /* it is replaced */
	assert_int_equal(is_banned("ann", 1000), 1);
	assert_int_equal(room_bans_delete(store, "other", first.ban_id, &error), -ENOENT);
	assert_int_equal(room_bans_delete(store, "r", first.ban_id, &error), 0);
	assert_int_equal(is_banned("ann", 50), 0);
	assert_int_equal(room_bans_delete(store, "r", first.ban_id, &error), -ENOENT);
}

static void bans_are_of_a_room_and_go_with_it(void **state)
{
	struct room_ban_row row = {.room_id = "nowhere", .user_id = "ann"};

	(void)state;
	assert_int_equal(room_bans_put(store, &row, 1, &error), -ENOENT);
	assert_string_equal(error.code, "room_not_found");
	(void)ban("ann", 10, 0);
	assert_int_equal(rooms_delete(store, "r", 5, &error), 0);
	assert_int_equal(is_banned("ann", 50), 0);
}

static void pages_follow_each_other(void **state)
{
	struct room_ban_row rows[2];
	struct list_position after = {0};
	size_t seen = 0;
	bool more = true;
	int count;

	(void)state;
	for (int i = 0; i < 5; i++) {
		char user[16];

		(void)snprintf(user, sizeof(user), "u%d", i);
		(void)ban(user, 10 + i / 2, 0); /* some of one moment */
	}
	(void)ban("over", 10, 20);
	while (more) {
		count = room_bans_list(store, "r", &after, 2, 30, rows, &more, &error);
		assert_true(count > 0);
		seen += (size_t)count;
		after.created_at_unix_ms = rows[count - 1].created_at_unix_ms;
		(void)snprintf(after.id, sizeof(after.id), "%s", rows[count - 1].ban_id);
	}
	assert_int_equal(seen, 5);
}

static void remember(void *data, const char *room_id, const char *user_id, const char *reason)
{
	char *text = data;
	size_t length = strlen(text);

	(void)snprintf(text + length, 100 - length, "%s/%s/%s ", room_id, user_id, reason);
}

static void the_banned_are_found_among_those_present(void **state)
{
	struct room_ban_row row = {.room_id = "r", .user_id = "ann", .reason = "spam"};
	char found[100] = "";

	(void)state;
	assert_int_equal(room_bans_put(store, &row, 1, &error), 0);
	(void)ban("over", 1, 5);
	(void)ban("absent", 1, 0);
	assert_int_equal(room_bans_match(store,
					 "[[\"r\",\"ann\"],[\"r\",\"over\"],[\"r\",\"bob\"],"
					 "[\"other\",\"ann\"]]",
					 10, remember, found, &error),
			 0);
	assert_string_equal(found, "r/ann/spam ");
	assert_int_equal(room_bans_delete_expired(store, 10, &error), 1);
	assert_int_equal(room_bans_delete_expired(store, 10, &error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOM_TEST(a_ban_holds_until_it_ends),
		ROOM_TEST(bans_are_of_a_room_and_go_with_it),
		ROOM_TEST(pages_follow_each_other),
		ROOM_TEST(the_banned_are_found_among_those_present),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
