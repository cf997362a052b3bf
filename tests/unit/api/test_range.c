/* Range, entity tags and Content-Disposition. */
#include <stdio.h>
#include <string.h>

#include "api/wire/disposition.h"
#include "api/wire/range.h"
#include "core/cleanup.h"
#include "tests/unit/cmocka_all.h"

static void a_range_is_a_part_the_whole_or_impossible(void **state)
{
	static const struct {
		const char *header;
		enum range_result result;
		int64_t offset, length;
	} cases[] = {
		{NULL, RANGE_WHOLE, 0, 0},
		{"bytes=0-0", RANGE_PART, 0, 1},
		{"bytes=10-19", RANGE_PART, 10, 10},
		{"Bytes= 10-19 ", RANGE_PART, 10, 10},
		{"bytes=90-", RANGE_PART, 90, 10},
		{"bytes=90-1000", RANGE_PART, 90, 10},
		{"bytes=-10", RANGE_PART, 90, 10},
		{"bytes=-1000", RANGE_PART, 0, 100},
		{"bytes=0-99999999999999999999999", RANGE_PART, 0, 100},
		{"bytes=100-", RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=99999999999999999999999-", RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=-0", RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=5-3", RANGE_WHOLE, 0, 0},
		{"bytes=0-1,3-4", RANGE_WHOLE, 0, 0},
		{"bytes=-", RANGE_WHOLE, 0, 0},
		{"bytes=", RANGE_WHOLE, 0, 0},
		{"bytes=a-b", RANGE_WHOLE, 0, 0},
		{"bytes=1-2x", RANGE_WHOLE, 0, 0},
		{"bytes=--5", RANGE_WHOLE, 0, 0},
		{"lines=1-2", RANGE_WHOLE, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t offset = 0, length = 0;

		assert_int_equal(range_parse(cases[i].header, 100, &offset, &length),
				 cases[i].result);
		assert_int_equal(offset, cases[i].offset);
		assert_int_equal(length, cases[i].length);
	}
}

static void nothing_of_an_empty_file_can_be_had(void **state)
{
	int64_t offset, length;

	(void)state;
	assert_int_equal(range_parse("bytes=0-", 0, &offset, &length), RANGE_UNSATISFIABLE);
	assert_int_equal(range_parse("bytes=-5", 0, &offset, &length), RANGE_UNSATISFIABLE);
	assert_int_equal(range_parse(NULL, 0, &offset, &length), RANGE_WHOLE);
}

static void entity_tags_are_found_in_lists(void **state)
{
	(void)state;
	assert_true(etag_list_has("\"a\"", "\"a\"", false));
	assert_true(etag_list_has("\"b\", \"a\"", "\"a\"", false));
	assert_true(etag_list_has("*", "\"a\"", false));
	assert_true(etag_list_has("W/\"a\"", "\"a\"", true));
	assert_false(etag_list_has("W/\"a\"", "\"a\"", false));
	assert_false(etag_list_has("\"ab\"", "\"a\"", true));
	assert_false(etag_list_has("a", "\"a\"", true));
	assert_false(etag_list_has("\"a", "\"a\"", true));
	assert_false(etag_list_has("", "\"a\"", true));
}

static void names_stay_within_their_header(void **state)
{
	char out[DISPOSITION_SIZE], name[256];

	(void)state;
	disposition_format(true, "", out);
	assert_string_equal(out, "inline");
	disposition_format(false, "a b.txt", out);
	assert_string_equal(out, "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt");
	disposition_format(false, "é\"\\%\r\n.x", out);
	assert_string_equal(out, "attachment; filename=\"_______.x\"; "
				 "filename*=UTF-8''%C3%A9%22%5C%25%0D%0A.x");
	memset(name, '\xff', 255);
	name[255] = '\0';
	disposition_format(false, name, out);
	assert_int_equal(strlen(out),
			 strlen("attachment; filename=\"\"; filename*=UTF-8''") + 4 * 255);
}

static void only_what_is_no_program_is_shown(void **state)
{
	(void)state;
	assert_true(disposition_is_inline("image/png"));
	assert_true(disposition_is_inline("video/mp4"));
	assert_true(disposition_is_inline("audio/ogg; codecs=opus"));
	assert_true(disposition_is_inline("application/pdf"));
	assert_true(disposition_is_inline("text/plain; charset=utf-8"));
	assert_false(disposition_is_inline("image/svg+xml"));
	assert_false(disposition_is_inline("Image/SVG+xml; charset=utf-8"));
	assert_false(disposition_is_inline("text/html"));
	assert_false(disposition_is_inline("application/octet-stream"));
	assert_false(disposition_is_inline(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_is_a_part_the_whole_or_impossible),
		cmocka_unit_test(nothing_of_an_empty_file_can_be_had),
		cmocka_unit_test(entity_tags_are_found_in_lists),
		cmocka_unit_test(names_stay_within_their_header),
		cmocka_unit_test(only_what_is_no_program_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
