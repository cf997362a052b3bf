/* http.h - reading a request's head and answering it whole, around libwebsockets. Thread: loop. */
#ifndef REALTIME_EDGE_HTTP_H
#define REALTIME_EDGE_HTTP_H

#include <libwebsockets.h>
#include <stdbool.h>

#include "core/error.h"

/* Even if it is empty, or longer than anything. */
bool http_header_is_present(struct lws *wsi, enum lws_token_indexes token);
bool http_custom_header_is_present(struct lws *wsi, const char *name);
/* A header or "", cut at `size`; false if it is not there or does not fit. */
bool http_header_get(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size);
/* One that libwebsockets has no number for; `name` in lower case, with its colon. */
bool http_custom_header_get(struct lws *wsi, const char *name, char *out, size_t size);

/* The `index`-th query argument called `name`, decoded; false if there are not so many. */
bool http_query_get(struct lws *wsi, const char *name, unsigned index, char *out, size_t size);
/* ?name=true or ?name=1 */
bool http_query_is_true(struct lws *wsi, const char *name);

/* From here on this thread works for this request: X-Request-Id as it came, or a new one, in the
 * answer and in the log. Ends by log_set_request(NULL). */
void http_begin_request(struct lws *wsi);

/* Answer and close. All return -1, for the callback to return. */
int http_answer_no_content(struct lws *wsi);
int http_answer(struct lws *wsi, int status, const char *content_type, const char *body);
int http_answer_problem(struct lws *wsi, const struct error *error);

#endif
