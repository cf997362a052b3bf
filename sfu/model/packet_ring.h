/* packet_ring.h - the newest packets of a stream, by RTP sequence number.
 *
 * One ring per track serves the retransmissions of all its subscribers. It holds opaque pointers;
 * whoever puts one in owns the references and releases what comes out. Thread: worker.
 */
#ifndef SFU_MODEL_PACKET_RING_H
#define SFU_MODEL_PACKET_RING_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

struct packet_ring;

/* `capacity` packets, a power of two up to 32768. NULL without memory. */
struct packet_ring *packet_ring_new(size_t capacity);
/* The ring must have been emptied with packet_ring_take_any(). */
struct packet_ring *packet_ring_free(struct packet_ring *ring);

/* Put a packet in that arrived at this time. Returns the one it replaces (the caller's to release),
 * or NULL. */
void *packet_ring_put(struct packet_ring *ring, uint16_t sequence_number, uint64_t arrival_us,
		      void *packet) MUST_CHECK;
/* Take the oldest out if it arrived before that time; NULL: there is none. One that came when all
 * its neighbours had been taken out stays until its place is needed. */
void *packet_ring_take_older(struct packet_ring *ring, uint64_t before_us) MUST_CHECK;
/* Borrowed, or NULL. */
void *packet_ring_find(const struct packet_ring *ring, uint16_t sequence_number);
/* Take packets out one by one until NULL. */
void *packet_ring_take_any(struct packet_ring *ring) MUST_CHECK;

#endif
