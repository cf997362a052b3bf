#include "sfu/edge/kept_packets.h"

#include <errno.h>

#include "core/clock.h"
#include "sfu/model/nack_tracker.h"

enum {
	KEPT_US = 1500000, /* who gets a packet later than that has gone on without it */
	/* What is older would be shown too late, and for long: players take their time from the
	 * first picture. */
	SINCE_KEYFRAME_US = 500000,
	SINCE_KEYFRAME_PACKETS = 256
};

int kept_packets_init(struct kept_packets *kept, size_t capacity)
{
	*kept = (struct kept_packets){.ring = packet_ring_new(capacity)};
	return kept->ring ? 0 : -ENOMEM;
}

void kept_packets_forget(struct kept_packets *kept)
{
	struct packet *packet;

	while ((packet = packet_ring_take_any(kept->ring)))
		packet_release(packet);
	kept->has_packet = false;
	kept->keyframe.is_known = false;
}

void kept_packets_end(struct kept_packets *kept)
{
	if (!kept->ring)
		return;
	kept_packets_forget(kept);
	kept->ring = packet_ring_free(kept->ring);
}

/* Parameter sets in packets of their own come before their picture, under the same time. */
static void note_keyframe(struct kept_packets *kept, const struct packet *packet)
{
	const struct rtp_header *header = &packet->header;

	if (kept->keyframe.is_known && kept->keyframe.rtp_timestamp == header->rtp_timestamp)
		return;
	kept->keyframe.is_known = true;
	kept->keyframe.sequence_number = header->sequence_number;
	kept->keyframe.rtp_timestamp = header->rtp_timestamp;
	kept->keyframe.arrival_us = packet->arrival_us;
}

bool kept_packets_put(struct kept_packets *kept, struct packet *packet)
{
	uint16_t sequence_number = packet->header.sequence_number;
	struct packet *replaced;

	if (packet_ring_find(kept->ring, sequence_number))
		return false;
	if (!kept->has_packet || rtp_sequence_is_newer(sequence_number, kept->highest_sequence))
		kept->highest_sequence = sequence_number;
	kept->has_packet = true;
	(void)gst_buffer_ref(packet->buffer);
	replaced = packet_ring_put(kept->ring, sequence_number, packet->arrival_us, packet);
	if (replaced)
		packet_release(replaced);
	while ((replaced = packet_ring_take_older(kept->ring, packet->arrival_us - KEPT_US)))
		packet_release(replaced);
	if (packet->is_keyframe_start)
		note_keyframe(kept, packet);
	return true;
}

struct packet *kept_packets_find(const struct kept_packets *kept, uint16_t sequence_number)
{
	return kept->ring ? packet_ring_find(kept->ring, sequence_number) : NULL;
}

bool kept_packets_may_still_come(const struct kept_packets *kept, uint16_t sequence_number)
{
	return (uint16_t)(kept->highest_sequence - sequence_number) < NACK_TRACKED_MAX;
}

uint64_t kept_packets_keyframe_age_us(const struct kept_packets *kept, uint64_t now_us)
{
	return kept->keyframe.is_known ? clock_elapsed_us(kept->keyframe.arrival_us, now_us)
				       : UINT64_MAX;
}

GstBufferList *kept_packets_since_keyframe(const struct kept_packets *kept, uint64_t now_us,
					   size_t bytes_max)
{
	uint16_t first = kept->keyframe.sequence_number;
	uint16_t count = (uint16_t)(kept->highest_sequence - first + 1);
	GstBufferList *list;
	size_t bytes = 0;

	if (count > SINCE_KEYFRAME_PACKETS ||
	    kept_packets_keyframe_age_us(kept, now_us) > SINCE_KEYFRAME_US)
		return NULL;
	list = gst_buffer_list_new_sized(count);
	for (uint16_t i = 0; i < count && bytes <= bytes_max; i++) {
		struct packet *packet = packet_ring_find(kept->ring, (uint16_t)(first + i));

		bytes = packet ? bytes + packet->length : SIZE_MAX;
		if (packet)
			gst_buffer_list_add(list, gst_buffer_ref(packet->buffer));
	}
	if (bytes <= bytes_max)
		return list;
	gst_buffer_list_unref(list);
	return NULL;
}
