#include "sfu/model/packet_ring.h"

#include <assert.h>

struct slot {
	void *packet; /* NULL: empty */
	uint16_t sequence_number;
};

struct packet_ring {
	size_t capacity, sweep;
	struct slot slots[];
};

struct packet_ring *packet_ring_new(size_t capacity)
{
	struct packet_ring *ring;

	assert(capacity > 0 && capacity <= 32768 && (capacity & (capacity - 1)) == 0);
	ring = calloc(1, sizeof(*ring) + capacity * sizeof(struct slot));
	if (ring)
		ring->capacity = capacity;
	return ring;
}

struct packet_ring *packet_ring_free(struct packet_ring *ring)
{
	free(ring);
	return NULL;
}

void *packet_ring_put(struct packet_ring *ring, uint16_t sequence_number, void *packet)
{
	struct slot *slot = &ring->slots[sequence_number & (ring->capacity - 1)];
	void *replaced = slot->packet;

	slot->packet = packet;
	slot->sequence_number = sequence_number;
	ring->sweep = 0;
	return replaced;
}

void *packet_ring_find(const struct packet_ring *ring, uint16_t sequence_number)
{
	const struct slot *slot = &ring->slots[sequence_number & (ring->capacity - 1)];

	return slot->sequence_number == sequence_number ? slot->packet : NULL;
}

void *packet_ring_take_any(struct packet_ring *ring)
{
	while (ring->sweep < ring->capacity) {
		struct slot *slot = &ring->slots[ring->sweep++];

		if (slot->packet)
			return STEAL(slot->packet);
	}
	ring->sweep = 0; /* empty: the next sweep begins at the start */
	return NULL;
}
