/* media_range.h - does a media type fall into a range (RFC 9110 section 12.5.1)? Parameters are
 * ignored, and case does not matter. Thread: any. */
#ifndef CORE_MEDIA_RANGE_H
#define CORE_MEDIA_RANGE_H

#include <stdbool.h>

/* A range: type/subtype, type/ *, or * / * (without the blanks). */
bool media_range_is_valid(const char *range);

/* `type` may carry parameters; what is no media type falls into nothing. */
bool media_range_matches(const char *range, const char *type);

/* Any of a list with commas, as BINARY_ALLOWED_TYPES has it. */
bool media_range_list_matches(const char *list, const char *type);

#endif
