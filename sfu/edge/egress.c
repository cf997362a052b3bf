#include "sfu/edge/egress.h"

#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/log.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
	ARENA_BYTES = 256 << 10, /* sent on when it is full: a processor's cache holds it */
	TRAINS_MAX = 512,
	PIECES_MAX = 1024,
	TRAIN_PIECES_MAX = 8,	     /* more than that the kernel has to allocate for */
	TRAIN_PACKETS_MAX = 60,	     /* the kernel's limit is 64 */
	TRAIN_BYTES_MAX = 60 * 1024, /* one datagram's, before it is cut */
	GSO_REFUSALS_MAX = 64
};

/* Packets of one train, one behind the other in the arena. */
struct piece {
	uint8_t *bytes;
	size_t length;
	uint16_t next; /* of the same train, unless this is its last */
};

struct train {
	const struct egress_target *target;
	size_t length;
	uint16_t packet_bytes; /* of every packet but the last, which may be shorter */
	uint16_t packet_count;
	uint16_t first_piece, last_piece, piece_count;
	bool is_closed; /* its last packet was shorter: nothing may follow */
};

union control {
	struct cmsghdr header;
	uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
};

struct egress {
	int fd;
	bool can_gso;
	unsigned gso_refusals; /* without any train accepted in between */
	uint8_t *arena;
	size_t used;
	uint64_t flush; /* the next one's number, from 1 on */
	size_t train_count, piece_count;
	struct train trains[TRAINS_MAX];
	struct piece pieces[PIECES_MAX];
	struct mmsghdr messages[TRAINS_MAX];
	struct iovec iovecs[PIECES_MAX];
	union control controls[TRAINS_MAX];
	struct egress_counters counters;
	egress_connection_fn send_by_connection;
	void *connections_data;
};

void egress_target_set(struct egress_target *target, const struct net_path *path)
{
	*target = (struct egress_target){.remote = {.sin6_family = AF_INET6,
						    .sin6_port = path->remote_port,
						    .sin6_addr = path->remote},
					 .local = path->local,
					 .connection = path->connection};
}

struct egress *egress_new(int fd)
{
	struct egress *egress = calloc(1, sizeof(*egress));

	if (!egress)
		return NULL;
	egress->arena = malloc(ARENA_BYTES);
	if (!egress->arena) {
		free(egress);
		return NULL;
	}
	egress->fd = fd;
	egress->can_gso = true;
	egress->flush = 1;
	return egress;
}

struct egress *egress_free(struct egress *egress)
{
	if (egress)
		free(egress->arena);
	free(egress);
	return NULL;
}

uint8_t *egress_reserve(struct egress *egress)
{
	if (egress->used + EGRESS_PACKET_MAX > ARENA_BYTES || egress->train_count == TRAINS_MAX ||
	    egress->piece_count == PIECES_MAX)
		egress_flush(egress);
	return egress->arena + egress->used;
}

static bool has_room(const struct train *train, size_t length)
{
	return !train->is_closed && length <= train->packet_bytes &&
	       train->packet_count < TRAIN_PACKETS_MAX && train->piece_count < TRAIN_PIECES_MAX &&
	       train->length + length <= TRAIN_BYTES_MAX;
}

/* The one that the packet just written can ride on; NULL: none. Only the last one for its
 * destination, or it would overtake. */
static struct train *find_train(struct egress *egress, const struct egress_target *target,
				size_t length)
{
	struct train *last = &egress->trains[target->last_train];

	if (!egress->can_gso || target->flush != egress->flush || last->target != target)
		return NULL; /* none in this flush; a copy of a target is another destination */
	return has_room(last, length) ? last : NULL;
}

void egress_set_connections(struct egress *egress, egress_connection_fn send, void *data)
{
	egress->send_by_connection = send;
	egress->connections_data = data;
}

static void commit_to_connection(struct egress *egress, uint32_t connection, size_t length)
{
	egress->counters.packets++;
	egress->counters.bytes += length;
	if (!egress->send_by_connection ||
	    !egress->send_by_connection(egress->connections_data, connection,
					egress->arena + egress->used, length))
		egress->counters.dropped++;
}

static struct train *begin_train(struct egress *egress, struct egress_target *target,
				 size_t packet_bytes)
{
	struct train *train = &egress->trains[egress->train_count];

	*train = (struct train){.target = target, .packet_bytes = (uint16_t)packet_bytes};
	target->last_train = (uint16_t)egress->train_count++;
	target->flush = egress->flush;
	return train;
}

/* The bytes just written become the train's last. */
static void append(struct egress *egress, struct train *train, size_t length)
{
	uint8_t *bytes = egress->arena + egress->used;
	struct piece *last = &egress->pieces[train->last_piece];
	uint16_t added = (uint16_t)egress->piece_count;

	if (train->piece_count > 0 && last->bytes + last->length == bytes) {
		last->length += length;
		return;
	}
	egress->pieces[added] = (struct piece){.bytes = bytes, .length = length};
	egress->piece_count++;
	if (train->piece_count == 0)
		train->first_piece = added;
	else
		last->next = added;
	train->last_piece = added;
	train->piece_count++;
}

void egress_commit(struct egress *egress, struct egress_target *target, size_t length)
{
	struct train *train;

	if (target->connection) {
		commit_to_connection(egress, target->connection, length);
		return;
	}
	train = find_train(egress, target, length);
	if (!train)
		train = begin_train(egress, target, length);
	append(egress, train, length);
	train->length += length;
	train->packet_count++;
	train->is_closed = length < train->packet_bytes;
	egress->used += length;
}

