/* range.h - which bytes of a file a request wants (RFC 9110 section 14). Pure. Thread: any. */
#ifndef API_WIRE_RANGE_H
#define API_WIRE_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum range_result {
	RANGE_WHOLE,	    /* nothing understood was asked for, or several parts: send it all */
	RANGE_PART,	    /* one part: 206 */
	RANGE_UNSATISFIABLE /* none of it is there: 416 */
};

/* `header` is Range's value, NULL if there is none. For RANGE_PART the two outputs are set. */
enum range_result range_parse(const char *header, int64_t size, int64_t *ret_offset,
			      int64_t *ret_length);

/* Is `etag` (with its quotes) among those of If-None-Match or If-Match, or is that "*"? `weak`
 * ones count only if `with_weak`. */
bool etag_list_has(const char *list, const char *etag, bool with_weak);

/* The next tag of such a list, without W/ and quotes, moving *list behind it; false at the end.
 * Tags that clients send without quotes are taken too, and so is "*". */
bool etag_list_next(const char **list, const char **ret_tag, size_t *ret_length);

#endif
