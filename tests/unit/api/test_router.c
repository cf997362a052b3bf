/* The router with the real handlers, a store in memory and a bus that nobody serves. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/router.h"
#include "db/api_keys.h"
#include "db/notifications.h"
#include "db/rooms.h"
#include "tests/unit/cmocka_all.h"

struct fake_source {
	const char *variables[16][2];
	const char *body;
};

static const char *fake_variable(void *data, const char *name)
{
	const struct fake_source *fake = data;

	for (size_t i = 0; i < ARRAY_LEN(fake->variables) && fake->variables[i][0]; i++)
		if (strcmp(fake->variables[i][0], name) == 0)
			return fake->variables[i][1];
	return NULL;
}

static ssize_t fake_read(void *data, void *into, size_t size)
{
	struct fake_source *fake = data;
	size_t left = fake->body ? strlen(fake->body) : 0;

	if (size > left)
		size = left;
	memcpy(into, fake->body ? fake->body : "", size);
	fake->body += size;
	return (ssize_t)size;
}

static const struct request_source source = {.variable = fake_variable, .read = fake_read};

static const char secret[] = "0123456789abcdef0123456789abcdef";
static struct api api;
static struct webhook_tally webhook_tally;
static struct namespaces *namespaces;
static struct config *config;
static struct response response;
static json_t *answer;

static int start(void **state)
{
	static const struct bus_client_events no_events;
	struct bus_client *bus;
	struct error error;

	(void)state;
	(void)setenv("REALTIME_CONFIG", "/dev/null", 1);
	(void)setenv("REALTIME_JWT_SECRET", secret, 1);
	(void)setenv("REALTIME_ALLOWED_ORIGINS", "https://shop.example", 1);
	assert_int_equal(config_load(&config, &error), 0);
	assert_int_equal(store_open(":memory:", STORE_RELAXED, &api.store, &error), 0);
	assert_int_equal(bus_client_new("/nonexistent/bus.sock", "api", &no_events, NULL, &bus), 0);
	api.realtimed = bus;
	api.sfu = bus;
	api.config = config;
	api.webhook_tally = &webhook_tally;
	assert_int_equal(namespaces_new(config, &namespaces, NULL), 0);
	api.namespaces = namespaces;
	assert_int_equal(jwt_verifier_new(config, &api.verifier, &error), 0);
	api.anonymous = identity_new_anonymous(false);
	api.pages = page_cache_new(16, 65536);
	api.rooms = page_cache_new(16, 4096);
	api.changes = store_group_new();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	response_fini(&response);
	json_decref(answer);
	answer = NULL;
	api.realtimed = bus_client_free(api.realtimed);
	api.store = store_free(api.store);
	api.pages = page_cache_free(api.pages);
	api.rooms = page_cache_free(api.rooms);
	api.changes = store_group_free(api.changes);
	api.verifier = jwt_verifier_free(api.verifier);
	api.anonymous = identity_unref(api.anonymous);
	namespaces = namespaces_free(namespaces);
	config = config_free(config);
	return 0;
}

static int serve(struct fake_source fake)
{
	struct request request;

	response_fini(&response);
	json_decref(answer);
	router_serve(&api, &request, &source, &fake, &response);
	request_fini(&request);
	answer = response.body ? json_loadb(response.body, response.body_length, 0, NULL) : NULL;
	return response.status;
}

#define REQUEST(method, uri, ...)                                                                  \
	serve((struct fake_source){                                                                \
		.variables = {{"REQUEST_METHOD", method}, {"REQUEST_URI", uri}, ##__VA_ARGS__}})
#define POST(uri, text, ...)                                                                       \
	serve((struct fake_source){                                                                \
		.variables = {{"REQUEST_METHOD", "POST"}, {"REQUEST_URI", uri}, ##__VA_ARGS__},    \
		.body = text})

static const char *code(void)
{
	const char *text = json_string_value(json_object_get(answer, "code"));

	return text ? text : "";
}

static void allow_anonymous(void)
{
	(void)identity_unref(api.anonymous);
	api.anonymous = identity_new_anonymous(true);
}

static void placeholders_are_whole_segments(void **state)
{
	struct request request = {.path = "/rooms/a.b/whip/s1"};

	(void)state;
	assert_true(router_match("/rooms/{room_id}/whip/{session_id}", &request));
	assert_string_equal(request_parameter(&request, "room_id"), "a.b");
	assert_string_equal(request_parameter(&request, "session_id"), "s1");
	assert_false(router_match("/rooms/{room_id}", &request));
	assert_false(router_match("/rooms/{room_id}/whip/{session_id}/more", &request));
	request.path = "/rooms/";
	assert_false(router_match("/rooms/{room_id}", &request));
}

static void an_unknown_path_is_a_problem(void **state)
{
	(void)state;
	assert_int_equal(REQUEST("GET", "/nowhere"), 404);
	assert_string_equal(code(), "no_such_path");
	assert_string_equal(response.content_type, "application/problem+json");
	assert_int_equal(json_integer_value(json_object_get(answer, "status")), 404);
	assert_int_equal(REQUEST("GET", "/a%2fb"), 400);
	assert_string_equal(code(), "bad_path");
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
	(void)state;
	assert_int_equal(REQUEST("PATCH", "/realtime/webrtc/rooms"), 405);
	assert_non_null(strstr(response.headers, "Allow: GET, HEAD, POST, OPTIONS\r\n"));
}

static void the_openapi_document_is_for_anybody_and_has_a_version(void **state)
{
	char etag[64];

	(void)state;
	assert_int_equal(REQUEST("GET", "/realtime/openapi.json"), 200);
	assert_string_equal(response.content_type, "application/json");
	assert_string_equal(json_string_value(json_object_get(answer, "openapi")), "3.1.1");
	assert_int_equal(sscanf(strstr(response.headers, "ETag: "), "ETag: %63[^\r]", etag), 1);
	assert_int_equal(REQUEST("GET", "/realtime/openapi.json", {"HTTP_IF_NONE_MATCH", etag}),
			 304);
	assert_int_equal(
		REQUEST("GET", "/realtime/openapi.json", {"HTTP_IF_NONE_MATCH", "\"other\""}), 200);
}

static void a_request_id_is_echoed_unless_it_is_odd(void **state)
{
	(void)state;
	assert_int_equal(REQUEST("GET", "/health/live", {"HTTP_X_REQUEST_ID", "abc-1"}), 200);
	assert_non_null(strstr(response.headers, "X-Request-Id: abc-1\r\n"));
	assert_int_equal(REQUEST("GET", "/health/live", {"HTTP_X_REQUEST_ID", "a b\r\nX: y"}), 200);
	assert_non_null(strstr(response.headers, "X-Request-Id: req_"));
	assert_null(strstr(response.headers, "X: y"));
}

static void changing_needs_a_key_and_reading_does_not(void **state)
{
	char key[API_KEY_SIZE], bearer[64];
	struct error error;

	(void)state;
	assert_int_equal(api_keys_create(api.store, "k", "me", NULL, 0, 1, key, &error), 0);
	(void)snprintf(bearer, sizeof(bearer), "Bearer %s", key);
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}"), 401);
	assert_string_equal(code(), "authentication_required");
	assert_non_null(strstr(response.headers, "WWW-Authenticate: Bearer"));
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}", {"HTTP_X_API_KEY", key}), 201);
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}", {"HTTP_AUTHORIZATION", bearer}), 201);
	assert_int_equal(REQUEST("GET", "/realtime/webrtc/rooms"), 200);
	assert_int_equal(REQUEST("GET", "/realtime/webrtc/rooms?api_key=rtk_wrong"), 401);
	assert_string_equal(code(), "bad_api_key");
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}", {"HTTP_AUTHORIZATION", "Bearer x"}),
			 401);
	assert_string_equal(code(), "bad_token");
}

static void where_anyone_may_publish_a_wrong_credential_is_refused_still(void **state)
{
	(void)state;
	allow_anonymous();
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}"), 201);
	assert_int_equal(
		POST("/realtime/webrtc/rooms", "{}", {"HTTP_AUTHORIZATION", "Bearer your_token"}),
		401);
	assert_string_equal(code(), "bad_token");
	assert_non_null(strstr(response.headers, "error=\"invalid_token\""));
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}", {"HTTP_X_API_KEY", "rtk_wrong"}),
			 401);
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}", {"HTTP_AUTHORIZATION", "Bearer"}),
			 401);
	assert_string_equal(code(), "bad_credentials");
	/* Other schemes are the web server's own business. */
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}", {"HTTP_AUTHORIZATION", "Basic YTpi"}),
			 201);
}

