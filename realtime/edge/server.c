#include "realtime/edge/server.h"
#include "realtime/edge/http.h"

#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/base64.h"
#include "core/clock.h"
#include "core/log.h"
#include "realtime/edge/admission.h"
#include "realtime/edge/compression.h"
#include "realtime/edge/drain.h"
#include "realtime/edge/listener.h"
#include "realtime/edge/standing.h"
#include "realtime/model/signaling_session.h"
#include "realtime/wire/native.h"
#include "realtime/wire/sse.h"

enum {
	ACCEPTS_PER_TURN = 64,
	HEARTBEAT_TICK_MS = 250,
	RECEIVE_BUFFER = 1024, /* of each WebSocket: the cheapest memory to save */
	SEND_CHUNK = 262144,   /* what libwebsockets sends at once of a remainder */
	HEADERS_MAX = 16384,   /* bytes of a request's head */
	HEADERS_POOL = 1024,   /* requests whose head is being read */
	SIGNALING_MESSAGE_MAX = 524288,
	LISTENER_MESSAGE_MAX = 65536, /* of somebody who may not publish */
	ENVELOPE_BYTES = 65536,	      /* around the bytes of a message */
	GATHER_US = 1000,	      /* how long frames are kept back, under load, … */
	GATHER_BYTES = 65536,	      /* … or until somebody is owed so much */
	LONG_FLUSH_US = 2000,	      /* so long a flush is load */
	OPENED_MANY = 64,	      /* connections, whose handshakes leave holes in the heap */
	REQUEST_TIMEOUT_S = 10
};

/* ---- what libwebsockets reports ---- */

/* How long a message may be: as text, bytes take base64's four characters for three. Somebody who
 * may not publish has nothing long to say. */
static size_t message_limit(const struct server *server, const struct connection *connection,
			    bool is_binary)
{
	size_t limit = (size_t)server->limits.max_message_bytes;

	if (connection->transport == TRANSPORT_SIGNALING)
		return SIGNALING_MESSAGE_MAX;
	if (!identity_may_anywhere(connection->identity, RIGHT_PUBLISH))
		return LISTENER_MESSAGE_MAX;
	return is_binary ? limit + NATIVE_HEADER_BYTES + NATIVE_META_MAX
			 : base64_encoded_length(limit) + ENVELOPE_BYTES;
}

static void give(struct server *server, struct connection *connection, const char *bytes,
		 size_t length, bool is_binary)
{
	server->received_count++;
	if (connection->transport == TRANSPORT_SIGNALING && is_binary)
		outbox_end(&connection->outbox, CLOSE_UNSUPPORTED, "text only");
	else if (connection->transport == TRANSPORT_SIGNALING)
		signaling_session_on_text(&connection->signaling, bytes, length);
	else if (is_binary)
		session_on_binary(&connection->session, bytes, length, clock_unix_us());
	else
		session_on_text(&connection->session, bytes, length, clock_unix_us());
}

static void give_inflated(struct server *server, struct connection *connection, size_t limit,
			  bool is_binary)
{
	AUTO_FREE char *bytes = NULL;
	size_t length = 0;
	int r = -ENOMEM;

	if (!connection->inflater)
		connection->inflater = inflater_new();
	if (connection->inflater)
		r = inflater_message(connection->inflater, connection->received,
				     connection->received_length, limit, &bytes, &length);
	connection_received_clear(connection);
	if (r == 0)
		give(server, connection, bytes, length, is_binary);
	else if (r == -EMSGSIZE)
		outbox_end(&connection->outbox, CLOSE_TOO_BIG, "message too big");
	else if (r == -EBADMSG)
		outbox_end(&connection->outbox, CLOSE_BAD_TEXT, "not deflated data");
	else
		outbox_end(&connection->outbox, CLOSE_INTERNAL, "out of memory");
}

