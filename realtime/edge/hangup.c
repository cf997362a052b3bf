#include "realtime/edge/hangup.h"

#include <errno.h>
#include <fcntl.h>

struct hangup {
	uv_poll_t poll;
	int fd; /* ours; the same socket as the one given */
	void (*gone)(void *data);
	void *data;
};

static void on_gone(uv_poll_t *poll, int status, int events)
{
	struct hangup *hangup = poll->data;

	(void)status;
	(void)events;
	(void)uv_poll_stop(poll); /* once is enough */
	hangup->gone(hangup->data);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

int hangup_new(uv_loop_t *loop, int fd, void (*gone)(void *data), void *data,
	       struct hangup **ret_hangup)
{
	AUTO_FREE struct hangup *hangup = calloc(1, sizeof(*hangup));
	int r;

	if (!hangup)
		return -ENOMEM;
	hangup->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (hangup->fd < 0)
		return -errno;
	r = uv_poll_init(loop, &hangup->poll, hangup->fd);
	if (r < 0) {
		(void)close(hangup->fd);
		return r;
	}
	hangup->gone = gone;
	hangup->data = data;
	hangup->poll.data = hangup;
	*ret_hangup = STEAL(hangup);
	r = uv_poll_start(&(*ret_hangup)->poll, UV_DISCONNECT, on_gone);
	if (r < 0)
		*ret_hangup = hangup_free(*ret_hangup);
	return r;
}

struct hangup *hangup_free(struct hangup *hangup)
{
	if (!hangup)
		return NULL;
	uv_close((uv_handle_t *)&hangup->poll, on_closed); /* stops watching at once */
	(void)close(hangup->fd);
	return NULL;
}
