#include "api/wire/uri.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/utf8.h"

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

/* The byte that the escape at `text` stands for; -1 if it is broken. */
static int escape_value(const char *text)
{
	int high = hex_value(text[1]), low = high < 0 ? -1 : hex_value(text[2]);

	return low < 0 ? -1 : high << 4 | low;
}

static int bad_path(struct error *reterr, const char *what)
{
	return error_set(reterr, -EINVAL, "bad_path", "the path %s", what);
}

int uri_split(char *target, char **ret_path, char **ret_query, struct error *reterr)
{
	char *path = target, *query;

	if (strncasecmp(path, "http://", 7) == 0 || strncasecmp(path, "https://", 8) == 0) {
		path = strchr(strchr(path, ':') + 3, '/');
		if (!path)
			return bad_path(reterr, "is missing");
	}
	path[strcspn(path, "#")] = '\0';
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	else
		query = path + strlen(path);
	*ret_path = path;
	*ret_query = query;
	return 0;
}

/* Is there an empty, "." or ".." segment? A single slash at the very end is none. */
static bool has_odd_segment(const char *path)
{
	const char *segment = path + 1;

	while (*segment) {
		size_t length = strcspn(segment, "/");

		if (length == 0 || (length == 1 && segment[0] == '.') ||
		    (length == 2 && segment[0] == '.' && segment[1] == '.'))
			return true;
		segment += length;
		if (*segment == '/')
			segment++;
	}
	return false;
}

int uri_path_decode(char *path, struct error *reterr)
{
	char *out = path;

	if (*path != '/')
		return bad_path(reterr, "must begin with a slash");
	if (strlen(path) > URI_TARGET_MAX)
		return bad_path(reterr, "is too long");
	for (const char *in = path; *in; in++) {
		int value = (unsigned char)*in;

		if (value == '%') {
			value = escape_value(in);
			if (value < 0)
				return bad_path(reterr, "has a % without two hexadecimal digits");
			if (value == '/' || value == '\\')
				return bad_path(reterr, "has an escaped slash");
			in += 2;
		}
		if (value < 0x20 || value == 0x7f)
			return bad_path(reterr, "has a control character");
		*out++ = (char)value;
	}
	*out = '\0';
	if (!utf8_is_valid(path, (size_t)(out - path)))
		return bad_path(reterr, "is not UTF-8");
	if (has_odd_segment(path))
		return bad_path(reterr, "has an empty segment, or . or .. as one");
	return 0;
}

static int query_text_decode(char *text, struct error *reterr)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		int value = *in == '+' ? ' ' : (unsigned char)*in;

		if (value == '%') {
			value = escape_value(in);
			if (value <= 0)
				return error_set(reterr, -EINVAL, "bad_query",
						 "the query has a broken or a NUL escape");
			in += 2;
		}
		*out++ = (char)value;
	}
	*out = '\0';
	if (!utf8_is_valid(text, (size_t)(out - text)))
		return error_set(reterr, -EINVAL, "bad_query", "the query is not UTF-8");
	return 0;
}

int query_parse(char *text, struct query *ret_query, struct error *reterr)
{
	char *rest = text, *name;

	ret_query->count = 0;
	while ((name = strsep(&rest, "&"))) {
		char *value = strchr(name, '=');
		int r;

		if (!*name)
			continue;
		if (value)
			*value++ = '\0';
		else
			value = name + strlen(name);
		if (ret_query->count == URI_QUERY_MAX)
			return error_set(reterr, -EINVAL, "bad_query",
					 "the query may have %d parameters", URI_QUERY_MAX);
		r = query_text_decode(name, reterr);
		if (r == 0)
			r = query_text_decode(value, reterr);
		if (r < 0)
			return r;
		ret_query->parameters[ret_query->count].name = name;
		ret_query->parameters[ret_query->count++].value = value;
	}
	return 0;
}

const char *query_find(const struct query *query, const char *name)
{
	for (size_t i = 0; i < query->count; i++)
		if (strcmp(query->parameters[i].name, name) == 0)
			return query->parameters[i].value;
	return NULL;
}
