#include "realtime/edge/admission.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base64.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/origin.h"
#include "realtime/edge/health.h"
#include "realtime/edge/http.h"
#include "realtime/edge/metrics_page.h"
#include "realtime/edge/peer_address.h"
#include "realtime/edge/standing.h"
#include "realtime/model/signaling_session.h"
#include "realtime/wire/envelope.h"
#include "realtime/wire/reply.h"
#include "realtime/wire/request_head.h"
#include "realtime/wire/sse.h"

enum { HEADER_SIZE = 1024, VALUE_SIZE = 512, FILTERS_SIZE = 4097 };

/* ---- who may ---- */

static int check_origin(const struct server *server, struct lws *wsi, struct error *reterr)
{
	char origin[HEADER_SIZE], host[HEADER_SIZE];

	if (!http_header_is_present(wsi, WSI_TOKEN_ORIGIN))
		return 0;
	if (!http_header_get(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin)))
		return error_set(reterr, -EACCES, "forbidden_origin",
				 "an Origin that is empty or this long may not connect");
	(void)http_header_get(wsi, WSI_TOKEN_HOST, host, sizeof(host));
	if (origin_is_allowed(origin, host, server->config->REALTIME_ALLOWED_ORIGINS))
		return 0;
	return error_set(reterr, -EACCES, "forbidden_origin",
			 "pages from %s may not connect; REALTIME_ALLOWED_ORIGINS names those that "
			 "may",
			 origin);
}

/* `is_introduced`: something is shown that lets them in, if it is good. */
static int check_transport(const struct server *server, enum transport transport,
			   bool is_introduced, struct error *reterr)
{
	const struct config *config = server->config;
	bool is_sse = transport == TRANSPORT_SSE;
	bool is_on = is_sse ? config->SSE_ENABLED
			    : config->WEBSOCKET_ENABLED &&
				      (transport != TRANSPORT_SIGNALING || config->WEBRTC_ENABLED);
	size_t count =
		is_sse ? server->counts[TRANSPORT_SSE]
		       : server->counts[TRANSPORT_WEBSOCKET] + server->counts[TRANSPORT_SIGNALING];
	int64_t limit = is_sse ? config->SSE_MAX_CONNECTIONS : config->WEBSOCKET_MAX_CONNECTIONS;

	if (!is_on)
		return error_set(reterr, -ENOENT, "disabled", "this is switched off here");
	if (server->is_stopping)
		return error_set(reterr, -EAGAIN, "stopping", "the server is restarting");
	if (count >= (size_t)limit)
		return error_set(reterr, -EAGAIN, "too_many_connections",
				 "all %lld connections are taken", (long long)limit);
	/* A chat connection may still say who it is by an `auth` message. */
	if (!is_introduced && transport != TRANSPORT_WEBSOCKET &&
	    (is_sse ? config->SSE_AUTH_REQUIRED : config->WEBSOCKET_AUTH_REQUIRED))
		return error_set(reterr, -EKEYREJECTED, "authentication_required",
				 "connecting needs a token or an API key");
	return 0;
}

/* ---- making a connection ---- */

static struct connection *connection_new(struct server *server, struct lws *wsi,
					 enum transport transport)
{
	struct connection *connection = calloc(1, connection_size(transport));

	if (!connection)
		return NULL;
	id_new("conn", connection->id, sizeof(connection->id));
	connection->transport = transport;
	connection->wsi = wsi;
	connection->fd = lws_get_socket_fd(wsi);
	connection->heard_at_us = connection->pinged_at_us = clock_now_us();
	connection->identity = identity_ref(server->anonymous);
	outbox_init(&connection->outbox, (size_t)server->config->REALTIME_OUTBOX_MAX,
		    &server->dirty);
	list_init(&connection->heartbeat_link);
	deadline_init(&connection->deadline);
	list_append(&server->by_heartbeat[transport], &connection->heartbeat_link);
	table_add(&server->connections, connection->id, &connection->by_id);
	server->counts[transport]++;
	server->opened_count++;
	lws_set_opaque_user_data(wsi, connection);
	return connection;
}

