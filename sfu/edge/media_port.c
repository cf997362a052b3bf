#include "sfu/edge/media_port.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"

enum {
	SOCKET_BUFFER_BYTES = 8 << 20,
	CONTROL_BYTES =
		CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct timespec)),
	OLD_US = 1000000 /* nothing waits so long in the socket: a clock was set meanwhile */
};

/* ---- look-ups ---- */

static guint path_hash(gconstpointer path)
{
	return net_path_hash(path);
}

static gboolean path_equal(gconstpointer a, gconstpointer b)
{
	return net_path_is_equal(a, b);
}

void media_port_add_ufrag(struct media_port *port, const char *ufrag, void *owner)
{
	g_hash_table_insert(port->by_ufrag, __extension__(void *)(uintptr_t) ufrag, owner);
}

void media_port_remove_ufrag(struct media_port *port, const char *ufrag)
{
	g_hash_table_remove(port->by_ufrag, ufrag);
}

void *media_port_find_ufrag(const struct media_port *port, struct slice ufrag)
{
	char text[64];

	if (ufrag.length == 0 || ufrag.length >= sizeof(text))
		return NULL;
	memcpy(text, ufrag.data, ufrag.length);
	text[ufrag.length] = '\0';
	return g_hash_table_lookup(port->by_ufrag, text);
}

void media_port_add_path(struct media_port *port, const struct net_path *path, void *owner)
{
	/* replace, not insert: the key must be the new owner's as well. */
	g_hash_table_replace(port->by_path, __extension__(void *)(uintptr_t) path, owner);
}

void media_port_remove_path(struct media_port *port, const struct net_path *path, const void *owner)
{
	if (g_hash_table_lookup(port->by_path, path) == owner)
		g_hash_table_remove(port->by_path, path);
}

void *media_port_find_path(const struct media_port *port, const struct net_path *path)
{
	return g_hash_table_lookup(port->by_path, path);
}

/* ---- the socket ---- */

static int open_socket(uint16_t number, struct error *reterr)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(number)};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int off = 0, on = 1, buffer = SOCKET_BUFFER_BYTES;
	int r;

	if (fd < 0)
		return error_set(reterr, -errno, "no_socket", "no UDP socket: %s", strerror(errno));
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	/* Past the system's limit where we may, up to it where not. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		(void)close(fd);
		return error_set(reterr, r, r == -EADDRINUSE ? "port_taken" : "no_socket",
				 "UDP port %u cannot be used: %s", number, strerror(-r));
	}
	return fd;
}

/* ---- TCP ---- */

static void on_frame(void *data, const struct net_path *path, const uint8_t *bytes, size_t length)
{
	struct media_port *port = data;
	struct datagram datagram = {packet_take(port->pool), *path};

	if (!datagram.packet)
		return; /* no memory: lost, as on any way */
	memcpy(datagram.packet->bytes, bytes, length);
	packet_set_length(datagram.packet, length);
	datagram.packet->arrival_us = port->now_us;
	port->counters.packets_in++;
	port->counters.bytes_in += length;
	port->take(port, &datagram);
	if (datagram.packet)
		packet_release(datagram.packet);
}

static bool is_path_proven(void *data, const struct net_path *path)
{
	return media_port_find_path(data, path);
}

static bool send_by_connection(void *data, uint32_t connection, const uint8_t *bytes, size_t length)
{
	return tcp_port_send(data, connection, bytes, length);
}

void media_port_receive_tcp(struct media_port *port)
{
	tcp_port_run(port->tcp, port->now_us);
}

/* Without it the port still serves all who can be reached by UDP. */
static void open_tcp(struct media_port *port)
{
	const struct tcp_port_events events = {on_frame, is_path_proven, port};
	int r = tcp_port_new(port->port, &events, &port->tcp);

	if (r < 0)
		LOG(LOG_WARNING, LOG_WEBRTC, "tcp_not_available", LOG_INT("port", port->port),
		    LOG_TEXT("error", strerror(-r)));
	else
		egress_set_connections(port->egress, send_by_connection, port->tcp);
}

/* ---- opening ---- */

/* Each address by UDP and, where that does not pass, by TCP: type preference 90 instead of 126
 * (RFC 6544 section 4.2). */
static int announce(struct media_port *port, const struct sdp_candidate *candidates, size_t count)
{
	struct sdp_candidate *own = calloc(2 * count + 1, sizeof(*own));

	if (!own)
		return -ENOMEM;
	port->candidates = own;
	for (size_t i = 0; i < count; i++) {
		own[i] = candidates[i];
		own[i].port = port->port;
		own[count + i] = own[i];
		own[count + i].is_tcp = true;
		own[count + i].foundation = (uint32_t)count + own[i].foundation;
		own[count + i].priority = 90u << 24 | (own[i].priority & 0xffffff);
	}
	port->candidate_count = port->tcp ? 2 * count : count;
	return 0;
}

int media_port_open(struct media_port *port, uint16_t number,
		    const struct sdp_candidate *candidates, size_t candidate_count, bool with_tcp,
		    struct error *reterr)
{
	int r;

	*port = (struct media_port){.fd = -1, .port = number};
	list_init(&port->pending);
	list_init(&port->pacing);
	r = open_socket(number, reterr);
	if (r < 0)
		return r;
	port->fd = r;
	port->by_ufrag = g_hash_table_new(g_str_hash, g_str_equal);
	port->by_path = g_hash_table_new(path_hash, path_equal);
	port->egress = egress_new(port->fd);
	port->pool = packet_pool_new();
	if (!port->egress || !port->pool || stun_server_new(&port->stun) < 0) {
		media_port_close(port);
		return -ENOMEM;
	}
	if (with_tcp)
		open_tcp(port);
	r = announce(port, candidates, candidate_count);
	if (r < 0)
		media_port_close(port);
	return r;
}

