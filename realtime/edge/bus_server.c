#include "realtime/edge/bus_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/clock.h"
#include "core/log.h"

enum { BACKLOG = 64, TICK_MS = 250, READ_BYTES = 65536, SOCKET_MODE = 0660 };

struct bus_request {
	struct list link;
	uint32_t request_id;
	uint64_t deadline_us;
	bus_answer_fn answered;
	void *data, *context;
};

struct bus_write {
	uv_write_t write;
	uint8_t *bytes;
};

/* ---- our requests ---- */

static void request_end(struct bus_request *request, const json_t *answer,
			const struct error *error)
{
	list_remove(&request->link);
	request->answered(request->data, request->context, answer, error);
	free(request);
}

static void fail_requests(struct bus_peer *peer)
{
	struct error error;
	struct list *link;

	(void)error_set(&error, -ENOTCONN, "bus_unavailable", "%s went away", peer->role);
	while ((link = list_first(&peer->requests)))
		request_end(LIST_ITEM(link, struct bus_request, link), NULL, &error);
}

static void on_timeouts(uv_timer_t *timer)
{
	struct bus_server *server = timer->data;
	uint64_t now_us = clock_now_us();
	struct bus_peer *peer;
	struct list *link;

	LIST_FOR_EACH (peer, &server->peers, link) {
		while ((link = list_first(&peer->requests))) {
			struct bus_request *request = LIST_ITEM(link, struct bus_request, link);
			struct error error;

			if (request->deadline_us > now_us)
				break;
			(void)error_set(&error, -ETIMEDOUT, "bus_timeout",
					"%s did not answer in time", peer->role);
			request_end(request, NULL, &error);
		}
	}
}

static void on_answer(struct bus_peer *peer, const struct bus_frame *frame)
{
	struct bus_request *request;

	LIST_FOR_EACH (request, &peer->requests, link) {
		struct error error = {0};

		if (request->request_id != frame->request_id)
			continue;
		if (frame->kind == BUS_ERROR)
			(void)bus_error_from_json(frame->body, &error);
		request_end(request, frame->kind == BUS_ERROR ? NULL : frame->body,
			    frame->kind == BUS_ERROR ? &error : NULL);
		return;
	}
}

/* ---- sending ---- */

static void on_written(uv_write_t *write, int status)
{
	struct bus_write *self = CONTAINER_OF(write, struct bus_write, write);

	(void)status; /* a broken connection is noticed by reading */
	free(self->bytes);
	free(self);
}

static void send_frame(struct bus_peer *peer, enum bus_kind kind, enum bus_message message,
		       uint32_t request_id, json_t *taken)
{
	struct bus_write *write = NULL;
	size_t length;
	uv_buf_t part;

	bus_name_request(kind, taken);
	if (!peer->is_closing && taken)
		write = calloc(1, sizeof(*write));
	if (write && bus_frame_encode(kind, message, request_id, taken, NULL, 0, &write->bytes,
				      &length) < 0) {
		LOG(LOG_ERROR, LOG_MAIN, "bus_frame_dropped",
		    LOG_TEXT("message", bus_message_name(message)));
		free(write);
		write = NULL;
	}
	json_decref(taken);
	if (!write)
		return;
	if (uv_stream_get_write_queue_size((uv_stream_t *)&peer->pipe) + length > BUS_QUEUE_MAX) {
		LOG(LOG_WARNING, LOG_MAIN, "bus_queue_full", LOG_TEXT("role", peer->role));
		free(write->bytes);
		free(write);
		bus_peer_close(peer);
		return;
	}
	part = uv_buf_init((char *)write->bytes, (unsigned)length);
	if (uv_write(&write->write, (uv_stream_t *)&peer->pipe, &part, 1, on_written) < 0) {
		free(write->bytes);
		free(write);
		bus_peer_close(peer);
	}
}

void bus_peer_send(struct bus_peer *peer, enum bus_message message, json_t *body)
{
	send_frame(peer, BUS_EVENT, message, 0, body);
}

void bus_peer_respond(struct bus_peer *peer, enum bus_message message, uint32_t request_id,
		      json_t *body)
{
	send_frame(peer, BUS_RESPONSE, message, request_id, body);
}

void bus_peer_refuse(struct bus_peer *peer, enum bus_message message, uint32_t request_id,
		     const struct error *error)
{
	send_frame(peer, BUS_ERROR, message, request_id, bus_error_to_json(error));
}

int bus_peer_ask(struct bus_peer *peer, enum bus_message message, json_t *body,
		 bus_answer_fn answered, void *data, void *context)
{
	struct bus_request *request = calloc(1, sizeof(*request));

	if (!request) {
		json_decref(body);
		return -ENOMEM;
	}
	if (++peer->last_request_id == 0)
		peer->last_request_id = 1;
	request->request_id = peer->last_request_id;
	request->deadline_us = clock_now_us() + BUS_REQUEST_TIMEOUT_US;
	request->answered = answered;
	request->data = data;
	request->context = context;
	list_append(&peer->requests, &request->link);
	send_frame(peer, BUS_REQUEST, message, request->request_id, body);
	return 0;
}

/* ---- receiving ---- */

static int on_hello(struct bus_peer *peer, const struct bus_frame *frame)
{
	struct bus_server *server = peer->server;
	const char *role = json_string_value(json_object_get(frame->body, "role"));
	json_t *answer;

	if (frame->message != BUS_HELLO || frame->kind != BUS_REQUEST || !role || !*role ||
	    strlen(role) >= sizeof(peer->role))
		return -EPROTO;
	(void)snprintf(peer->role, sizeof(peer->role), "%s", role);
	answer = server->events->hello(server->data);
	(void)json_object_set_new(answer, "role", json_string("realtimed"));
	(void)json_object_set_new(answer, "pid", json_integer(getpid()));
	bus_peer_respond(peer, BUS_HELLO, frame->request_id, answer);
	LOG(LOG_INFO, LOG_MAIN, "bus_connected", LOG_TEXT("role", peer->role));
	server->events->introduced(server->data, peer, frame->body);
	return 0;
}

