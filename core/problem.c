#include "core/problem.h"

#include <errno.h>
#include <stdio.h>

int problem_status(const struct error *error)
{
	switch (-error->number) {
	case EINVAL:
	case EPROTO:
		return 400;
	case EKEYREJECTED:
		return 401;
	case EACCES:
	case EPERM:
		return 403;
	case ENOENT:
		return 404;
	case EOPNOTSUPP:
		return 405;
	case EEXIST:
	case EUSERS:
	case EINPROGRESS:
		return 409;
	case ESTALE:
		return 412;
	case E2BIG:
	case EMSGSIZE:
		return 413;
	case EPROTONOSUPPORT:
		return 415;
	case ERANGE:
		return 416;
	case ENOTUNIQ:
		return 422;
	case ENODATA:
		return 428;
	case EBUSY:
		return 423;
	case EBADMSG:
		return 460;
	case EDQUOT:
		return 429;
	case ENOTCONN:
	case EAGAIN:
	case ETIMEDOUT:
		return 503;
	case ENOSPC:
		return 507;
	default:
		return 500;
	}
}

const char *problem_title(int status)
{
	switch (status) {
	case 400:
		return "Bad request";
	case 401:
		return "Authentication required";
	case 403:
		return "Forbidden";
	case 404:
		return "Not found";
	case 405:
		return "Method not allowed";
	case 409:
		return "Conflict";
	case 412:
		return "Precondition failed";
	case 413:
		return "Content too large";
	case 415:
		return "Unsupported media type";
	case 416:
		return "Range not satisfiable";
	case 422:
		return "Unprocessable content";
	case 423:
		return "Locked";
	case 428:
		return "Precondition required";
	case 460:
		return "Checksum mismatch";
	case 429:
		return "Too many requests";
	case 503:
		return "Service unavailable";
	case 507:
		return "Insufficient storage";
	default:
		return "Internal server error";
	}
}

json_t *problem_to_json(const struct error *error, const char *request_id)
{
	int status = problem_status(error);
	const char *code = status == 500 ? "internal_error" : error->code;
	char type[96], pointer[80];
	json_t *body;

	(void)snprintf(type, sizeof(type), "/problems/%s", code);
	body = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", type, "title", problem_title(status),
			 "status", status, "detail",
			 status == 500 ? "Something failed on our side; the log has it under this "
					 "request_id."
				       : error->message,
			 "code", code);
	if (!body)
		return NULL;
	if (request_id)
		(void)json_object_set_new(body, "request_id", json_string(request_id));
	if (*error->field && status < 500) {
		(void)snprintf(pointer, sizeof(pointer), "/%s", error->field);
		(void)json_object_set_new(
			body, "errors",
			json_pack("[{s:s, s:s}]", "pointer", pointer, "detail", error->message));
	}
	if (status == 503 || status == 429)
		(void)json_object_set_new(body, "retry_after", json_integer(1));
	return body;
}
