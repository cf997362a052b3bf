#include "sfu/edge/tcp_port.h"

#include <errno.h>
#include <glib.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/list.h"
#include "sfu/wire/framing.h"

enum {
	EVENTS_AT_ONCE = 64,
	ACCEPTS_AT_ONCE = 32,
	BACKLOG = 256,
	TICK_US = 500000,
	NOT_SENT_BYTES_MAX = 32 * 1024, /* in the kernel: what waits there is late already */
	QUEUE_FIRST_BYTES = 16 * 1024
};

struct connection {
	struct list link;	/* in tcp_port.connections, the oldest first */
	struct list dirty_link; /* in tcp_port.dirty while something is queued and may be sent */
	uint32_t id;
	int fd;
	struct net_path path;
	uint64_t accepted_us;
	bool is_blocked; /* the kernel takes nothing more for now */
	struct frame_reader reader;
	uint8_t *queue; /* NULL while there is nothing in it */
	size_t queue_capacity, queue_end, queue_sent;
};

struct tcp_port {
	int listener, epoll_fd;
	struct tcp_port_events events;
	struct list connections, dirty;
	GHashTable *by_id; /* of borrowed connections */
	uint32_t last_id;
	uint64_t ticked_us;
};

/* ---- connections ---- */

static void connection_free(struct tcp_port *port, struct connection *connection)
{
	(void)g_hash_table_remove(port->by_id, GUINT_TO_POINTER(connection->id));
	list_remove(&connection->link);
	list_remove(&connection->dirty_link);
	(void)close(connection->fd); /* and out of the epoll set */
	free(connection->queue);
	free(connection);
}

static struct in6_addr address_of(const struct sockaddr_storage *address)
{
	return ((const struct sockaddr_in6 *)address)->sin6_addr; /* the listener is of IPv6 */
}

static int watch(const struct tcp_port *port, struct connection *connection, int operation)
{
	struct epoll_event event = {.events = EPOLLIN | (connection->is_blocked ? EPOLLOUT : 0),
				    .data.ptr = connection};

	return epoll_ctl(port->epoll_fd, operation, connection->fd, &event);
}

static bool is_proven(const struct tcp_port *port, const struct connection *connection)
{
	return port->events.is_proven(port->events.data, &connection->path);
}

/* Whether there is room for another one from there. Whoever connects and says nothing must keep
 * nobody out: the oldest of those goes. */
static bool make_room(struct tcp_port *port, const struct in6_addr *remote)
{
	struct connection *connection, *oldest = NULL, *oldest_of_address = NULL;
	size_t of_address = 0;

	LIST_FOR_EACH (connection, &port->connections, link) {
		bool is_same = memcmp(&connection->path.remote, remote, sizeof(*remote)) == 0;

		if ((oldest && !is_same) || is_proven(port, connection))
			continue;
		if (!oldest)
			oldest = connection;
		if (is_same && of_address++ == 0)
			oldest_of_address = connection;
	}
	if (of_address >= TCP_CONNECTIONS_PER_ADDRESS_MAX) {
		connection_free(port, oldest_of_address);
		return true;
	}
	if (g_hash_table_size(port->by_id) < TCP_CONNECTIONS_MAX)
		return true;
	if (oldest)
		connection_free(port, oldest);
	return oldest;
}

static uint32_t next_id(struct tcp_port *port)
{
	do
		port->last_id++; /* 0 is UDP */
	while (port->last_id == 0 ||
	       g_hash_table_contains(port->by_id, GUINT_TO_POINTER(port->last_id)));
	return port->last_id;
}

