#include "tests/unit/cmocka_all.h"

#include <string.h>
#include <time.h>

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

/* By the definition. */
static bool stands_for(const char *pattern, const char *name)
{
	if (*pattern == '*')
		return stands_for(pattern + 1, name) || (*name && stands_for(pattern, name + 1));
	return *pattern == *name && (!*name || stands_for(pattern + 1, name + 1));
}

/* The `number`-th text of these characters, from the shortest on. */
static void text_of(unsigned number, const char *characters, char out[16])
{
	size_t base = strlen(characters);

	for (; number > 0; number = (unsigned)((number - 1) / base))
		*out++ = characters[(number - 1) % base];
	*out = '\0';
}

static void every_short_pattern_means_what_it_should(void **state)
{
	enum { PATTERNS = 3 * 1092, NAMES = 126 }; /* up to seven, and up to six characters */
	char pattern[16], name[16];

	(void)state;
	for (unsigned i = 0; i < PATTERNS; i++)
		for (unsigned j = 0; j < NAMES; j++) {
			text_of(i, "ab*", pattern);
			text_of(j, "ab", name);
			if (pattern_matches(pattern, name) != stands_for(pattern, name))
				fail_msg("%s and %s", pattern, name);
		}
}

/* What `narrow` stands for, `wide` stands for. */
static void whatever_is_covered_is_matched(void **state)
{
	enum { PATTERNS = 363, NAMES = 62 };
	char wide[16], narrow[16], name[16];

	(void)state;
	for (unsigned i = 0; i < PATTERNS; i++)
		for (unsigned j = 0; j < PATTERNS; j++) {
			text_of(i, "ab*", wide);
			text_of(j, "ab*", narrow);
			for (unsigned k = 0; pattern_covers(wide, narrow) && k < NAMES; k++) {
				text_of(k, "ab", name);
				if (pattern_matches(narrow, name) && !pattern_matches(wide, name))
					fail_msg("%s covers %s, but not %s", wide, narrow, name);
			}
		}
}

/* With one that tries every place, either takes as many steps as the product of both lengths. */
static void a_hostile_pattern_costs_no_more_than_others(void **state)
{
	enum { ROUNDS = 200000 };
	char pattern[256], many_stars[256], name[256];
	clock_t began;

	(void)state;
	memset(name, 'a', 255);
	memset(pattern, 'a', 128);
	*pattern = '*';
	strcpy(pattern + 127, "b");
	for (int i = 0; i < 254; i++)
		many_stars[i] = i % 2 ? '*' : 'a';
	strcpy(many_stars + 254, "b");
	name[255] = '\0';
	began = clock();
	for (int i = 0; i < ROUNDS; i++) {
		assert_false(pattern_matches(pattern, name));
		assert_false(pattern_matches(many_stars, name));
	}
	assert_true(clock() - began < 10 * CLOCKS_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stars_stand_for_any_run),
		cmocka_unit_test(a_pattern_covers_narrower_ones),
		cmocka_unit_test(every_short_pattern_means_what_it_should),
		cmocka_unit_test(whatever_is_covered_is_matched),
		cmocka_unit_test(a_hostile_pattern_costs_no_more_than_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
