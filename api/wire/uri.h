/* uri.h - the path and the query of a request target (RFC 3986).
 *
 * Decoded once, here, before routing. What web servers and applications are known to read
 * differently from each other (empty and dot segments, an escaped slash, NUL) is refused rather
 * than cleaned, so that no location rule of the front can be walked around. Thread: any.
 */
#ifndef API_WIRE_URI_H
#define API_WIRE_URI_H

#include <stddef.h>

#include "core/cleanup.h"
#include "core/error.h"

enum { URI_TARGET_MAX = 8192, URI_QUERY_MAX = 64 };

/* Split a request target ("/a/b?c=d", or the absolute form) in place: *ret_path is the path,
 * *ret_query what follows the '?' ("" if nothing does). Both point into `target`.
 *   -EINVAL "bad_path" the target has no path */
int uri_split(char *target, char **ret_path, char **ret_query, struct error *reterr) MUST_CHECK;

/* Percent-decode a path in place.
 *   -EINVAL "bad_path" not absolute; `//`, `.` or `..` as a segment, %2f, %5c, a control
 *   character, a broken escape, what is not UTF-8, or more than URI_TARGET_MAX bytes */
int uri_path_decode(char *path, struct error *reterr) MUST_CHECK;

struct query {
	size_t count;
	struct {
		const char *name, *value;
	} parameters[URI_QUERY_MAX];
};

/* Take "a=b&c" apart and decode it ('+' is a blank), in place: the parameters point into `text`.
 *   -EINVAL "bad_query" a broken escape, an escaped NUL, what is not UTF-8, or too many parameters
 */
int query_parse(char *text, struct query *ret_query, struct error *reterr) MUST_CHECK;

/* The first value of that name, borrowed; NULL if there is none. */
const char *query_find(const struct query *query, const char *name);

#endif