static void add(struct tcp_port *port, int fd, const struct sockaddr_storage *remote,
		const struct sockaddr_storage *local, uint64_t now_us)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	const int on = 1, not_sent = NOT_SENT_BYTES_MAX;

	if (!connection) {
		(void)close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &not_sent, sizeof(not_sent));
	list_init(&connection->dirty_link);
	connection->fd = fd;
	connection->id = next_id(port);
	connection->accepted_us = now_us;
	connection->path =
		(struct net_path){.remote = address_of(remote),
				  .remote_port = ((const struct sockaddr_in6 *)remote)->sin6_port,
				  .local = address_of(local),
				  .connection = connection->id};
	list_append(&port->connections, &connection->link);
	(void)g_hash_table_insert(port->by_id, GUINT_TO_POINTER(connection->id), connection);
	if (watch(port, connection, EPOLL_CTL_ADD) < 0)
		connection_free(port, connection);
}

static void accept_some(struct tcp_port *port, uint64_t now_us)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		struct sockaddr_storage remote, local;
		socklen_t remote_bytes = sizeof(remote), local_bytes = sizeof(local);
		int fd = accept4(port->listener, (struct sockaddr *)&remote, &remote_bytes,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct in6_addr address;

		if (fd < 0)
			return; /* no more, or no more descriptors: the rest waits in the kernel */
		address = address_of(&remote);
		if (getsockname(fd, (struct sockaddr *)&local, &local_bytes) == 0 &&
		    make_room(port, &address))
			add(port, fd, &remote, &local, now_us);
		else
			(void)close(fd);
	}
}

/* ---- receiving ---- */

/* One read, and all that is whole by then. false: it is over. */
static bool receive(struct tcp_port *port, struct connection *connection)
{
	size_t space;
	uint8_t *at = frame_reader_space(&connection->reader, &space);
	ssize_t got = recv(connection->fd, at, space, 0);
	struct slice frame;
	int r;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		return false;
	frame_reader_add(&connection->reader, (size_t)got);
	while ((r = frame_reader_next(&connection->reader, &frame)) > 0)
		port->events.received(port->events.data, &connection->path, frame.data,
				      frame.length);
	return r == 0;
}

/* ---- sending ---- */

static bool reserve(struct connection *connection, size_t bytes)
{
	size_t needed = connection->queue_end + bytes, capacity = connection->queue_capacity;
	uint8_t *queue;

	if (needed - connection->queue_sent > TCP_QUEUE_BYTES_MAX)
		return false;
	if (needed > capacity && connection->queue_sent > 0) {
		connection->queue_end -= connection->queue_sent;
		memmove(connection->queue, connection->queue + connection->queue_sent,
			connection->queue_end);
		connection->queue_sent = 0;
		needed = connection->queue_end + bytes;
	}
	if (needed <= capacity)
		return true;
	for (capacity = capacity ? capacity : QUEUE_FIRST_BYTES; capacity < needed;)
		capacity *= 2;
	queue = realloc(connection->queue, capacity);
	if (!queue)
		return false;
	connection->queue = queue;
	connection->queue_capacity = capacity;
	return true;
}

bool tcp_port_send(struct tcp_port *port, uint32_t id, const uint8_t *bytes, size_t length)
{
	struct connection *connection = g_hash_table_lookup(port->by_id, GUINT_TO_POINTER(id));
	uint8_t *at;

	if (!connection || !reserve(connection, FRAME_HEADER_BYTES + length))
		return false;
	at = connection->queue + connection->queue_end;
	frame_header_write(at, length);
	memcpy(at + FRAME_HEADER_BYTES, bytes, length);
	connection->queue_end += FRAME_HEADER_BYTES + length;
	if (!connection->is_blocked && list_is_empty(&connection->dirty_link))
		list_append(&port->dirty, &connection->dirty_link);
	return true;
}

