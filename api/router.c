#include "api/router.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "api/idempotency.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/problem.h"

#define CHANNEL "/realtime/channels/{channel}"
#define ROOMS "/realtime/webrtc/rooms"
#define ROOM ROOMS "/{room_id}"
#define UPLOADS "/realtime/uploads"
#define NOTIFICATIONS "/realtime/notifications"
#define WEBHOOKS "/realtime/webhooks"
#define WEBHOOK WEBHOOKS "/{webhook_id}"

static const struct route routes[] = {
	{"GET", "/health", ACCESS_PUBLIC, health_get},
	{"GET", "/health/live", ACCESS_PUBLIC, health_live},
	{"GET", "/health/ready", ACCESS_PUBLIC, health_get},
	{"GET", "/realtime/health", ACCESS_PUBLIC, health_realtimed},
	{"GET", "/realtime/webrtc/health", ACCESS_PUBLIC, health_sfu},

	/* What depends on the channel the handler demands: a namespace may let anyone publish. */
	{"POST", "/realtime/send", ACCESS_PUBLIC, messages_send, ONCE_OVER_BUS},
	{"POST", "/realtime/broadcast", ACCESS_PUBLISH, messages_broadcast, ONCE_OVER_BUS},
	{"POST", "/realtime/binary/send", ACCESS_PUBLIC, binary_send, ONCE_OVER_BUS},
	{"POST", "/realtime/binary/text", ACCESS_PUBLIC, binary_text, ONCE_OVER_BUS},
	{"POST", "/realtime/binary/upload", ACCESS_PUBLIC, uploads_receive},
	{"OPTIONS", UPLOADS, ACCESS_PUBLIC, tus_options},
	{"POST", UPLOADS, ACCESS_PUBLIC, tus_create},
	{"OPTIONS", UPLOADS "/{upload_id}", ACCESS_PUBLIC, tus_options},
	{"HEAD", UPLOADS "/{upload_id}", ACCESS_PUBLIC, tus_head},
	{"PATCH", UPLOADS "/{upload_id}", ACCESS_PUBLIC, tus_patch},
	{"DELETE", UPLOADS "/{upload_id}", ACCESS_PUBLIC, tus_delete},
	{"PUT", "/realtime/files", ACCESS_PUBLIC, uploads_put},
	{"GET", "/realtime/files", ACCESS_PUBLIC, files_handle_list},
	{"GET", "/realtime/files/{file_id}", ACCESS_PUBLIC, files_get},
	{"DELETE", "/realtime/files/{file_id}", ACCESS_PUBLIC, files_delete},
	{"GET", "/realtime/channels", ACCESS_ADMIN, channels_handle_list},
	{"GET", CHANNEL, ACCESS_READ, channels_get},
	{"GET", CHANNEL "/messages", ACCESS_READ, channels_messages},
	{"GET", CHANNEL "/presence", ACCESS_READ, channels_presence},
	{"GET", "/realtime/search", ACCESS_ADMIN, channels_search},
	{"POST", NOTIFICATIONS "/send", ACCESS_PUBLIC, notifications_send, ONCE_OVER_BUS},
	{"POST", NOTIFICATIONS "/channel", ACCESS_PUBLIC, notifications_send_to_channel,
	 ONCE_OVER_BUS},
	{"POST", NOTIFICATIONS "/broadcast", ACCESS_PUBLISH, notifications_broadcast,
	 ONCE_OVER_BUS},
	/* One's own: these ask who it is themselves, also where anybody may publish. */
	{"GET", NOTIFICATIONS, ACCESS_PUBLIC, notifications_handle_list},
	{"POST", NOTIFICATIONS "/read", ACCESS_PUBLIC, notifications_read_all},
	{"POST", NOTIFICATIONS "/{notification_id}/read", ACCESS_PUBLIC, notifications_read},
	{"POST", "/realtime/tickets", ACCESS_PUBLISH, tickets_create},
	{"GET", WEBHOOKS, ACCESS_ADMIN, webhooks_handle_list},
	{"POST", WEBHOOKS, ACCESS_ADMIN, webhooks_handle_create},
	{"GET", WEBHOOK, ACCESS_ADMIN, webhooks_handle_get},
	{"PATCH", WEBHOOK, ACCESS_ADMIN, webhooks_handle_update},
	{"DELETE", WEBHOOK, ACCESS_ADMIN, webhooks_handle_delete},
	{"POST", WEBHOOK "/rotate-secret", ACCESS_ADMIN, webhooks_handle_rotate},
	{"POST", WEBHOOK "/test", ACCESS_ADMIN, webhook_deliveries_handle_test},
	{"GET", WEBHOOK "/deliveries", ACCESS_ADMIN, webhook_deliveries_handle_list},
	{"POST", WEBHOOK "/deliveries/{delivery_id}/retry", ACCESS_ADMIN,
	 webhook_deliveries_handle_retry},
	{"GET", "/metrics", ACCESS_ADMIN, metrics_get},
	{"GET", "/realtime/openapi.json", ACCESS_PUBLIC, openapi_get},
	{"GET", "/realtime/connections", ACCESS_ADMIN, connections_list},
	{"DELETE", "/realtime/connections", ACCESS_ADMIN, connections_close_all},
	{"GET", "/realtime/connections/{connection_id}", ACCESS_ADMIN, connections_get},
	{"DELETE", "/realtime/connections/{connection_id}", ACCESS_ADMIN, connections_close},

	{"GET", ROOMS, ACCESS_PUBLIC, rooms_handle_list},
	{"POST", ROOMS, ACCESS_PUBLISH, rooms_handle_create, ONCE_IN_STORE},
	{"GET", ROOM, ACCESS_PUBLIC, rooms_handle_get},
	{"PUT", ROOM, ACCESS_PUBLISH, rooms_handle_update},
	{"DELETE", ROOM, ACCESS_PUBLISH, rooms_handle_delete},
	{"GET", ROOM "/participants", ACCESS_READ, participants_list},
	{"GET", ROOM "/sessions", ACCESS_PUBLISH, sessions_list},
	{"GET", ROOM "/stats", ACCESS_ADMIN, call_stats_get},
	{"GET", ROOM "/graph", ACCESS_ADMIN, call_graph_get},
	{"GET", ROOM "/participants/{peer_id}", ACCESS_READ, participants_get},
	{"PATCH", ROOM "/participants/{peer_id}", ACCESS_PUBLISH, participants_mute},
	{"DELETE", ROOM "/participants/{peer_id}", ACCESS_PUBLISH, participants_kick},
	{"GET", ROOM "/bans", ACCESS_PUBLISH, bans_list},
	{"POST", ROOM "/bans", ACCESS_PUBLISH, bans_create},
	{"DELETE", ROOM "/bans/{ban_id}", ACCESS_PUBLISH, bans_delete},
	{"GET", ROOM "/invites", ACCESS_PUBLISH, invites_list},
	{"POST", ROOM "/invites", ACCESS_PUBLISH, invites_create},
	{"DELETE", ROOM "/invites/{invite_id}", ACCESS_PUBLISH, invites_delete},
	/* An invite may stand in for being known: these two ask by themselves. */
	{"POST", ROOM "/whip", ACCESS_PUBLIC, whip_start},
	{"PATCH", ROOM "/whip/{session_id}", ACCESS_PUBLISH, whip_patch},
	{"DELETE", ROOM "/whip/{session_id}", ACCESS_PUBLISH, whip_end},
	{"POST", ROOM "/whep", ACCESS_PUBLIC, whep_start},
	{"PATCH", ROOM "/whep/{session_id}", ACCESS_READ, whip_patch},
	{"DELETE", ROOM "/whep/{session_id}", ACCESS_READ, whip_end},
	{"POST", "/realtime/webrtc/signal", ACCESS_PUBLISH, signal_send},
	{"GET", "/realtime/webrtc/connections", ACCESS_ADMIN, connections_list_webrtc},
};

