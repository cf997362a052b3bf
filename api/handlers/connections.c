/* /realtime/connections and /realtime/webrtc/connections: who is connected right now. */
#include <errno.h>

#include "api/handlers/handlers.h"
#include "core/json.h"

int connections_list(struct api *api, struct request *request, struct response *response,
		     struct error *reterr)
{
	json_t *answer = NULL;
	int r;

	(void)request;
	r = bus_client_call(api->realtimed, BUS_CONNECTIONS, json_object(), BUS_TIMEOUT_MS, &answer,
			    reterr);
	return r < 0 ? r : response_json(response, 200, answer);
}

int connections_list_webrtc(struct api *api, struct request *request, struct response *response,
			    struct error *reterr)
{
	json_t *room, *participant, *connections;
	AUTO_JSON answer = NULL;
	const char *room_id;
	size_t i;
	int r;

	(void)request;
	r = bus_client_call(api->realtimed, BUS_ROOM_OCCUPANCY, json_object(), BUS_TIMEOUT_MS,
			    &answer, reterr);
	if (r < 0)
		return r;
	connections = json_array();
	json_object_foreach (json_object_get(answer, "rooms"), room_id, room) {
		json_array_foreach (json_object_get(room, "participants"), i, participant) {
			json_t *connection = json_copy(participant);

			(void)json_object_set_new(connection, "room_id", json_string(room_id));
			(void)json_array_append_new(connections, connection);
		}
	}
	return response_json(response, 200,
			     json_pack("{s:o, s:I}", "connections", connections, "total",
				       (json_int_t)json_array_size(connections)));
}