/* false: it is over. */
static bool send_queued(struct tcp_port *port, struct connection *connection)
{
	bool was_blocked = connection->is_blocked;

	connection->is_blocked = false;
	while (connection->queue_sent < connection->queue_end && !connection->is_blocked) {
		ssize_t sent = send(connection->fd, connection->queue + connection->queue_sent,
				    connection->queue_end - connection->queue_sent,
				    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0)
			connection->queue_sent += (size_t)sent;
		else if (errno == EAGAIN || errno == ENOBUFS)
			connection->is_blocked = true;
		else if (errno != EINTR)
			return false;
	}
	if (connection->queue_sent == connection->queue_end) {
		free(STEAL(connection->queue));
		connection->queue_capacity = connection->queue_end = connection->queue_sent = 0;
	}
	return connection->is_blocked == was_blocked || watch(port, connection, EPOLL_CTL_MOD) == 0;
}

void tcp_port_flush(struct tcp_port *port)
{
	struct list *first;

	while ((first = list_first(&port->dirty))) {
		struct connection *connection = LIST_ITEM(first, struct connection, dirty_link);

		list_remove(first);
		if (!send_queued(port, connection))
			connection_free(port, connection);
	}
}

/* ---- the worker's turn ---- */

int tcp_port_fd(const struct tcp_port *port)
{
	return port->epoll_fd;
}

void tcp_port_run(struct tcp_port *port, uint64_t now_us)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int count = epoll_wait(port->epoll_fd, events, EVENTS_AT_ONCE, 0);
	bool has_arrivals = false;

	for (int i = 0; i < count; i++) {
		struct connection *connection = events[i].data.ptr;
		bool is_alive = true;

		if (!connection) {
			has_arrivals = true;
			continue;
		}
		if (events[i].events & EPOLLOUT)
			is_alive = send_queued(port, connection);
		if (is_alive && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			is_alive = receive(port, connection);
		if (!is_alive)
			connection_free(port, connection);
	}
	if (has_arrivals) /* last: it may close others, which the events would still point to */
		accept_some(port, now_us);
}

void tcp_port_tick(struct tcp_port *port, uint64_t now_us)
{
	struct connection *connection;

	if (now_us - port->ticked_us < TICK_US)
		return;
	port->ticked_us = now_us;
	LIST_FOR_EACH (connection, &port->connections, link) {
		if (now_us - connection->accepted_us > TCP_UNPROVEN_US &&
		    !is_proven(port, connection))
			connection_free(port, connection);
	}
}

size_t tcp_port_connection_count(const struct tcp_port *port)
{
	return g_hash_table_size(port->by_id);
}

/* ---- life ---- */

static int start_listening(struct tcp_port *port, uint16_t number)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(number)};
	struct epoll_event event = {.events = EPOLLIN};
	const int off = 0, on = 1;

	port->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	port->listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (port->epoll_fd < 0 || port->listener < 0 ||
	    setsockopt(port->listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
	    setsockopt(port->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(port->listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(port->listener, BACKLOG) < 0 ||
	    epoll_ctl(port->epoll_fd, EPOLL_CTL_ADD, port->listener, &event) < 0)
		return -errno;
	return 0;
}

int tcp_port_new(uint16_t number, const struct tcp_port_events *events, struct tcp_port **ret_port)
{
	struct tcp_port *port = calloc(1, sizeof(*port));
	int r;

	if (!port)
		return -ENOMEM;
	port->events = *events;
	port->listener = port->epoll_fd = -1;
	list_init(&port->connections);
	list_init(&port->dirty);
	port->by_id = g_hash_table_new(g_direct_hash, g_direct_equal);
	r = start_listening(port, number);
	if (r < 0) {
		(void)tcp_port_free(port);
		return r;
	}
	*ret_port = port;
	return 0;
}

struct tcp_port *tcp_port_free(struct tcp_port *port)
{
	struct list *first;

	if (!port)
		return NULL;
	while ((first = list_first(&port->connections)))
		connection_free(port, LIST_ITEM(first, struct connection, link));
	if (port->listener >= 0)
		(void)close(port->listener);
	if (port->epoll_fd >= 0)
		(void)close(port->epoll_fd);
	g_hash_table_unref(port->by_id);
	free(port);
	return NULL;
}
