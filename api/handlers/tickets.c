/* /realtime/tickets: a one-time key to connect with, for who may not put a token into a URL.
 * realtimed keeps it (realtime/edge/tickets.h). */
#include "api/handlers/handlers.h"

int tickets_create(struct api *api, struct request *request, struct response *response,
		   struct error *reterr)
{
	json_t *ticket = NULL;
	int r = access_demand_known(request, reterr);

	if (r == 0)
		r = bus_client_call(api->realtimed, BUS_TICKET_NEW,
				    identity_to_json(request->identity), BUS_TIMEOUT_MS, &ticket,
				    reterr);
	return r < 0 ? r : response_json(response, 201, ticket);
}
