/* listing.h - what the lists and the limited things of several resources have in common. Thread:
 * the request's. */
#ifndef API_HANDLERS_LISTING_H
#define API_HANDLERS_LISTING_H

#include <jansson.h>
#include <stdbool.h>

#include "core/error.h"
#include "db/list_position.h"

enum { PAGE_DEFAULT = 50 };

/* ?cursor= of a list by age, "<created_at>.<id>"; NULL: from the start. -EINVAL "bad_field" */
int cursor_parse(const char *text, struct list_position *ret_after,
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
