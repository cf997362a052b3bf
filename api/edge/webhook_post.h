/* webhook_post.h - one signed POST to an endpoint, by libcurl.
 *
 * It goes where the name leads at that moment, but not to this host or a private network (unless
 * REALTIME_WEBHOOK_ALLOW_PRIVATE), follows no redirect, uses no proxy and keeps nothing of the
 * answer but its status. Thread: the courier's.
 */
#ifndef API_EDGE_WEBHOOK_POST_H
#define API_EDGE_WEBHOOK_POST_H

#include <curl/curl.h>

#include "core/config.h"
#include "db/webhook_deliveries.h"

struct webhook_post {
	struct list link;
	struct webhook_delivery *delivery; /* owned */
	CURL *easy;			   /* owned; its private pointer is this */
	struct curl_slist *headers;	   /* owned */
	const struct config *config;	   /* borrowed */
	uint64_t began_us;
	size_t answer_bytes;
	bool was_refused; /* the address, by us */
};

/* Takes the delivery, also on failure. -ENOMEM, or -EINVAL: its secret is none */
int webhook_post_new(const struct config *config, struct webhook_delivery *delivery,
		     struct webhook_post **ret_post) MUST_CHECK;
/* Must be in no multi handle any more. */
struct webhook_post *webhook_post_free(struct webhook_post *post);
DEFINE_AUTO(webhook_post, webhook_post_free);

/* What it came to. */
void webhook_post_judge(const struct webhook_post *post, CURLcode code, int64_t now_unix_ms,
			struct webhook_result *ret_result);

#endif
