#include "realtime/edge/stream_watch.h"

#include <errno.h>
#include <fcntl.h>

struct stream_watch {
	uv_poll_t poll; /* of a descriptor that is ours; its data is the watcher's */
	const struct stream_watch_events *events; /* borrowed */
};

static void on_event(uv_poll_t *poll, int status, int events)
{
	const struct stream_watch *watch = CONTAINER_OF(poll, struct stream_watch, poll);

	if (status < 0 || (events & UV_DISCONNECT)) {
		(void)uv_poll_stop(poll); /* once is enough */
		watch->events->gone(poll->data);
		return;
	}
	(void)uv_poll_start(poll, UV_DISCONNECT, on_event);
	watch->events->writable(poll->data);
}

void stream_watch_writable(struct stream_watch *watch)
{
	(void)uv_poll_start(&watch->poll, UV_DISCONNECT | UV_WRITABLE, on_event);
}

static void on_closed(uv_handle_t *handle)
{
	free(CONTAINER_OF((uv_poll_t *)handle, struct stream_watch, poll));
}

int stream_watch_new(uv_loop_t *loop, int fd, const struct stream_watch_events *events, void *data,
		     struct stream_watch **ret_watch)
{
	AUTO_FREE struct stream_watch *watch = calloc(1, sizeof(*watch));
	int own, r;

	if (!watch)
		return -ENOMEM;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return -errno;
	r = uv_poll_init(loop, &watch->poll, own);
	if (r < 0) {
		(void)close(own);
		return r;
	}
	watch->events = events;
	watch->poll.data = data;
	*ret_watch = STEAL(watch);
	r = uv_poll_start(&(*ret_watch)->poll, UV_DISCONNECT, on_event);
	if (r < 0)
		*ret_watch = stream_watch_free(*ret_watch);
	return r;
}

struct stream_watch *stream_watch_free(struct stream_watch *watch)
{
	uv_os_fd_t own;

	if (!watch)
		return NULL;
	(void)uv_fileno((uv_handle_t *)&watch->poll, &own); /* it has one until it is closed */
	uv_close((uv_handle_t *)&watch->poll, on_closed);   /* stops watching at once */
	(void)close(own);
	return NULL;
}
