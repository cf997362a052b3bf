#include <string.h>

#include "core/id.h"
#include "tests/unit/cmocka_all.h"

static void room_ids_are_short_plain_words(void **state)
{
	char longest[130];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[129] = '\0';
	assert_true(room_id_is_valid("meeting_123"));
	assert_true(room_id_is_valid("a.b:c-D"));
	assert_false(room_id_is_valid(""));
	assert_false(room_id_is_valid("with space"));
	assert_false(room_id_is_valid("sl/ash"));
	assert_false(room_id_is_valid("d\xc3\xa9j\xc3\xa0"));
	assert_false(room_id_is_valid(longest));
	longest[128] = '\0';
	assert_true(room_id_is_valid(longest));
}

static void channel_names_are_utf8_without_controls(void **state)
{
	static const struct {
		const char *name;
		size_t length;
		bool is_valid;
	} cases[] = {{"general", 7, true},
		     {"\xd1\x87\xd0\xb0\xd1\x82", 6, true},
		     {"\xf0\x9f\x98\x80", 4, true},
		     {"", 0, false},
		     {"a\nb", 3, false},
		     {"a\0b", 3, false},
		     {"\xc0\xaf", 2, false},	 /* overlong */
		     {"\xed\xa0\x80", 3, false}, /* surrogate */
		     {"\xc2\x85", 2, false},	 /* C1 control */
		     {"\xe2\x82", 2, false}};	 /* cut short */

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(channel_name_is_valid(cases[i].name, cases[i].length),
				 cases[i].is_valid);
}

static void random_ids_differ(void **state)
{
	char a[40], b[40];

	(void)state;
	id_new("peer", a, sizeof(a));
	id_new("peer", b, sizeof(b));
	assert_int_equal(strlen(a), 5 + ID_CHARS);
	assert_memory_equal(a, "peer_", 5);
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_ids_are_short_plain_words),
		cmocka_unit_test(channel_names_are_utf8_without_controls),
		cmocka_unit_test(random_ids_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
