/* webhook_url.h - may this be a webhook's address? What a name stands for is asked when the
 * connection is made (api/edge/webhook_post.c), as it may change. Thread: any. */
#ifndef API_WIRE_WEBHOOK_URL_H
#define API_WIRE_WEBHOOK_URL_H

#include <stdbool.h>

#include "core/cleanup.h"
#include "core/error.h"

struct webhook_url_rules {
	bool allow_http, allow_private;
};

/* -EINVAL "bad_field": no http(s) address, one with a password, or a literal private one. */
int webhook_url_check(const char *url, const struct webhook_url_rules *rules,
		      struct error *reterr) MUST_CHECK;

#endif
