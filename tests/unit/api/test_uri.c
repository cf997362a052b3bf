#include <errno.h>
#include <string.h>

#include "api/wire/uri.h"
#include "tests/unit/cmocka_all.h"

static struct error error;
static char buffer[URI_TARGET_MAX + 64];

static int decode(const char *path)
{
	(void)strcpy(buffer, path);
	return uri_path_decode(buffer, &error);
}

static void escapes_are_decoded_once(void **state)
{
	(void)state;
	assert_int_equal(decode("/realtime/channels/%D0%B0%20b%2525"), 0);
	assert_string_equal(buffer, "/realtime/channels/а b%25");
	assert_int_equal(decode("/a/"), 0);
	assert_int_equal(decode("/"), 0);
	assert_int_equal(decode("/a..b/...c/.d"), 0);
}

static void ambiguous_paths_are_refused(void **state)
{
	static const char *const paths[] = {
		"",	     "a",      "//",	   "/a//b",  "/a/..",  "/../a", "/a/./b",
		"/%2e%2e/a", "/a%2Fb", "/a%5cb",   "/a%00b", "/a%0ab", "/a%",	"/a%4",
		"/a%zz",     "/a\x7f", "/a/%2e/b", "/a%ff",  "/a\xd0",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		assert_int_equal(decode(paths[i]), -EINVAL);
		assert_string_equal(error.code, "bad_path");
	}
}

static void a_path_has_a_limit(void **state)
{
	(void)state;
	memset(buffer, 'a', URI_TARGET_MAX + 1);
	buffer[0] = '/';
	buffer[URI_TARGET_MAX + 1] = '\0';
	assert_int_equal(uri_path_decode(buffer, &error), -EINVAL);
	buffer[URI_TARGET_MAX] = '\0';
	assert_int_equal(uri_path_decode(buffer, &error), 0);
}

static void targets_are_split_in_either_form(void **state)
{
	char *path, *query;

	(void)state;
	(void)strcpy(buffer, "/a/b?c=d?e#f");
	assert_int_equal(uri_split(buffer, &path, &query, &error), 0);
	assert_string_equal(path, "/a/b");
	assert_string_equal(query, "c=d?e");
	(void)strcpy(buffer, "https://example.org:1/x");
	assert_int_equal(uri_split(buffer, &path, &query, &error), 0);
	assert_string_equal(path, "/x");
	assert_string_equal(query, "");
	(void)strcpy(buffer, "http://example.org");
	assert_int_equal(uri_split(buffer, &path, &query, &error), -EINVAL);
}

static void queries_keep_order_and_repetition(void **state)
{
	char text[] = "publisher=a&&publisher=b%26c&flag&x=1+2%2B";
	struct query query;

	(void)state;
	assert_int_equal(query_parse(text, &query, &error), 0);
	assert_int_equal(query.count, 4);
	assert_string_equal(query_find(&query, "publisher"), "a");
	assert_string_equal(query.parameters[1].value, "b&c");
	assert_string_equal(query_find(&query, "flag"), "");
	assert_string_equal(query_find(&query, "x"), "1 2+");
	assert_null(query_find(&query, "y"));
}

static void bad_queries_are_refused(void **state)
{
	char no_utf8[] = "a=%c3%28", no_utf8_name[] = "%ff=a";
	char nul[] = "a=%00", broken[] = "a=%4", many[4 * (URI_QUERY_MAX + 1) + 1] = "";
	struct query query;

	(void)state;
	for (int i = 0; i <= URI_QUERY_MAX; i++)
		(void)strcat(many, "a=b&");
	assert_int_equal(query_parse(nul, &query, &error), -EINVAL);
	assert_int_equal(query_parse(broken, &query, &error), -EINVAL);
	assert_int_equal(query_parse(many, &query, &error), -EINVAL);
	assert_int_equal(query_parse(no_utf8, &query, &error), -EINVAL);
	assert_int_equal(query_parse(no_utf8_name, &query, &error), -EINVAL);
	assert_string_equal(error.code, "bad_query");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_are_decoded_once),
		cmocka_unit_test(ambiguous_paths_are_refused),
		cmocka_unit_test(a_path_has_a_limit),
		cmocka_unit_test(targets_are_split_in_either_form),
		cmocka_unit_test(queries_keep_order_and_repetition),
		cmocka_unit_test(bad_queries_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