static size_t add_control(struct msghdr *message, size_t used, int level, int type,
			  const void *data, size_t length)
{
	struct cmsghdr *header = (struct cmsghdr *)(void *)((uint8_t *)message->msg_control + used);

	header->cmsg_level = level;
	header->cmsg_type = type;
	header->cmsg_len = CMSG_LEN(length);
	memcpy(CMSG_DATA(header), data, length);
	return used + CMSG_SPACE(length);
}

/* Returns how many there are. */
static size_t compose_pieces(const struct egress *egress, const struct train *train,
			     struct iovec *iovecs)
{
	uint16_t at = train->first_piece;

	for (size_t i = 0; i < train->piece_count; i++) {
		const struct piece *piece = &egress->pieces[at];

		iovecs[i] = (struct iovec){.iov_base = piece->bytes, .iov_len = piece->length};
		at = piece->next;
	}
	return train->piece_count;
}

static void compose(struct egress *egress, size_t i, struct iovec *iovecs)
{
	struct train *train = &egress->trains[i];
	struct msghdr *message = &egress->messages[i].msg_hdr;
	struct in6_pktinfo source = {.ipi6_addr = train->target->local};

	*message = (struct msghdr){.msg_name =
					   __extension__(void *)(uintptr_t) & train->target->remote,
				   .msg_namelen = sizeof(train->target->remote),
				   .msg_iov = iovecs,
				   .msg_iovlen = compose_pieces(egress, train, iovecs),
				   .msg_control = egress->controls[i].bytes};
	message->msg_controllen =
		add_control(message, 0, IPPROTO_IPV6, IPV6_PKTINFO, &source, sizeof(source));
	if (train->packet_count > 1)
		message->msg_controllen =
			add_control(message, message->msg_controllen, IPPROTO_UDP, UDP_SEGMENT,
				    &train->packet_bytes, sizeof(train->packet_bytes));
}

/* The packets of one piece, one by one. */
static void send_piece(struct egress *egress, struct msghdr message, const struct iovec *piece,
		       size_t packet_bytes)
{
	uint8_t *at = piece->iov_base, *end = at + piece->iov_len;

	while (at < end) {
		size_t left = (size_t)(end - at);
		struct iovec packet = {.iov_base = at,
				       .iov_len = left < packet_bytes ? left : packet_bytes};

		message.msg_iov = &packet;
		message.msg_iovlen = 1;
		egress->counters.system_calls++;
		if (sendmsg(egress->fd, &message, 0) < 0)
			egress->counters.dropped++;
		at += packet.iov_len;
	}
}

/* The kernel or the card cannot cut trains: send this one's packets singly. */
static void send_uncoupled(struct egress *egress, size_t i)
{
	const struct msghdr *coupled = &egress->messages[i].msg_hdr;
	struct msghdr message = *coupled;

	message.msg_controllen = CMSG_SPACE(sizeof(struct in6_pktinfo));
	for (size_t piece = 0; piece < coupled->msg_iovlen; piece++)
		send_piece(egress, message, &coupled->msg_iov[piece],
			   egress->trains[i].packet_bytes);
}

/* sendmmsg stopped at train i. Returns how many trains to go past. */
static size_t overcome(struct egress *egress, size_t i, int error, bool *has_waited)
{
	struct pollfd writable = {.fd = egress->fd, .events = POLLOUT};

	if (error == EINTR)
		return 0;
	if ((error == EAGAIN || error == ENOBUFS) && !*has_waited) {
		*has_waited = true; /* once per flush: media does not wait */
		(void)poll(&writable, 1, 1);
		return 0;
	}
	if ((error == EINVAL || error == EIO || error == EMSGSIZE) &&
	    egress->trains[i].packet_count > 1) {
		/* One destination's small MTU is its own matter; a card or kernel that refuses
		 * every train is asked no more. */
		if (egress->can_gso &&
		    (error == EIO || ++egress->gso_refusals >= GSO_REFUSALS_MAX)) {
			LOG(LOG_WARNING, LOG_WEBRTC, "gso_disabled",
			    LOG_TEXT("error", strerror(error)));
			egress->can_gso = false;
		}
		send_uncoupled(egress, i);
		return 1;
	}
	egress->counters.dropped += egress->trains[i].packet_count; /* unreachable, or no buffer */
	return 1;
}

void egress_flush(struct egress *egress)
{
	struct iovec *iovecs = egress->iovecs;
	size_t done = 0;
	bool has_waited = false;

	for (size_t i = 0; i < egress->train_count; i++) {
		compose(egress, i, iovecs);
		iovecs += egress->trains[i].piece_count;
		egress->counters.packets += egress->trains[i].packet_count;
	}
	while (done < egress->train_count) {
		int sent = sendmmsg(egress->fd, egress->messages + done,
				    (unsigned)(egress->train_count - done), 0);

		egress->counters.system_calls++;
		for (int i = 0; i < sent; i++)
			if (egress->trains[done + (size_t)i].packet_count > 1)
				egress->gso_refusals = 0;
		if (sent > 0)
			done += (size_t)sent;
		else
			done += overcome(egress, done, errno, &has_waited);
	}
	egress->counters.bytes += egress->used;
	egress->train_count = egress->piece_count = 0;
	egress->used = 0;
	egress->flush++;
}

const struct egress_counters *egress_counters(const struct egress *egress)
{
	return &egress->counters;
}
