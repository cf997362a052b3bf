#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/wire/scgi.h"
#include "tests/unit/cmocka_all.h"

static struct scgi_head head;

/* The texts of a literal with its NULs, as a netstring. */
#define PARSE(texts) parse_netstring(texts, sizeof(texts) - 1)

static int parse_netstring(const char *texts, size_t length)
{
	static char bytes[1024]; /* the head points into it */
	int prefix = snprintf(bytes, sizeof(bytes), "%zu:", length);

	memcpy(bytes + prefix, texts, length);
	bytes[(size_t)prefix + length] = ',';
	return scgi_head_parse(bytes, (size_t)prefix + length + 1, &head);
}

static int parse_text(const char *text)
{
	return scgi_head_parse(text, strlen(text), &head);
}

static void the_example_of_the_specification_is_read(void **state)
{
	static const char bytes[] = "70:CONTENT_LENGTH\00027\0SCGI\0001\0REQUEST_METHOD\0POST\0"
				    "REQUEST_URI\0/deepthought\0,What is the answer to life?";

	(void)state;
	assert_int_equal(scgi_head_parse(bytes, sizeof(bytes) - 1, &head), 74);
	assert_int_equal(head.content_length, 27);
	assert_int_equal(head.variable_count, 4);
	assert_string_equal(scgi_variable_find(&head, "REQUEST_URI"), "/deepthought");
	assert_null(scgi_variable_find(&head, "HTTP_HOST"));
}

static void every_shorter_beginning_asks_for_more(void **state)
{
	static const char bytes[] = "24:CONTENT_LENGTH\0000\0SCGI\0001\0,";

	(void)state;
	for (size_t length = 0; length < sizeof(bytes) - 1; length++)
		assert_int_equal(scgi_head_parse(bytes, length, &head), 0);
	assert_int_equal(scgi_head_parse(bytes, sizeof(bytes) - 1, &head), 28);
}

static void a_bad_length_is_refused(void **state)
{
	(void)state;
	assert_int_equal(parse_text("024:"), -EBADMSG);
	assert_int_equal(parse_text("0:,"), -EBADMSG);
	assert_int_equal(parse_text(":"), -EBADMSG);
	assert_int_equal(parse_text("-1:"), -EBADMSG);
	assert_int_equal(parse_text("GET / HTTP/1.1"), -EBADMSG);
	assert_int_equal(parse_text("65537:"), -EBADMSG);
	assert_int_equal(parse_text("99999999999999999999"), -EBADMSG);
}

static void a_head_without_its_comma_is_refused(void **state)
{
	static const char bytes[] = "24:CONTENT_LENGTH\0000\0SCGI\0001\0;";

	(void)state;
	assert_int_equal(scgi_head_parse(bytes, sizeof(bytes) - 1, &head), -EBADMSG);
}

static void content_length_must_come_first_and_be_a_number(void **state)
{
	(void)state;
	assert_int_equal(PARSE("SCGI\0001\0CONTENT_LENGTH\0000\0"), -EBADMSG);
	assert_int_equal(PARSE("CONTENT_LENGTH\00007\0SCGI\0001\0"), -EBADMSG);
	assert_int_equal(PARSE("CONTENT_LENGTH\000-7\0SCGI\0001\0"), -EBADMSG);
	assert_int_equal(PARSE("CONTENT_LENGTH\0009999999999999999999\0SCGI\0001\0"), -EBADMSG);
	assert_true(PARSE("CONTENT_LENGTH\0\0SCGI\0001\0") > 0);
	assert_int_equal(head.content_length, 0);
}

static void the_version_must_be_1(void **state)
{
	(void)state;
	assert_int_equal(PARSE("CONTENT_LENGTH\0000\0"), -EBADMSG);
	assert_int_equal(PARSE("CONTENT_LENGTH\0000\0SCGI\0002\0"), -EBADMSG);
}

static void repeated_empty_and_odd_names_are_refused(void **state)
{
	(void)state;
	assert_int_equal(PARSE("CONTENT_LENGTH\0000\0SCGI\0001\0A\0001\0A\0002\0"), -EBADMSG);
	assert_int_equal(PARSE("CONTENT_LENGTH\0000\0SCGI\0001\0\000x\0"), -EBADMSG);
	assert_int_equal(PARSE("CONTENT_LENGTH\0000\0SCGI\0001\0A\0"), -EBADMSG);
	assert_int_equal(PARSE("CONTENT_LENGTH\0000\0SCGI\0001\0A"), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_specification_is_read),
		cmocka_unit_test(every_shorter_beginning_asks_for_more),
		cmocka_unit_test(a_bad_length_is_refused),
		cmocka_unit_test(a_head_without_its_comma_is_refused),
		cmocka_unit_test(content_length_must_come_first_and_be_a_number),
		cmocka_unit_test(the_version_must_be_1),
		cmocka_unit_test(repeated_empty_and_odd_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
