/* What from outside stands in a log is one line of UTF-8, whatever it was. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "tests/unit/cmocka_all.h"

static char *line_of(const char *path, bool as_json)
{
	static char line[4096];
	int saved = dup(STDERR_FILENO);
	FILE *file = tmpfile();
	size_t length;

	assert_non_null(file);
	(void)fflush(stderr);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	log_init("api", as_json);
	LOG(LOG_INFO, LOG_MAIN, "request", LOG_TEXT("path", path));
	(void)fflush(stderr);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(saved);
	rewind(file);
	length = fread(line, 1, sizeof(line) - 1, file);
	line[length] = '\0';
	(void)fclose(file);
	return strstr(line, as_json ? "\"path\"" : "path=");
}

static void plain_words_stand_as_they_are(void **state)
{
	(void)state;
	assert_string_equal(line_of("/a/b", false), "path=/a/b\n");
	assert_string_equal(line_of("/Zimmer/ü", false), "path=/Zimmer/ü\n");
}

static void nothing_makes_a_second_line_or_field(void **state)
{
	(void)state;
	assert_string_equal(line_of("a\nb", false), "path=\"a\\u000ab\"\n");
	assert_string_equal(line_of("a=\"b\"", false), "path=\"a=\\\"b\\\"\"\n");
	assert_string_equal(line_of("a b\x7f", true), "\"path\":\"a b\\u007f\"}\n");
}

static void what_is_no_utf_8_is_escaped(void **state)
{
	(void)state;
	assert_string_equal(line_of("/\xff\xfe", false), "path=\"/\\u00ff\\u00fe\"\n");
	assert_string_equal(line_of("/\xc0\x80", true), "\"path\":\"/\\u00c0\\u0080\"}\n");
	assert_string_equal(line_of("cut \xe2\x82", true), "\"path\":\"cut \\u00e2\\u0082\"}\n");
	assert_string_equal(line_of("\xc2\x9b", true), "\"path\":\"\\u00c2\\u009b\"}\n"); /* C1 */
	assert_string_equal(line_of("ü €", true), "\"path\":\"ü €\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_words_stand_as_they_are),
		cmocka_unit_test(nothing_makes_a_second_line_or_field),
		cmocka_unit_test(what_is_no_utf_8_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