static int on_received(struct server *server, struct connection *connection, const void *bytes,
		       size_t length)
{
	struct lws *wsi = connection->wsi;
	bool is_whole = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
	bool is_binary = lws_frame_is_binary(wsi);
	size_t limit = message_limit(server, connection, is_binary);

	connection->heard_at_us = clock_now_us();
	if (outbox_is_ending(&connection->outbox))
		return 0; /* what it says no longer matters */
	if (lws_is_first_fragment(wsi))
		connection->is_message_deflated = compression_is_used(wsi);
	if (is_whole && connection->received_length == 0 && length <= limit &&
	    !connection->is_message_deflated) {
		give(server, connection, bytes, length, is_binary);
		return 0;
	}
	if (connection_receive(connection, bytes, length, limit) < 0) {
		connection_received_clear(connection);
		outbox_end(&connection->outbox, CLOSE_TOO_BIG, "message too big");
		return 0;
	}
	if (is_whole && connection->is_message_deflated) {
		give_inflated(server, connection, limit, is_binary);
	} else if (is_whole) {
		give(server, connection, connection->received, connection->received_length,
		     is_binary);
		connection_received_clear(connection);
	}
	return 0;
}

static int on_request(struct server *server, struct lws *wsi, bool is_http)
{
	int r;

	http_begin_request(wsi);
	r = is_http ? admission_on_http(server, wsi) : admission_on_upgrade(server, wsi);
	log_set_request(NULL);
	return r;
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *bytes,
		  size_t length)
{
	struct server *server = lws_context_user(lws_get_context(wsi));
	struct connection *connection = wsi ? lws_get_opaque_user_data(wsi) : NULL;

	(void)user;
	switch ((int)reason) { /* of some hundred, these concern us */
	case LWS_CALLBACK_HTTP:
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return on_request(server, wsi, reason == LWS_CALLBACK_HTTP);
	case LWS_CALLBACK_ESTABLISHED:
		if (!connection)
			return -1;
		admission_on_established(connection);
		return 0;
	case LWS_CALLBACK_RECEIVE:
		return connection ? on_received(server, connection, bytes, length) : -1;
	case LWS_CALLBACK_CONFIRM_EXTENSION_OKAY:
		return compression_is_acceptable(wsi) ? 0 : 1;
	case LWS_CALLBACK_RECEIVE_PONG:
		if (connection)
			connection->heard_at_us = clock_now_us();
		return 0;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: /* perhaps in answer to ours */
		return connection && connection->is_closing ? -1 : 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_HTTP_WRITEABLE:
		if (connection && connection->transport != TRANSPORT_SSE)
			connection_on_writable(connection);
		return 0;
	case LWS_CALLBACK_CLOSED:
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_WSI_DESTROY:
		if (connection)
			admission_on_closed(server, connection);
		return 0;
	default:
		return 0;
	}
}

static const struct lws_protocols protocols[] = {
	{.name = "realtime.v1",
	 .callback = on_lws,
	 .rx_buffer_size = RECEIVE_BUFFER,
	 .tx_packet_size = SEND_CHUNK},
	{.name = NATIVE_PROTOCOL,
	 .callback = on_lws,
	 .rx_buffer_size = RECEIVE_BUFFER,
	 .tx_packet_size = SEND_CHUNK},
	{0},
};

/* ---- the loop ---- */

static void on_acceptable(uv_poll_t *poll, int status, int events);

/* Without descriptors the listening socket stays readable; look again with the next heartbeat. */
static void rest_from_accepting(struct server *server)
{
	LOG(LOG_WARNING, LOG_WEBSOCKET, "no_descriptors");
	(void)uv_poll_stop(&server->accepting);
	server->is_resting = true;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
	struct server *server = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int on = 1;
		int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			rest_from_accepting(server);
		if (fd < 0)
			return;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only speed */
		arrivals_add_take(&server->arrivals, fd, clock_now_us());
	}
}

