#include "core/pattern.h"

#include <stddef.h>
#include <string.h>

bool pattern_is_wild(const char *text)
{
	return strchr(text, '*') != NULL;
}

/* The piece before the first star stands at the start, that after the last one at the end. Each one
 * between two stars takes its earliest fit: a later one would only leave less for the rest. */
bool pattern_matches(const char *pattern, const char *name)
{
	const char *star = strchr(pattern, '*'), *end = name + strlen(name);
	size_t length = star ? (size_t)(star - pattern) : strlen(pattern);

	if ((size_t)(end - name) < length || memcmp(pattern, name, length) != 0)
		return false;
	name += length;
	if (!star)
		return name == end;
	for (pattern = star + 1; (star = strchr(pattern, '*')); pattern = star + 1) {
		length = (size_t)(star - pattern);
		name = memmem(name, (size_t)(end - name), pattern, length);
		if (!name)
			return false;
		name += length;
	}
	length = strlen(pattern);
	return (size_t)(end - name) >= length && memcmp(end - length, pattern, length) == 0;
}

/* The pieces of `wide` have no star, so a star of `narrow` falls to a star of `wide`, which takes
 * whatever that stands for as well. */
bool pattern_covers(const char *wide, const char *narrow)
{
	return pattern_matches(wide, narrow);
}