static void a_token_may_stand_in_four_places_and_the_first_counts(void **state)
{
	json_t *claims = json_pack("{s:s}", "sub", "ann");
	char *token = jwt_sign(claims, secret), text[1024];

	(void)state;
	(void)snprintf(text, sizeof(text), "bearer  %s", token);
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}", {"HTTP_AUTHORIZATION", text},
			      {"HTTP_X_API_KEY", "wrong"}),
			 201);
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}", {"HTTP_X_API_KEY", token}), 201);
	assert_int_equal(POST("/realtime/webrtc/rooms?token=x", "{}", {"HTTP_X_API_KEY", token}),
			 201);
	(void)snprintf(text, sizeof(text), "/realtime/webrtc/rooms?token=%s&api_key=x", token);
	assert_int_equal(POST(text, "{}"), 201);
	(void)snprintf(text, sizeof(text), "/realtime/webrtc/rooms?api_key=%s", token);
	assert_int_equal(POST(text, "{}"), 201);
	assert_int_equal(POST("/realtime/webrtc/rooms?token=", "{}"), 401);
	free(token);
	json_decref(claims);
}

/* With a token of these claims. */
static int as(const char *claims, const char *method, const char *uri, const char *text)
{
	json_t *body = json_loads(claims, 0, NULL);
	char *token = jwt_sign(body, secret), bearer[1024];

	assert_non_null(token);
	(void)snprintf(bearer, sizeof(bearer), "Bearer %s", token);
	free(token);
	json_decref(body);
	return serve((struct fake_source){.variables = {{"REQUEST_METHOD", method},
							{"REQUEST_URI", uri},
							{"HTTP_AUTHORIZATION", bearer},
							{"CONTENT_TYPE", "application/json"}},
					  .body = text});
}