static struct connection *connection_of(struct list *dirty_link)
{
	struct outbox *outbox = LIST_ITEM(dirty_link, struct outbox, dirty_link);

	return CONTAINER_OF(outbox, struct connection, outbox);
}

/* Thousands of connections do not fit into the cache: have the two that come after `link` fetched
 * while the kernel sends for this one; the nearer one was asked for a step ago. */
static void prefetch_next(const struct server *server, const struct list *link)
{
	struct list *next = link->next;

	if (next == &server->dirty)
		return;
	connection_prefetch_socket(connection_of(next));
	if (next->next != &server->dirty)
		connection_prefetch(connection_of(next->next));
}

static void on_gathered(uv_timer_t *timer)
{
	(void)timer; /* it ended the loop's turn, so that on_flush() looks again */
}

/* Sending to thousands takes milliseconds, in which more is published. Whoever hears of one message
 * at a time answers one at a time; so after a long flush what is to be sent waits a moment for
 * company, which shares its system calls. What goes to few never waits. */
static bool is_gathering(struct server *server, uint64_t now_us)
{
	struct list *first = list_first(&server->dirty);

	if (!first || server->flush_us < LONG_FLUSH_US ||
	    now_us >= server->flushed_at_us + GATHER_US ||
	    LIST_ITEM(first, struct outbox, dirty_link)->owed_bytes > GATHER_BYTES)
		return false;
	(void)uv_timer_start(&server->gathering, on_gathered, GATHER_US / 1000, 0);
	return true;
}

/* The end of the loop's turn: each connection gets what it is owed, in one go. */
static void on_flush(uv_prepare_t *prepare)
{
	struct server *server = prepare->data;
	uint64_t began_us = clock_now_us();
	struct list *link;

	arrivals_on_turn(&server->arrivals);
	if (list_is_empty(&server->dirty) || is_gathering(server, began_us))
		return;
	while ((link = list_first(&server->dirty))) {
		prefetch_next(server, link);
		list_remove(link);
		connection_flush(connection_of(link));
	}
	server->flushed_at_us = clock_now_us();
	server->flush_us = server->flushed_at_us - began_us;
	if (server->hub->stats.unsent_count > 0)
		hub_on_flushed(server->hub, clock_unix_us());
}

static void beat(struct server *server, enum transport transport, uint64_t interval_us,
		 struct frame *frame, uint64_t now_us)
{
	struct list *link;

	while ((link = list_first(&server->by_heartbeat[transport]))) {
		struct connection *connection = LIST_ITEM(link, struct connection, heartbeat_link);

		if (connection->pinged_at_us + interval_us > now_us)
			return;
		list_remove(link);
		list_append(&server->by_heartbeat[transport], link);
		connection->pinged_at_us = now_us;
		if (transport != TRANSPORT_SSE &&
		    connection->heard_at_us + 2 * interval_us < now_us) {
			LOG(LOG_INFO, LOG_WEBSOCKET, "dead_peer",
			    LOG_TEXT("connection", connection->id));
			connection_kill(connection);
		} else if (connection->is_started) {
			outbox_push(&connection->outbox, frame);
		}
	}
}

/* Each handshake takes HEADERS_MAX for a moment, and many at a time leave as many holes in the heap
 * behind, among what stays: up to a KiB for each connection. When it is calm again, the kernel gets
 * back what is unused of them. */
static void give_back_memory(struct server *server)
{
	bool is_calm = server->opened_count == server->opened_before;

	server->opened_before = server->opened_count;
	if (!is_calm || server->opened_count - server->opened_at_trim < OPENED_MANY)
		return;
	server->opened_at_trim = server->opened_count;
	(void)malloc_trim(0); /* there may be nothing to give */
}

