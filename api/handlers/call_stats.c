/* /realtime/webrtc/rooms/{room_id}/stats and /graph: how a call fares, from the media server
 * itself. */
#include <errno.h>

#include "api/handlers/handlers.h"
#include "core/json.h"
#include "db/rooms.h"

/* -ENOENT: there is no such room, or nobody is in it. */
static int ask(struct api *api, struct request *request, bool as_graph, json_t **ret_answer,
	       struct error *reterr)
{
	AUTO_ROOM_ROW room = {0};
	const char *room_id;
	int r = request_room_id(request, &room_id, reterr);

	if (r == 0)
		r = rooms_get(api->store, room_id, &room, reterr);
	if (r < 0)
		return r;
	return bus_client_call(api->sfu, BUS_SFU_ROOM,
			       json_pack("{s:s, s:b}", "room_id", room_id, "graph", as_graph),
			       BUS_TIMEOUT_MS, ret_answer, reterr);
}

int call_stats_get(struct api *api, struct request *request, struct response *response,
		   struct error *reterr)
{
	json_t *stats = NULL;
	int r = ask(api, request, false, &stats, reterr);

	return r < 0 ? r : response_json(response, 200, stats);
}

int call_graph_get(struct api *api, struct request *request, struct response *response,
		   struct error *reterr)
{
	AUTO_JSON answer = NULL;
	const char *dot;
	int r = ask(api, request, true, &answer, reterr);

	if (r < 0)
		return r;
	dot = json_string_value(json_object_get(answer, "dot"));
	if (!dot)
		return error_set(reterr, -EPROTO, "sfu_failed", "the media server drew no graph");
	return response_text(response, 200, "text/vnd.graphviz; charset=utf-8", dot);
}
