#include "core/bus_client.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/list.h"
#include "core/log.h"

enum { RETRY_FIRST_MS = 50, RETRY_MAX_MS = 1000, HELLO_REQUEST_ID = 1, HELLO_TIMEOUT_MS = 2000 };

enum link_state { LINK_DOWN, LINK_GREETING, LINK_UP };

/* Somebody waiting in bus_client_call(); lives on the caller's stack, linked under the lock. */
struct pending_call {
	struct list link;
	uint32_t request_id;
	bool is_done;
	int result;
	json_t *body; /* owned until the caller takes it */
	struct error error;
	pthread_cond_t done;
};

struct bus_client {
	const char *path, *role;
	const struct bus_client_events *events;
	void *data;
	pthread_t thread;
	int wake_fd; /* eventfd: something to send, or stop */

	pthread_mutex_t lock; /* guards everything below */
	bool should_stop;
	enum link_state state;
	uint32_t next_request_id;
	struct list calls;
	uint8_t *out;
	size_t out_length, out_capacity;

	/* The thread's own. */
	int fd;
	struct bus_decoder decoder;
	uint64_t greeting_since_us;
};

static void wake(struct bus_client *client)
{
	uint64_t one = 1;

	(void)!write(client->wake_fd, &one, sizeof(one)); /* a full counter wakes just as well */
}

/* With the lock held. */
static int queue_frame(struct bus_client *client, enum bus_kind kind, enum bus_message message,
		       uint32_t request_id, const json_t *body)
{
	AUTO_FREE uint8_t *bytes = NULL;
	size_t length;
	int r;

	if (!body)
		return -ENOMEM;
	r = bus_frame_encode(kind, message, request_id, body, NULL, 0, &bytes, &length);
	if (r < 0)
		return r;
	if (client->out_length + length > BUS_QUEUE_MAX)
		return -ENOBUFS;
	if (client->out_length + length > client->out_capacity) {
		size_t capacity = client->out_capacity ? client->out_capacity : 4096;
		uint8_t *grown;

		while (capacity < client->out_length + length)
			capacity *= 2;
		grown = realloc(client->out, capacity);
		if (!grown)
			return -ENOMEM;
		client->out = grown;
		client->out_capacity = capacity;
	}
	memcpy(client->out + client->out_length, bytes, length);
	client->out_length += length;
	return 0;
}

/* ---- the thread ---- */

static void call_finish(struct pending_call *call, int result, json_t *body)
{
	list_remove(&call->link);
	call->result = result;
	call->body = body;
	call->is_done = true;
	(void)pthread_cond_signal(&call->done);
}

static void disconnect(struct bus_client *client, const char *reason)
{
	bool was_up;

	(void)close(client->fd);
	client->fd = -1;
	bus_decoder_fini(&client->decoder);
	(void)pthread_mutex_lock(&client->lock);
	was_up = client->state == LINK_UP;
	client->state = LINK_DOWN;
	client->out_length = 0;
	while (!list_is_empty(&client->calls)) {
		struct pending_call *call =
			LIST_ITEM(list_first(&client->calls), struct pending_call, link);

		call_finish(call,
			    error_set(&call->error, -ENOTCONN, "bus_unavailable",
				      "the connection to a companion process was lost"),
			    NULL);
	}
	(void)pthread_mutex_unlock(&client->lock);
	if (!was_up)
		return;
	LOG(LOG_WARNING, LOG_MAIN, "bus_disconnected", LOG_TEXT("path", client->path),
	    LOG_TEXT("reason", reason));
	if (client->events->disconnected)
		client->events->disconnected(client->data);
}

static int try_connect(struct bus_client *client)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	json_t *hello = client->events->hello ? client->events->hello(client->data) : NULL;
	int fd, r;

	if (!hello)
		hello = json_object();
	(void)json_object_set_new(hello, "role", json_string(client->role));
	(void)json_object_set_new(hello, "pid", json_integer(getpid()));
	memcpy(address.sun_path, client->path, strlen(client->path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		if (fd >= 0)
			(void)close(fd);
		json_decref(hello);
		return r;
	}
	client->fd = fd;
	client->greeting_since_us = clock_now_us();
	(void)pthread_mutex_lock(&client->lock);
	client->out_length = 0;
	client->state = LINK_GREETING;
	client->next_request_id = HELLO_REQUEST_ID + 1;
	r = queue_frame(client, BUS_REQUEST, BUS_HELLO, HELLO_REQUEST_ID, hello);
	(void)pthread_mutex_unlock(&client->lock);
	json_decref(hello);
	return r;
}

static void answer_received(struct bus_client *client, struct bus_frame *frame)
{
	struct pending_call *call;

	(void)pthread_mutex_lock(&client->lock);
	LIST_FOR_EACH (call, &client->calls, link) {
		if (call->request_id != frame->request_id)
			continue;
		if (frame->kind == BUS_RESPONSE)
			call_finish(call, 0, STEAL(frame->body));
		else
			call_finish(call, bus_error_from_json(frame->body, &call->error), NULL);
		break;
	}
	(void)pthread_mutex_unlock(&client->lock); /* nobody found: the call has timed out */
}

