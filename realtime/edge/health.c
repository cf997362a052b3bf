#include "realtime/edge/health.h"

#include "realtime/edge/http.h"

int health_answer_hub(struct server *server, struct lws *wsi)
{
	if (server->is_stopping)
		return http_answer(wsi, 503, "application/json",
				   "{\"status\":\"down\",\"checks\":{\"realtimed\":\"stopping\"}}");
	return http_answer(wsi, 200, "application/json",
			   "{\"status\":\"ok\",\"checks\":{\"realtimed\":\"ok\"}}");
}

int health_answer_sfu(struct server *server, struct lws *wsi)
{
	if (!server->board->is_sfu_connected)
		return http_answer(wsi, 503, "application/json",
				   "{\"status\":\"down\",\"checks\":{\"sfu\":\"unreachable\"}}");
	return http_answer(wsi, 200, "application/json",
			   "{\"status\":\"ok\",\"checks\":{\"sfu\":\"ok\"}}");
}
