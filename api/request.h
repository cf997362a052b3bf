/* request.h - one HTTP request, whichever protocol the web server handed it over by.
 *
 * FastCGI and SCGI both speak in CGI variables (RFC 3875) and a stream of bytes; a front gives us
 * these two as a struct request_source, and nothing here knows which it is.
 *
 * Thread: the one that accepted the request.
 */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "api/wire/uri.h"
#include "core/error.h"
#include "core/identity.h"

enum { REQUEST_ID_MAX = 64, REQUEST_PARAMETERS_MAX = 4 };

struct request_source {
	/* The CGI variable of that name, borrowed for the request's life; NULL if there is none. */
	const char *(*variable)(void *data, const char *name);
	/* The next bytes of the body: how many, 0 at its end, or a negative errno. */
	ssize_t (*read)(void *data, void *into, size_t size);
};

struct request {
	const struct request_source *source; /* borrowed, like data */
	void *data;
	const char *method;
	const char *path; /* percent-decoded */
	struct query query;
	char request_id[REQUEST_ID_MAX + 1];
	struct identity *identity; /* owned reference; who asks. Never NULL in a handler */

	/* What the route's {placeholders} stood for; set by the router. */
	size_t parameter_count;
	struct {
		char name[32];
		char value[256];
	} parameters[REQUEST_PARAMETERS_MAX];

	int64_t content_length; /* -1: not told, read to the end */
	char *body;		/* owned; once request_read_body() was called */
	size_t body_length;
	int64_t body_taken; /* bytes read from the source so far */
	bool body_is_over, body_is_given_up;
	char *target;	      /* owned; path and query point into it */
	char message_key[72]; /* see idempotency_mark(); "": none */
};

/* Fill in *ret_request. On failure it still has a request_id and is to be request_fini()ed.
 *   -EINVAL "bad_path", "bad_query", "bad_request"   -ENOMEM */
int request_init(struct request *ret_request, const struct request_source *source, void *data,
		 struct error *reterr) MUST_CHECK;
void request_fini(struct request *request);

/* A header by its name as in HTTP, "If-Match"; NULL if it is absent. */
const char *request_header(const struct request *request, const char *name);

/* A {placeholder}'s value; it must be one of the route's. */
const char *request_parameter(const struct request *request, const char *name);

/* The {room_id} of the path, checked. -EINVAL "bad_field" */
int request_room_id(const struct request *request, const char **ret_room_id,
		    struct error *reterr) MUST_CHECK;

/* ?limit= of a list, 1 to `high`; untouched if it is absent. -EINVAL "bad_field" */
int request_limit(const struct request *request, size_t high, size_t *ret_limit,
		  struct error *reterr) MUST_CHECK;

/* Does Content-Type (parameters aside) say `type`? */
bool request_has_content_type(const struct request *request, const char *type);

/* Read the whole body into request->body (NUL-terminated); once it was read it stays. It may take
 * ten seconds, and one for each 16 KiB of it. -EMSGSIZE "body_too_big" more than `limit` bytes
 * -EPROTO "body_incomplete" -EPROTONOSUPPORT "unsupported_content_encoding" */
int request_read_body(struct request *request, int64_t limit, struct error *reterr) MUST_CHECK;

/* Read on in the body: how many bytes, 0 at its end.
 *   -EPROTO "body_incomplete" it broke off, or is shorter than its Content-Length
 *   -EPROTONOSUPPORT "unsupported_content_encoding" */
ssize_t request_read(struct request *request, void *into, size_t size,
		     struct error *reterr) MUST_CHECK;

/* The body as a JSON object; a missing Content-Type is taken for application/json.
 *   -EPROTONOSUPPORT "unsupported_media_type"   -EINVAL "bad_json"   and those of read_body */
int request_read_json(struct request *request, int64_t limit, json_t **ret_object,
		      struct error *reterr) MUST_CHECK;

/* Read on and throw away, so that the connection can be used again (or closed without a reset
 * overtaking the answer). Returns false if more than `limit` bytes were left, or they came more
 * slowly than a body may. */
bool request_drain(struct request *request, int64_t limit);

#endif
