#include "realtime/edge/arrival.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "realtime/wire/request_head.h"

struct arrival {
	struct list link;
	struct arrivals *arrivals;
	uv_poll_t poll;
	int fd;
	uint64_t came_at_us;
};

void arrivals_init(struct arrivals *arrivals, uv_loop_t *loop, struct lws_vhost *vhost)
{
	*arrivals = (struct arrivals){.loop = loop, .vhost = vhost};
	list_init(&arrivals->waiting);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* The socket is somebody else's from now on; the caller's. */
static int release(struct arrival *arrival)
{
	list_remove(&arrival->link);
	arrival->arrivals->count--;
	uv_close((uv_handle_t *)&arrival->poll, on_closed); /* stops watching at once */
	return arrival->fd;
}

static void end(struct arrival *arrival)
{
	(void)close(release(arrival));
}

/* Take the head from the socket and give libwebsockets another. */
static void give_rewritten(struct arrival *arrival, char *head, size_t length)
{
	struct lws_vhost *vhost = arrival->arrivals->vhost;
	AUTO_FREE char *rewritten = NULL;
	size_t rewritten_length = 0;
	int fd = release(arrival);

	if (recv(fd, head, length, 0) != (ssize_t)length || /* it was there a moment ago */
	    request_head_rewrite(head, length, &rewritten, &rewritten_length) < 0) {
		static const char refusal[] = "HTTP/1.1 400 Bad request\r\ncontent-length: 0\r\n"
					      "connection: close\r\n\r\n";

		(void)send(fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL); /* closing anyway */
		(void)close(fd);
	} else {
		(void)lws_adopt_socket_vhost_readbuf(vhost, fd, rewritten, rewritten_length);
		explicit_bzero(rewritten, rewritten_length);
	}
	explicit_bzero(head, length);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	static char head[REQUEST_HEAD_MAX]; /* the loop's alone */
	struct arrival *arrival = poll->data;
	struct lws_vhost *vhost = arrival->arrivals->vhost;
	int more, one = 1;
	ssize_t got;
	size_t length;

	if (arrival->arrivals->taken_count >= ARRIVALS_TAKEN_MAX)
		return; /* it is still readable in the next turn */
	got = status < 0 ? 0 : recv(arrival->fd, head, sizeof(head), MSG_PEEK);
	more = got < 0 ? 0 : (int)got + 1;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		end(arrival);
		return;
	}
	length = request_head_length(head, (size_t)got);
	if (length == 0 && ((size_t)got == sizeof(head) || (events & UV_DISCONNECT))) {
		end(arrival); /* no head of ours is that long, or it will never be whole */
	} else if (length == 0) {
		/* Be told of more, not again and again of the same. */
		(void)setsockopt(arrival->fd, SOL_SOCKET, SO_RCVLOWAT, &more, sizeof(more));
	} else {
		arrival->arrivals->taken_count++;
		(void)setsockopt(arrival->fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
		if (request_head_needs_rewriting(head, length))
			give_rewritten(arrival, head, length);
		else
			(void)lws_adopt_socket_vhost(vhost, release(arrival)); /* or closes it */
	}
}

void arrivals_add_take(struct arrivals *arrivals, int fd, uint64_t now_us)
{
	struct arrival *arrival = calloc(1, sizeof(*arrival));

	if (arrival && arrivals->count >= ARRIVALS_MAX)
		end(LIST_ITEM(list_first(&arrivals->waiting), struct arrival, link));
	if (!arrival || uv_poll_init(arrivals->loop, &arrival->poll, fd) < 0) {
		free(arrival);
		(void)close(fd); /* there is nothing to serve it with */
		return;
	}
	arrival->arrivals = arrivals;
	arrival->fd = fd;
	arrival->came_at_us = now_us;
	arrival->poll.data = arrival;
	list_append(&arrivals->waiting, &arrival->link);
	arrivals->count++;
	(void)uv_poll_start(&arrival->poll, UV_READABLE | UV_DISCONNECT, on_readable);
}

void arrivals_on_turn(struct arrivals *arrivals)
{
	arrivals->taken_count = 0;
}

void arrivals_on_timer(struct arrivals *arrivals, uint64_t now_us)
{
	struct list *first;

	while ((first = list_first(&arrivals->waiting))) {
		struct arrival *arrival = LIST_ITEM(first, struct arrival, link);

		if (arrival->came_at_us + ARRIVAL_TIME_US > now_us)
			return;
		end(arrival);
	}
}

void arrivals_close(struct arrivals *arrivals)
{
	struct list *first;

	while ((first = list_first(&arrivals->waiting)))
		end(LIST_ITEM(first, struct arrival, link));
}
