#include "api/wire/range.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Digits into a number that stays where it is when it grows too large; the text behind them. */
static const char *read_number(const char *text, int64_t *ret_number)
{
	int64_t number = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, *text - '0', &number))
			number = INT64_MAX / 10;
	*ret_number = number;
	return text;
}

enum range_result range_parse(const char *header, int64_t size, int64_t *ret_offset,
			      int64_t *ret_length)
{
	const char *first, *dash, *end;
	int64_t from, to;

	if (!header || strncasecmp(header, "bytes=", 6) != 0)
		return RANGE_WHOLE;
	first = header + 6 + strspn(header + 6, " \t");
	dash = read_number(first, &from);
	if (*dash != '-')
		return RANGE_WHOLE;
	end = read_number(dash + 1, &to);
	if (end[strspn(end, " \t")] != '\0' || (dash == first && end == dash + 1))
		return RANGE_WHOLE; /* several parts, or none */
	if (dash == first) {	    /* so many from the end */
		from = to < size ? size - to : 0;
		if (to == 0)
			return RANGE_UNSATISFIABLE;
		to = size - 1;
	} else if (end == dash + 1) {
		to = size - 1;
	} else if (to < from) {
		return RANGE_WHOLE;
	}
	if (from >= size)
		return RANGE_UNSATISFIABLE;
	*ret_offset = from;
	*ret_length = (to < size ? to + 1 : size) - from;
	return RANGE_PART;
}

bool etag_list_has(const char *list, const char *etag, bool with_weak)
{
	size_t length = strlen(etag);

	list += strspn(list, " \t");
	if (strcmp(list, "*") == 0)
		return true;
	while (*list) {
		bool is_weak = strncmp(list, "W/", 2) == 0;
		const char *end;

		if (is_weak)
			list += 2;
		if (*list != '"')
			return false;
		end = strchr(list + 1, '"');
		if (!end)
			return false;
		if ((!is_weak || with_weak) && (size_t)(end + 1 - list) == length &&
		    memcmp(list, etag, length) == 0)
			return true;
		list = end + 1;
		list += strspn(list, " \t,");
	}
	return false;
}

bool etag_list_next(const char **list, const char **ret_tag, size_t *ret_length)
{
	const char *at = *list + strspn(*list, ", \t");

	if (!*at)
		return false;
	if (strncmp(at, "W/", 2) == 0)
		at += 2;
	if (*at == '"') {
		*ret_tag = ++at;
		*ret_length = strcspn(at, "\"");
		at += *ret_length;
		*list = *at ? at + 1 : at;
	} else {
		*ret_tag = at;
		*ret_length = strcspn(at, ", \t");
		*list = at + *ret_length;
	}
	return true;
}
