/* uplink_health.h - has the way from a publisher become far too narrow for what it sends?
 *
 * By its transport-wide sequence numbers: where much of a short time is missing, the publisher's
 * own estimate will follow within a second. Until then a keyframe would only fill the way further,
 * and a large layer is not going to get through. Neither a way that loses some packets all the time
 * is meant, nor a burst of losses: a queue that is full lets one in now and then.
 *
 * Thread: worker.
 */
#ifndef SFU_MODEL_UPLINK_HEALTH_H
#define SFU_MODEL_UPLINK_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	UPLINK_WINDOW_US = 150000,
	UPLINK_DOUBT_US = 300000, /* at most, where it may have been a burst */
	UPLINK_WINDOW_PACKETS = 20,
	UPLINK_COLLAPSE_PERCENT = 40,
	UPLINK_GAPS_MIN = 3,
	UPLINK_MISSING_MIN = 60, /* or so many, however they lie */
	UPLINK_HOLD_US = 1000000 /* after the last bad window; who sends next to nothing then is
				    not judged anew */
};

struct uplink_health {
	bool has_packet;
	uint16_t highest_sequence;
	unsigned expected, received, gaps; /* in the present window */
	uint64_t byte_count;
	uint64_t window_us;	  /* when it began */
	uint64_t carried_bps;	  /* what came through in the last bad window */
	uint64_t collapsed_at_us; /* the last bad window's end; 0: none */
	bool is_bad;		  /* the last window was */
};

void uplink_health_on_packet(struct uplink_health *health, uint16_t transport_sequence,
			     size_t byte_count, uint64_t now_us);
/* Did it lose most until just now? */
static inline bool uplink_has_collapsed(const struct uplink_health *health, uint64_t now_us)
{
	return health->collapsed_at_us && now_us - health->collapsed_at_us < UPLINK_HOLD_US;
}
/* And does so still: nothing large will come through. */
static inline bool uplink_is_collapsing(const struct uplink_health *health, uint64_t now_us)
{
	return health->is_bad && uplink_has_collapsed(health, now_us);
}

#endif