const struct route *router_routes(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(routes);
	return routes;
}

/* ---- matching ---- */

static bool add_parameter(struct request *request, const char *name, size_t name_length,
			  const char *value, size_t value_length)
{
	size_t i = request->parameter_count;

	if (i == REQUEST_PARAMETERS_MAX || name_length >= sizeof(request->parameters[i].name) ||
	    value_length >= sizeof(request->parameters[i].value))
		return false;
	memcpy(request->parameters[i].name, name, name_length);
	request->parameters[i].name[name_length] = '\0';
	memcpy(request->parameters[i].value, value, value_length);
	request->parameters[i].value[value_length] = '\0';
	request->parameter_count++;
	return true;
}

bool router_match(const char *pattern, struct request *request)
{
	const char *path = request->path;
	size_t plain = strcspn(pattern, "{");

	request->parameter_count = 0;
	if (strncmp(pattern, path, plain) != 0)
		return false;
	pattern += plain;
	path += plain;
	while (*pattern && *path) {
		size_t wanted, given;

		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		wanted = strcspn(pattern, "}");
		given = strcspn(path, "/");
		if (given == 0 || !add_parameter(request, pattern + 1, wanted - 1, path, given))
			return false;
		pattern += wanted + 1;
		path += given;
	}
	return *pattern == *path; /* both at their end */
}

