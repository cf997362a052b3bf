#include "core/canonical_json.h"

#include <stdbool.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/utf8.h"

enum {
	DEPTH_MAX = 16,
	KEYS_MAX = 16,	/* of an object: that none is there twice is seen by comparing all */
	DIGITS_MAX = 18 /* every such number fits into 64 bits */
};

struct scan {
	const char *at, *end;
	unsigned depth;
};

static bool take_char(struct scan *scan, char wanted)
{
	if (scan->at == scan->end || *scan->at != wanted)
		return false;
	scan->at++;
	return true;
}

static bool take_word(struct scan *scan, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
		return false;
	scan->at += length;
	return true;
}

/* The escapes that jansson writes, but for \u. */
static bool take_escape(struct scan *scan)
{
	static const char short_escapes[] = {'"', '\\', 'b', 'f', 'n', 'r', 't'};

	if (++scan->at == scan->end || !memchr(short_escapes, *scan->at, sizeof(short_escapes)))
		return false;
	scan->at++;
	return true;
}

static bool take_string(struct scan *scan)
{
	const char *began;
	bool is_ascii = true;

	if (!take_char(scan, '"'))
		return false;
	began = scan->at;
	while (scan->at < scan->end && *scan->at != '"') {
		unsigned char c = (unsigned char)*scan->at;

		if (c < ' ' || (c == '\\' && !take_escape(scan)))
			return false;
		if (c == '\\')
			continue;
		is_ascii = is_ascii && c < 0x80;
		scan->at++;
	}
	return (is_ascii || utf8_is_valid(began, (size_t)(scan->at - began))) &&
	       take_char(scan, '"');
}

/* Whole numbers without leading zeros, and no -0. */
static bool take_number(struct scan *scan)
{
	bool is_negative = take_char(scan, '-');
	const char *began = scan->at;
	ptrdiff_t digits;

	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	digits = scan->at - began;
	if (digits < 1 || digits > DIGITS_MAX || (*began == '0' && (digits > 1 || is_negative)))
		return false;
	return scan->at == scan->end || !strchr(".eE", *scan->at);
}

static bool take_value(struct scan *scan);

static bool take_array(struct scan *scan)
{
	scan->at++;
	if (take_char(scan, ']'))
		return true;
	do {
		if (!take_value(scan))
			return false;
	} while (take_char(scan, ','));
	return take_char(scan, ']');
}

static bool add_key(struct json_slice *keys, size_t *count, struct json_slice key)
{
	if (*count == KEYS_MAX)
		return false;
	for (size_t i = 0; i < *count; i++)
		if (keys[i].length == key.length && memcmp(keys[i].text, key.text, key.length) == 0)
			return false;
	keys[(*count)++] = key;
	return true;
}

static bool take_object(struct scan *scan)
{
	struct json_slice keys[KEYS_MAX];
	size_t count = 0;

	scan->at++;
	if (take_char(scan, '}'))
		return true;
	do {
		const char *began = scan->at;

		if (!take_string(scan) ||
		    !add_key(keys, &count,
			     (struct json_slice){began, (size_t)(scan->at - began)}) ||
		    !take_char(scan, ':') || !take_value(scan))
			return false;
	} while (take_char(scan, ','));
	return take_char(scan, '}');
}

static bool take_value(struct scan *scan)
{
	bool is_canonical;

	if (scan->at == scan->end || scan->depth == DEPTH_MAX)
		return false;
	scan->depth++;
	switch (*scan->at) {
	case '"':
		is_canonical = take_string(scan);
		break;
	case '{':
		is_canonical = take_object(scan);
		break;
	case '[':
		is_canonical = take_array(scan);
		break;
	case 't':
		is_canonical = take_word(scan, "true");
		break;
	case 'f':
		is_canonical = take_word(scan, "false");
		break;
	case 'n':
		is_canonical = take_word(scan, "null");
		break;
	default:
		is_canonical = take_number(scan);
	}
	scan->depth--;
	return is_canonical;
}

static void skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end && *scan->at && strchr(" \t\n\r", *scan->at))
		scan->at++;
}

static bool take_member(struct scan *scan, struct json_slice *ret_name,
			struct json_slice *ret_value)
{
	skip_blanks(scan);
	ret_name->text = scan->at;
	if (!take_string(scan))
		return false;
	ret_name->length = (size_t)(scan->at - ret_name->text);
	skip_blanks(scan);
	if (!take_char(scan, ':'))
		return false;
	skip_blanks(scan);
	ret_value->text = scan->at;
	if (!take_value(scan))
		return false;
	ret_value->length = (size_t)(scan->at - ret_value->text);
	skip_blanks(scan);
	return true;
}

bool json_slice_is(struct json_slice slice, const char *text)
{
	size_t length = strlen(text);

	return slice.length == length + 2 && memcmp(slice.text + 1, text, length) == 0;
}

/* false: it was there already. */
static bool note_member(struct json_slice name, struct json_slice value, const char *const names[],
			size_t count, struct json_slice *values)
{
	for (size_t i = 0; i < count; i++) {
		if (!json_slice_is(name, names[i]))
			continue;
		if (values[i].text)
			return false;
		values[i] = value;
	}
	return true;
}

bool canonical_json_find(const char *text, size_t length, const char *const names[], size_t count,
			 struct json_slice *ret_values)
{
	struct scan scan = {.at = text, .end = text + length};
	struct json_slice name, value;

	memset(ret_values, 0, count * sizeof(*ret_values));
	skip_blanks(&scan);
	if (!take_char(&scan, '{'))
		return false;
	do {
		if (!take_member(&scan, &name, &value) ||
		    !note_member(name, value, names, count, ret_values))
			return false;
	} while (take_char(&scan, ','));
	if (!take_char(&scan, '}'))
		return false;
	skip_blanks(&scan);
	return scan.at == scan.end;
}

size_t canonical_json_length(const char *text, size_t length)
{
	struct scan scan = {.at = text, .end = text + length};

	return take_value(&scan) ? (size_t)(scan.at - text) : 0;
}
