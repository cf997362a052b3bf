#include "sfu/edge/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/unix_listener.h"
#include "sfu/model/placement.h"

enum { CLIENTS_MAX = 16, WORKER_TIMEOUT_MS = 300, SEND_TIMEOUT_MS = 500 };

struct control {
	const char *path;
	const struct workers *workers;
	int listener, stop_fd;
	pthread_t thread;
	struct {
		int fd; /* -1: free */
		struct bus_decoder decoder;
	} clients[CLIENTS_MAX];
};

static json_t *sum(const json_t *workers, const char *name)
{
	json_int_t total = 0;
	const json_t *worker;
	size_t i;

	json_array_foreach (workers, i, worker)
		total += json_integer_value(json_object_get(worker, name));
	return json_integer(total);
}

static json_t *describe(const struct control *control)
{
	json_t *list = json_array(), *status;

	for (size_t i = 0; i < control->workers->count; i++) {
		struct worker *worker = control->workers->worker[i];
		json_t *one = worker_ask(worker, worker_describe_status, NULL, WORKER_TIMEOUT_MS);

		if (!one)
			one = json_pack("{s:i, s:b}", "port", worker_port(worker), "alive", 0);
		(void)json_array_append_new(list, one);
	}
	status = json_pack("{s:O}", "workers", list);
	(void)json_object_set_new(status, "rooms", sum(list, "rooms"));
	(void)json_object_set_new(status, "peers", sum(list, "peers"));
	json_decref(list);
	return status;
}

/* One part more: its peers with the others'. Taken. Graphs are gathered in `graphs`. */
static void add_part(json_t *room, json_t *graphs, json_t *part)
{
	json_t *dot = json_object_get(part, "dot"), *peers = json_object_get(room, "peers");

	if (dot)
		(void)json_array_append(graphs, dot);
	if (peers)
		(void)json_array_extend(peers, json_object_get(part, "peers"));
	if (json_is_null(json_object_get(room, "speaker")))
		(void)json_object_set(room, "speaker", json_object_get(part, "speaker"));
	(void)json_object_update_missing(room, part);
	json_decref(part);
}

/* Several parts are one graph, with a frame around each. */
static json_t *join_graphs(const json_t *graphs)
{
	json_t *joined = json_string("digraph room {\n"), *before;
	const json_t *graph;
	size_t i;

	json_array_foreach (graphs, i, graph) {
		const char *body = strchr(json_string_value(graph), '{');

		before = joined;
		joined = json_sprintf("%ssubgraph cluster_part_%zu %s\n", json_string_value(before),
				      i, body ? body : "{}");
		json_decref(before);
	}
	before = joined;
	joined = json_sprintf("%s}\n", json_string_value(before));
	json_decref(before);
	return joined;
}

/* NULL: too busy to answer. */
static json_t *ask_for_room(const struct workers *workers, const char *id, const json_t *asked)
{
	AUTO_JSON room = json_object();
	AUTO_JSON graphs = json_array();
	size_t home = placement_home(id, workers->count);

	if (!workers_share_rooms(workers))
		return worker_ask(workers_of_room(workers, id), worker_describe_room, asked,
				  WORKER_TIMEOUT_MS);
	for (size_t i = 0; i < workers->count; i++) {
		json_t *part = worker_ask(workers->worker[(home + i) % workers->count],
					  worker_describe_room, asked, WORKER_TIMEOUT_MS);

		if (!part)
			return NULL;
		add_part(room, graphs, part);
	}
	if (json_array_size(graphs) > 1)
		(void)json_object_set_new(room, "dot", join_graphs(graphs));
	return STEAL(room);
}

static json_t *describe_room(const struct control *control, const json_t *asked,
			     struct error *reterr)
{
	const char *id = json_string_value(json_object_get(asked, "room_id"));
	json_t *room = id ? ask_for_room(control->workers, id, asked) : json_object();

	if (!room) {
		(void)error_set(reterr, -ETIMEDOUT, "bus_timeout", "the room's worker is busy");
	} else if (json_object_size(room) == 0) {
		(void)error_set(reterr, -ENOENT, "no_call", "nobody is in a call in this room");
		json_decref(room);
		return NULL;
	}
	return room;
}

static json_t *answer_to(const struct control *control, const struct bus_frame *frame,
			 struct error *reterr)
{
	switch (frame->message) {
	case BUS_HELLO:
		return json_pack("{s:s, s:i}", "role", "sfu", "pid", getpid());
	case BUS_SFU_STATUS:
		return describe(control);
	case BUS_SFU_ROOM:
		return describe_room(control, frame->body, reterr);
	default:
		(void)error_set(reterr, -EINVAL, "bad_request", "not asked here: %s",
				bus_message_name(frame->message));
		return NULL;
	}
}

