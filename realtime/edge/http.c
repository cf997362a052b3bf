#include "realtime/edge/http.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/id.h"
#include "core/log.h"
#include "core/problem.h"
#include "core/text.h"
#include "realtime/wire/request_head.h"

/* Whatever a request's head can hold: an argument that is too long to be copied looks absent, and
 * whoever gives a token must not become anonymous by its length. */
enum { QUERY_PART_SIZE = REQUEST_HEAD_MAX + 1 };

bool http_header_get(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size)
{
	*out = '\0';
	return lws_hdr_copy(wsi, out, (int)size, token) > 0;
}

bool http_header_is_present(struct lws *wsi, enum lws_token_indexes token)
{
	char none[1];

	/* An empty one has no length, but can be copied. */
	return lws_hdr_total_length(wsi, token) > 0 ||
	       lws_hdr_copy_fragment(wsi, none, sizeof(none), token, 0) == 0;
}

bool http_custom_header_is_present(struct lws *wsi, const char *name)
{
	return lws_hdr_custom_length(wsi, name, (int)strlen(name)) >= 0;
}

bool http_custom_header_get(struct lws *wsi, const char *name, char *out, size_t size)
{
	*out = '\0';
	return lws_hdr_custom_copy(wsi, out, (int)size, name, (int)strlen(name)) > 0;
}

bool http_query_is_true(struct lws *wsi, const char *name)
{
	char value[8];

	return http_query_get(wsi, name, 0, value, sizeof(value)) &&
	       (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
}

bool http_query_get(struct lws *wsi, const char *name, unsigned index, char *out, size_t size)
{
	static char part[QUERY_PART_SIZE]; /* the loop's alone */
	size_t length = strlen(name);

	*out = '\0';
	for (int i = 0;
	     lws_hdr_copy_fragment(wsi, part, sizeof(part), WSI_TOKEN_HTTP_URI_ARGS, i) >= 0; i++) {
		if (strncmp(part, name, length) != 0 || part[length] != '=' || index-- > 0)
			continue;
		return (size_t)snprintf(out, size, "%s", part + length + 1) < size;
	}
	return false;
}

int http_answer_no_content(struct lws *wsi)
{
	static const char answer[] = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
	unsigned char bytes[LWS_PRE + sizeof(answer)];

	memcpy(bytes + LWS_PRE, answer, sizeof(answer));
	(void)lws_write(wsi, bytes + LWS_PRE, sizeof(answer) - 1,
			LWS_WRITE_RAW); /* closing anyway */
	return -1;
}

/* Theirs if it can be logged and echoed without harm, else one of ours. */
static void choose_request_id(struct lws *wsi, char out[LOG_REQUEST_MAX + 1])
{
	if (!http_custom_header_get(wsi, "x-request-id:", out, LOG_REQUEST_MAX + 1) ||
	    !request_id_is_valid(out))
		id_new("req", out, LOG_REQUEST_MAX + 1);
}

void http_begin_request(struct lws *wsi)
{
	char request_id[LOG_REQUEST_MAX + 1];

	choose_request_id(wsi, request_id);
	log_set_request(request_id);
}

int http_answer(struct lws *wsi, int status, const char *content_type, const char *body)
{
	static const char padding[LWS_PRE];
	struct text text = {0};

	text_add(&text, padding, sizeof(padding));
	text_add_string(&text, "HTTP/1.1 ");
	text_add_number(&text, status);
	text_add_string(&text, " ");
	text_add_string(&text, status == 200 ? "OK" : problem_title(status));
	text_add_string(&text, "\r\ncontent-type: ");
	text_add_string(&text, content_type);
	text_add_string(&text, "\r\ncontent-length: ");
	text_add_number(&text, (int64_t)strlen(body));
	if (status == 401)
		text_add_string(&text, "\r\nwww-authenticate: Bearer realm=\"realtime\"");
	if (*log_request()) {
		text_add_string(&text, "\r\nx-request-id: ");
		text_add_string(&text, log_request());
	}
	text_add_string(&text, "\r\ncache-control: no-store\r\nconnection: close\r\n\r\n");
	text_add_string(&text, body);
	if (!text.failed)
		(void)lws_write(wsi, (unsigned char *)text.bytes + LWS_PRE, text.length - LWS_PRE,
				LWS_WRITE_RAW); /* closing in any case */
	text_fini(&text);
	return -1;
}

int http_answer_problem(struct lws *wsi, const struct error *error)
{
	json_t *problem;
	AUTO_FREE char *body = NULL;

	if (!*log_request())
		http_begin_request(wsi);
	problem = problem_to_json(error, log_request());
	body = problem ? json_dumps(problem, JSON_COMPACT) : NULL;
	json_decref(problem);
	return http_answer(wsi, problem_status(error), "application/problem+json",
			   body ? body : "{}");
}
