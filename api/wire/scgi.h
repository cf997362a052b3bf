/* scgi.h - the head of an SCGI request (https://python.ca/scgi/protocol.txt).
 *
 *   "<bytes>:" "CONTENT_LENGTH" NUL "<n>" NUL "SCGI" NUL "1" NUL (name NUL value NUL)* "," body
 *
 * The front is not trusted to frame well: what the specification forbids is refused. Pure.
 * Thread: any.
 */
#ifndef API_WIRE_SCGI_H
#define API_WIRE_SCGI_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

enum {
	SCGI_HEAD_MAX = 65536, /* bytes of the netstring's content */
	SCGI_VARIABLES_MAX = 256,
	SCGI_PREFIX_MAX = 6, /* "65536:" */
	SCGI_BYTES_MAX = SCGI_PREFIX_MAX + SCGI_HEAD_MAX + 1
};

struct scgi_head {
	int64_t content_length;
	size_t variable_count;
	struct {
		const char *name, *value; /* point into the bytes parsed */
	} variables[SCGI_VARIABLES_MAX];
};

/* Parse the head at the start of `bytes`. Returns how many bytes it takes (the body follows them),
 * or 0 if it is not all there yet.
 *   -EBADMSG it is not SCGI: a length with a leading zero, without digits or over SCGI_HEAD_MAX;
 *   CONTENT_LENGTH not first or not a plain number; no SCGI=1; an empty or repeated name; an odd
 *   number of texts; no comma; too many variables */
int scgi_head_parse(const char *bytes, size_t length, struct scgi_head *ret_head) MUST_CHECK;

/* NULL if there is none. */
const char *scgi_variable_find(const struct scgi_head *head, const char *name);

#endif
