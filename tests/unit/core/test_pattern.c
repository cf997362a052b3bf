#include "tests/unit/cmocka_all.h"

#include "core/pattern.h"

static void stars_stand_for_any_run(void **state)
{
	(void)state;
	assert_true(pattern_matches("chat_*", "chat_1"));
	assert_true(pattern_matches("chat_*", "chat_"));
	assert_false(pattern_matches("chat_*", "chat"));
	assert_true(pattern_matches("*", ""));
	assert_true(pattern_matches("*_*_c", "a_b_b_c"));
	assert_false(pattern_matches("*_*_c", "a_b_b_d"));
	assert_true(pattern_matches("a*b*c", "axxbxbxc"));
	assert_true(pattern_matches("plain", "plain"));
	assert_false(pattern_matches("", "x"));
}

static void a_pattern_covers_narrower_ones(void **state)
{
	(void)state;
	assert_true(pattern_covers("chat_*", "chat_*"));
	assert_true(pattern_covers("*", "chat_*"));
	assert_true(pattern_covers("chat_*", "chat_a*"));
	assert_false(pattern_covers("chat_a*", "chat_*"));
	assert_false(pattern_covers("chat_1", "chat_*"));
}

static void a_hostile_pattern_costs_no_more_than_the_product(void **state)
{
	char pattern[256], name[256];

	(void)state;
	for (int i = 0; i < 254; i++) {
		pattern[i] = i % 2 ? '*' : 'a';
		name[i] = 'a';
	}
	pattern[254] = 'b';
	pattern[255] = name[255] = '\0';
	name[254] = 'a';
	for (int i = 0; i < 10000; i++)
		assert_false(pattern_matches(pattern, name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stars_stand_for_any_run),
		cmocka_unit_test(a_pattern_covers_narrower_ones),
		cmocka_unit_test(a_hostile_pattern_costs_no_more_than_the_product),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
