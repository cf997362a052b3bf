/* tcp_port.h - ICE over TCP (RFC 6544), for participants whose network lets no UDP out.
 *
 * The worker listens on TCP under the number of its UDP port. What comes in by a connection are the
 * same datagrams, and each connection is a path of its own (net_path.connection), so that the rest
 * of the relay does not know the difference. Nothing is believed of who connects: a connection on
 * which no connectivity check has succeeded is closed after some seconds, and makes room for others
 * at once. What a slow receiver does not take is dropped past a bound, as a full queue of the
 * network would. Thread: worker.
 */
#ifndef SFU_EDGE_TCP_PORT_H
#define SFU_EDGE_TCP_PORT_H

#include <stdint.h>

#include "sfu/edge/net.h"

enum {
	TCP_CONNECTIONS_MAX = 4096,
	TCP_CONNECTIONS_PER_ADDRESS_MAX = 64, /* unproven ones */
	TCP_UNPROVEN_US = 10000000,
	TCP_QUEUE_BYTES_MAX = 256 * 1024 /* of one connection, behind what the kernel holds */
};

struct tcp_port;

struct tcp_port_events {
	/* A frame came in; `bytes` are borrowed. */
	void (*received)(void *data, const struct net_path *path, const uint8_t *bytes,
			 size_t length);
	/* Has a participant proven to be behind the path? */
	bool (*is_proven)(void *data, const struct net_path *path);
	void *data;
};

/* -errno: the number cannot be listened on. */
int tcp_port_new(uint16_t number, const struct tcp_port_events *events,
		 struct tcp_port **ret_port) MUST_CHECK;
struct tcp_port *tcp_port_free(struct tcp_port *port);

/* Readable when tcp_port_run() has something to do. */
int tcp_port_fd(const struct tcp_port *port);
void tcp_port_run(struct tcp_port *port, uint64_t now_us);

/* Queue a packet; false: the connection is gone, or its queue is full. */
bool tcp_port_send(struct tcp_port *port, uint32_t connection, const uint8_t *bytes, size_t length);
/* Give the kernel what was queued. */
void tcp_port_flush(struct tcp_port *port);
/* Close what nobody has proven to be behind. As often as you like; looks twice a second. */
void tcp_port_tick(struct tcp_port *port, uint64_t now_us);

size_t tcp_port_connection_count(const struct tcp_port *port);

#endif
