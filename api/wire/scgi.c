#include "api/wire/scgi.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* A decimal number without sign, blanks or leading zeros, ended by `end`. Returns the digits'
 * count, 0 if more bytes are needed, -EBADMSG. */
static int parse_number(const char *bytes, size_t length, char end, int64_t high,
			int64_t *ret_value)
{
	int64_t value = 0;
	size_t i;

	for (i = 0; i < length && bytes[i] != end; i++) {
		if (bytes[i] < '0' || bytes[i] > '9' || (i == 1 && bytes[0] == '0'))
			return -EBADMSG;
		value = value * 10 + (bytes[i] - '0');
		if (value > high)
			return -EBADMSG;
	}
	if (i == length)
		return 0;
	if (i == 0)
		return -EBADMSG;
	*ret_value = value;
	return (int)i;
}

const char *scgi_variable_find(const struct scgi_head *head, const char *name)
{
	for (size_t i = 0; i < head->variable_count; i++)
		if (strcmp(head->variables[i].name, name) == 0)
			return head->variables[i].value;
	return NULL;
}

static int parse_variables(const char *text, size_t length, struct scgi_head *head)
{
	const char *end = text + length;

	head->variable_count = 0;
	while (text < end) {
		const char *name = text;
		const char *value = memchr(name, '\0', (size_t)(end - name));
		const char *value_end;

		if (!value || value == name)
			return -EBADMSG;
		value++;
		value_end = memchr(value, '\0', (size_t)(end - value));
		if (!value_end || head->variable_count == SCGI_VARIABLES_MAX ||
		    scgi_variable_find(head, name))
			return -EBADMSG;
		head->variables[head->variable_count].name = name;
		head->variables[head->variable_count++].value = value;
		text = value_end + 1;
	}
	return 0;
}

int scgi_head_parse(const char *bytes, size_t length, struct scgi_head *ret_head)
{
	const char *content_length, *version;
	int64_t text_length = 0;
	int digits, r;

	digits = parse_number(bytes, length, ':', SCGI_HEAD_MAX, &text_length);
	if (digits <= 0)
		return digits;
	if (text_length == 0)
		return -EBADMSG;
	if (length < (size_t)digits + 1 + (size_t)text_length + 1)
		return 0;
	bytes += digits + 1;
	if (bytes[text_length] != ',')
		return -EBADMSG;

	r = parse_variables(bytes, (size_t)text_length, ret_head);
	if (r < 0)
		return r;
	if (ret_head->variable_count == 0 ||
	    strcmp(ret_head->variables[0].name, "CONTENT_LENGTH") != 0)
		return -EBADMSG;
	content_length = ret_head->variables[0].value;
	if (!*content_length) { /* nginx sends it empty when there is no body */
		ret_head->content_length = 0;
	} else if (parse_number(content_length, strlen(content_length) + 1, '\0', INT64_MAX / 16,
				&ret_head->content_length) <= 0) {
		return -EBADMSG;
	}
	version = scgi_variable_find(ret_head, "SCGI");
	if (!version || strcmp(version, "1") != 0)
		return -EBADMSG;
	return digits + 1 + (int)text_length + 1;
}
