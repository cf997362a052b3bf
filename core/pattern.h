/* pattern.h - names with wildcards, as grants, namespaces and subscriptions write them: `*` stands
 * for any run of bytes, also an empty one; everything else for itself (protocol section 1).
 * Thread: any. */
#ifndef CORE_PATTERN_H
#define CORE_PATTERN_H

#include <stdbool.h>

/* In time proportional to the product of both lengths at worst, whatever the pattern. */
bool pattern_matches(const char *pattern, const char *name);

/* Does it have a wildcard at all? */
bool pattern_is_wild(const char *text);

/* Is whatever `narrow` stands for (itself a pattern or a plain name) also matched by `wide`? May
 * say no where the answer is yes (`a*b*` within `*a*`), never the other way round. */
bool pattern_covers(const char *wide, const char *narrow);

#endif