static bool on_room_found(void *data, const char *ticket, const struct room_facts *facts,
			  const struct error *error)
{
	struct server *server = data;
	struct connection *connection = server_connection_find(server, ticket);
	struct signaling_session *session;
	struct error refusal = {0};

	if (!connection || connection->signaling.state != SIGNALING_OPENING)
		return false; /* it has left meanwhile */
	session = &connection->signaling;
	session->pass = entry_pass_free(session->pass);
	if (error)
		refusal = *error;
	else if (switchboard_join(server->board, session, facts, clock_unix_ms(), &refusal) == 0)
		return true;
	LOG(LOG_INFO, LOG_WEBRTC, "join_refused", LOG_TEXT("connection", connection->id),
	    LOG_TEXT("room", session->room_id), LOG_ERR(&refusal));
	signaling_session_refuse(session, &refusal);
	return false;
}

static void look_up_room(struct signaling_session *session)
{
	struct connection *connection = CONTAINER_OF(session, struct connection, signaling);
	struct server *server = lws_context_user(lws_get_context(connection->wsi));
	struct error error = {0};
	const struct room_knock knock = {
		.room_id = session->room_id,
		.user_id = session->user_id,
		.address = session->address,
		.is_moderator = session->is_moderator,
		.may_create = server->config->WEBRTC_AUTO_CREATE_ROOMS &&
			      identity_may(connection->identity, RIGHT_PUBLISH, GRANT_ROOMS,
					   session->room_id),
		.pass = session->pass,
		.next_secret = session->own_token,
		.secret = session->resume_token,
	};

	if (room_gate_knock(server->gate, &knock, connection->id, on_room_found, server, &error) <
	    0)
		signaling_session_refuse(session, &error);
}

/* A subprotocol's base64url, or the text of a header, into `out`: 1, 0 if there is neither. */
static int secret_get(struct lws *wsi, const char *subprotocol, const char *header, bool is_base64,
		      char *out, size_t size)
{
	char text[HEADER_SIZE];
	size_t length;
	int r;

	if (http_custom_header_is_present(wsi, header))
		return http_custom_header_get(wsi, header, out, size) ? 1 : -EINVAL;
	if (!http_custom_header_is_present(wsi, subprotocol))
		return 0;
	if (!is_base64)
		return http_custom_header_get(wsi, subprotocol, out, size) ? 1 : -EINVAL;
	if (!http_custom_header_get(wsi, subprotocol, text, size * 4 / 3 + 1))
		return -EINVAL;
	r = base64url_decode(text, strlen(text), (uint8_t *)text, &length);
	if (r == 0 && length < size && !memchr(text, '\0', length))
		(void)snprintf(out, size, "%.*s", (int)length, text);
	else
		r = -EINVAL;
	explicit_bzero(text, sizeof(text));
	return r < 0 ? r : 1;
}

static int pass_get(struct lws *wsi, struct entry_pass **ret_pass, struct error *reterr)
{
	AUTO(entry_pass) pass = calloc(1, sizeof(*pass));
	int password, invite;

	if (!pass)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	password = secret_get(wsi, PASSWORD_HEADER, "x-room-password:", true, pass->password,
			      sizeof(pass->password));
	if (password < 0 || (password > 0 && password_check(pass->password, NULL) < 0))
		return error_set_field(reterr, -EACCES, "wrong_password", "password",
				       "no room has such a password");
	invite = secret_get(wsi, INVITE_HEADER, "x-room-invite:", false, pass->invite,
			    sizeof(pass->invite));
	if (invite < 0)
		return error_set_field(reterr, -EACCES, "bad_invite", "invite",
				       "no invite is this long");
	if (password > 0 || invite > 0)
		*ret_pass = STEAL(pass);
	return 0;
}

static int prepare_signaling(struct server *server, struct connection *connection,
			     struct error *reterr)
{
	char room_id[VALUE_SIZE], name[VALUE_SIZE], peer_id[PEER_ID_SIZE], token[PEER_ID_SIZE];
	struct entry_pass *pass = NULL;
	int r;