static void on_heartbeat(uv_timer_t *timer)
{
	struct server *server = timer->data;
	const struct config *config = server->config;
	uint64_t now_us = clock_now_us();
	uint64_t ping_us = (uint64_t)config->WEBSOCKET_HEARTBEAT_INTERVAL * 1000000u;

	beat(server, TRANSPORT_WEBSOCKET, ping_us, server->ping, now_us);
	beat(server, TRANSPORT_SIGNALING, ping_us, server->ping, now_us);
	beat(server, TRANSPORT_SSE, (uint64_t)config->SSE_HEARTBEAT_INTERVAL * 1000000u,
	     server->comment, now_us);
	switchboard_on_timer(server->board, now_us);
	arrivals_on_timer(&server->arrivals, now_us);
	standing_on_timer(server);
	give_back_memory(server);
	if (server->is_resting && !server->is_stopping) {
		server->is_resting = false;
		(void)uv_poll_start(&server->accepting, UV_READABLE, on_acceptable);
	}
}

/* ---- life ---- */

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* then there are fewer connections */
}

static void log_lws(int level, const char *line)
{
	AUTO_FREE char *text = strndup(line, strcspn(line, "\r\n"));

	if (strstr(line, "calling service"))
		return; /* said as an error of every socket that comes with its head (arrival.h) */
	LOG(level == LLL_ERR ? LOG_WARNING : LOG_DEBUG, LOG_WEBSOCKET, "libwebsockets",
	    LOG_TEXT("detail", text));
}

static int open_context(struct server *server, struct error *reterr)
{
	/* No validity checks of its own: they walk a list of all connections. */
	static const lws_retry_bo_t no_validity_checks;
	void *loops[1] = {server->loop};
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.foreign_loops = loops,
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_UV_NO_SIGSEGV_SIGFPE_SPIN |
			   LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
		.retry_and_idle_policy = &no_validity_checks,
		.timeout_secs = REQUEST_TIMEOUT_S,
		.keepalive_timeout = REQUEST_TIMEOUT_S,
		.max_http_header_data = HEADERS_MAX,
		.max_http_header_pool = HEADERS_POOL,
		.server_string = "realtimed",
		.vhost_name = "realtime",
		.user = server,
		.extensions =
			server->config->BINARY_COMPRESSION_ENABLED ? compression_extensions : NULL,
	};

	lws_set_log_level(LLL_ERR | LLL_WARN, log_lws);
	server->context = lws_create_context(&info);
	if (server->context)
		server->vhost = lws_create_vhost(server->context, &info);
	if (!server->vhost)
		return error_set(reterr, -EIO, "websocket_failed",
				 "libwebsockets cannot start; is libwebsockets-evlib-uv "
				 "installed?");
	return 0;
}

static const char *sniff(void *data, const void *bytes, size_t length)
{
	return sniffer_type(data, bytes, length);
}

/* From a chat connection to a call. */
static int pass_signal(struct session *session, json_t *body, struct error *reterr)
{
	struct connection *connection = CONTAINER_OF(session, struct connection, session);
	struct server *server = lws_context_user(lws_get_context(connection->wsi));
	const char *room_id = json_string_value(json_object_get(body, "room_id"));
	struct caller caller = {
		.user_id = connection->identity->user_id,
		.is_moderator = room_id && identity_may(connection->identity, RIGHT_MODERATE,
							GRANT_ROOMS, room_id),
	};

	return signaling_signal_for(server->board, body, &caller, reterr);
}

