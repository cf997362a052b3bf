#include "tests/unit/cmocka_all.h"

#include "core/media_range.h"

static void a_type_falls_into_its_range(void **state)
{
	(void)state;
	assert_true(media_range_matches("image/*", "image/png"));
	assert_true(media_range_matches("image/*", "IMAGE/svg+xml; charset=utf-8"));
	assert_true(media_range_matches("*/*", "a/b"));
	assert_true(media_range_matches("application/pdf", "application/PDF"));
	assert_false(media_range_matches("image/*", "imagex/png"));
	assert_false(media_range_matches("image/pn", "image/png"));
	assert_false(media_range_matches("image/png", "image/pn"));
	assert_false(media_range_matches("image/*", "image/*"));
	assert_false(media_range_matches("image/*", "image/"));
	assert_false(media_range_matches("image/*", "image"));
	assert_false(media_range_matches("image/*", "image/png\nx: y"));
	assert_false(media_range_matches("image/*", ""));
}

static void any_range_of_a_list_will_do(void **state)
{
	static const char list[] = "image/*, video/* ,application/pdf,text/*";

	(void)state;
	assert_true(media_range_list_matches(list, "application/pdf"));
	assert_true(media_range_list_matches(list, "video/mp4"));
	assert_true(media_range_list_matches(list, "text/html"));
	assert_false(media_range_list_matches(list, "application/zip"));
	assert_false(media_range_list_matches("", "text/html"));
}

static void ranges_are_types_with_stars(void **state)
{
	(void)state;
	assert_true(media_range_is_valid("image/*"));
	assert_true(media_range_is_valid("*/*"));
	assert_false(media_range_is_valid("*/png"));
	assert_false(media_range_is_valid("image"));
	assert_false(media_range_is_valid(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_type_falls_into_its_range),
		cmocka_unit_test(any_range_of_a_list_will_do),
		cmocka_unit_test(ranges_are_types_with_stars),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