/* A reader too slow to take an answer is not worth keeping: all others wait meanwhile. */
static int send_all(int fd, const uint8_t *bytes, size_t length)
{
	struct pollfd writable = {.fd = fd, .events = POLLOUT};
	uint64_t end_us = clock_now_us() + SEND_TIMEOUT_MS * 1000u;

	while (length > 0) {
		ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		uint64_t now_us = clock_now_us();

		if (sent >= 0) {
			bytes += sent;
			length -= (size_t)sent;
		} else if (errno != EAGAIN || now_us >= end_us ||
			   poll(&writable, 1, (int)((end_us - now_us) / 1000)) != 1) {
			return -EPIPE;
		}
	}
	return 0;
}

static int handle_frame(struct control *control, int fd, const struct bus_frame *frame)
{
	struct error error = {0};
	AUTO_JSON body = answer_to(control, frame, &error);
	AUTO_FREE uint8_t *bytes = NULL;
	size_t length;
	int r;

	if (frame->kind != BUS_REQUEST)
		return 0;
	if (body) {
		r = bus_frame_encode(BUS_RESPONSE, frame->message, frame->request_id, body, NULL, 0,
				     &bytes, &length);
	} else {
		body = bus_error_to_json(&error);
		r = bus_frame_encode(BUS_ERROR, frame->message, frame->request_id, body, NULL, 0,
				     &bytes, &length);
	}
	if (r < 0)
		return r;
	return send_all(fd, bytes, length);
}

static int receive(struct control *control, size_t i)
{
	struct bus_decoder *decoder = &control->clients[i].decoder;
	struct bus_frame frame;
	uint8_t bytes[4096];
	ssize_t got = recv(control->clients[i].fd, bytes, sizeof(bytes), 0);
	int r;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (got == 0)
		return -ECONNRESET;
	r = bus_decoder_feed(decoder, bytes, (size_t)got);
	while (r == 0 && (r = bus_decoder_next(decoder, &frame)) > 0) {
		r = handle_frame(control, control->clients[i].fd, &frame);
		bus_frame_fini(&frame);
	}
	return r;
}

static void drop_client(struct control *control, size_t i)
{
	(void)close(control->clients[i].fd);
	control->clients[i].fd = -1;
	bus_decoder_fini(&control->clients[i].decoder);
}

static void accept_client(struct control *control)
{
	int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (size_t i = 0; fd >= 0 && i < CLIENTS_MAX; i++) {
		if (control->clients[i].fd >= 0)
			continue;
		control->clients[i].fd = fd;
		return;
	}
	if (fd >= 0)
		(void)close(fd); /* full */
	else if (errno == EMFILE || errno == ENFILE)
		(void)usleep(100000); /* the listener stays readable: do not spin on it */
}

static void *run(void *argument)
{
	struct control *control = argument;

	for (;;) {
		struct pollfd fds[CLIENTS_MAX + 2] = {{.fd = control->stop_fd, .events = POLLIN},
						      {.fd = control->listener, .events = POLLIN}};

		for (size_t i = 0; i < CLIENTS_MAX; i++)
			fds[i + 2] =
				(struct pollfd){.fd = control->clients[i].fd, .events = POLLIN};
		(void)poll(fds, ARRAY_LEN(fds), -1);
		if (fds[0].revents)
			return NULL;
		for (size_t i = 0; i < CLIENTS_MAX; i++)
			if (control->clients[i].fd >= 0 && fds[i + 2].revents &&
			    receive(control, i) < 0)
				drop_client(control, i);
		if (fds[1].revents)
			accept_client(control);
	}
}

int control_new(const char *path, const struct workers *workers, struct control **ret_control,
		struct error *reterr)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return -ENOMEM;
	control->path = path;
	control->workers = workers;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		control->clients[i].fd = -1;
	control->stop_fd = eventfd(0, EFD_CLOEXEC);
	control->listener = r = unix_listener_open(path, reterr);
	if (r >= 0)
		r = -pthread_create(&control->thread, NULL, run, control);
	if (r < 0) {
		if (control->listener >= 0)
			(void)close(control->listener);
		(void)close(control->stop_fd);
		free(control);
		return r;
	}
	*ret_control = control;
	return 0;
}

struct control *control_free(struct control *control)
{
	uint64_t one = 1;

	if (!control)
		return NULL;
	(void)!write(control->stop_fd, &one, sizeof(one));
	(void)pthread_join(control->thread, NULL);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (control->clients[i].fd >= 0)
			drop_client(control, i);
	(void)close(control->listener);
	(void)close(control->stop_fd);
	(void)unlink(control->path);
	free(control);
	return NULL;
}
