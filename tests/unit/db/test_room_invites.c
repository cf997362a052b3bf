/* Invites: who takes a place, who keeps one, and that there are never more than were given out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/room_invites.h"
#include "tests/unit/db/memory_store.h"

static char token[INVITE_TOKEN_SIZE];
static struct room_invite_row invite;

static void make(int64_t max_uses, int64_t expires_ms)
{
	invite = (struct room_invite_row){
		.room_id = "r", .max_uses = max_uses, .expires_at_unix_ms = expires_ms};
	assert_int_equal(room_invites_create(store, &invite, 10, token, &error), 0);
}

static int use(const char *holder, const char *was_holder)
{
	struct room_invite_row row;
	int r = room_invites_use(store, token, "r", holder, was_holder, 50, &row, &error);

	if (r >= 0)
		assert_string_equal(row.invite_id, invite.invite_id);
	return r;
}

static int64_t use_count(void)
{
	const struct list_position start = {0};
	struct room_invite_row row = {0};
	bool more;

	assert_int_equal(room_invites_list(store, "r", &start, 1, 50, &row, &more, &error), 1);
	return row.use_count;
}

static void each_holder_takes_one_place_and_keeps_it(void **state)
{
	(void)state;
	make(2, 0);
	assert_int_equal(use("guest:a", ""), PLACE_TAKEN);
	assert_int_equal(use("guest:a", ""), PLACE_KEPT);
	assert_int_equal(use("guest:b", "guest:a"), PLACE_MOVED);
	assert_int_equal(use_count(), 1);
	assert_int_equal(use("guest:a", ""), PLACE_TAKEN); /* the one it was is somebody else now */
	assert_int_equal(use("guest:c", ""), -EACCES);
	assert_string_equal(error.code, "invite_used_up");
	assert_int_equal(use("guest:d", "guest:nobody"), -EACCES);
	assert_int_equal(use("guest:b", ""), PLACE_KEPT);
	assert_int_equal(use_count(), 2);
}

static void who_did_not_come_in_changes_nothing(void **state)
{
	(void)state;
	make(1, 0);
	assert_int_equal(use("guest:a", ""), PLACE_TAKEN);
	assert_int_equal(
		room_invites_give_back(store, invite.invite_id, PLACE_TAKEN, "guest:a", "", &error),
		0);
	assert_int_equal(use_count(), 0);
	assert_int_equal(
		room_invites_give_back(store, invite.invite_id, PLACE_TAKEN, "guest:a", "", &error),
		0); /* not twice */
	assert_int_equal(use_count(), 0);
	assert_int_equal(use("guest:b", ""), PLACE_TAKEN);
	assert_int_equal(use("guest:c", "guest:b"), PLACE_MOVED);
	assert_int_equal(room_invites_give_back(store, invite.invite_id, PLACE_MOVED, "guest:c",
						"guest:b", &error),
			 0);
	assert_int_equal(use("guest:b", ""), PLACE_KEPT);
	assert_int_equal(
		room_invites_give_back(store, invite.invite_id, PLACE_KEPT, "guest:b", "", &error),
		0);
	assert_int_equal(use_count(), 1);
}

static void who_was_sent_out_is_not_known_again(void **state)
{
	char holder[INVITE_HOLDER_SIZE];

	(void)state;
	make(1, 0);
	invite_holder_format("", "abc", holder);
	assert_int_equal(use(holder, ""), PLACE_TAKEN);
	assert_int_equal(room_invites_forget_holder(store, holder, &error), 0);
	assert_int_equal(use(holder, ""), -EACCES);
	assert_int_equal(use("guest:d", holder), -EACCES);
	assert_int_equal(use_count(), 1);
}

static void an_invite_is_good_for_its_room_and_time_alone(void **state)
{
	struct room_invite_row row;

	(void)state;
	make(0, 100);
	assert_int_equal(use("user:ann", ""), PLACE_NONE);
	assert_int_equal(use("user:ann", ""), PLACE_NONE);
	assert_int_equal(use_count(), 2);
	assert_int_equal(room_invites_use(store, token, "other", "user:ann", "", 50, &row, &error),
			 -EACCES);
	assert_string_equal(error.code, "bad_invite");
	assert_int_equal(room_invites_use(store, "inv_x", "r", "user:ann", "", 50, &row, &error),
			 -EACCES);
	assert_int_equal(room_invites_use(store, token, "r", "user:ann", "", 100, &row, &error),
			 -EACCES);
	assert_int_equal(room_invites_delete_expired(store, 99, &error), 0);
	assert_int_equal(room_invites_delete_expired(store, 100, &error), 1);
	make(1, 0);
	assert_int_equal(use("user:ann", ""), PLACE_TAKEN);
	assert_int_equal(room_invites_delete(store, "r", invite.invite_id, &error), 0);
	assert_int_equal(use("user:ann", ""), -EACCES);
	assert_int_equal(room_invites_delete(store, "r", invite.invite_id, &error), -ENOENT);
	invite = (struct room_invite_row){.room_id = "nowhere"};
	assert_int_equal(room_invites_create(store, &invite, 10, token, &error), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOM_TEST(each_holder_takes_one_place_and_keeps_it),
		ROOM_TEST(who_did_not_come_in_changes_nothing),
		ROOM_TEST(who_was_sent_out_is_not_known_again),
		ROOM_TEST(an_invite_is_good_for_its_room_and_time_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
