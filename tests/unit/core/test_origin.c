#include "tests/unit/cmocka_all.h"

#include "core/origin.h"

static void the_host_itself_is_allowed(void **state)
{
	(void)state;
	assert_true(origin_is_allowed("https://example.org", "example.org", ""));
	assert_true(origin_is_allowed("https://Example.org", "example.ORG", ""));
	assert_true(origin_is_allowed("http://localhost:8000", "localhost:8000", ""));
	assert_false(origin_is_allowed("http://localhost:8001", "localhost:8000", ""));
	assert_false(origin_is_allowed("http://localhost", "localhost:8000", ""));
	/* A proxy may have written the scheme's own port. */
	assert_true(origin_is_allowed("https://example.org", "example.org:443", ""));
	assert_true(origin_is_allowed("http://example.org", "example.org:80", ""));
	assert_false(origin_is_allowed("http://example.org", "example.org:443", ""));
}

static void others_are_not(void **state)
{
	(void)state;
	assert_false(origin_is_allowed("https://example.org.evil.test", "example.org", ""));
	assert_false(origin_is_allowed("https://evil.test", "example.org", ""));
	assert_false(origin_is_allowed("https://example.or", "example.org", ""));
	assert_false(origin_is_allowed("https://example.org", NULL, ""));
	assert_false(origin_is_allowed("https://", "", ""));
	assert_false(origin_is_allowed("null", "example.org", ""));
	assert_false(origin_is_allowed("example.org", "example.org", ""));
}

static void unless_they_are_listed(void **state)
{
	static const char list[] = "https://other.test, https://app.test";

	(void)state;
	assert_true(origin_is_allowed("https://app.test", "example.org", list));
	assert_true(origin_is_allowed("https://APP.test", "example.org", list));
	assert_false(origin_is_allowed("http://app.test", "example.org", list));
	assert_false(origin_is_allowed("https://app.test:444", "example.org", list));
	assert_true(origin_is_allowed("https://any.test", "example.org", "*"));
	assert_true(origin_is_allowed("null", NULL, "*"));
}

static void who_is_no_browser_is_not_asked(void **state)
{
	(void)state;
	assert_true(origin_is_allowed(NULL, "example.org", ""));
	assert_true(origin_is_allowed("", NULL, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_host_itself_is_allowed),
		cmocka_unit_test(others_are_not),
		cmocka_unit_test(unless_they_are_listed),
		cmocka_unit_test(who_is_no_browser_is_not_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
