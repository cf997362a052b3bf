/* /realtime/webrtc/rooms/{room_id}/sessions: who was in the call, and why they left it. */
#include <stdio.h>

#include "api/handlers/handlers.h"
#include "api/handlers/listing.h"
#include "core/json.h"
#include "db/participant_sessions.h"

enum { SESSIONS_PAGE_MAX = 200 };

struct page {
	json_t *items;
	int64_t last_joined_at_unix_ms;
	char last_id[24];
};

static void add(void *data, const struct participant_session *session)
{
	const struct participant_session_row *row = &session->row;
	struct page *page = data;
	json_t *left_at = session->left_at_unix_ms
				  ? json_integer((json_int_t)session->left_at_unix_ms)
				  : json_null();

	(void)json_array_append_new(page->items,
				    json_pack("{s:s, s:s?, s:s, s:s, s:I, s:o, s:s?}", "peer_id",
					      row->peer_id, "user_id", row->user_id, "name",
					      row->name, "kind", row->kind, "joined_at",
					      (json_int_t)row->joined_at_unix_ms, "left_at",
					      left_at, "leave_reason", session->leave_reason));
	page->last_joined_at_unix_ms = row->joined_at_unix_ms;
	(void)snprintf(page->last_id, sizeof(page->last_id), "%lld",
		       (long long)session->session_id);
}

int sessions_list(struct api *api, struct request *request, struct response *response,
		  struct error *reterr)
{
	const char *room_id;
	struct list_request list;
	struct page page = {0};
	bool more = false;
	int r = access_demand_room_of_path(request, &room_id, reterr);

	if (r == 0)
		r = list_request_get(request, SESSIONS_PAGE_MAX, &list, reterr);
	if (r < 0)
		return r;
	page.items = json_array();
	r = participant_sessions_list(api->store, room_id, list.is_first ? NULL : &list.position,
				      list.limit, add, &page, &more, reterr);
	if (r < 0) {
		json_decref(page.items);
		return r;
	}
	return response_json(
		response, 200,
		page_to_json(page.items, more, page.last_joined_at_unix_ms, page.last_id));
}