/* Without realtimed, what is allowed goes on until 503. */
static void grants_say_where_one_may_publish(void **state)
{
	static const char limited[] = "{\"sub\":\"ann\",\"channels\":{\"chat_*\":\"publish\","
				      "\"user_bob\":\"publish\",\"news\":\"subscribe\"}}";
	static const struct {
		const char *claims, *path, *body;
		int status;
	} cases[] = {
		{limited, "send", "{\"channel\":\"chat_1\",\"data\":1}", 503},
		{limited, "send", "{\"channel\":\"news\",\"data\":1}", 403},
		{limited, "send", "{\"data\":1}", 403},
		{limited, "send", "{\"user_id\":\"bob\",\"data\":1}", 503},
		{limited, "send", "{\"user_id\":\"carl\",\"data\":1}", 403},
		{limited, "send", "{\"connection_id\":\"conn_1\",\"data\":1}", 403},
		{limited, "broadcast", "{\"data\":1}", 403},
		{"{\"sub\":\"ann\"}", "broadcast", "{\"data\":1}", 503},
		{"{\"sub\":\"ann\"}", "send", "{\"user_id\":\"carl\",\"data\":1}", 503},
		{"{\"sub\":\"ann\",\"channels\":{\"*\":\"publish\"}}", "broadcast", "{\"data\":1}",
		 503},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char uri[64];

		(void)snprintf(uri, sizeof(uri), "/realtime/%s", cases[i].path);
		assert_int_equal(as(cases[i].claims, "POST", uri, cases[i].body), cases[i].status);
		assert_string_equal(code(),
				    cases[i].status == 403 ? "forbidden" : "bus_unavailable");
	}
}

