#include "core/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"

void text_fini(struct text *text)
{
	free(text->bytes);
	*text = (struct text){0};
}

static char *make_room(struct text *text, size_t length)
{
	size_t capacity = text->capacity ? text->capacity : 256;
	char *bytes;

	if (text->failed)
		return NULL;
	while (capacity - text->length < length)
		capacity *= 2;
	if (capacity > text->capacity) {
		bytes = realloc(text->bytes, capacity);
		if (!bytes) {
			text->failed = true;
			return NULL;
		}
		text->bytes = bytes;
		text->capacity = capacity;
	}
	return text->bytes + text->length;
}

void text_add(struct text *text, const char *bytes, size_t length)
{
	char *space = make_room(text, length);

	if (!space)
		return;
	memcpy(space, bytes, length);
	text->length += length;
}

void text_add_string(struct text *text, const char *string)
{
	text_add(text, string, strlen(string));
}

void text_add_number(struct text *text, int64_t number)
{
	uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	char digits[24];
	size_t at = sizeof(digits);

	/* By hand: every message and every answer has some. */
	do
		digits[--at] = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (number < 0)
		digits[--at] = '-';
	text_add(text, digits + at, sizeof(digits) - at);
}

static void add_escape(struct text *text, char character)
{
	char escape[8] = {'\\', character};

	if (character != '"' && character != '\\')
		(void)snprintf(escape, sizeof(escape), "\\u%04x",
			       (unsigned)(unsigned char)character);
	text_add_string(text, escape);
}

void text_add_quoted(struct text *text, const char *string)
{
	text_add(text, "\"", 1);
	for (;;) {
		size_t plain = 0;

		while ((unsigned char)string[plain] >= 0x20 && string[plain] != '"' &&
		       string[plain] != '\\')
			plain++;
		text_add(text, string, plain);
		string += plain;
		if (!*string)
			break;
		add_escape(text, *string);
		string++;
	}
	text_add(text, "\"", 1);
}

void text_add_base64(struct text *text, const void *bytes, size_t length)
{
	size_t encoded = base64_encoded_length(length);
	char *space = make_room(text, encoded + 3); /* quotes, and a NUL in between */

	if (!space)
		return;
	*space = '"';
	base64_encode(bytes, length, space + 1);
	space[1 + encoded] = '"';
	text->length += encoded + 2;
}

void text_add_json_line(struct text *text, const char *json)
{
	while (*json) {
		size_t plain = strcspn(json, "\r\n");

		text_add(text, json, plain);
		json += plain;
		if (*json) {
			text_add(text, " ", 1);
			json++;
		}
	}
}
