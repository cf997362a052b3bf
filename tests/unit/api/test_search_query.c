/* From a search box to FTS5: words are looked for, and nothing of it is syntax. */
#include <errno.h>
#include <string.h>

#include "api/wire/search_query.h"
#include "tests/unit/cmocka_all.h"

static struct error error;
static char out[SEARCH_EXPRESSION_SIZE];

static const char *parse(const char *text)
{
	int r = search_query_parse(text, out, &error);

	if (r < 0)
		assert_string_equal(error.field, "q");
	return r < 0 ? error.code : out;
}

static void words_must_all_be_there_and_the_last_may_go_on(void **state)
{
	(void)state;
	assert_string_equal(parse("hello"), "\"hello\"*");
	assert_string_equal(parse("  hello   wor "), "\"hello\" AND \"wor\"*");
	assert_string_equal(parse("приве"), "\"приве\"*");
}

static void quotes_keep_words_together(void **state)
{
	(void)state;
	assert_string_equal(parse("\"new order\" ann"), "\"new order\" AND \"ann\"*");
	assert_string_equal(parse("ann \"new order\""), "\"ann\" AND \"new order\"");
	assert_string_equal(parse("ann\"new\"bob"), "\"ann\" AND \"new\" AND \"bob\"*");
	/* One that nothing ends means nothing. */
	assert_string_equal(parse("say \"hello"), "\"say\" AND \"hello\"*");
	assert_string_equal(parse("a\"\"b"), "\"a\" AND \"b\"*");
}

static void nothing_of_it_is_syntax(void **state)
{
	(void)state;
	assert_string_equal(parse("a OR b"), "\"a\" AND \"OR\" AND \"b\"*");
	assert_string_equal(parse("NEAR(a b, 2)"), "\"NEAR(a\" AND \"b,\" AND \"2)\"*");
	assert_string_equal(parse("channel:x*"), "\"channel:x*\"*");
	assert_string_equal(parse("a - ^ b"), "\"a\" AND \"b\"*"); /* punctuation finds nothing */
}

static void what_cannot_be_looked_for_is_refused(void **state)
{
	char text[SEARCH_QUERY_MAX + 2];

	(void)state;
	assert_string_equal(parse(""), "bad_field");
	assert_string_equal(parse("  \"\" * - "), "bad_field");
	assert_string_equal(parse("a\x01"), "bad_field");
	assert_string_equal(parse("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"), "bad_field");
	memset(text, 'a', sizeof(text));
	text[SEARCH_QUERY_MAX + 1] = '\0';
	assert_string_equal(parse(text), "bad_field");
	text[SEARCH_QUERY_MAX] = '\0';
	assert_int_equal(search_query_parse(text, out, &error), 0);
	for (size_t i = 0; i < 30; i++)
		text[i] = i % 2 ? ' ' : 'a';
	assert_int_equal(search_query_parse(text, out, &error), 0); /* the longest there is */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_must_all_be_there_and_the_last_may_go_on),
		cmocka_unit_test(quotes_keep_words_together),
		cmocka_unit_test(nothing_of_it_is_syntax),
		cmocka_unit_test(what_cannot_be_looked_for_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
