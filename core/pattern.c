#include "core/pattern.h"

#include <stddef.h>
#include <string.h>

bool pattern_is_wild(const char *text)
{
	return strchr(text, '*') != NULL;
}

/* On a mismatch only the last star can take one byte more: earlier ones have found their earliest
 * fit already, and a later one would not help. */
bool pattern_matches(const char *pattern, const char *name)
{
	const char *after_star = NULL, *retry = NULL;

	while (*name) {
		if (*pattern == '*') {
			after_star = ++pattern;
			retry = name;
		} else if (*pattern == *name) {
			pattern++;
			name++;
		} else if (after_star) {
			pattern = after_star;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

/* A star of `narrow` is a byte that only a star of `wide` takes, and pattern_matches() gives it to
 * nothing else unless `wide` has a star in that very place, which takes it too. */
bool pattern_covers(const char *wide, const char *narrow)
{
	return pattern_matches(wide, narrow);
}