static void rooms_are_made_by_users_and_changed_by_their_moderators(void **state)
{
	static const char room[] = "/realtime/webrtc/rooms/team_1",
			  rooms[] = "/realtime/webrtc/rooms";
	static const char ann[] = "{\"sub\":\"ann\"}",
			  team[] = "{\"sub\":\"bob\",\"rooms\":{\"team_*\":[\"publish\","
				   "\"moderate\"]}}",
			  viewer[] = "{\"sub\":\"eve\",\"rooms\":{\"*\":\"subscribe\"}}";

	(void)state;
	assert_int_equal(as(viewer, "POST", rooms, "{\"room_id\":\"team_1\"}"), 403);
	assert_int_equal(as(team, "POST", rooms, "{\"room_id\":\"other\"}"), 403);
	assert_int_equal(as(team, "POST", rooms, "{}"), 403);
	assert_int_equal(as(ann, "POST", rooms, "{}"), 201);
	assert_int_equal(as(team, "POST", rooms, "{\"room_id\":\"team_1\"}"), 201);
	assert_int_equal(as(ann, "PUT", room, "{\"name\":\"x\"}"), 403);
	assert_int_equal(REQUEST("PUT", room), 401);
	assert_int_equal(as(team, "PUT", room, "{\"name\":\"x\"}"), 200);
	assert_int_equal(as(viewer, "DELETE", room, ""), 403);
	assert_int_equal(as(viewer, "GET", "/realtime/webrtc/rooms/team_1/participants", ""), 503);
	assert_int_equal(as(team, "GET", "/realtime/webrtc/rooms/other/participants", ""), 403);
	assert_int_equal(as("{\"sub\":\"m\",\"roles\":[\"moderator\"]}", "DELETE", room, ""), 204);
}

static void connections_and_metrics_are_for_admins(void **state)
{
	static const char *const paths[] = {"/realtime/connections", "/realtime/connections/c",
					    "/realtime/webrtc/connections"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		assert_int_equal(REQUEST("GET", paths[i]), 401);
		assert_int_equal(
			as("{\"sub\":\"ann\",\"roles\":[\"moderator\"]}", "GET", paths[i], ""),
			403);
		assert_int_equal(as("{\"sub\":\"ann\",\"roles\":[\"admin\"]}", "GET", paths[i], ""),
				 503);
	}
	assert_int_equal(as("{\"sub\":\"ann\"}", "GET", "/metrics", ""), 403);
	assert_int_equal(as("{\"sub\":\"ann\",\"roles\":[\"admin\"]}", "GET", "/metrics", ""), 200);
}

static void tickets_are_for_somebody(void **state)
{
	(void)state;
	allow_anonymous();
	assert_int_equal(POST("/realtime/tickets", ""), 401);
	assert_string_equal(code(), "authentication_required");
	assert_int_equal(as("{\"sub\":\"ann\"}", "POST", "/realtime/tickets", ""), 503);
}

static void pages_of_other_origins_must_be_listed(void **state)
{
	(void)state;
	allow_anonymous();
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}", {"HTTP_HOST", "me.example:8000"},
			      {"HTTP_ORIGIN", "https://evil.example"}),
			 403);
	assert_string_equal(code(), "forbidden_origin");
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}", {"HTTP_HOST", "me.example:8000"},
			      {"HTTP_ORIGIN", "http://me.example:8000"}),
			 201);
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}", {"HTTP_HOST", "me.example:8000"},
			      {"HTTP_ORIGIN", "https://shop.example"}),
			 201);
	assert_non_null(
		strstr(response.headers, "Access-Control-Allow-Origin: https://shop.example\r\n"));
	assert_int_equal(REQUEST("OPTIONS", "/realtime/webrtc/rooms/r/whip/s",
				 {"HTTP_ORIGIN", "https://shop.example"}),
			 204);
	assert_non_null(strstr(response.headers, "Access-Control-Allow-Methods: PATCH, DELETE"));
	assert_non_null(strstr(response.headers, "Access-Control-Expose-Headers: Location"));
}