void media_port_close(struct media_port *port)
{
	if (port->fd >= 0)
		(void)close(port->fd);
	port->fd = -1;
	port->tcp = tcp_port_free(port->tcp);
	port->egress = egress_free(port->egress);
	packet_pool_release(STEAL(port->pool));
	port->stun = stun_server_free(port->stun);
	g_clear_pointer(&port->by_ufrag, g_hash_table_unref);
	g_clear_pointer(&port->by_path, g_hash_table_unref);
	free(__extension__(void *)(uintptr_t) port->candidates);
	port->candidates = NULL;
}

/* ---- receiving ---- */

struct receive_batch {
	size_t used; /* places of the last call, to be made ready again */
	struct datagram datagrams[RECEIVE_BATCH];
	struct mmsghdr messages[RECEIVE_BATCH];
	struct iovec iovecs[RECEIVE_BATCH];
	struct sockaddr_in6 sources[RECEIVE_BATCH];
	union {
		struct cmsghdr header;
		uint8_t bytes[CONTROL_BYTES];
	} controls[RECEIVE_BATCH];
};

struct receive_batch *receive_batch_new(void)
{
	struct receive_batch *batch = calloc(1, sizeof(*batch));

	if (batch)
		batch->used = RECEIVE_BATCH;
	return batch;
}

struct receive_batch *receive_batch_free(struct receive_batch *batch)
{
	for (size_t i = 0; batch && i < RECEIVE_BATCH; i++)
		if (batch->datagrams[i].packet)
			packet_release(batch->datagrams[i].packet);
	free(batch);
	return NULL;
}

/* What the kernel says of a datagram. */
struct origin {
	struct in6_addr local; /* the address it came to */
	uint64_t unix_us;      /* when it came; 0: not told */
};

static struct origin origin_of(struct msghdr *message)
{
	struct origin origin = {.local = in6addr_any};

	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
		if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(at), sizeof(info));
			origin.local = info.ipi6_addr;
		} else if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec came;

			memcpy(&came, CMSG_DATA(at), sizeof(came));
			origin.unix_us =
				(uint64_t)came.tv_sec * 1000000u + (uint64_t)came.tv_nsec / 1000u;
		}
	}
	return origin;
}

/* In our own clock, never backwards and never later than this turn. What is fed back to a publisher
 * is what it takes its way for: packets that a busy moment held up here did not come all at once.
 */
static uint64_t arrival_us(struct media_port *port, const struct origin *origin, uint64_t epoch_us)
{
	uint64_t came_us = origin->unix_us - epoch_us;

	if (!origin->unix_us || came_us > port->now_us || port->now_us - came_us > OLD_US)
		came_us = port->now_us;
	if (came_us > port->arrived_us)
		port->arrived_us = came_us;
	return port->arrived_us;
}

/* Make the places used last time ready: an empty packet where the last one was taken over. */
static size_t refill(struct media_port *port, struct receive_batch *batch)
{
	for (size_t i = 0; i < batch->used; i++) {
		if (!batch->datagrams[i].packet)
			batch->datagrams[i].packet = packet_take(port->pool);
		if (!batch->datagrams[i].packet)
			return i; /* no memory: fewer places this time, and all are tried again */
		batch->iovecs[i] = (struct iovec){.iov_base = batch->datagrams[i].packet->bytes,
						  .iov_len = PACKET_BYTES_MAX};
		batch->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &batch->sources[i],
			.msg_namelen = sizeof(batch->sources[i]),
			.msg_iov = &batch->iovecs[i],
			.msg_iovlen = 1,
			.msg_control = batch->controls[i].bytes,
			.msg_controllen = CONTROL_BYTES,
		};
	}
	return RECEIVE_BATCH;
}

size_t media_port_receive(struct media_port *port, struct receive_batch *batch,
			  struct datagram **ret_datagrams)
{
	size_t room = refill(port, batch);
	uint64_t epoch_us = clock_unix_us() - clock_now_us(); /* of our clock */
	int count = recvmmsg(port->fd, batch->messages, (unsigned)room, MSG_DONTWAIT, NULL);

	batch->used = room < RECEIVE_BATCH ? RECEIVE_BATCH : count > 0 ? (size_t)count : 0;
	if (count <= 0)
		return 0; /* nothing there, or an ICMP error of somebody's, which says nothing */
	for (int i = 0; i < count; i++) {
		struct datagram *datagram = &batch->datagrams[i];
		struct msghdr *message = &batch->messages[i].msg_hdr;
		struct origin origin = origin_of(message);
		/* Cut short means longer than anything we take: an empty one is dropped. */
		size_t length = message->msg_flags & MSG_TRUNC ? 0 : batch->messages[i].msg_len;

		packet_set_length(datagram->packet, length);
		datagram->packet->arrival_us = arrival_us(port, &origin, epoch_us);
		datagram->path = (struct net_path){.remote = batch->sources[i].sin6_addr,
						   .remote_port = batch->sources[i].sin6_port,
						   .local = origin.local};
		port->counters.bytes_in += length;
	}
	port->counters.packets_in += (uint64_t)count;
	*ret_datagrams = batch->datagrams;
	return (size_t)count;
}