static bool method_fits(const struct route *route, const char *method, bool is_head)
{
	return (*route->method == *method && strcmp(route->method, method) == 0) ||
	       (is_head && strcmp(route->method, "GET") == 0);
}

/* The route for path and method, or NULL; `ret_allow` lists the methods that the path has. */
static const struct route *find_route(struct request *request, char *ret_allow, size_t size)
{
	bool has_options = false; /* of its own: every path has some */
	bool is_head = strcmp(request->method, "HEAD") == 0;
	size_t length = 0;

	*ret_allow = '\0';
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		if (method_fits(&routes[i], request->method, is_head) &&
		    router_match(routes[i].pattern, request))
			return &routes[i];
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		int added;

		if (!router_match(routes[i].pattern, request))
			continue;
		has_options |= strcmp(routes[i].method, "OPTIONS") == 0;
		added = snprintf(ret_allow + length, size - length, "%s%s", routes[i].method,
				 strcmp(routes[i].method, "GET") == 0 ? ", HEAD, " : ", ");
		length += (size_t)added;
	}
	if (length > 0 && has_options)
		ret_allow[length - 2] = '\0'; /* the last comma */
	else if (length > 0)
		(void)snprintf(ret_allow + length, size - length, "OPTIONS");
	return NULL;
}

/* ---- serving ---- */

static bool is_call_path(const char *path)
{
	static const char prefix[] = "/realtime/webrtc/";

	return strncmp(path, prefix, sizeof(prefix) - 1) == 0 &&
	       strcmp(path, "/realtime/webrtc/health") != 0;
}

static int dispatch(struct api *api, struct request *request, struct response *response,
		    struct error *reterr)
{
	const struct route *route;
	char allow[128];
	int r;

	route = find_route(request, allow, sizeof(allow));
	if (!route && !*allow)
		return error_set(reterr, -ENOENT, "no_such_path", "there is nothing at this path");
	if (!api->config->WEBRTC_ENABLED && is_call_path(request->path))
		return error_set(reterr, -ENOENT, "webrtc_disabled",
				 "calls are switched off here (WEBRTC_ENABLED)");
	if (!route) {
		response_header(response, "Allow", "%s", allow);
		if (strcmp(request->method, "OPTIONS") == 0) {
			response_header(response, "Access-Control-Allow-Methods", "%s", allow);
			response_empty(response, 204);
			return 0;
		}
		return error_set(reterr, -EOPNOTSUPP, "method_not_allowed",
				 "this path takes %s only", allow);
	}
	r = access_check_origin(api, request, reterr);
	if (r == 0)
		r = access_identify(api, request, reterr);
	if (r == 0)
		r = access_check(api, request, route->access, reterr);
	if (r == 0)
		r = route->once == ONCE_OVER_BUS
			    ? idempotency_serve(api, request, route, response, reterr)
			    : route->handler(api, request, response, reterr);
	return r;
}

static void refuse(const struct request *request, struct response *response, int number,
		   struct error *error)
{
	int status;

	if (error->number != number) /* such as -ENOMEM, which fills nothing in */
		(void)error_set(error, number, "internal_error", "%s", strerror(-number));
	status = problem_status(error);
	LOG(status >= 500 && status != 503 ? LOG_ERROR : LOG_INFO, LOG_MAIN, "request_refused",
	    LOG_TEXT("method", request->method), LOG_TEXT("path", request->path),
	    LOG_INT("status", status), LOG_ERR(error));
	response_problem(response, error, request->request_id);
}

void router_serve(struct api *api, struct request *request, const struct request_source *source,
		  void *data, struct response *response)
{
	uint64_t started_us = clock_now_us();
	struct error error = {0};
	int r;

	response_init(response);
	r = request_init(request, source, data, &error);
	log_set_request(request->request_id);
	response_header(response, "X-Request-Id", "%s", request->request_id);
	response_header(response, "Cache-Control", "no-store");
	response_header(response, "X-Content-Type-Options", "nosniff");
	access_add_cors(api, request, response);
	if (r == 0)
		r = dispatch(api, request, response, &error);
	if (r < 0)
		refuse(request, response, r, &error);
	LOG(LOG_DEBUG, LOG_MAIN, "request", LOG_TEXT("method", request->method),
	    LOG_TEXT("path", request->path), LOG_INT("status", response->status),
	    LOG_INT("us", clock_now_us() - started_us));
	log_set_request(NULL);
}
