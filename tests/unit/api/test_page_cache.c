/* Lists that are kept: while they are true, and no longer. */
#include "api/page_cache.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "tests/unit/cmocka_all.h"

static struct page_cache *cache;
static struct text text;
static int read_count, result;

static int start(void **state)
{
	(void)state;
	cache = page_cache_new(16, 256 << 10);
	read_count = result = 0;
	return cache ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	text_fini(&text);
	cache = page_cache_free(cache);
	return 0;
}

static int read_page(void *data, struct text *out, struct error *reterr)
{
	(void)reterr;
	read_count++;
	text_add_string(out, data);
	return result;
}

static int serve(const char *name, int64_t version, const json_t *counts, const char *page)
{
	const struct page_key key = {name, version, counts};

	text_fini(&text);
	return page_cache_serve(cache, &key, read_page, (char *)(uintptr_t)page, &text, NULL);
}

static void expect(const char *page)
{
	assert_int_equal(text.length, strlen(page));
	assert_memory_equal(text.bytes, page, text.length);
}

static void a_page_is_read_once(void **state)
{
	(void)state;
	assert_int_equal(serve("n", 1, NULL, "old"), 0);
	assert_int_equal(serve("n", 1, NULL, "new"), 0);
	expect("old");
	assert_int_equal(read_count, 1);
}

static void a_change_is_seen(void **state)
{
	(void)state;
	assert_int_equal(serve("n", 1, NULL, "old"), 0);
	assert_int_equal(serve("n", 2, NULL, "new"), 0);
	expect("new");
	/* Somebody who looked before the change gets what came of it. */
	assert_int_equal(serve("n", 1, NULL, "older"), 0);
	expect("new");
}

static void other_counts_are_another_page(void **state)
{
	AUTO_JSON none = json_object();
	AUTO_JSON one = json_pack("{s:i}", "team", 1);
	AUTO_JSON same = json_pack("{s:i}", "team", 1);

	(void)state;
	assert_int_equal(serve("n", 1, NULL, "unknown"), 0);
	assert_int_equal(serve("n", 1, none, "none"), 0);
	expect("none");
	assert_int_equal(serve("n", 1, one, "one"), 0);
	assert_int_equal(serve("n", 1, same, "again"), 0);
	expect("one");
	assert_int_equal(serve("n", 1, NULL, "unknown"), 0);
	expect("unknown");
}

static void other_names_are_other_pages(void **state)
{
	char name[] = "a";

	(void)state;
	for (; *name <= 'z'; ++*name) {
		assert_int_equal(serve(name, 1, NULL, name), 0);
		expect(name);
	}
	assert_int_equal(serve("", 1, NULL, "x"), 0);
	assert_int_equal(serve("", 1, NULL, "y"), 0);
	expect("y"); /* it has no name, and is not kept */
}

static void what_failed_is_not_kept(void **state)
{
	(void)state;
	result = -EIO;
	assert_int_equal(serve("n", 1, NULL, "half"), -EIO);
	result = 0;
	assert_int_equal(serve("n", 1, NULL, "whole"), 0);
	expect("whole");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
		TEST(a_page_is_read_once),	     TEST(a_change_is_seen),
		TEST(other_counts_are_another_page), TEST(other_names_are_other_pages),
		TEST(what_failed_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
