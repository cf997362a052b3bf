/* listing.h - what the lists and the limited things of several resources have in common. Thread:
 * the request's. */
#ifndef API_HANDLERS_LISTING_H
#define API_HANDLERS_LISTING_H

#include <jansson.h>
#include <stdbool.h>

#include "api/request.h"
#include "core/error.h"
#include "db/list_position.h"

enum { PAGE_DEFAULT = 50 };

/* The page that is asked for of a list by age: ?cursor= ("<created_at>.<id>") and ?limit=. */
struct list_request {
	struct list_position position; /* behind which it begins */
	bool is_first;
	size_t limit; /* PAGE_DEFAULT unless it is asked for */
};
/* -EINVAL "bad_field" */
int list_request_get(const struct request *request, size_t limit_max, struct list_request *ret_list,
		     struct error *reterr) MUST_CHECK;
/* What the next page's cursor is behind the item of that time and id. */
enum { CURSOR_SIZE = 24 + ROOM_ID_MAX };
void cursor_format(int64_t created_at_unix_ms, const char *id, char ret_cursor[CURSOR_SIZE]);
/* {items, next}: `items` is taken; if there is more, the next page begins behind the item of that
 * time and id. */
json_t *page_to_json(json_t *items_taken, bool more, int64_t last_created_at_unix_ms,
		     const char *last_id);

/* `expires_at` (Unix ms, still to come) or `ttl` (seconds) of a body; 0 if it has neither.
 *   -EINVAL "bad_field" */
int expiry_get(const json_t *body, int64_t now_unix_ms, int64_t *ret_expires_at_unix_ms,
	       struct error *reterr) MUST_CHECK;
/* null for 0. */
json_t *expiry_to_json(int64_t expires_at_unix_ms);

#endif