static int on_frame(struct bus_peer *peer, const struct bus_frame *frame)
{
	struct bus_server *server = peer->server;

	if (!*peer->role)
		return on_hello(peer, frame);
	switch (frame->kind) {
	case BUS_REQUEST:
		server->events->request(server->data, peer, frame);
		return 0;
	case BUS_EVENT:
		server->events->event(server->data, peer, frame);
		return 0;
	case BUS_RESPONSE:
	case BUS_ERROR:
		on_answer(peer, frame);
		return 0;
	}
	return -EPROTO;
}

static int decode_all(struct bus_peer *peer)
{
	struct bus_frame frame;
	int r;

	while (!peer->is_closing && (r = bus_decoder_next(&peer->decoder, &frame)) != 0) {
		if (r < 0)
			return r;
		r = on_frame(peer, &frame);
		bus_frame_fini(&frame);
		if (r < 0)
			return r;
	}
	return 0;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_part)
{
	static char bytes[READ_BYTES]; /* the loop reads one connection at a time */

	(void)handle;
	(void)suggested;
	*ret_part = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *part)
{
	struct bus_peer *peer = stream->data;
	int r = length < 0 ? -ECONNRESET : 0;

	if (length > 0)
		r = bus_decoder_feed(&peer->decoder, part->base, (size_t)length);
	if (r == 0)
		r = decode_all(peer);
	if (r < 0 && r != -ECONNRESET)
		LOG(LOG_WARNING, LOG_MAIN, "bus_bad_frame", LOG_TEXT("role", peer->role),
		    LOG_TEXT("detail", strerror(-r)));
	if (r < 0)
		bus_peer_close(peer);
}

/* ---- life ---- */

static void on_peer_closed(uv_handle_t *handle)
{
	struct bus_peer *peer = handle->data;

	bus_decoder_fini(&peer->decoder);
	free(peer);
}

void bus_peer_close(struct bus_peer *peer)
{
	struct bus_server *server = peer->server;

	if (peer->is_closing)
		return;
	peer->is_closing = true;
	list_remove(&peer->link);
	if (*peer->role) {
		LOG(LOG_INFO, LOG_MAIN, "bus_disconnected", LOG_TEXT("role", peer->role));
		server->events->left(server->data, peer);
	}
	fail_requests(peer);
	uv_close((uv_handle_t *)&peer->pipe, on_peer_closed);
}

static void on_connection(uv_stream_t *listening, int status)
{
	struct bus_server *server = listening->data;
	struct bus_peer *peer = status < 0 ? NULL : calloc(1, sizeof(*peer));

	if (!peer)
		return;
	list_init(&peer->link);
	list_init(&peer->requests);
	peer->server = server;
	peer->number = ++server->last_number;
	(void)uv_pipe_init(listening->loop, &peer->pipe, 0);
	peer->pipe.data = peer;
	list_append(&server->peers, &peer->link);
	if (uv_accept(listening, (uv_stream_t *)&peer->pipe) < 0 ||
	    uv_read_start((uv_stream_t *)&peer->pipe, on_alloc, on_read) < 0)
		bus_peer_close(peer);
}

struct bus_peer *bus_peer_find(const struct bus_server *server, uint32_t number)
{
	struct bus_peer *peer;

	LIST_FOR_EACH (peer, &server->peers, link)
		if (peer->number == number)
			return peer;
	return NULL;
}

/* A socket file stays behind when its process dies; only one that nobody serves may go. */
static int remove_stale(const char *path, struct error *reterr)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set_field(reterr, -EINVAL, "bad_setting", "REALTIME_BUS",
				       "REALTIME_BUS is longer than the %zu bytes that a socket's "
				       "path may have",
				       sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fd < 0)
		return error_set(reterr, -errno, "cannot_listen", "no socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return error_set(reterr, -EADDRINUSE, "bus_taken",
				 "%s is taken: another realtimed serves it", path);
	if (errno == ECONNREFUSED)
		(void)unlink(path); /* if it stays, listening says so */
	return 0;
}

int bus_server_start(struct bus_server *server, uv_loop_t *loop, const char *path,
		     const struct bus_server_events *events, void *data, struct error *reterr)
{
	int r = remove_stale(path, reterr);

	if (r < 0)
		return r;
	*server = (struct bus_server){.events = events, .data = data};
	list_init(&server->peers);
	(void)uv_pipe_init(loop, &server->listening, 0);
	(void)uv_timer_init(loop, &server->timeouts);
	server->listening.data = server->timeouts.data = server;
	r = uv_pipe_bind(&server->listening, path);
	if (r == 0 && chmod(path, SOCKET_MODE) < 0)
		r = -errno;
	if (r == 0)
		r = uv_listen((uv_stream_t *)&server->listening, BACKLOG, on_connection);
	if (r == 0)
		r = uv_timer_start(&server->timeouts, on_timeouts, TICK_MS, TICK_MS);
	if (r < 0)
		return error_set(reterr, r, "cannot_listen", "cannot listen on %s: %s", path,
				 uv_strerror(r));
	return 0;
}

void bus_server_close(struct bus_server *server)
{
	struct list *link;

	while ((link = list_first(&server->peers)))
		bus_peer_close(LIST_ITEM(link, struct bus_peer, link));
	uv_close((uv_handle_t *)&server->timeouts, NULL);
	uv_close((uv_handle_t *)&server->listening, NULL); /* removes the socket file */
}
