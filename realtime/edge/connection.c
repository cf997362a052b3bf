#include "realtime/edge/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum {
	GATHER_MAX = 64,     /* frames of one sendmsg() */
	CLOSE_TIMEOUT_S = 3, /* for a peer that does not take its close frame */
	RECEIVED_KEPT_MAX = 4096,
	CACHE_LINE = 64,
	/* Where lws_partial_buffered() looks, in libwebsockets 4.1 as Debian builds it. Only a
	 * hint: were it wrong, a little time would be lost. */
	LWS_BUFFERED_AT = 0x2d0
};

const char *transport_name(enum transport transport)
{
	static const char *const names[] = {
		[TRANSPORT_WEBSOCKET] = "websocket",
		[TRANSPORT_SSE] = "sse",
		[TRANSPORT_SIGNALING] = "signaling",
	};

	return names[transport];
}

size_t connection_size(enum transport transport)
{
	switch (transport) {
	case TRANSPORT_WEBSOCKET:
		return offsetof(struct connection, session) + sizeof(struct session);
	case TRANSPORT_SSE:
		return offsetof(struct connection, stream) + sizeof(struct event_stream);
	case TRANSPORT_SIGNALING:
	case TRANSPORT_COUNT:
		break;
	}
	return sizeof(struct connection);
}

/* Let somebody say when to go on. */
static void wait_for_writable(struct connection *connection)
{
	connection->is_blocked = true;
	if (connection->transport == TRANSPORT_SSE)
		stream_watch_writable(connection->watch);
	else
		(void)lws_callback_on_writable(
			connection->wsi); /* fails for a socket that is closing */
}

/* The rest of a frame that was begun: libwebsockets keeps it ahead of everything of its own. */
static void hand_over(struct connection *connection, const uint8_t *bytes, size_t length)
{
	AUTO_FREE unsigned char *copy = malloc(LWS_PRE + length);

	if (!copy) {
		connection_kill(connection);
		return;
	}
	memcpy(copy + LWS_PRE, bytes, length);
	if (lws_write(connection->wsi, copy + LWS_PRE, length, LWS_WRITE_RAW) < 0)
		connection_kill(connection);
}

static size_t gather(const struct outbox *outbox, struct iovec *parts)
{
	size_t count = 0;

	while (count < GATHER_MAX && count < outbox->count) {
		struct frame *frame = outbox_peek(outbox, (uint32_t)count);

		parts[count++] = (struct iovec){frame->bytes, frame->length};
	}
	parts[0].iov_base = (uint8_t *)parts[0].iov_base + outbox->front_sent;
	parts[0].iov_len -= outbox->front_sent;
	return count;
}

/* `sent` bytes went out: drop whole frames; the rest of one that was cut is handed over, or goes
 * first the next time. */
static bool account(struct connection *connection, size_t sent)
{
	struct outbox *outbox = &connection->outbox;

	sent += outbox->front_sent;
	while (outbox->count > 0) {
		const struct frame *frame = outbox_peek(outbox, 0);

		if (sent < frame->length) {
			if (sent == outbox->front_sent)
				return true;
			if (connection->transport == TRANSPORT_SSE) {
				outbox->front_sent = sent;
				return false;
			}
			hand_over(connection, frame->bytes + sent, frame->length - sent);
			outbox_drop(outbox, 1);
			return false;
		}
		sent -= frame->length;
		outbox_drop(outbox, 1);
	}
	return true;
}

static ssize_t send_parts(int fd, const struct outbox *outbox)
{
	struct iovec parts[GATHER_MAX];
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = gather(outbox, parts)};

	return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* One frame, as it is most of the time, needs no list of parts: the kernel copies less. And by
 * syscall(), because send() is a point where a thread may be cancelled, which glibc sees to with
 * two atomic operations each time; here nobody is. */
static ssize_t send_gathered(int fd, const struct outbox *outbox)
{
	const struct frame *frame = outbox_peek(outbox, 0);

	if (outbox->count > 1)
		return send_parts(fd, outbox);
	return syscall(SYS_sendto, fd, frame->bytes + outbox->front_sent,
		       frame->length - outbox->front_sent, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
}

/* true: everything is on its way. */
static bool send_queued(struct connection *connection)
{
	while (connection->outbox.count > 0) {
		ssize_t sent;

		if (lws_partial_buffered(connection->wsi))
			return false;
		sent = send_gathered(connection->fd, &connection->outbox);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
			return false;
		if (sent < 0) {
			connection_kill(connection);
			return false;
		}
		if (!account(connection, (size_t)sent))
			return false;
	}
	return true;
}

/* libwebsockets looks at its timers only when it has something to do. */
static void set_timeout(struct connection *connection, int seconds)
{
	lws_set_timeout(connection->wsi, PENDING_TIMEOUT_USER_OK, seconds);
	lws_cancel_service(lws_get_context(connection->wsi));
}

/* A WebSocket says goodbye and waits for the answer: the close frame is ours, because the closing
 * of libwebsockets 4.1 on libuv, as Debian builds it, cuts the connection before it has sent its
 * own. Whoever does not answer is cut off. An event stream ends when all is sent. */
static void begin_closing(struct connection *connection)
{
	const struct outbox *outbox = &connection->outbox;

	if (connection->is_closing)
		return;
	connection->is_closing = true;
	set_timeout(connection, CLOSE_TIMEOUT_S);
	if (connection->transport != TRANSPORT_SSE)
		outbox_push_last_take(&connection->outbox,
				      frame_new_close(outbox->close_code, outbox->close_reason));
}

void connection_prefetch(const struct connection *connection)
{
	const char *at = (const char *)connection;

	for (size_t i = 0; i < offsetof(struct connection, by_id) + CACHE_LINE; i += CACHE_LINE)
		__builtin_prefetch(at + i, 1);
}

void connection_prefetch_socket(const struct connection *connection)
{
	__builtin_prefetch((const char *)connection->wsi + LWS_BUFFERED_AT);
}

void connection_flush(struct connection *connection)
{
	if (outbox_is_ending(&connection->outbox))
		begin_closing(connection);
	if (connection->is_blocked)
		return;
	if (!send_queued(connection))
		wait_for_writable(connection);
	else if (connection->is_closing && connection->transport == TRANSPORT_SSE)
		connection_kill(connection); /* it has all */
}

void connection_on_writable(struct connection *connection)
{
	connection->is_blocked = false;
	connection_flush(connection);
}

int connection_receive(struct connection *connection, const void *bytes, size_t length,
		       size_t limit)
{
	size_t needed = connection->received_length + length, capacity;

	if (needed > limit)
		return -EMSGSIZE;
	if (needed > connection->received_capacity) {
		char *received;

		capacity = connection->received_capacity ? connection->received_capacity : 1024;
		while (capacity < needed)
			capacity *= 2;
		received = realloc(connection->received, capacity);
		if (!received)
			return -ENOMEM;
		connection->received = received;
		connection->received_capacity = capacity;
	}
	memcpy(connection->received + connection->received_length, bytes, length);
	connection->received_length = needed;
	return 0;
}

void connection_received_free(struct connection *connection)
{
	connection->inflater = inflater_free(connection->inflater);
	free(connection->received);
	connection->received = NULL;
}

void connection_received_clear(struct connection *connection)
{
	connection->received_length = 0;
	if (connection->received_capacity > RECEIVED_KEPT_MAX) {
		free(connection->received);
		connection->received = NULL;
		connection->received_capacity = 0;
	}
}

void connection_kill(struct connection *connection)
{
	connection->is_blocked = true;
	connection->is_closing = true;
	set_timeout(connection, LWS_TO_KILL_ASYNC);
}
