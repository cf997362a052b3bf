#include "api/handlers/listing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"

enum { TTL_MAX = 315360000 /* s: ten years */ };

static int cursor_parse(const char *text, struct list_position *ret_after, struct error *reterr)
{
	const char *dot;
	char *end;

	*ret_after = (struct list_position){0};
	if (!text)
		return 0;
	dot = strchr(text, '.');
	errno = 0;
	ret_after->created_at_unix_ms = strtoll(text, &end, 10);
	if (errno != 0 || end == text || end != dot || !room_id_is_valid(dot + 1))
		return error_set_field(reterr, -EINVAL, "bad_field", "cursor",
				       "cursor must be the next of an earlier answer");
	(void)snprintf(ret_after->id, sizeof(ret_after->id), "%s", dot + 1);
	return 0;
}

int list_request_get(const struct request *request, size_t limit_max, struct list_request *ret_list,
		     struct error *reterr)
{
	const char *cursor = query_find(&request->query, "cursor");
	struct list_request list = {.is_first = !cursor, .limit = PAGE_DEFAULT};
	int r = cursor_parse(cursor, &list.position, reterr);

	if (r == 0)
		r = request_limit(request, limit_max, &list.limit, reterr);
	if (r == 0)
		*ret_list = list;
	return r;
}

void cursor_format(int64_t created_at_unix_ms, const char *id, char ret_cursor[CURSOR_SIZE])
{
	(void)snprintf(ret_cursor, CURSOR_SIZE, "%" PRId64 ".%s", created_at_unix_ms, id);
}

json_t *page_to_json(json_t *items_taken, bool more, int64_t last_created_at_unix_ms,
		     const char *last_id)
{
	char cursor[CURSOR_SIZE];

	cursor_format(last_created_at_unix_ms, last_id, cursor);
	return json_pack("{s:o, s:s?}", "items", items_taken, "next", more ? cursor : NULL);
}

int expiry_get(const json_t *body, int64_t now_unix_ms, int64_t *ret_expires_at_unix_ms,
	       struct error *reterr)
{
	int64_t expires_at = 0, ttl = 0;
	int r = json_get_int(body, "expires_at", now_unix_ms + 1,
			     now_unix_ms + (int64_t)TTL_MAX * 1000, &expires_at, reterr);
	int t = r < 0 ? r : json_get_int(body, "ttl", 1, TTL_MAX, &ttl, reterr);

	if (t < 0)
		return t;
	if (r > 0 && t > 0)
		return error_set_field(reterr, -EINVAL, "bad_field", "ttl",
				       "give ttl or expires_at, not both");
	*ret_expires_at_unix_ms = t > 0 ? now_unix_ms + ttl * 1000 : expires_at;
	return 0;
}

json_t *expiry_to_json(int64_t expires_at_unix_ms)
{
	return expires_at_unix_ms > 0 ? json_integer(expires_at_unix_ms) : json_null();
}
