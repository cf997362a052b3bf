/* pattern.h - names with wildcards, as grants, namespaces and subscriptions write them: `*` stands
 * for any run of bytes, also an empty one; everything else for itself (protocol section 1).
 * Thread: any. */
#ifndef CORE_PATTERN_H
#define CORE_PATTERN_H

#include <stdbool.h>

/* Seldom in more time than the sum of both lengths takes: strangers choose patterns and names, and
 * each message of a channel that is new may be held against a thousand of them. */
bool pattern_matches(const char *pattern, const char *name);

/* Does it have a wildcard at all? */
bool pattern_is_wild(const char *text);

/* Is whatever `narrow` stands for (itself a pattern or a plain name) also matched by `wide`? May
 * say no where the answer is yes (`a*b*` within `*a*`), never the other way round. */
bool pattern_covers(const char *wide, const char *narrow);

#endif
