/* egress.h - what leaves the media port, gathered and sent at the end of a turn.
 *
 * Packets are written straight into one arena. Those for the same destination become one train (UDP
 * GSO) wherever they lie in it, as long as they are of equal size and the last no longer: the
 * kernel's cost per datagram is most of what a relay pays. They stay in order. All trains leave in
 * one sendmmsg. Where the kernel or a card refuses GSO it is left alone for good. What goes to a
 * participant by TCP is handed to its connection instead. Thread: worker.
 */
#ifndef SFU_EDGE_EGRESS_H
#define SFU_EDGE_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sfu/edge/net.h"

enum { EGRESS_PACKET_MAX = 2048 + 64 };

/* Where packets go, in the form the kernel takes. Kept by each transport; must stay valid until
 * the next egress_flush(). */
struct egress_target {
	struct sockaddr_in6 remote;
	struct in6_addr local;
	uint32_t connection; /* of TCP; 0: UDP */
	/* Egress' own: the train that its last packet is in, and until which flush that holds. */
	uint16_t last_train;
	uint64_t flush;
};

void egress_target_set(struct egress_target *target, const struct net_path *path);

struct egress;

struct egress_counters {
	uint64_t packets, bytes, system_calls, dropped;
};

struct egress *egress_new(int fd);
struct egress *egress_free(struct egress *egress);

/* Room for one packet of up to EGRESS_PACKET_MAX bytes, to be written there; what was reserved
 * before and not committed is forgotten. Never NULL: a full arena is flushed first. */
uint8_t *egress_reserve(struct egress *egress);
/* The reserved bytes, `length` of them, go to `target`. */
void egress_commit(struct egress *egress, struct egress_target *target, size_t length);
/* Who takes packets for a connection of TCP; false: dropped. They are given at once. */
typedef bool (*egress_connection_fn)(void *data, uint32_t connection, const uint8_t *bytes,
				     size_t length);
void egress_set_connections(struct egress *egress, egress_connection_fn send, void *data);
/* Send everything now. What the kernel will not take in a moment is dropped and counted: a media
 * packet that waits is worth less than the next one. */
void egress_flush(struct egress *egress);

const struct egress_counters *egress_counters(const struct egress *egress);

#endif
