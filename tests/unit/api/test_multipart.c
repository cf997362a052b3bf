/* multipart/form-data, cut in every way. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/wire/multipart.h"
#include "tests/unit/cmocka_all.h"

static char heard[4096];
static size_t heard_length;
static struct error error;

static void note(const void *bytes, size_t length)
{
	assert_true(heard_length + length < sizeof(heard));
	memcpy(heard + heard_length, bytes, length);
	heard_length += length;
	heard[heard_length] = '\0';
}

static int begin(void *data, const struct multipart_part *part, struct error *reterr)
{
	char text[2048];
	int length = snprintf(text, sizeof(text), "<%s|%s|%s>", part->name,
			      part->has_filename ? part->filename : "-", part->content_type);

	(void)data;
	(void)reterr;
	note(text, (size_t)length);
	return 0;
}

static int some(void *data, const void *bytes, size_t length, struct error *reterr)
{
	(void)data;
	(void)reterr;
	note(bytes, length);
	return 0;
}

static int end(void *data, struct error *reterr)
{
	(void)data;
	(void)reterr;
	note("</>", 3);
	return 0;
}

static const struct multipart_events events = {begin, some, end};

static int parse_cut(const char *body, size_t first, size_t second)
{
	static struct multipart multipart;
	size_t length = strlen(body);
	int r;

	heard_length = 0;
	*heard = '\0';
	r = multipart_init(&multipart, "multipart/form-data; boundary=XyZ", &events, NULL, &error);
	assert_int_equal(r, 0);
	r = multipart_feed(&multipart, body, first, &error);
	if (r == 0)
		r = multipart_feed(&multipart, body + first, second - first, &error);
	if (r == 0)
		r = multipart_feed(&multipart, body + second, length - second, &error);
	return r < 0 ? r : multipart_finish(&multipart, &error);
}

/* Cut into three pieces everywhere. */
static void check(const char *body, const char *expected)
{
	for (size_t first = 0; first <= strlen(body); first++)
		for (size_t second = first; second <= strlen(body); second++) {
			assert_int_equal(parse_cut(body, first, second), 0);
			assert_string_equal(heard, expected);
		}
}

static void refuse(const char *body)
{
	for (size_t first = 0; first <= strlen(body); first++) {
		assert_int_equal(parse_cut(body, first, strlen(body)), -EINVAL);
		assert_string_equal(error.code, "bad_multipart");
	}
}

#define PART(name) "--XyZ\r\nContent-Disposition: form-data; name=" name "\r\n\r\n"
#define END "\r\n--XyZ--"

static void every_cut_gives_the_same(void **state)
{
	(void)state;
	check("--XyZ\r\ncontent-disposition:form-data;name=\"file\"; filename=\"a b.png\"\r\n"
	      "Content-Type: image/png\r\nX-Other: x\r\n\r\n"
	      "one\r\ntwo\r\n" PART("channel") "general" END "\r\n",
	      "<file|a b.png|image/png>one\r\ntwo</><channel|-|>general</>");
}

static void what_only_looks_like_a_boundary_is_data(void **state)
{
	(void)state;
	check(PART("a") "\r\n-\r\r\n--\r\n--Xy\r\n--XyY--XyZ\r\r\r\n" END,
	      "<a|-|>\r\n-\r\r\n--\r\n--Xy\r\n--XyY--XyZ\r\r\r\n</>");
	check(PART("a") "\r" END, "<a|-|>\r</>");
}

static void parts_may_be_empty_and_preambles_are_nothing(void **state)
{
	(void)state;
	check("pre\r\namble\r\n" PART("a") END "epilogue\r\n--XyZ\r\nx", "<a|-|></>");
	check("--XyZ \t\r\nContent-Disposition: form-data; name=a\r\n\r\n" END, "<a|-|></>");
	check("--XyZ--", "");
}

static void names_are_decoded_as_clients_write_them(void **state)
{
	(void)state;
	check(PART("\"a\\\"b\"; filename=\"C:\\dir\\x.txt\"") END, "<a\"b|C:\\dir\\x.txt|></>");
	check(PART("\"f\"; filename=\"q%22q\"") END, "<f|q\"q|></>");
	check(PART("\"f\"; filename=\"фото.png\"") END, "<f|фото.png|></>");
	check(PART("\"f\"; filename=\"\"") END, "<f||></>");
	check(PART("\"f\"; filename*=UTF-8''x; filename=y") END, "<f|y|></>");
}

