/* multipart.h - multipart/form-data (RFC 7578, RFC 2046 section 5.1) as a stream.
 *
 * Bytes are fed as they come, in pieces of any size, and the same comes out however they were cut.
 * Memory is constant: a part's head is bounded, its body is handed on and never kept.
 *
 *   PREAMBLE --boundary--> HEAD --blank line--> BODY --boundary--> HEAD or, with "--", EPILOGUE
 *
 * Names of files are metadata from a stranger: decoded, not judged. Pure. Thread: any.
 */
#ifndef API_WIRE_MULTIPART_H
#define API_WIRE_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "core/cleanup.h"
#include "core/error.h"

enum {
	MULTIPART_BOUNDARY_MAX = 70, /* RFC 2046 */
	MULTIPART_HEAD_MAX = 8192,   /* bytes of one part's headers */
	MULTIPART_NAME_MAX = 255,
	MULTIPART_FILENAME_MAX = 1023,
	MULTIPART_TYPE_MAX = 255
};

struct multipart_part {
	char name[MULTIPART_NAME_MAX + 1]; /* of the form's field */
	bool has_filename;
	char filename[MULTIPART_FILENAME_MAX + 1];
	char content_type[MULTIPART_TYPE_MAX + 1]; /* "": not said */
};

/* A negative number from any of them ends it and is returned. `part` and `bytes` are borrowed. */
struct multipart_events {
	int (*begin)(void *data, const struct multipart_part *part, struct error *reterr);
	int (*bytes)(void *data, const void *bytes, size_t length, struct error *reterr);
	int (*end)(void *data, struct error *reterr);
};

enum multipart_state {
	MULTIPART_PREAMBLE,
	MULTIPART_DELIMITER, /* behind a boundary, where blanks and a line's end may follow */
	MULTIPART_LINE_END,  /* behind its CR */
	MULTIPART_CLOSE,     /* behind the first "-" of "--" */
	MULTIPART_HEAD,
	MULTIPART_BODY,
	MULTIPART_EPILOGUE
};

struct multipart {
	const struct multipart_events *events; /* borrowed, as is data */
	void *data;
	enum multipart_state state;
	/* CR LF "--" boundary. Only its first byte is a CR, so a match that breaks off can only
	 * begin again with the byte that broke it. */
	char delimiter[4 + MULTIPART_BOUNDARY_MAX + 1];
	size_t delimiter_length, matched;
	bool has_blanks; /* behind a boundary */
	size_t head_length;
	char head[MULTIPART_HEAD_MAX];
	struct multipart_part part;
};

/* Begin, by the request's Content-Type.
 *   -EPROTONOSUPPORT "unsupported_media_type" it is something else
 *   -EINVAL "bad_multipart" no boundary, or one that cannot be */
int multipart_init(struct multipart *multipart, const char *content_type,
		   const struct multipart_events *events, void *data,
		   struct error *reterr) MUST_CHECK;

/* -EINVAL "bad_multipart", or what an event returned. Nothing may be fed after that. */
int multipart_feed(struct multipart *multipart, const void *bytes, size_t length,
		   struct error *reterr) MUST_CHECK;

/* All was fed: was the last boundary there? -EINVAL "bad_multipart" */
int multipart_finish(const struct multipart *multipart, struct error *reterr) MUST_CHECK;

#endif
