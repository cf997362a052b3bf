#include "api/request.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/json.h"

enum { BODY_GRACE_US = 10000000, BODY_BYTES_PER_SECOND = 16 << 10 };

/* ---- variables and headers ---- */

static const char *variable(const struct request *request, const char *name)
{
	return request->source->variable(request->data, name);
}

const char *request_header(const struct request *request, const char *name)
{
	char cgi_name[64] = "HTTP_";
	size_t length = strlen(cgi_name);

	if (strcasecmp(name, "Content-Type") == 0)
		return variable(request, "CONTENT_TYPE");
	for (; *name && length < sizeof(cgi_name) - 1; name++)
		cgi_name[length++] = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
	cgi_name[length] = '\0';
	return variable(request, cgi_name);
}

const char *request_parameter(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->parameter_count; i++)
		if (strcmp(request->parameters[i].name, name) == 0)
			return request->parameters[i].value;
	abort(); /* the route has no such placeholder: our own mistake */
}

int request_room_id(const struct request *request, const char **ret_room_id, struct error *reterr)
{
	const char *room_id = request_parameter(request, "room_id");

	if (!room_id_is_valid(room_id))
		return error_set_field(reterr, -EINVAL, "bad_field", "room_id",
				       "room_id must be 1 to 128 of the characters A-Z a-z 0-9 _ . "
				       ": -");
	*ret_room_id = room_id;
	return 0;
}

int request_limit(const struct request *request, size_t high, size_t *ret_limit,
		  struct error *reterr)
{
	const char *text = query_find(&request->query, "limit");
	char *end = NULL;
	long limit = text ? strtol(text, &end, 10) : 0;

	if (!text)
		return 0;
	if (end == text || *end || limit < 1 || (unsigned long)limit > high)
		return error_set_field(reterr, -EINVAL, "bad_field", "limit",
				       "limit must be a whole number from 1 to %zu", high);
	*ret_limit = (size_t)limit;
	return 0;
}

bool request_has_content_type(const struct request *request, const char *type)
{
	const char *given = variable(request, "CONTENT_TYPE");
	size_t length = strlen(type);

	if (!given || strncasecmp(given, type, length) != 0)
		return false;
	given += length;
	given += strspn(given, " \t");
	return *given == '\0' || *given == ';';
}

/* ---- life ---- */

/* Theirs if it can be logged and echoed without harm, else one of ours. */
static void choose_request_id(struct request *request)
{
	const char *given = variable(request, "HTTP_X_REQUEST_ID");

	if (given && request_id_is_valid(given))
		(void)strcpy(request->request_id, given); /* it fits */
	else
		id_new("req", request->request_id, sizeof(request->request_id));
}

/* REQUEST_URI is what the client sent; servers that do not pass it give the decoded path in
 * SCRIPT_NAME and PATH_INFO. */
static int choose_target(struct request *request, bool *ret_is_decoded)
{
	const char *uri = variable(request, "REQUEST_URI");
	const char *script_name = variable(request, "SCRIPT_NAME");
	const char *path_info = variable(request, "PATH_INFO");

	*ret_is_decoded = !uri || !*uri;
	if (!*ret_is_decoded)
		request->target = strdup(uri);
	else if (asprintf(&request->target, "%s%s", script_name ? script_name : "",
			  path_info ? path_info : "") < 0)
		request->target = NULL;
	return request->target ? 0 : -ENOMEM;
}

static int parse_target(struct request *request, struct error *reterr)
{
	const char *query_string = variable(request, "QUERY_STRING");
	char *path, *query;
	bool is_decoded;
	int r;

	r = choose_target(request, &is_decoded);
	if (r < 0)
		return r;
	if (is_decoded) {
		char *whole;

		/* One block again, so that it has one owner. A '%' here is a character. */
		for (const char *at = request->target; *at; at++)
			if (*at == '%' || *at == '?')
				return error_set(reterr, -EINVAL, "bad_path",
						 "the path needs REQUEST_URI to be understood");
		if (asprintf(&whole, "%s?%s", request->target, query_string ? query_string : "") <
		    0)
			return -ENOMEM;
		free(request->target);
		request->target = whole;
	}
	r = uri_split(request->target, &path, &query, reterr);
	if (r == 0)
		r = uri_path_decode(path, reterr);
	if (r == 0)
		r = query_parse(query, &request->query, reterr);
	if (r == 0)
		request->path = path;
	return r;
}

static int parse_content_length(struct request *request, struct error *reterr)
{
	const char *text = variable(request, "CONTENT_LENGTH");

	request->content_length = -1;
	if (!text || !*text)
		return 0;
	/* Digits alone: what strtoll() takes besides, two servers may understand in two ways. */
	if (strspn(text, "0123456789") == strlen(text) && strlen(text) <= 18)
		request->content_length = strtoll(text, NULL, 10);
	if (request->content_length < 0)
		return error_set(reterr, -EINVAL, "bad_request",
				 "Content-Length must be a whole number");
	return 0;
}

int request_init(struct request *ret_request, const struct request_source *source, void *data,
		 struct error *reterr)
{
	struct request *request = ret_request;
	int r;

	memset(request, 0, sizeof(*request));
	request->source = source;
	request->data = data;
	request->path = "";
	choose_request_id(request);
	request->method = variable(request, "REQUEST_METHOD");
	if (!request->method) {
		request->method = "";
		return error_set(reterr, -EINVAL, "bad_request", "the request has no method");
	}
	r = parse_content_length(request, reterr);
	if (r == 0)
		r = parse_target(request, reterr);
	return r;
}