static void what_is_malformed_is_refused(void **state)
{
	(void)state;
	refuse("");
	refuse("--XyZ");
	refuse("nothing here");
	refuse(PART("a") "x");					       /* no end */
	refuse(PART("a") "x\r\n--XyZ-");			       /* half an end */
	refuse("--XyZ\r\n\r\nx" END);				       /* no head */
	refuse("--XyZ\r\nContent-Type: a/b\r\n\r\n" END);	       /* no disposition */
	refuse("--XyZ\r\nContent-Disposition: form-data\r\n\r\n" END); /* no name */
	refuse("--XyZ\r\nContent-Disposition: attachment; name=a\r\n\r\n" END);
	refuse("--XyZ\nContent-Disposition: form-data; name=a\n\n\n--XyZ--"); /* bare LF */
	refuse("--XyZ\r\nContent-Disposition: form-data; name=a\r\nX: \x01\r\n\r\n" END);
	refuse("--XyZ\r\nContent-Disposition: form-data; name=a\rX: y\r\n\r\n" END);
	refuse("--XyZoo\r\nContent-Disposition: form-data; name=a\r\n\r\n" END);
	refuse(PART("\"a\"; filename=\"x\r\nX-Evil: y\"") END);
	refuse(PART("\"a\"; name=\"b\"") END);
	refuse(PART("\"a") END);
	refuse("--XyZ\r\nContent-Disposition: form-data; name=a\r\n"
	       "Content-Transfer-Encoding: base64\r\n\r\n" END);
	refuse("--XyZ\r\nContent-Disposition: form-data; name=a\r\n folded\r\n\r\n" END);
}

static void heads_are_bounded(void **state)
{
	static char body[3 * MULTIPART_HEAD_MAX];
	static struct multipart multipart;
	size_t length;

	(void)state;
	(void)strcpy(body, "--XyZ\r\nContent-Disposition: form-data; name=a\r\nX: ");
	length = strlen(body);
	memset(body + length, 'x', MULTIPART_HEAD_MAX);
	assert_int_equal(parse_cut(body, 0, strlen(body)), -EINVAL);
	(void)strcpy(body, "--XyZ\r\nContent-Disposition: form-data; name=");
	length = strlen(body);
	memset(body + length, 'x', MULTIPART_NAME_MAX + 1);
	(void)strcpy(body + length + MULTIPART_NAME_MAX + 1, "\r\n\r\n" END);
	assert_int_equal(parse_cut(body, 0, strlen(body)), -EINVAL);
	assert_int_equal(multipart_init(&multipart, "application/json", &events, NULL, &error),
			 -EPROTONOSUPPORT);
}

static void boundaries_are_checked(void **state)
{
	static const char *const bad[] = {
		"multipart/form-data",
		"multipart/form-data; boundary=",
		"multipart/form-data; boundary=\"a\rb\"",
		"multipart/form-data; boundary=\"a \"",
		"multipart/form-data; boundary=a; boundary=b",
		"multipart/form-data; boundary="
		"0123456789012345678901234567890123456789012345678901234567890123456789x",
	};
	static struct multipart multipart;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(multipart_init(&multipart, bad[i], &events, NULL, &error),
				 -EINVAL);
	assert_int_equal(multipart_init(&multipart,
					"Multipart/Form-Data;charset=x ; Boundary=\"a b\"", &events,
					NULL, &error),
			 0);
	assert_string_equal(multipart.delimiter, "\r\n--a b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_gives_the_same),
		cmocka_unit_test(what_only_looks_like_a_boundary_is_data),
		cmocka_unit_test(parts_may_be_empty_and_preambles_are_nothing),
		cmocka_unit_test(names_are_decoded_as_clients_write_them),
		cmocka_unit_test(what_is_malformed_is_refused),
		cmocka_unit_test(heads_are_bounded),
		cmocka_unit_test(boundaries_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
