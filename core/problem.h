/* problem.h - a struct error as HTTP tells it: application/problem+json (RFC 9457). Thread: any. */
#ifndef CORE_PROBLEM_H
#define CORE_PROBLEM_H

#include <jansson.h>

#include "core/error.h"

/* The status for error->number: -EINVAL and -EPROTO 400, -EKEYREJECTED 401, -EACCES 403, -ENOENT
 * 404, -EEXIST and -EUSERS 409, -ESTALE 412, -E2BIG and -EMSGSIZE 413, -EPROTONOSUPPORT 415,
 * -EOPNOTSUPP 405, -ERANGE 416, -EDQUOT 429, -ENOTCONN, -EAGAIN and -ETIMEDOUT 503, -ENOSPC
 * 507, all else 500. */
int problem_status(const struct error *error);
const char *problem_title(int status);

/* {type, title, status, detail, code, request_id, errors?, retry_after?}; for a 500 the detail is
 * kept to ourselves. A new reference; NULL without memory. */
json_t *problem_to_json(const struct error *error, const char *request_id);

#endif
