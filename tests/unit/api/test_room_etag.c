#include "api/handlers/room_etag.h"
#include "tests/unit/cmocka_all.h"

static const struct room_row room = {.created_at_unix_ms = 255, .version = 3};

static void a_tag_tells_what_is_stored_and_who_is_there(void **state)
{
	char etag[ROOM_ETAG_SIZE];

	(void)state;
	room_etag_format(&room, 2, etag);
	assert_string_equal(etag, "\"ff-3-2\"");
	room_etag_format(&room, -1, etag);
	assert_string_equal(etag, "\"ff-3-x\"");
}

static void lists_are_searched_for_the_whole_tag(void **state)
{
	(void)state;
	assert_true(room_etag_is_listed("\"a\", W/\"ff-3-2\"", "\"ff-3-2\""));
	assert_true(room_etag_is_listed("*", "\"ff-3-2\""));
	assert_true(room_etag_is_listed("ff-3-2", "\"ff-3-2\""));
	assert_false(room_etag_is_listed("\"ff-3-1\"", "\"ff-3-2\""));
	assert_false(room_etag_is_listed("", "\"ff-3-2\""));
	assert_false(room_etag_is_listed("\"", "\"ff-3-2\""));
}

static void a_change_is_allowed_whoever_has_come_or_gone(void **state)
{
	(void)state;
	assert_true(room_etag_allows_change("\"ff-3-9\"", &room));
	assert_true(room_etag_allows_change("*", &room));
	assert_false(room_etag_allows_change("\"ff-2-9\"", &room));
	assert_false(room_etag_allows_change("\"fe-3-9\"", &room));
	assert_false(room_etag_allows_change("\"ff-33-9\"", &room));
	assert_false(room_etag_allows_change("garbage", &room));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tag_tells_what_is_stored_and_who_is_there),
		cmocka_unit_test(lists_are_searched_for_the_whole_tag),
		cmocka_unit_test(a_change_is_allowed_whoever_has_come_or_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
