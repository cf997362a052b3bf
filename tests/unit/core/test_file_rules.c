/* What may be sent as bytes. */
#include <errno.h>
#include <string.h>

#include "core/file_rules.h"
#include "tests/unit/cmocka_all.h"

static const struct file_rules rules = {
	.is_enabled = true, .max_bytes = 100, .allowed_types = "image/*,application/pdf,text/*"};

static void size_is_bounded_and_may_be_none(void **state)
{
	const struct file_rules off = {.is_enabled = false, .max_bytes = 100, .allowed_types = ""};
	struct error error;

	(void)state;
	assert_int_equal(file_rules_check_size(&rules, 0, "file", &error), 0);
	assert_int_equal(file_rules_check_size(&rules, 100, "file", &error), 0);
	assert_int_equal(file_rules_check_size(&rules, 101, "file", &error), -EMSGSIZE);
	assert_string_equal(error.field, "file");
	assert_int_equal(file_rules_check_size(&rules, UINT64_MAX, "file", &error), -EMSGSIZE);
	assert_int_equal(file_rules_check_size(&off, 0, "file", &error), -EACCES);
	assert_string_equal(error.code, "binary_disabled");
}

static void declared_and_sniffed_types_must_both_be_allowed(void **state)
{
	static const char any[] = "application/octet-stream";
	static const struct {
		const char *declared, *sniffed, *chosen; /* NULL: refused */
	} cases[] = {
		{"image/png", "image/png", "image/png"},
		{"image/png", any, "image/png"},
		{"text/csv", "text/plain", "text/csv"},
		{"text/plain; charset=utf-8", "text/plain", "text/plain; charset=utf-8"},
		{"image/png", "application/x-dosexec", NULL},
		{"application/zip", "image/png", NULL},
		{NULL, "application/pdf", "application/pdf"},
		{any, "image/gif", "image/gif"},
		{"Application/Octet-Stream", "image/gif", "image/gif"},
		{NULL, any, NULL},
		{"image/png\r\nX: y", "image/png", NULL},
		{"image/png; a=\x01", "image/png", NULL},
		{"image/png;\xc3\xa9", "image/png", NULL},
		{"image/*", "image/png", NULL},
		{"png", "image/png", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *type = NULL;
		struct error error = {0};
		int r = file_rules_choose_type(&rules, cases[i].declared, cases[i].sniffed, &type,
					       &error);

		if (cases[i].chosen) {
			assert_int_equal(r, 0);
			assert_string_equal(type, cases[i].chosen);
		} else {
			assert_int_equal(r, -EPROTONOSUPPORT);
			assert_string_equal(error.code, "type_not_allowed");
		}
	}
}

static void a_name_is_no_path(void **state)
{
	static const char *const good[] = {"a", "photo 1.png", "сообщение.txt", "...", ".profile"};
	static const char *const bad[] = {
		"", ".", "..", "a/b", "a\\b", "/etc/passwd", "a\nb", "\x7f", "\xff", "a\"\r\nX: y"};
	char long_name[FILENAME_MAX_BYTES + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(filename_is_valid(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(filename_is_valid(bad[i]));
	memset(long_name, 'x', sizeof(long_name));
	long_name[FILENAME_MAX_BYTES + 1] = '\0';
	assert_false(filename_is_valid(long_name));
	long_name[FILENAME_MAX_BYTES] = '\0';
	assert_true(filename_is_valid(long_name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_is_bounded_and_may_be_none),
		cmocka_unit_test(declared_and_sniffed_types_must_both_be_allowed),
		cmocka_unit_test(a_name_is_no_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