static void a_wrong_field_is_named_with_its_rule(void **state)
{
	static const struct {
		const char *body, *pointer;
	} cases[] = {
		{"{\"room_id\":\"a b\"}", "/room_id"},
		{"{\"room_id\":7}", "/room_id"},
		{"{\"name\":\"\"}", "/name"},
		{"{\"max_participants\":0}", "/max_participants"},
		{"{\"max_participants\":11}", "/max_participants"},
		{"{\"max_participants\":\"5\"}", "/max_participants"},
		{"{\"mode\":\"star\"}", "/mode"},
		{"{\"locked\":1}", "/locked"},
		{"{\"metadata\":[]}", "/metadata"},
		{"{\"codecs\":[1]}", "/codecs"},
		{"{\"codecs\":[\"VP8\",\"H266\"]}", "/codecs"},
		{"{\"password\":\"\"}", "/password"},
		{"{\"password\":\" x\"}", "/password"},
	};

	(void)state;
	allow_anonymous();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const json_t *error;

		assert_int_equal(POST("/realtime/webrtc/rooms", cases[i].body), 400);
		error = json_array_get(json_object_get(answer, "errors"), 0);
		assert_string_equal(json_string_value(json_object_get(error, "pointer")),
				    cases[i].pointer);
	}
	assert_int_equal(POST("/realtime/webrtc/rooms", "[1]"), 400);
	assert_string_equal(code(), "bad_json");
	assert_int_equal(POST("/realtime/webrtc/rooms", ""), 400);
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}", {"CONTENT_TYPE", "text/plain"}), 415);
	assert_int_equal(POST("/realtime/webrtc/rooms", "{}",
			      {"CONTENT_TYPE", "application/json; charset=utf-8"}),
			 201);
}

static void a_body_over_the_limit_is_refused(void **state)
{
	(void)state;
	allow_anonymous();
	assert_int_equal(POST("/realtime/send", "{}", {"CONTENT_LENGTH", "1048577"}), 413);
	assert_int_equal(POST("/realtime/send", "{}", {"CONTENT_LENGTH", "3"}), 400);
	assert_string_equal(code(), "body_incomplete");
}

static void without_realtimed_rooms_serve_and_messages_wait(void **state)
{
	(void)state;
	allow_anonymous();
	assert_int_equal(POST("/realtime/webrtc/rooms", "{\"room_id\":\"r\"}"), 201);
	assert_int_equal(REQUEST("GET", "/realtime/webrtc/rooms/r"), 200);
	assert_true(json_is_null(json_object_get(answer, "participants")));
	assert_int_equal(POST("/realtime/send", "{\"data\":1}"), 503);
	assert_string_equal(code(), "bus_unavailable");
	assert_non_null(strstr(response.headers, "Retry-After: "));
	assert_int_equal(REQUEST("GET", "/health"), 200);
	assert_string_equal(json_string_value(json_object_get(answer, "status")), "degraded");
	assert_int_equal(REQUEST("GET", "/realtime/health"), 503);
	assert_int_equal(REQUEST("GET", "/realtime/webrtc/health"), 503);
}

static void what_is_not_a_message_is_refused(void **state)
{
	static const struct {
		const char *body, *pointer;
	} cases[] = {
		{"{}", "/data"},
		{"{\"data\":1,\"text\":\"x\"}", "/text"},
		{"{\"text\":1}", "/text"},
		{"{\"data\":1,\"channel\":\"a\",\"user_id\":\"b\"}", "/channel"},
		{"{\"data\":1,\"channel\":\"a\\nb\"}", "/channel"},
		{"{\"data\":1,\"persistent\":\"yes\"}", "/persistent"},
		{"{\"data\":1,\"ttl\":0}", "/ttl"},
	};

	(void)state;
	allow_anonymous();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const json_t *error;

		assert_int_equal(POST("/realtime/send", cases[i].body), 400);
		error = json_array_get(json_object_get(answer, "errors"), 0);
		assert_string_equal(json_string_value(json_object_get(error, "pointer")),
				    cases[i].pointer);
	}
}

static const char *pointer(void)
{
	const json_t *error = json_array_get(json_object_get(answer, "errors"), 0);
	const char *text = json_string_value(json_object_get(error, "pointer"));

	return text ? text : "";
}

