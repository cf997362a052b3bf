/* What is taken for canonical must be what jansson would have written; whatever else a client sends
 * is parsed as ever. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "core/canonical_json.h"
#include "core/json.h"
#include "realtime/wire/envelope.h"

enum { ROUNDS = 200000, TEXT_MAX = 256 };

static size_t canonical(const char *text)
{
	return canonical_json_length(text, strlen(text));
}

static void what_browsers_write_is_canonical(void **state)
{
	static const char *const texts[] = {
		"\"\"",
		"\"x\"",
		"0",
		"-1",
		"123456789012345678",
		"true",
		"false",
		"null",
		"[]",
		"{}",
		"[1,2]",
		"{\"a\":{\"b\":[\"c\",null]}}",
		"\"\\\"\\\\\\b\\f\\n\\r\\t\"",
		"\"\xc3\xa9\xf0\x9f\x98\x80/\x7f\"",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(canonical(texts[i]), strlen(texts[i]));
	assert_int_equal(canonical("1,2"), 1); /* the value that it begins with */
}

static void what_would_be_written_otherwise_is_not(void **state)
{
	static const char *const texts[] = {
		"",
		" 1",
		"01",
		"-0",
		"-",
		"1.0",
		"1e5",
		"1E5",
		"1234567890123456789",
		"\"\\u0041\"",
		"\"\\/\"",
		"\"\\x\"",
		"\"\\",
		"\"a",
		"\"\n\"",
		"\"\xff\"",
		"\"\xed\xa0\x80\"",
		"[1, 2]",
		"[1,]",
		"[1",
		"{\"a\" :1}",
		"{\"a\":1,}",
		"{\"a\"}",
		"{1:1}",
		"{\"a\":1,\"a\":2}",
		"tru",
		"nul",
		"x",
		"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(canonical(texts[i]), 0);
}

static unsigned draw(unsigned *seed, unsigned below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % below;
}

/* Pieces of JSON in an order that often makes some. */
static size_t draw_text(unsigned *seed, char out[TEXT_MAX])
{
	static const char *const pieces[] = {"{",    "}",	"[",	       "]",	  ",",
					     ":",    "\"a\"",	"\"b\":",      "\"a\":",  "1",
					     "-7",   "0",	".5",	       " ",	  "true",
					     "null", "\"\\n\"", "\"\\u00e9\"", "{\"a\":", "[1,",
					     "\"",   "\\",	"\xc3\xa9",    "\"x\"}"};
	size_t length = 0;

	for (unsigned count = 1 + draw(seed, 9); count > 0; count--) {
		const char *piece = pieces[draw(seed, ARRAY_LEN(pieces))];

		memcpy(out + length, piece, strlen(piece));
		length += strlen(piece);
	}
	return length;
}

static void canonical_is_what_jansson_writes(void **state)
{
	unsigned seed = 1, found = 0;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		char text[TEXT_MAX];
		size_t length = canonical_json_length(text, draw_text(&seed, text));
		AUTO_JSON value = NULL;
		AUTO_FREE char *written = NULL;

		if (length == 0)
			continue;
		found++;
		value = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
		assert_non_null(value);
		written = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		assert_int_equal(strlen(written), length);
		assert_memory_equal(written, text, length);
	}
	assert_true(found > ROUNDS / 10);
}

/* What is published of `text`; "" if it is refused. */
static void publish(const char *text, bool *ret_is_lifted, char out[TEXT_MAX])
{
	struct envelope envelope;
	struct envelope_message message;
	AUTO_FREE char *data = NULL;
	struct error error = {0};
	int r = envelope_parse(text, strlen(text), &envelope, &error);

	*ret_is_lifted = envelope.data.text;
	if (r == 0)
		r = envelope_message_get(&envelope, &message, &error);
	if (r == 0)
		data = envelope_message_data(&message);
	(void)snprintf(out, TEXT_MAX, "%s", data ? data : "");
	envelope_fini(&envelope);
}

static void data_goes_on_as_it_came(void **state)
{
	static const struct {
		const char *text, *data;
		bool is_lifted;
	} cases[] = {
		{"{\"type\": \"message\", \"channel\": \"c\", \"data\": \"x\"}", "\"x\"", true},
		{"{\"data\":{\"a\":[1]},\"type\":\"send\",\"channel\":\"c\"}", "{\"a\":[1]}", true},
		{"{\"type\":\"text\",\"data\":\"x\",\"text\":\"y\"}", "\"x\"", true},
		{"{\"type\":\"direct\",\"user_id\":\"u\",\"data\":null}", "null", true},
		{"{\"type\":\"message\",\"channel\":\"c\",\"data\":[1, 2]}", "[1,2]", false},
		{"{\"type\":\"message\",\"channel\":\"c\",\"data\":\"\\u00e9\"}", "\"\xc3\xa9\"",
		 false},
		{"{\"type\":\"text\",\"text\":\"y\"}", "\"y\"", false},
		{"{\"type\":\"text\",\"data\":1}", "", true},
		{"{\"type\":\"broadcast\",\"data\":1}", "1", false},
		{"{\"type\":\"message\",\"channel\":\"c\",\"data\":1,\"data\":1}", "", false},
		{"{\"type\":\"message\",\"channel\":\"c\",\"channel\":\"d\",\"data\":1}", "",
		 false},
		{"{\"type\":\"message\",\"channel\":\"c\",\"data\":1} x", "", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char data[TEXT_MAX];
		bool is_lifted;

		publish(cases[i].text, &is_lifted, data);
		assert_string_equal(data, cases[i].data);
		assert_int_equal(is_lifted, cases[i].is_lifted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_browsers_write_is_canonical),
		cmocka_unit_test(what_would_be_written_otherwise_is_not),
		cmocka_unit_test(canonical_is_what_jansson_writes),
		cmocka_unit_test(data_goes_on_as_it_came),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
