/* kept_packets.h - the newest packets of a layer: for who missed one, and for who begins.
 *
 * They are kept once for all subscribers of a track, and shared with those they were sent to.
 * Thread: worker.
 */
#ifndef SFU_EDGE_KEPT_PACKETS_H
#define SFU_EDGE_KEPT_PACKETS_H

#include <gst/gst.h>
#include <stdbool.h>

#include "core/cleanup.h"
#include "sfu/edge/packet.h"
#include "sfu/model/packet_ring.h"

/* Zero: keeps nothing, finds nothing. */
struct kept_packets {
	struct packet_ring *ring;
	bool has_packet;
	uint16_t highest_sequence;
	struct { /* the last one */
		bool is_known;
		uint16_t sequence_number; /* of its first packet */
		uint32_t rtp_timestamp;
		uint64_t arrival_us;
	} keyframe;
};

/* At most `capacity` of them, a power of two up to 32768. -ENOMEM */
int kept_packets_init(struct kept_packets *kept, size_t capacity) MUST_CHECK;
void kept_packets_end(struct kept_packets *kept);

/* Keep one, with a reference of its own. False: there is one under its number, which stays, as a
 * subscriber may have been sent it and must never be sent another under the same number. */
bool kept_packets_put(struct kept_packets *kept, struct packet *packet);
void kept_packets_forget(struct kept_packets *kept);

/* Borrowed until the next is put; NULL: not there. */
struct packet *kept_packets_find(const struct kept_packets *kept, uint16_t sequence_number);
/* Is one that is not there among the newest, so that the publisher may still send it again? */
bool kept_packets_may_still_come(const struct kept_packets *kept, uint16_t sequence_number);

/* How long ago the last keyframe began, in microseconds; UINT64_MAX: there was none. */
uint64_t kept_packets_keyframe_age_us(const struct kept_packets *kept, uint64_t now_us);

/* All since the last keyframe, for who begins with it: if that is not long ago, nothing of it is
 * missing, and it is at most `bytes_max`. The caller's; NULL otherwise. */
GstBufferList *kept_packets_since_keyframe(const struct kept_packets *kept, uint64_t now_us,
					   size_t bytes_max);

#endif
