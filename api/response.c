#include "api/response.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/problem.h"

enum { HEADER_VALUE_MAX = 2048 };

void response_init(struct response *response)
{
	response->status = 500;
	response->content_type = NULL;
	response->headers[0] = '\0';
	response->headers_length = 0;
	response->body = NULL;
	response->body_length = 0;
	response->file_fd = -1;
	response->file_length = 0;
}

static void drop_body(struct response *response)
{
	free(response->body);
	response->body = NULL;
	cleanup_closep(&response->file_fd);
	response->file_fd = -1;
}

void response_fini(struct response *response)
{
	drop_body(response);
}

static void set_body(struct response *response, int status, const char *content_type, char *body,
		     size_t length)
{
	drop_body(response);
	response->status = status;
	response->content_type = content_type;
	response->body = body;
	response->body_length = length;
}

static bool has_control_character(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

void response_header(struct response *response, const char *name, const char *format, ...)
{
	char *end = response->headers + response->headers_length;
	size_t space = sizeof(response->headers) - response->headers_length;
	size_t name_length = strlen(name);
	va_list arguments;
	char *value = end + name_length + 2;
	int length;

	if (name_length + 5 > space)
		return;
	va_start(arguments, format);
	length = vsnprintf(value, space - name_length - 2, format, arguments);
	va_end(arguments);
	if (length < 0 || name_length + (size_t)length + 5 > space || length >= HEADER_VALUE_MAX ||
	    has_control_character(value)) {
		*end = '\0';
		return;
	}
	memcpy(end, name, name_length);
	memcpy(end + name_length, ": ", 2);
	memcpy(value + length, "\r\n", 3);
	response->headers_length += name_length + (size_t)length + 4;
}

void response_drop_headers(struct response *response, size_t length)
{
	response->headers[length] = '\0';
	response->headers_length = length;
}

void response_header_replace(struct response *response, const char *name, const char *value)
{
	size_t length = strlen(name);
	char *line = response->headers, *next;

	for (; *line; line = next) {
		next = strstr(line, "\r\n") + 2; /* each line has one */
		if (strncasecmp(line, name, length) != 0 || line[length] != ':')
			continue;
		memmove(line, next, strlen(next) + 1);
		response->headers_length -= (size_t)(next - line);
		break;
	}
	response_header(response, name, "%s", value);
}

void response_empty(struct response *response, int status)
{
	set_body(response, status, NULL, NULL, 0);
}

static int json_body(struct response *response, int status, const char *content_type, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	if (!text) {
		response_empty(response, 500);
		return 0;
	}
	set_body(response, status, content_type, text, strlen(text));
	return 0;
}

int response_json(struct response *response, int status, json_t *body)
{
	return json_body(response, status, "application/json", body);
}

void response_take_json(struct response *response, int status, char *text)
{
	if (text)
		set_body(response, status, "application/json", text, strlen(text));
	else
		response_empty(response, status);
}

int response_json_text_take(struct response *response, int status, struct text *body)
{
	text_add(body, "", 1); /* who keeps answers reads them as strings */
	if (body->failed) {
		text_fini(body);
		return -ENOMEM;
	}
	set_body(response, status, "application/json", STEAL(body->bytes), body->length - 1);
	return 0;
}

int response_text(struct response *response, int status, const char *content_type, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	set_body(response, status, content_type, copy, strlen(copy));
	return 0;
}

void response_file(struct response *response, int status, const char *content_type, int fd,
		   int64_t offset, int64_t length)
{
	set_body(response, status, NULL, NULL, 0);
	response_header(response, "Content-Type", "%s", content_type);
	response_header(response, "Content-Length", "%lld", (long long)length);
	response->file_fd = fd;
	response->file_offset = offset;
	response->file_length = length;
}

ssize_t response_read_file(struct response *response, void *into, size_t size)
{
	ssize_t got;

	if (response->file_fd < 0 || response->file_length == 0)
		return 0;
	if ((int64_t)size > response->file_length)
		size = (size_t)response->file_length;
	do {
		got = pread(response->file_fd, into, size, response->file_offset);
	} while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 ? -errno : -EIO;
	response->file_offset += got;
	response->file_length -= got;
	return got;
}

void response_problem(struct response *response, const struct error *error, const char *request_id)
{
	int status = problem_status(error);

	/* RFC 6750 section 3.1: somebody who has shown nothing hears of no error. */
	if (status == 401)
		response_header(response, "WWW-Authenticate", "Bearer realm=\"realtime\"%s",
				strcmp(error->code, "authentication_required") == 0
					? ""
					: ", error=\"invalid_token\"");
	if (status == 503 || status == 429 || error->number == -EINPROGRESS)
		response_header(response, "Retry-After", "1");
	(void)json_body(response, status, "application/problem+json",
			problem_to_json(error, request_id));
}

static const char *reason_of(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 201:
		return "Created";
	case 202:
		return "Accepted";
	case 204:
		return "No Content";
	case 206:
		return "Partial Content";
	case 304:
		return "Not Modified";
	default:
		return problem_title(status);
	}
}

int response_format(const struct response *response, bool with_body, char **ret_bytes,
		    size_t *ret_length)
{
	size_t body_length = with_body ? response->body_length : 0;
	char type[160] = "", *bytes;
	int head_length;

	if (response->content_type)
		(void)snprintf(type, sizeof(type), "Content-Type: %s\r\nContent-Length: %zu\r\n",
			       response->content_type, response->body_length);
	head_length = asprintf(&bytes, "Status: %d %s\r\n%s%s\r\n", response->status,
			       reason_of(response->status), type, response->headers);
	if (head_length < 0)
		return -ENOMEM;
	if (body_length > 0) {
		char *grown = realloc(bytes, (size_t)head_length + body_length);

		if (!grown) {
			free(bytes);
			return -ENOMEM;
		}
		bytes = grown;
		memcpy(bytes + head_length, response->body, body_length);
	}
	*ret_bytes = bytes;
	*ret_length = (size_t)head_length + body_length;
	return 0;
}
