/* /realtime/webrtc/rooms/{room_id}/participants: who is in the call now. */
#include <errno.h>

#include "api/handlers/handlers.h"
#include "core/json.h"
#include "db/rooms.h"

int participants_list(struct api *api, struct request *request, struct response *response,
		      struct error *reterr)
{
	AUTO_JSON answer = NULL;
	AUTO_ROOM_ROW room = {0};
	const char *room_id;
	json_t *items;
	int r;

	r = request_room_id(request, &room_id, reterr);
	if (r == 0)
		r = access_demand(request, RIGHT_SUBSCRIBE, GRANT_ROOMS, room_id, reterr);
	if (r == 0)
		r = rooms_get(api->store, room_id, &room, reterr);
	if (r == 0)
		r = bus_client_call(api->realtimed, BUS_ROOM_OCCUPANCY,
				    json_pack("{s:[s]}", "room_ids", room_id), BUS_TIMEOUT_MS,
				    &answer, reterr);
	if (r < 0)
		return r;
	items = json_object_get(json_object_get(json_object_get(answer, "rooms"), room_id),
				"participants");
	items = items ? json_incref(items) : json_array();
	return response_json(response, 200,
			     json_pack("{s:o, s:I}", "items", items, "total",
				       (json_int_t)json_array_size(items)));
}
