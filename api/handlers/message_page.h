/* message_page.h - a page of stored messages, as the paths that list them answer. Thread: the
 * request's. */
#ifndef API_HANDLERS_MESSAGE_PAGE_H
#define API_HANDLERS_MESSAGE_PAGE_H

#include <jansson.h>

#include "api/api.h"
#include "api/request.h"
#include "api/wire/search_query.h"
#include "db/message_search.h"

enum { MESSAGE_PAGE_DEFAULT = 50, MESSAGE_PAGE_MAX = 200 };

/* What of a request says which messages. */
struct message_filter {
	struct message_query query; /* points into this, and into the request */
	char match[SEARCH_EXPRESSION_SIZE];
	char tag[128];
	size_t limit;
};

/* ?q= &sender= &kind= &content_type= &tag=name:value &since= &until= &limit= -EINVAL "bad_field" */
int message_filter_get(const struct request *request, struct message_filter *filter,
		       struct error *reterr) MUST_CHECK;
/* ?before= or ?after=, an offset. 1, 0 (absent), or -EINVAL. */
int message_offset_get(const struct request *request, const char *name, int64_t *ret_offset,
		       struct error *reterr) MUST_CHECK;

struct message_page {
	json_t *items; /* a new reference; an array */
	int64_t last_offset;
	char last_message_id[32];
	bool is_more;
};

/* On success the page's items are the caller's. */
int message_page_read(struct api *api, struct message_filter *filter, struct message_page *ret_page,
		      struct error *reterr) MUST_CHECK;

#endif
