#include "core/media_range.h"

#include <string.h>
#include <strings.h>

/* What a token may have (RFC 9110 section 5.6.2). */
static const char token_characters[] = "!#$%&'*+-.^_`|~0123456789"
				       "abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

struct parts {
	const char *type, *subtype; /* borrowed, not NUL-terminated */
	size_t type_length, subtype_length;
};

/* false: it is no type/subtype. */
static bool split(const char *text, size_t length, struct parts *ret)
{
	size_t before = strspn(text, token_characters), after;

	if (before == 0 || before >= length || text[before] != '/')
		return false;
	after = strspn(text + before + 1, token_characters);
	if (after > length - before - 1)
		after = length - before - 1;
	*ret = (struct parts){text, text + before + 1, before, after};
	text += before + 1 + after;
	length -= before + 1 + after;
	return after > 0 && (length == 0 || strchr("; \t", *text));
}

static bool is_star(const char *text, size_t length)
{
	return length == 1 && *text == '*';
}

static bool range_matches(const char *range, size_t length, const char *type)
{
	struct parts wide, narrow;

	if (!split(range, length, &wide) || !split(type, strlen(type), &narrow))
		return false;
	if (is_star(narrow.type, narrow.type_length) ||
	    is_star(narrow.subtype, narrow.subtype_length))
		return false;
	if (!is_star(wide.type, wide.type_length) &&
	    (wide.type_length != narrow.type_length ||
	     strncasecmp(wide.type, narrow.type, narrow.type_length) != 0))
		return false;
	return is_star(wide.subtype, wide.subtype_length) ||
	       (wide.subtype_length == narrow.subtype_length &&
		strncasecmp(wide.subtype, narrow.subtype, narrow.subtype_length) == 0);
}

bool media_range_is_valid(const char *range)
{
	struct parts parts;

	return split(range, strlen(range), &parts) &&
	       (!is_star(parts.type, parts.type_length) ||
		is_star(parts.subtype, parts.subtype_length));
}

bool media_range_matches(const char *range, const char *type)
{
	return range_matches(range, strlen(range), type);
}

bool media_range_list_matches(const char *list, const char *type)
{
	while (*list) {
		size_t length;

		list += strspn(list, ", \t");
		length = strcspn(list, ",");
		if (range_matches(list, length, type))
			return true;
		list += length;
	}
	return false;
}