int server_start(struct server *server, struct error *reterr)
{
	const struct config *config = server->config;
	int r = listener_open(config->REALTIME_LISTEN, reterr);

	if (r < 0)
		return r;
	server->listen_fd = r;
	server->auth.store = server->store;
	deadlines_init(&server->deadlines, clock_unix_ms() / 1000);
	r = sniffer_new(&server->sniffer, reterr);
	if (r == 0)
		r = jwt_verifier_new(config, &server->auth.verifier, reterr);
	if (r < 0)
		return r;
	server->limits = (struct session_limits){
		.ping_interval_s = config->WEBSOCKET_HEARTBEAT_INTERVAL,
		.max_message_bytes = config->WEBSOCKET_BINARY_MAX_SIZE,
		.history_ttl_s = config->REALTIME_HISTORY_TTL,
		.files = {.is_enabled = config->BINARY_DATA_ENABLED,
			  .max_bytes = config->BINARY_MAX_FILE_SIZE,
			  .allowed_types = config->BINARY_ALLOWED_TYPES},
		.sniff = sniff,
		.sniff_data = server->sniffer,
		.identify = standing_identify,
		.signal = pass_signal,
		.messages_per_s = (uint64_t)config->REALTIME_MESSAGE_RATE,
	};
	list_init(&server->dirty);
	for (size_t i = 0; i < TRANSPORT_COUNT; i++)
		list_init(&server->by_heartbeat[i]);
	server->ping = frame_new_ping();
	server->comment = sse_frame_new_comment();
	server->anonymous = identity_new_anonymous(config->REALTIME_ANONYMOUS_PUBLISH);
	if (quota_init(&server->by_address, (size_t)config->REALTIME_MAX_CONNECTIONS_PER_ADDRESS) <
		    0 ||
	    quota_init(&server->by_user, (size_t)config->REALTIME_MAX_CONNECTIONS_PER_USER) < 0 ||
	    quota_init(&server->by_key, SIZE_MAX) < 0 || tickets_init(&server->auth.tickets) < 0)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	if (!server->ping || !server->comment || !server->anonymous ||
	    table_init(&server->connections) < 0)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	raise_descriptor_limit();
	r = open_context(server, reterr);
	if (r < 0)
		return r;
	arrivals_init(&server->arrivals, server->loop, server->vhost);
	(void)uv_poll_init(server->loop, &server->accepting, server->listen_fd);
	(void)uv_prepare_init(server->loop, &server->flushing);
	(void)uv_timer_init(server->loop, &server->heartbeat);
	(void)uv_timer_init(server->loop, &server->draining);
	(void)uv_timer_init(server->loop, &server->gathering);
	server->accepting.data = server->flushing.data = server->heartbeat.data = server;
	server->draining.data = server;
	(void)uv_poll_start(&server->accepting, UV_READABLE, on_acceptable);
	(void)uv_prepare_start(&server->flushing, on_flush);
	(void)uv_timer_start(&server->heartbeat, on_heartbeat, HEARTBEAT_TICK_MS,
			     HEARTBEAT_TICK_MS);
	return 0;
}

struct connection *server_connection_find(const struct server *server, const char *id)
{
	struct table_link *link = table_find(&server->connections, id);

	return link ? TABLE_ITEM(link, struct connection, by_id) : NULL;
}

void server_stop(struct server *server)
{
	server->is_stopping = true;
	uv_close((uv_handle_t *)&server->accepting, NULL);
	arrivals_close(&server->arrivals);
	(void)close(server->listen_fd);
	drain_start(server, (uint64_t)server->config->REALTIME_DRAIN_TIME * 1000);
}

void server_close(struct server *server)
{
	lws_context_destroy(server->context); /* ends every connection, by on_lws() */
	uv_close((uv_handle_t *)&server->flushing, NULL);
	uv_close((uv_handle_t *)&server->heartbeat, NULL);
	uv_close((uv_handle_t *)&server->draining, NULL);
	uv_close((uv_handle_t *)&server->gathering, NULL);
}

void server_fini(struct server *server)
{
	table_fini(&server->connections);
	quota_fini(&server->by_address);
	quota_fini(&server->by_user);
	quota_fini(&server->by_key);
	tickets_fini(&server->auth.tickets);
	server->auth.verifier = jwt_verifier_free(server->auth.verifier);
	server->ping = frame_unref(server->ping);
	server->comment = frame_unref(server->comment);
	server->anonymous = identity_unref(server->anonymous);
	server->sniffer = sniffer_free(server->sniffer);
}
