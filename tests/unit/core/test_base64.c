#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"

static void the_rfcs_vectors_go_both_ways(void **state)
{
	/* RFC 4648 section 10 */
	static const char *const vectors[][2] = {{"", ""},
						 {"f", "Zg=="},
						 {"fo", "Zm8="},
						 {"foo", "Zm9v"},
						 {"foob", "Zm9vYg=="},
						 {"fooba", "Zm9vYmE="},
						 {"foobar", "Zm9vYmFy"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		const char *plain = vectors[i][0], *encoded = vectors[i][1];
		char text[16] = "";
		uint8_t bytes[16];
		size_t length = 99;

		base64_encode((const uint8_t *)plain, strlen(plain), text);
		assert_string_equal(text, encoded);
		assert_int_equal(base64_decode(encoded, strlen(encoded), bytes, &length), 0);
		assert_int_equal(length, strlen(plain));
		assert_memory_equal(bytes, plain, length);
	}
}

static void what_does_not_belong_there_is_refused(void **state)
{
	static const char *const bad[] = {"Zg",	      "Zg=",	  "Zh==",   "Zm9=",   "Z===",
					  "====",     "Zg==Zg==", "Zm9v\n", "Zm 9",   "Zm-_",
					  "Zm9vZ$==", "Z=g=",	  "=Zg=",   "Zm9\x80"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		uint8_t bytes[16];
		size_t length;

		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), bytes, &length), -EINVAL);
	}
}

static void base64url_takes_what_a_header_can(void **state)
{
	static const char *const vectors[][2] = {{"", ""},	     {"f", "Zg"},
						 {"fo", "Zm8"},	     {"foo", "Zm9v"},
						 {"foob", "Zm9vYg"}, {"\xfb\xff", "-_8"}};
	static const char *const bad[] = {"Z",	   "Zg==", "Zh",   "Zm9",
					  "Zm9vY", "+/8",  "Zm 9", "Zm9\x80"};
	uint8_t bytes[16];
	size_t length;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		const char *plain = vectors[i][0], *encoded = vectors[i][1];

		assert_int_equal(base64url_decode(encoded, strlen(encoded), bytes, &length), 0);
		assert_int_equal(length, strlen(plain));
		assert_memory_equal(bytes, plain, length);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(base64url_decode(bad[i], strlen(bad[i]), bytes, &length), -EINVAL);
}

static void long_runs_go_both_ways(void **state)
{
	size_t length = (7u << 20) + 1, decoded = 0;
	uint8_t *bytes = malloc(length), *back;
	char *text = malloc(base64_encoded_length(length) + 1);

	(void)state;
	assert_non_null(bytes);
	assert_non_null(text);
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	base64_encode(bytes, length, text);
	assert_int_equal(strlen(text), base64_encoded_length(length));
	back = malloc(base64_decoded_max(strlen(text)));
	assert_int_equal(base64_decode(text, strlen(text), back, &decoded), 0);
	assert_int_equal(decoded, length);
	assert_memory_equal(back, bytes, length);
	free(back);
	free(text);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rfcs_vectors_go_both_ways),
		cmocka_unit_test(what_does_not_belong_there_is_refused),
		cmocka_unit_test(base64url_takes_what_a_header_can),
		cmocka_unit_test(long_runs_go_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