static void what_is_not_a_notification_is_refused(void **state)
{
	static const struct {
		const char *path, *body, *pointer;
	} cases[] = {
		{"send", "{\"title\":\"T\",\"body\":\"B\"}", "/user_id"},
		{"send", "{\"user_id\":\"u*\",\"title\":\"T\",\"body\":\"B\"}", "/user_id"},
		{"send", "{\"user_id\":\"u\",\"body\":\"B\"}", "/title"},
		{"send", "{\"user_id\":\"u\",\"title\":\"\",\"body\":\"B\"}", "/title"},
		{"send", "{\"user_id\":\"u\",\"title\":\"T\"}", "/body"},
		{"send", "{\"user_id\":\"u\",\"title\":\"T\",\"body\":7}", "/body"},
		{"send", "{\"user_id\":\"u\",\"title\":\"T\",\"body\":\"B\",\"persistent\":false}",
		 "/persistent"},
		{"send", "{\"user_id\":\"u\",\"channel\":\"c\",\"title\":\"T\",\"body\":\"B\"}",
		 "/channel"},
		{"channel", "{\"title\":\"T\",\"body\":\"B\"}", "/channel"},
		{"channel", "{\"channel\":\"a\\nb\",\"title\":\"T\",\"body\":\"B\"}", "/channel"},
		{"channel",
		 "{\"channel\":\"c\",\"title\":\"T\",\"body\":\"B\",\"notification_type\":\"a b\"}",
		 "/notification_type"},
		{"channel", "{\"channel\":\"c\",\"title\":\"T\",\"body\":\"B\",\"ttl\":0}", "/ttl"},
		{"broadcast", "{\"user_id\":\"u\",\"title\":\"T\",\"body\":\"B\"}", "/user_id"},
		{"broadcast", "{\"title\":\"T\",\"body\":\"B\",\"persistent\":true}",
		 "/persistent"},
	};

	(void)state;
	allow_anonymous();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char uri[64];

		(void)snprintf(uri, sizeof(uri), "/realtime/notifications/%s", cases[i].path);
		assert_int_equal(POST(uri, cases[i].body), 400);
		assert_string_equal(pointer(), cases[i].pointer);
	}
	assert_int_equal(POST("/realtime/notifications/broadcast",
			      "{\"title\":\"T\",\"body\":\"\",\"data\":null}"),
			 503);
}

static void notifications_are_read_by_those_we_know(void **state)
{
	(void)state;
	allow_anonymous();
	assert_int_equal(REQUEST("GET", "/realtime/notifications"), 401);
	assert_string_equal(code(), "authentication_required");
	assert_int_equal(POST("/realtime/notifications/read", ""), 401);
	assert_int_equal(POST("/realtime/notifications/ntf_1/read", ""), 401);
}

static void a_users_notifications_are_listed_from_the_store(void **state)
{
	char key[API_KEY_SIZE], message_id[24], fields[160];
	struct error error;

	(void)state;
	assert_int_equal(api_keys_create(api.store, "k", "me", NULL, 0, 1, key, &error), 0);
	for (int i = 1; i <= 3; i++) {
		struct notification_row row = {.user_id = "me",
					       .message_id = message_id,
					       .fields = fields,
					       .offset = i,
					       .created_at_unix_ms = 5};

		(void)snprintf(message_id, sizeof(message_id), "msg_%016x", (unsigned)i);
		(void)snprintf(fields, sizeof(fields),
			       "{\"notification_id\":\"ntf_%d\",\"title\":\"T\",\"body\":\"B\","
			       "\"notification_type\":\"call\"%s}",
			       i, i == 3 ? ",\"data\":[1]" : "");
		assert_int_equal(notifications_insert(api.store, &row, &error), 0);
	}
	assert_int_equal(REQUEST("GET", "/realtime/notifications?limit=1", {"HTTP_X_API_KEY", key}),
			 200);
	assert_int_equal(json_integer_value(json_object_get(answer, "unread")), 3);
	assert_string_equal(json_string_value(json_object_get(answer, "next")),
			    "msg_0000000000000003");
	assert_int_equal(REQUEST("GET",
				 "/realtime/notifications?unread=true&cursor=msg_0000000000000003",
				 {"HTTP_X_API_KEY", key}),
			 200);
	assert_int_equal(json_array_size(json_object_get(answer, "items")), 2);
	assert_true(json_is_null(json_object_get(answer, "next")));
	assert_true(json_is_null(
		json_object_get(json_array_get(json_object_get(answer, "items"), 0), "data")));
	assert_int_equal(
		REQUEST("GET", "/realtime/notifications?unread=1", {"HTTP_X_API_KEY", key}), 400);
	assert_string_equal(pointer(), "/unread");
	assert_int_equal(REQUEST("GET", "/realtime/notifications?cursor=msg_00000000000000G3",
				 {"HTTP_X_API_KEY", key}),
			 400);
	assert_int_equal(
		REQUEST("GET", "/realtime/notifications?limit=201", {"HTTP_X_API_KEY", key}), 400);
}