	if (!http_query_get(connection->wsi, "room_id", 0, room_id, sizeof(room_id)))
		return error_set_field(reterr, -EINVAL, "missing_field", "room_id",
				       "room_id is missing");
	if (!room_id_is_valid(room_id))
		return error_set_field(reterr, -EINVAL, "bad_field", "room_id",
				       "room_id must be 1 to %d of A-Z a-z 0-9 _ . : -",
				       ROOM_ID_MAX);
	(void)http_query_get(connection->wsi, "name", 0, name, sizeof(name));
	if (strlen(name) > PEER_NAME_MAX || (*name && !channel_name_is_valid(name, strlen(name))))
		return error_set_field(reterr, -EINVAL, "bad_field", "name",
				       "name must be at most %d bytes of UTF-8 without control "
				       "characters",
				       PEER_NAME_MAX);
	signaling_session_init(&connection->signaling, server->board, &connection->outbox, room_id,
			       name, look_up_room, standing_identify_caller);
	peer_address_get(connection->wsi, connection->signaling.address);
	(void)http_query_get(connection->wsi, "peer_id", 0, peer_id, sizeof(peer_id));
	if (http_query_get(connection->wsi, "resume_token", 0, token, sizeof(token)))
		signaling_session_set_resume(&connection->signaling, peer_id, token);
	explicit_bzero(token, sizeof(token));
	r = pass_get(connection->wsi, &pass, reterr);
	if (r == 0)
		signaling_session_set_pass(&connection->signaling, pass);
	return r;
}

/* ?channel=, as often as it is there. One that does not fit is no name, even cut at VALUE_SIZE. */
static int channels_get(struct lws *wsi, struct event_stream_request *request,
			const char **channels, struct error *reterr)
{
	static char values[STREAM_CHANNELS_MAX + 1][VALUE_SIZE]; /* the loop's alone */

	while (request->channel_count <= STREAM_CHANNELS_MAX) {
		char *value = values[request->channel_count];

		if (!http_query_get(wsi, "channel", (unsigned)request->channel_count, value,
				    VALUE_SIZE)) {
			if (!*value)
				return 0; /* that was the last one */
			return channel_name_check(value, "channel", reterr);
		}
		channels[request->channel_count++] = value;
	}
	return 0;
}

static int prepare_stream(struct server *server, struct connection *connection,
			  struct error *reterr)
{
	static char filters[FILTERS_SIZE], last[REQUEST_HEAD_MAX + 1]; /* the loop's alone */
	char origin[HEADER_SIZE];
	const char *channels[STREAM_CHANNELS_MAX + 1];
	struct event_stream_request request = {.channels = channels};
	struct lws *wsi = connection->wsi;
	int r;

	event_stream_init(&connection->stream, server->hub, server->config->SSE_RETRY_TIMEOUT,
			  connection->id, &connection->outbox);
	if (http_header_get(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin))) {
		connection->origin = strdup(origin);
		if (!connection->origin)
			return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	}
	r = channels_get(wsi, &request, channels, reterr);
	if (r < 0)
		return r;
	if (!http_custom_header_get(wsi, "last-event-id:", last, sizeof(last)))
		(void)http_query_get(wsi, "last_event_id", 0, last, sizeof(last));
	request.last_event_id = *last ? last : NULL;
	if (http_query_get(wsi, "filters", 0, filters, sizeof(filters)))
		request.filters = filters;
	else if (*filters)
		return error_set_field(reterr, -EINVAL, "bad_field", "filters",
				       "filters may have %d bytes of JSON", FILTERS_SIZE - 1);
	request.wants_presence = http_query_is_true(wsi, "presence");
	request.wants_join_leave = http_query_is_true(wsi, "join_leave");
	return event_stream_ask(&connection->stream, &request, reterr);
}

/* One more of this address. */
static int count_address(struct server *server, struct connection *connection, struct error *reterr)
{
	char address[PEER_ADDRESS_SIZE];
	int r;

	peer_address_get(connection->wsi, address);
	r = quota_take(&server->by_address, address, &connection->by_address);
	if (r != -EDQUOT)
		return r;
	return error_set(reterr, r, "too_many_connections",
			 "an address may have %zu connections at once", server->by_address.limit);
}

/* One more of this user, who is known now. */
static int count_user(struct server *server, struct connection *connection, struct error *reterr)
{
	int r = quota_take(&server->by_user, connection->identity->user_id, &connection->by_user);

	if (r != -EDQUOT)
		return r;
	return error_set(reterr, r, "too_many_connections",
			 "a user may have %zu connections at once", server->by_user.limit);
}

/* ---- starting it ---- */