static int hello_answered(struct bus_client *client, const struct bus_frame *frame)
{
	if (frame->kind != BUS_RESPONSE)
		return -EPROTO;
	/* connected() may want to send before anybody else does. */
	(void)pthread_mutex_lock(&client->lock);
	client->state = LINK_UP;
	(void)pthread_mutex_unlock(&client->lock);
	LOG(LOG_INFO, LOG_MAIN, "bus_connected", LOG_TEXT("path", client->path));
	if (client->events->connected)
		client->events->connected(client->data, frame->body);
	return 0;
}

static int handle_frame(struct bus_client *client, struct bus_frame *frame)
{
	if (client->state == LINK_GREETING)
		return frame->request_id == HELLO_REQUEST_ID ? hello_answered(client, frame)
							     : -EPROTO;
	if (frame->kind == BUS_RESPONSE || frame->kind == BUS_ERROR)
		answer_received(client, frame);
	else if (client->events->received)
		client->events->received(client->data, frame);
	return 0;
}

static int receive(struct bus_client *client)
{
	uint8_t bytes[65536];
	ssize_t got = recv(client->fd, bytes, sizeof(bytes), 0);
	struct bus_frame frame;
	int r;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (got == 0)
		return -ECONNRESET;
	r = bus_decoder_feed(&client->decoder, bytes, (size_t)got);
	if (r < 0)
		return r;
	while ((r = bus_decoder_next(&client->decoder, &frame)) > 0) {
		r = handle_frame(client, &frame);
		bus_frame_fini(&frame);
		if (r < 0)
			return r;
	}
	return r;
}