static size_t listed(const char *uri)
{
	assert_int_equal(REQUEST("GET", uri), 200);
	return json_array_size(json_object_get(answer, "items"));
}

static void a_list_that_is_kept_is_true_after_every_change(void **state)
{
	static const char all[] = "/realtime/webrtc/rooms",
			  first[] = "/realtime/webrtc/rooms?limit=1";
	struct room_row room = {.max_participants = 1};
	struct error error;

	(void)state;
	allow_anonymous();
	assert_int_equal(listed(all), 0);
	assert_int_equal(listed(all), 0);
	assert_int_equal(POST(all, "{\"room_id\": \"a\", \"metadata\": {\"b\": [1]}}"), 201);
	assert_int_equal(listed(all), 1);
	assert_int_equal(rooms_create(api.store, &room, 10, 1, &error), 0);
	assert_int_equal(listed(all), 2);
	assert_int_equal(listed(first), 1);
	assert_int_equal(listed(all), 2);
	assert_int_equal(REQUEST("DELETE", "/realtime/webrtc/rooms/a"), 204);
	assert_int_equal(listed(all), 1);
}

static void whip_takes_sdp_into_rooms_that_exist(void **state)
{
	(void)state;
	allow_anonymous();
	assert_int_equal(
		POST("/realtime/webrtc/rooms/r/whip", "v=0", {"CONTENT_TYPE", "application/json"}),
		415);
	assert_int_equal(
		POST("/realtime/webrtc/rooms/r/whip", "v=0", {"CONTENT_TYPE", "application/sdp"}),
		404);
	assert_string_equal(code(), "room_not_found");
	assert_int_equal(POST("/realtime/webrtc/rooms/r%20x/whip", "v=0",
			      {"CONTENT_TYPE", "application/sdp"}),
			 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
		TEST(placeholders_are_whole_segments),
		TEST(an_unknown_path_is_a_problem),
		TEST(a_wrong_method_is_told_the_right_ones),
		TEST(the_openapi_document_is_for_anybody_and_has_a_version),
		TEST(a_request_id_is_echoed_unless_it_is_odd),
		TEST(changing_needs_a_key_and_reading_does_not),
		TEST(where_anyone_may_publish_a_wrong_credential_is_refused_still),
		TEST(a_token_may_stand_in_four_places_and_the_first_counts),
		TEST(grants_say_where_one_may_publish),
		TEST(rooms_are_made_by_users_and_changed_by_their_moderators),
		TEST(connections_and_metrics_are_for_admins),
		TEST(tickets_are_for_somebody),
		TEST(pages_of_other_origins_must_be_listed),
		TEST(a_wrong_field_is_named_with_its_rule),
		TEST(a_body_over_the_limit_is_refused),
		TEST(without_realtimed_rooms_serve_and_messages_wait),
		TEST(what_is_not_a_message_is_refused),
		TEST(what_is_not_a_notification_is_refused),
		TEST(notifications_are_read_by_those_we_know),
		TEST(a_users_notifications_are_listed_from_the_store),
		TEST(a_list_that_is_kept_is_true_after_every_change),
		TEST(whip_takes_sdp_into_rooms_that_exist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
