#include "sfu/model/packet_ring.h"

#include <assert.h>
#include <stdbool.h>

struct slot {
	void *packet; /* NULL: empty */
	uint64_t arrival_us;
	uint16_t sequence_number;
};

struct packet_ring {
	size_t capacity, sweep;
	uint16_t oldest, newest; /* what may still be in it, unless it has just begun */
	bool has_begun;
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

static struct slot *slot_of(struct packet_ring *ring, uint16_t sequence_number)
{
	return &ring->slots[sequence_number & (ring->capacity - 1)];
}

/* The newest, and so how far back the ring can reach. */
static void reach(struct packet_ring *ring, uint16_t sequence_number)
{
	if (!ring->has_begun)
		ring->oldest = ring->newest = sequence_number;
	ring->has_begun = true;
	if ((int16_t)(uint16_t)(sequence_number - ring->newest) > 0)
		ring->newest = sequence_number;
	if ((uint16_t)(ring->newest - ring->oldest) >= ring->capacity)
		ring->oldest = (uint16_t)(ring->newest - ring->capacity + 1);
}

void *packet_ring_put(struct packet_ring *ring, uint16_t sequence_number, uint64_t arrival_us,
		      void *packet)
{
	struct slot *slot = slot_of(ring, sequence_number);
	void *replaced = slot->packet;

	*slot = (struct slot){packet, arrival_us, sequence_number};
	reach(ring, sequence_number);
	ring->sweep = 0;
	return replaced;
}

void *packet_ring_take_older(struct packet_ring *ring, uint64_t before_us)
{
	for (; ring->oldest != ring->newest; ring->oldest++) {
		struct slot *slot = slot_of(ring, ring->oldest);

		if (!slot->packet || slot->sequence_number != ring->oldest)
			continue; /* lost, or taken */
		return slot->arrival_us < before_us ? STEAL(slot->packet) : NULL;
	}
	return NULL;
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
	ring->has_begun = false;
	return NULL;
}