void request_fini(struct request *request)
{
	free(request->body);
	free(request->target);
	request->identity = identity_unref(request->identity);
	request->body = NULL;
	request->target = NULL;
}

/* ---- body ---- */

/* How many bytes, 0 at the end of the body, or a negative errno. */
static ssize_t read_some(struct request *request, void *into, size_t size)
{
	ssize_t got;

	if (request->content_length >= 0 &&
	    (int64_t)size > request->content_length - request->body_taken)
		size = (size_t)(request->content_length - request->body_taken);
	if (request->body_is_over || size == 0)
		return 0;
	got = request->source->read(request->data, into, size);
	if (got > 0)
		request->body_taken += got;
	else
		request->body_is_over = true;
	return got;
}

/* So many bytes of what holds a thread until it is there have come, beginning then: is the rest no
 * more waited for? A sender that is silent is the source's matter; files may take their time, only
 * some of the threads receive them. */
static bool give_up_slow(struct request *request, uint64_t began_us, int64_t bytes)
{
	request->body_is_given_up =
		clock_now_us() - began_us >
		BODY_GRACE_US + (uint64_t)bytes * 1000000 / BODY_BYTES_PER_SECOND;
	return request->body_is_given_up;
}

/* Nothing is unpacked here: what is small when packed may be of any size. -EPROTONOSUPPORT */
static int check_coding(const struct request *request, struct error *reterr)
{
	const char *coding = request_header(request, "Content-Encoding");

	if (!coding || !*coding || strcasecmp(coding, "identity") == 0)
		return 0;
	return error_set_field(reterr, -EPROTONOSUPPORT, "unsupported_content_encoding",
			       "Content-Encoding",
			       "Content-Encoding must be absent: bodies are taken as they are");
}

static int too_big(int64_t limit, struct error *reterr)
{
	return error_set(reterr, -EMSGSIZE, "body_too_big", "the body may have %lld bytes",
			 (long long)limit);
}

int request_read_body(struct request *request, int64_t limit, struct error *reterr)
{
	size_t capacity = request->content_length >= 0 ? (size_t)request->content_length + 1 : 4096;
	uint64_t began_us = clock_now_us();
	int r = check_coding(request, reterr);

	if (r < 0)
		return r;
	if (request->content_length > limit ||
	    (request->body && (int64_t)request->body_length > limit))
		return too_big(limit, reterr);
	if (request->body)
		return 0;
	request->body = malloc(capacity);
	if (!request->body)
		return -ENOMEM;
	for (;;) {
		ssize_t got;

		if (request->body_length + 1 == capacity && request->content_length < 0) {
			char *grown = realloc(request->body, capacity * 2);

			if (!grown)
				return -ENOMEM;
			request->body = grown;
			capacity *= 2;
		}
		got = read_some(request, request->body + request->body_length,
				capacity - 1 - request->body_length);
		if (got == 0)
			break;
		if (got > 0)
			request->body_length += (size_t)got;
		if (give_up_slow(request, began_us, (int64_t)request->body_length))
			return error_set(reterr, -EPROTO, "body_incomplete",
					 "the body came too slowly");
		if (got < 0 || (int64_t)request->body_length > limit)
			return got < 0 ? error_set(reterr, -EPROTO, "body_incomplete",
						   "the body could not be read to its end")
				       : too_big(limit, reterr);
	}
	request->body[request->body_length] = '\0';
	if (request->content_length >= 0 && (int64_t)request->body_length < request->content_length)
		return error_set(reterr, -EPROTO, "body_incomplete",
				 "the body is shorter than its Content-Length");
	return 0;
}

ssize_t request_read(struct request *request, void *into, size_t size, struct error *reterr)
{
	int r = request->body_taken == 0 ? check_coding(request, reterr) : 0;
	ssize_t got = r == 0 ? read_some(request, into, size) : 0;

	if (r < 0)
		return r;
	if (got < 0)
		return error_set(reterr, -EPROTO, "body_incomplete",
				 "the body could not be read to its end");
	if (got == 0 && request->content_length > request->body_taken)
		return error_set(reterr, -EPROTO, "body_incomplete",
				 "the body is shorter than its Content-Length");
	return got;
}

int request_read_json(struct request *request, int64_t limit, json_t **ret_object,
		      struct error *reterr)
{
	const char *type = variable(request, "CONTENT_TYPE");
	int r;

	if (type && *type && !request_has_content_type(request, "application/json"))
		return error_set(reterr, -EPROTONOSUPPORT, "unsupported_media_type",
				 "the body must be application/json");
	r = request_read_body(request, limit, reterr);
	if (r < 0)
		return r;
	return json_object_parse(request->body, request->body_length, ret_object, reterr);
}

bool request_drain(struct request *request, int64_t limit)
{
	uint64_t began_us = clock_now_us();
	char bytes[4096];
	int64_t drained = 0;
	ssize_t got;

	if (!request->source || request->body_is_given_up) /* request_init() never got that far */
		return false;
	/* Past Content-Length too: the end of a FastCGI body is a record of its own. */
	if (request->content_length > 0 && request->content_length - request->body_taken > limit)
		return false;
	while (!request->body_is_over && drained <= limit) {
		got = request->source->read(request->data, bytes, sizeof(bytes));
		if (got <= 0)
			return got == 0;
		drained += got;
		if (give_up_slow(request, began_us, drained))
			return false;
	}
	return drained <= limit;
}