/* Somebody whose key is wrong, or not enough, hears why, in the way of its transport. */
static void turn_away(struct connection *connection, const struct error *error)
{
	struct server *server = lws_context_user(lws_get_context(connection->wsi));
	bool is_quota = error->number == -EDQUOT;
	enum close_code code = is_quota ? CLOSE_RATE : CLOSE_AUTHENTICATION;
	const char *reason = is_quota ? "too many connections" : "authentication";

	connection->is_started = true;
	tally_add(&server->refused, error->code);
	LOG(LOG_INFO, LOG_WEBSOCKET, "refused", LOG_TEXT("connection", connection->id),
	    LOG_ERR(error));
	if (connection->transport != TRANSPORT_SSE) {
		outbox_push_take(&connection->outbox,
				 reply_frame_take(reply_new_error(NULL, error)));
		outbox_end(&connection->outbox, code, reason);
		(void)lws_rx_flow_control(connection->wsi, 1);
		return;
	}
	(void)http_answer_problem(connection->wsi, error);
	outbox_end(&connection->outbox, code, reason);
}

/* `origin`: the page that reads, which is allowed to by now; NULL: it is no browser's. */
static struct frame *stream_head_new(const char *origin)
{
	char head[HEADER_SIZE + 256];
	int length = snprintf(head, sizeof(head),
			      "HTTP/1.1 200 OK\r\n"
			      "content-type: text/event-stream; charset=utf-8\r\n"
			      "cache-control: no-store, no-transform\r\n"
			      "x-accel-buffering: no\r\n"
			      "%s%s%s"
			      "connection: close\r\n\r\n",
			      origin ? "vary: origin\r\naccess-control-allow-origin: " : "",
			      origin ? origin : "", origin ? "\r\n" : "");

	return frame_new_bytes(head, (size_t)length);
}

static void start_stream(struct connection *connection)
{
	struct error error = {0};

	if (event_stream_check(&connection->stream, connection->identity, &error) < 0) {
		turn_away(connection, &error);
		return;
	}
	outbox_push_take(&connection->outbox, stream_head_new(connection->origin));
	free(connection->origin);
	connection->origin = NULL;
	if (event_stream_start(&connection->stream, connection->identity, &error) == 0)
		return;
	LOG(LOG_WARNING, LOG_WEBSOCKET, "stream_refused", LOG_TEXT("connection", connection->id),
	    LOG_ERR(&error));
	outbox_end(&connection->outbox, CLOSE_OVERLOAD, "overloaded");
}

static void start(struct connection *connection)
{
	struct server *server = lws_context_user(lws_get_context(connection->wsi));
	struct error error = {0};

	if (count_user(server, connection, &error) < 0) {
		turn_away(connection, &error);
		return;
	}
	connection->is_started = true;
	standing_begin(server, connection);
	LOG(LOG_DEBUG, LOG_WEBSOCKET, "connected", LOG_TEXT("connection", connection->id),
	    LOG_TEXT("transport", transport_name(connection->transport)),
	    LOG_TEXT("user", connection->identity->user_id));
	switch (connection->transport) {
	case TRANSPORT_WEBSOCKET:
		session_set_form(&connection->session, connection->wants_native,
				 connection->is_deflating);
		session_start(&connection->session, connection->identity, clock_unix_us());
		break;
	case TRANSPORT_SIGNALING:
		signaling_session_start(&connection->signaling, connection->identity,
					clock_now_us());
		break;
	case TRANSPORT_SSE:
		start_stream(connection);
		return;
	case TRANSPORT_COUNT:
		return;
	}
	(void)lws_rx_flow_control(connection->wsi, 1);
}

static void on_authenticated(void *data, const char *connection_id, struct identity *identity,
			     const struct error *error)
{
	struct server *server = data;
	struct connection *connection = server_connection_find(server, connection_id);

	if (!connection || connection->is_closing)
		return; /* it has left meanwhile */
	if (error) {
		turn_away(connection, error);
		return;
	}
	(void)identity_unref(connection->identity);
	connection->identity = identity_ref(identity);
	start(connection);
}

static int authenticate(struct server *server, struct connection *connection,
			const struct credentials *credentials, struct error *reterr)
{
	struct identity *identity = NULL;
	int r = auth_identify(&server->auth, credentials, clock_unix_ms(), &identity, reterr);

	if (r < 0)
		return r;
	if (r == 0 && credentials->kind == CREDENTIAL_KEY)
		return auth_look_up(&server->auth, credentials, connection->id, on_authenticated,
				    server, reterr);
	if (r > 0) {
		(void)identity_unref(connection->identity);
		connection->identity = identity;
	}
	connection->is_started = true; /* as soon as the socket is up */
	return 0;
}