static int flush_out(struct bus_client *client)
{
	ssize_t sent = 0;
	int r = 0;

	(void)pthread_mutex_lock(&client->lock);
	if (client->out_length > 0) {
		sent = send(client->fd, client->out, client->out_length, MSG_NOSIGNAL);
		if (sent < 0)
			r = errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	if (sent > 0) {
		client->out_length -= (size_t)sent;
		memmove(client->out, client->out + sent, client->out_length);
	}
	(void)pthread_mutex_unlock(&client->lock);
	return r;
}

/* Wait for bytes, for something to send, or for the time to pass. */
static void wait_for_work(struct bus_client *client, int timeout_ms, bool *ret_readable)
{
	struct pollfd fds[2] = {{.fd = client->wake_fd, .events = POLLIN},
				{.fd = client->fd, .events = POLLIN}};
	uint64_t count;

	(void)pthread_mutex_lock(&client->lock);
	if (client->out_length > 0)
		fds[1].events |= POLLOUT;
	(void)pthread_mutex_unlock(&client->lock);
	(void)poll(fds, client->fd >= 0 ? 2 : 1, timeout_ms);
	if (fds[0].revents & POLLIN)
		(void)!read(client->wake_fd, &count, sizeof(count));
	*ret_readable = client->fd >= 0 && (fds[1].revents & (POLLIN | POLLHUP | POLLERR));
}

static bool should_stop(struct bus_client *client)
{
	bool stop;

	(void)pthread_mutex_lock(&client->lock);
	stop = client->should_stop;
	(void)pthread_mutex_unlock(&client->lock);
	return stop;
}

static void *run(void *argument)
{
	struct bus_client *client = argument;
	int retry_ms = RETRY_FIRST_MS;
	bool readable;

	while (!should_stop(client)) {
		int r;

		if (client->fd < 0) {
			r = try_connect(client);
			if (client->fd >= 0 && r < 0)
				disconnect(client, strerror(-r));
			if (client->fd < 0) {
				wait_for_work(client, retry_ms, &readable);
				retry_ms =
					retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : retry_ms * 2;
				continue;
			}
		}
		r = flush_out(client);
		wait_for_work(client, client->state == LINK_UP ? -1 : HELLO_TIMEOUT_MS, &readable);
		if (r == 0 && readable)
			r = receive(client);
		if (r == 0 && client->state == LINK_GREETING &&
		    clock_now_us() - client->greeting_since_us > HELLO_TIMEOUT_MS * 1000u)
			r = -ETIMEDOUT;
		if (r < 0)
			disconnect(client, strerror(-r));
		else if (client->state == LINK_UP)
			retry_ms = RETRY_FIRST_MS;
	}
	if (client->fd >= 0) { /* say what is still queued, so that a farewell arrives */
		(void)flush_out(client);
		disconnect(client, "stopping");
	}
	return NULL;
}

/* ---- life ---- */

int bus_client_new(const char *path, const char *role, const struct bus_client_events *events,
		   void *data, struct bus_client **ret_client)
{
	struct bus_client *client;
	int r;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return -ENAMETOOLONG;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->path = path;
	client->role = role;
	client->events = events;
	client->data = data;
	client->fd = -1;
	list_init(&client->calls);
	client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (client->wake_fd < 0) {
		r = -errno;
		free(client);
		return r;
	}
	(void)pthread_mutex_init(&client->lock, NULL);
	*ret_client = client; /* before the thread starts: its callbacks may look for it */
	r = -pthread_create(&client->thread, NULL, run, client);
	if (r < 0) {
		*ret_client = NULL;
		(void)pthread_mutex_destroy(&client->lock);
		(void)close(client->wake_fd);
		free(client);
	}
	return r;
}

struct bus_client *bus_client_free(struct bus_client *client)
{
	if (!client)
		return NULL;
	(void)pthread_mutex_lock(&client->lock);
	client->should_stop = true;
	(void)pthread_mutex_unlock(&client->lock);
	wake(client);
	(void)pthread_join(client->thread, NULL);
	(void)pthread_mutex_destroy(&client->lock);
	(void)close(client->wake_fd);
	free(client->out);
	free(client);
	return NULL;
}

/* ---- what others call ---- */

bool bus_client_is_connected(struct bus_client *client)
{
	bool is_up;

	(void)pthread_mutex_lock(&client->lock);
	is_up = client->state == LINK_UP;
	(void)pthread_mutex_unlock(&client->lock);
	return is_up;
}

static struct timespec deadline_in(unsigned timeout_ms)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += timeout_ms / 1000;
	at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

/* With the lock held: sleep until `call` is done or the time is up. */
static int call_wait(struct bus_client *client, struct pending_call *call, unsigned timeout_ms)
{
	struct timespec deadline = deadline_in(timeout_ms);
	int r = 0;

	while (!call->is_done && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&call->done, &client->lock, &deadline);
	if (call->is_done)
		return call->result;
	list_remove(&call->link);
	return error_set(&call->error, -ETIMEDOUT, "bus_timeout",
			 "a companion process did not answer within %u ms", timeout_ms);
}

int bus_client_call(struct bus_client *client, enum bus_message message, json_t *body,
		    unsigned timeout_ms, json_t **ret_body, struct error *reterr)
{
	struct pending_call call = {.error = {0}};
	pthread_condattr_t attributes;
	int r;

	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&call.done, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	list_init(&call.link);

	bus_name_request(BUS_REQUEST, body);
	(void)pthread_mutex_lock(&client->lock);
	if (client->state != LINK_UP) {
		r = error_set(&call.error, -ENOTCONN, "bus_unavailable",
			      "a companion process is not there; try again soon");
	} else {
		call.request_id = client->next_request_id++;
		r = queue_frame(client, BUS_REQUEST, message, call.request_id, body);
		if (r < 0) {
			(void)error_set(&call.error, r, "bus_failed",
					"a companion process could not be asked: %s", strerror(-r));
		} else {
			list_append(&client->calls, &call.link);
			wake(client);
			r = call_wait(client, &call, timeout_ms);
		}
	}
	(void)pthread_mutex_unlock(&client->lock);
	(void)pthread_cond_destroy(&call.done);
	json_decref(body);

	if (r < 0 && reterr)
		*reterr = call.error;
	if (r == 0 && ret_body)
		*ret_body = STEAL(call.body);
	json_decref(call.body);
	return r;
}

/* Everything that is not a call: queued if connected. */
static int send_frame(struct bus_client *client, enum bus_kind kind, enum bus_message message,
		      uint32_t request_id, json_t *body)
{
	int r;

	bus_name_request(kind, body);
	(void)pthread_mutex_lock(&client->lock);
	/* While greeting, events line up behind the HELLO that tells the state before them. */
	if (client->state == LINK_UP || (client->state == LINK_GREETING && kind == BUS_EVENT))
		r = queue_frame(client, kind, message, request_id, body);
	else
		r = -ENOTCONN;
	(void)pthread_mutex_unlock(&client->lock);
	json_decref(body);
	if (r == 0)
		wake(client);
	else if (r != -ENOTCONN)
		LOG(LOG_ERROR, LOG_MAIN, "bus_send_failed",
		    LOG_TEXT("message", bus_message_name(message)),
		    LOG_TEXT("error", strerror(-r)));
	return r;
}

int bus_client_send(struct bus_client *client, enum bus_message message, json_t *body)
{
	return send_frame(client, BUS_EVENT, message, 0, body);
}

void bus_client_respond(struct bus_client *client, enum bus_message message, uint32_t request_id,
			json_t *body)
{
	(void)send_frame(client, BUS_RESPONSE, message, request_id, body);
}

void bus_client_refuse(struct bus_client *client, enum bus_message message, uint32_t request_id,
		       const struct error *error)
{
	(void)send_frame(client, BUS_ERROR, message, request_id, bus_error_to_json(error));
}
