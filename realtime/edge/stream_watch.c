#include "realtime/edge/stream_watch.h"

#include <errno.h>
#include <fcntl.h>

struct stream_watch {
	uv_poll_t poll;
	int fd;					  /* ours; the same socket as the one given */
	const struct stream_watch_events *events; /* borrowed */
	void *data;
};

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct stream_watch *watch = poll->data;

	if (status < 0 || (events & UV_DISCONNECT)) {
		(void)uv_poll_stop(poll); /* once is enough */
		watch->events->gone(watch->data);
		return;
	}
	(void)uv_poll_start(poll, UV_DISCONNECT, on_event);
	watch->events->writable(watch->data);
}

void stream_watch_writable(struct stream_watch *watch)
{
	(void)uv_poll_start(&watch->poll, UV_DISCONNECT | UV_WRITABLE, on_event);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

int stream_watch_new(uv_loop_t *loop, int fd, const struct stream_watch_events *events, void *data,
		     struct stream_watch **ret_watch)
{
	AUTO_FREE struct stream_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	watch->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (watch->fd < 0)
		return -errno;
	r = uv_poll_init(loop, &watch->poll, watch->fd);
	if (r < 0) {
		(void)close(watch->fd);
		return r;
	}
	watch->events = events;
	watch->data = data;
	watch->poll.data = watch;
	*ret_watch = STEAL(watch);
	r = uv_poll_start(&(*ret_watch)->poll, UV_DISCONNECT, on_event);
	if (r < 0)
		*ret_watch = stream_watch_free(*ret_watch);
	return r;
}

struct stream_watch *stream_watch_free(struct stream_watch *watch)
{
	if (!watch)
		return NULL;
	uv_close((uv_handle_t *)&watch->poll, on_closed); /* stops watching at once */
	(void)close(watch->fd);
	return NULL;
}