/* ---- requests ---- */

static int refuse(struct lws *wsi, const struct error *error)
{
	struct server *server = lws_context_user(lws_get_context(wsi));

	tally_add(&server->refused, error->code);
	LOG(LOG_INFO, LOG_WEBSOCKET, "refused", LOG_ERR(error));
	return http_answer_problem(wsi, error);
}

/* Whether it is good is seen at the room's door; one that is empty is none. */
static bool has_invite(struct lws *wsi)
{
	char text[INVITE_TEXT_MAX + 1];

	return secret_get(wsi, INVITE_HEADER, "x-room-invite:", false, text, sizeof(text)) > 0 &&
	       *text;
}

static int admit(struct server *server, struct lws *wsi, enum transport transport)
{
	static struct credentials credentials; /* the loop's alone; large */
	struct connection *connection;
	struct error error = {0};
	int r;

	credentials = (struct credentials){0};
	r = check_origin(server, wsi, &error);
	if (r == 0)
		r = credentials_read(wsi, &credentials, &error);
	if (r == 0)
		r = check_transport(server, transport,
				    credentials.kind != CREDENTIAL_NONE ||
					    (transport == TRANSPORT_SIGNALING && has_invite(wsi)),
				    &error);
	connection = r < 0 ? NULL : connection_new(server, wsi, transport);
	if (!connection)
		credentials_wipe(&credentials);
	if (r < 0)
		return refuse(wsi, &error);
	if (!connection)
		return -1;
	r = count_address(server, connection, &error);
	if (r < 0) {
		admission_on_closed(server, connection);
		return refuse(wsi, &error);
	}
	if (transport == TRANSPORT_WEBSOCKET)
		session_init(&connection->session, server->hub, &server->limits, connection->id,
			     &connection->outbox);
	else if (transport == TRANSPORT_SIGNALING)
		r = prepare_signaling(server, connection, &error);
	else
		r = prepare_stream(server, connection, &error);
	if (r == 0)
		r = authenticate(server, connection, &credentials, &error);
	credentials_wipe(&credentials);
	if (r < 0) {
		admission_on_closed(server, connection);
		return refuse(wsi, &error);
	}
	/* What follows goes by the connection's name. */
	LOG(LOG_DEBUG, LOG_WEBSOCKET, "admitted", LOG_TEXT("connection", connection->id));
	return 0;
}

int admission_on_upgrade(struct server *server, struct lws *wsi)
{
	char upgrade[32], path[HEADER_SIZE];
	struct error error;

	/* CVE-2025-11677: for any other upgrade libwebsockets goes on to read a header that it has
	 * freed. By now such a header is gone, so this ends the connection. */
	if (!http_header_get(wsi, WSI_TOKEN_UPGRADE, upgrade, sizeof(upgrade)) ||
	    strcasecmp(upgrade, "websocket") != 0)
		return -1;
	(void)http_header_get(wsi, WSI_TOKEN_GET_URI, path, sizeof(path));
	if (strcmp(path, "/realtime/ws") == 0)
		return admit(server, wsi, TRANSPORT_WEBSOCKET);
	if (strcmp(path, "/realtime/webrtc/signaling") == 0)
		return admit(server, wsi, TRANSPORT_SIGNALING);
	(void)error_set(&error, -ENOENT, "not_found", "there is no WebSocket at this path");
	return refuse(wsi, &error);
}

static bool must_still_authenticate(const struct server *server,
				    const struct connection *connection)
{
	return connection->transport == TRANSPORT_WEBSOCKET &&
	       server->config->WEBSOCKET_AUTH_REQUIRED &&
	       identity_is_anonymous(connection->identity);
}

void admission_on_established(struct connection *connection)
{
	struct server *server = lws_context_user(lws_get_context(connection->wsi));

	connection->wants_native =
		strcmp(lws_get_protocol(connection->wsi)->name, NATIVE_PROTOCOL) == 0;
	if (connection->is_started && must_still_authenticate(server, connection)) {
		session_set_form(&connection->session, connection->wants_native,
				 connection->is_deflating);
		session_await(&connection->session);
		standing_await(server, connection);
	} else if (connection->is_started)
		start(connection);
	else
		(void)lws_rx_flow_control(connection->wsi, 0);
}

