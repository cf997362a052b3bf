#include "api/edge/front.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"

/* Handlers keep large things on the heap; the rest is libfcgi's, SQLite's and above all jansson's
 * need, which follows what is nested 2048 levels deep: that takes more than 600 KiB. */
enum { STACK_BYTES = 2 << 20, STOP_STEP_MS = 5, ACCEPT_PAUSE_MS = 50 };

struct front {
	atomic_bool is_stopping;
	const struct listener *listeners;
	size_t listener_count, thread_count;
	struct front_thread *threads;
};

/* Cannot fail for a socket; without it a stalled peer would only hold its own thread. */
void front_set_read_timeout(int fd, int seconds)
{
	const struct timeval limit = {.tv_sec = seconds};

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

int front_accept(struct front_thread *self, int read_seconds)
{
	const struct timespec pause = {.tv_nsec = ACCEPT_PAUSE_MS * 1000000L};
	const struct timeval limit = {.tv_sec = FRONT_READ_TIMEOUT_S};
	int fd = accept4(self->listener->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 && (errno == EINTR || errno == ECONNABORTED || *self->is_stopping))
		return -1;
	if (fd < 0) { /* no descriptors left, say */
		LOG(LOG_WARNING, LOG_MAIN, "accept_failed", LOG_TEXT("reason", strerror(errno)));
		(void)nanosleep(&pause, NULL);
		return -1;
	}
	front_set_read_timeout(fd, read_seconds);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	self->idle_fd = fd;
	return fd;
}

static void *run(void *data)
{
	struct front_thread *self = data;

	switch (self->listener->gateway) {
	case GATEWAY_FASTCGI:
		fcgi_front_run(self);
		break;
	case GATEWAY_SCGI:
		scgi_front_run(self);
		break;
	}
	self->is_over = true;
	return NULL;
}

static void close_api(struct api *api)
{
	api->store = store_free(api->store);
	api->verifier = jwt_verifier_free(api->verifier);
	api->anonymous = identity_unref(api->anonymous);
}

/* What a thread has for itself. On failure it is to be closed as well. */
static int open_api(struct api *api, struct error *reterr)
{
	int r = store_open(api->config->REALTIME_DATABASE, STORE_DURABLE, &api->store, reterr);

	if (r == 0)
		r = jwt_verifier_new(api->config, &api->verifier, reterr);
	if (r < 0)
		return r;
	api->anonymous = identity_new_anonymous(api->config->REALTIME_ANONYMOUS_PUBLISH);
	return api->anonymous ? 0 : -ENOMEM;
}

static int start_thread(struct front *front, const struct listener *listener,
			const struct api *shared, struct error *reterr)
{
	struct front_thread *thread = &front->threads[front->thread_count];
	pthread_attr_t attributes;
	int r;

	thread->api = *shared;
	thread->api.store = NULL;
	thread->api.verifier = NULL;
	thread->api.anonymous = NULL;
	thread->listener = listener;
	thread->is_stopping = &front->is_stopping;
	thread->idle_fd = -1;
	r = open_api(&thread->api, reterr);
	if (r < 0) {
		close_api(&thread->api);
		return r;
	}
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	r = pthread_create(&thread->thread, &attributes, run, thread);
	(void)pthread_attr_destroy(&attributes);
	if (r != 0) {
		close_api(&thread->api);
		return error_set(reterr, -r, "no_thread", "cannot start thread %zu: %s",
				 front->thread_count + 1, strerror(r));
	}
	front->thread_count++;
	return 0;
}

int front_start(const struct listener *listeners, size_t listener_count, const struct api *shared,
		struct front **ret_front, struct error *reterr)
{
	size_t each = (size_t)shared->config->REALTIME_API_THREADS;
	struct front *front = calloc(1, sizeof(*front));
	int r;

	if (!front)
		return -ENOMEM;
	front->listeners = listeners;
	front->listener_count = listener_count;
	front->threads = calloc(each * listener_count, sizeof(*front->threads));
	r = front->threads ? fcgi_front_init() : -ENOMEM;
	for (size_t i = 0; r == 0 && i < each * listener_count; i++)
		r = start_thread(front, &listeners[i / each], shared, reterr);
	if (r < 0) {
		if (front_stop(front, 1000))
			(void)front_free(front);
		return r;
	}
	*ret_front = front;
	return 0;
}

/* Wake whoever waits for the web server rather than for us; say whether all threads have ended. */
static bool stop_step(struct front *front, bool with_force)
{
	bool all_over = true;

	for (size_t i = 0; i < front->thread_count; i++) {
		struct front_thread *thread = &front->threads[i];
		int fd = thread->idle_fd;

		if (thread->is_over)
			continue;
		all_over = false;
		if (fd >= 0 && (with_force || !thread->is_busy))
			(void)shutdown(fd, SHUT_RDWR);
	}
	return all_over;
}

bool front_stop(struct front *front, unsigned timeout_ms)
{
	const struct timespec step = {.tv_nsec = STOP_STEP_MS * 1000000L};
	uint64_t deadline_us = clock_now_us() + (uint64_t)timeout_ms * 1000;

	front->is_stopping = true;
	for (size_t i = 0; i < front->listener_count; i++)
		(void)shutdown(front->listeners[i].fd, SHUT_RDWR); /* ends every accept() on it */
	while (!stop_step(front, false)) {
		if (clock_now_us() >= deadline_us) {
			(void)stop_step(front, true);
			return false;
		}
		(void)nanosleep(&step, NULL);
	}
	for (size_t i = 0; i < front->thread_count; i++)
		(void)pthread_join(front->threads[i].thread, NULL);
	return true;
}

struct front *front_free(struct front *front)
{
	if (!front)
		return NULL;
	for (size_t i = 0; i < front->thread_count; i++)
		close_api(&front->threads[i].api);
	free(front->threads);
	free(front);
	return NULL;
}
