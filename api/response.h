/* response.h - the answer to one request, before a front writes it.
 *
 * CGI form (RFC 3875), which FastCGI and SCGI share: a Status line among the headers, then the
 * body. Thread: the request's.
 */
#ifndef API_RESPONSE_H
#define API_RESPONSE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/text.h"

enum { RESPONSE_HEADERS_MAX = 8192 };

struct response {
	int status;
	const char *content_type;	    /* a constant; NULL without a body */
	char headers[RESPONSE_HEADERS_MAX]; /* "Name: value\r\n" each */
	size_t headers_length;
	char *body; /* owned */
	size_t body_length;
	/* In place of a body a part of a file; see response_file(). */
	int file_fd; /* owned; -1: none */
	int64_t file_offset, file_length;
};

void response_init(struct response *response);
/* Those that were added since headers_length was `length`. */
void response_drop_headers(struct response *response, size_t length);
void response_fini(struct response *response);

/* Add a header. One whose value has control characters is left out: nothing that a stranger sent
 * can become a header of its own. */
void response_header(struct response *response, const char *name, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* Instead of one of that name which is there already. */
void response_header_replace(struct response *response, const char *name, const char *value);

/* No body: 204, 304. */
void response_empty(struct response *response, int status);
/* `body` is taken; NULL (no memory) makes it a 500. Always 0, for a handler to return. */
int response_json(struct response *response, int status, json_t *body);
/* The same of a text, taken; NULL: without a body. */
void response_take_json(struct response *response, int status, char *text);
/* The same of JSON that was written by hand: what `body` has is taken. -ENOMEM if it failed */
int response_json_text_take(struct response *response, int status, struct text *body) MUST_CHECK;
/* `text` is copied, `content_type` a constant. -ENOMEM */
int response_text(struct response *response, int status, const char *content_type,
		  const char *text) MUST_CHECK;
/* So many bytes of a file from `offset` on; `fd` is taken. `content_type` is copied. */
void response_file(struct response *response, int status, const char *content_type, int fd,
		   int64_t offset, int64_t length);
/* After the head: the next bytes of the file, into `into`. How many, 0 at the end of what is to be
 * sent, or a negative errno: then the answer cannot be finished. */
ssize_t response_read_file(struct response *response, void *into, size_t size) MUST_CHECK;

/* The error as application/problem+json, with the headers that its status asks for. A body
 * that the handler had made before is dropped, its headers stay. */
void response_problem(struct response *response, const struct error *error, const char *request_id);

/* Everything as bytes, malloc()ed; without the body's for HEAD. -ENOMEM */
int response_format(const struct response *response, bool with_body, char **ret_bytes,
		    size_t *ret_length) MUST_CHECK;

#endif
