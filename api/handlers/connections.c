/* /realtime/connections and /realtime/webrtc/connections: who is connected right now, and closing
 * connections for good. */
#include <errno.h>
#include <stdlib.h>

#include "api/handlers/handlers.h"
#include "core/id.h"
#include "core/json.h"

enum { LISTED_MAX = 10000 };

/* ?user_id=, ?limit= and ?cursor= as the bus has them. */
static int search_of(const struct request *request, json_t **ret_search, struct error *reterr)
{
	const char *user_id = query_find(&request->query, "user_id");
	const char *limit = query_find(&request->query, "limit");
	const char *cursor = query_find(&request->query, "cursor");
	char *end = NULL;
	long number = limit ? strtol(limit, &end, 10) : 0;

	if (limit && (!*limit || *end || number < 0 || number > LISTED_MAX))
		return error_set_field(reterr, -EINVAL, "bad_field", "limit",
				       "limit must be a number from 0 to %d", LISTED_MAX);
	if (cursor && !room_id_is_valid(cursor))
		return error_set_field(reterr, -EINVAL, "bad_field", "cursor",
				       "cursor must be the next of an earlier answer");
	*ret_search = json_pack("{s:s*, s:s*}", "user_id", user_id, "after", cursor);
	if (limit)
		(void)json_object_set_new(*ret_search, "limit", json_integer(number));
	return 0;
}

int connections_list(struct api *api, struct request *request, struct response *response,
		     struct error *reterr)
{
	json_t *search = NULL, *answer = NULL;
	int r = search_of(request, &search, reterr);

	if (r == 0)
		r = bus_client_call(api->realtimed, BUS_CONNECTIONS, search, BUS_TIMEOUT_MS,
				    &answer, reterr);
	return r < 0 ? r : response_json(response, 200, answer);
}

int connections_get(struct api *api, struct request *request, struct response *response,
		    struct error *reterr)
{
	const char *connection_id = request_parameter(request, "connection_id");
	json_t *found;
	AUTO_JSON answer = NULL;
	int r = bus_client_call(api->realtimed, BUS_CONNECTIONS,
				json_pack("{s:s}", "connection_id", connection_id), BUS_TIMEOUT_MS,
				&answer, reterr);

	if (r < 0)
		return r;
	found = json_array_get(json_object_get(answer, "connections"), 0);
	if (!found)
		return error_set_field(reterr, -ENOENT, "connection_not_found", "connection_id",
				       "there is no connection %s", connection_id);
	return response_json(response, 200, json_incref(found));
}

int connections_close(struct api *api, struct request *request, struct response *response,
		      struct error *reterr)
{
	AUTO_JSON answer = NULL;
	int r = bus_client_call(
		api->realtimed, BUS_CONNECTIONS_CLOSE,
		json_pack("{s:s}", "connection_id", request_parameter(request, "connection_id")),
		BUS_TIMEOUT_MS, &answer, reterr);

	if (r < 0)
		return r;
	response_empty(response, 204);
	return 0;
}

int connections_close_all(struct api *api, struct request *request, struct response *response,
			  struct error *reterr)
{
	const char *user_id = query_find(&request->query, "user_id");
	json_t *answer = NULL;
	int r;

	if (!user_id)
		return json_missing("user_id", reterr);
	r = bus_client_call(api->realtimed, BUS_CONNECTIONS_CLOSE,
			    json_pack("{s:s}", "user_id", user_id), BUS_TIMEOUT_MS, &answer,
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
