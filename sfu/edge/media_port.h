/* media_port.h - a worker's one UDP port, and who is behind which address.
 *
 * Every transport of the worker shares it. A datagram finds its transport by the path it came on;
 * an unknown path is opened only by a STUN request with that transport's ufrag and password.
 * Thread: worker.
 */
#ifndef SFU_EDGE_MEDIA_PORT_H
#define SFU_EDGE_MEDIA_PORT_H

#include <stdint.h>

#include "core/list.h"
#include "sfu/edge/egress.h"
#include "sfu/edge/media_counters.h"
#include "sfu/edge/net.h"
#include "sfu/edge/packet.h"
#include "sfu/edge/tcp_port.h"
#include "sfu/model/forward_delay.h"
#include "sfu/wire/stun.h"

struct media_port_counters {
	uint64_t packets_in, bytes_in;
	uint64_t dropped_unknown;    /* from a path nobody has opened */
	uint64_t dropped_malformed;  /* not STUN, DTLS, RTP or RTCP, or damaged */
	uint64_t dropped_forged;     /* did not authenticate, or replayed */
	struct media_counters ended; /* of transports that are no more */
	uint64_t keyframes_withheld; /* asked for, and not of the publisher: too often, just before,
					or its way has collapsed */
	struct tally refused_offers, refused_answers, failed_handshakes; /* by error code */
	struct histogram round_trips; /* one for each report that tells one */
};

struct datagram;

struct media_port {
	int fd;
	uint16_t port; /* host order */
	struct egress *egress;
	struct tcp_port *tcp; /* NULL: none */
	struct packet_pool *pool;
	struct stun_server *stun;
	uint64_t now_us;     /* of this turn of the loop: one clock read for a whole batch */
	uint64_t arrived_us; /* when the last datagram reached the socket */
	struct forward_delay forward_delay;
	struct media_port_counters counters;
	unsigned rebind_tries; /* how many more owners of unknown paths may be looked for in this
				  tick */
	unsigned rebind_tried; /* of the owners of the unknown path that was looked for last */
	struct list pacing;    /* transports of which something waits (transport_pace.c) */
	/* Receive streams that got packets in this turn (receive_stream.pending_link). */
	struct list pending;
	/* Gets what came by TCP, and may take the packet over. */
	void (*take)(struct media_port *port, struct datagram *datagram);

	GHashTable *by_ufrag, *by_path;		/* of borrowed owners */
	const struct sdp_candidate *candidates; /* with our port in them */
	size_t candidate_count;
};

/* Open the port. `candidates` (addresses) are copied; with `with_tcp` each is announced for TCP as
 * well, unless the number is taken there. Must run on the worker's thread.
 *   -EADDRINUSE "port_taken"  -ENOMEM … */
int media_port_open(struct media_port *port, uint16_t number,
		    const struct sdp_candidate *candidates, size_t candidate_count, bool with_tcp,
		    struct error *reterr) MUST_CHECK;
void media_port_close(struct media_port *port);

/* Registration. Keys are borrowed until removed. */
void media_port_add_ufrag(struct media_port *port, const char *ufrag, void *owner);
void media_port_remove_ufrag(struct media_port *port, const char *ufrag);
void *media_port_find_ufrag(const struct media_port *port, struct slice ufrag);
void media_port_add_path(struct media_port *port, const struct net_path *path, void *owner);
/* Only if it is `owner`'s: a transport that took the address over keeps it. */
void media_port_remove_path(struct media_port *port, const struct net_path *path,
			    const void *owner);
void *media_port_find_path(const struct media_port *port, const struct net_path *path);

/* All that came by TCP, one datagram after the other, goes to port->take. */
void media_port_receive_tcp(struct media_port *port);

/* One batch of datagrams, as many as the kernel has ready (at most RECEIVE_BATCH). */
enum { RECEIVE_BATCH = 64 };
struct datagram {
	struct packet *packet; /* yours to packet_release(), or set to NULL when taken over */
	struct net_path path;
};
struct receive_batch;
struct receive_batch *receive_batch_new(void);
struct receive_batch *receive_batch_free(struct receive_batch *batch);
/* Returns how many came; they are in *ret_datagrams until the next call. */
size_t media_port_receive(struct media_port *port, struct receive_batch *batch,
			  struct datagram **ret_datagrams);

#endif