static void on_reader_gone(void *data)
{
	connection_kill(data);
}

static void on_reader_ready(void *data)
{
	connection_on_writable(data);
}

static const struct stream_watch_events watch_events = {
	.gone = on_reader_gone,
	.writable = on_reader_ready,
};

/* Was the reader told not to come back? An EventSource does so all the same, once. */
static bool has_had_farewell(struct lws *wsi)
{
	char last[sizeof(SSE_FAREWELL) + 1];

	return http_custom_header_get(wsi, "last-event-id:", last, sizeof(last)) &&
	       strcmp(last, SSE_FAREWELL) == 0;
}

static int serve_stream(struct server *server, struct lws *wsi)
{
	struct connection *connection;
	int r;

	if (has_had_farewell(wsi))
		return http_answer_no_content(wsi);
	r = admit(server, wsi, TRANSPORT_SSE);
	if (r < 0)
		return r;
	connection = lws_get_opaque_user_data(wsi);
	lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
	lws_http_headers_detach(wsi); /* they are few, and this lasts */
	(void)lws_rx_flow_control(wsi, 0);
	if (stream_watch_new(server->loop, lws_get_socket_fd(wsi), &watch_events, connection,
			     &connection->watch) < 0)
		return -1;
	if (connection->is_started)
		start(connection);
	return 0;
}

int admission_on_http(struct server *server, struct lws *wsi)
{
	char path[HEADER_SIZE];
	struct error error;

	if (!http_header_get(wsi, WSI_TOKEN_GET_URI, path, sizeof(path)) &&
	    !http_header_get(wsi, WSI_TOKEN_HEAD_URI, path, sizeof(path))) {
		(void)error_set(&error, -EOPNOTSUPP, "method_not_allowed", "only GET is served");
		return refuse(wsi, &error);
	}
	if (strcmp(path, "/realtime/events") == 0)
		return serve_stream(server, wsi);
	if (strcmp(path, "/metrics") == 0)
		return metrics_answer(server, wsi);
	if (strcmp(path, "/realtime/health") == 0 || strcmp(path, "/health") == 0)
		return health_answer_hub(server, wsi);
	if (strcmp(path, "/realtime/webrtc/health") == 0)
		return health_answer_sfu(server, wsi);
	if (strcmp(path, "/realtime/ws") == 0 || strcmp(path, "/realtime/webrtc/signaling") == 0)
		(void)error_set(&error, -EINVAL, "upgrade_required",
				"connect to this path by WebSocket");
	else
		(void)error_set(&error, -ENOENT, "not_found", "there is nothing at this path");
	return refuse(wsi, &error);
}

void admission_on_closed(struct server *server, struct connection *connection)
{
	char code[8];

	LOG(LOG_DEBUG, LOG_WEBSOCKET, "disconnected", LOG_TEXT("connection", connection->id),
	    LOG_INT("close_code", connection->outbox.close_code));
	switch (connection->transport) {
	case TRANSPORT_WEBSOCKET:
		if (connection->session.hub)
			session_fini(&connection->session);
		connection_received_free(connection);
		break;
	case TRANSPORT_SIGNALING:
		if (connection->signaling.board)
			signaling_session_fini(&connection->signaling, server->is_stopping);
		connection_received_free(connection);
		break;
	case TRANSPORT_SSE:
		if (connection->stream.hub)
			event_stream_fini(&connection->stream);
		connection->watch = stream_watch_free(connection->watch);
		free(connection->origin);
		break;
	case TRANSPORT_COUNT:
		break;
	}
	lws_set_opaque_user_data(connection->wsi, NULL);
	table_remove(&server->connections, &connection->by_id);
	list_remove(&connection->heartbeat_link);
	server->counts[connection->transport]--;
	(void)snprintf(code, sizeof(code), "%d", (int)connection->outbox.close_code);
	tally_add(&server->closed, code);
	standing_end(server, connection);
	connection->by_address = quota_release(&server->by_address, connection->by_address);
	connection->by_user = quota_release(&server->by_user, connection->by_user);
	outbox_fini(&connection->outbox);
	connection->identity = identity_unref(connection->identity);
	free(connection);
}
