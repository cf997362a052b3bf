/* nack_tracker.h - which packets of an incoming stream are missing, and when to ask again.
 *
 * A gap is asked for once it has outlived reordering, then when the answer should have come, a
 * bounded number of times and more and more seldom; what stays missing, or a gap too large to
 * repair, calls for a keyframe instead. Thread: worker. RFC 4585 section 6.2.1.
 */
#ifndef SFU_MODEL_NACK_TRACKER_H
#define SFU_MODEL_NACK_TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NACK_TRACKED_MAX = 256, /* more missing at once: give up and want a keyframe */
	NACK_TRIES_MAX = 10,
	NACK_REORDER_US = 10000, /* patience with reordering before the first request, at least */
	NACK_REPEAT_MIN_US = 20000, /* times the tries: never ask again faster than this */
	NACK_GIVE_UP_US = 1000000
};

struct nack_tracker {
	bool has_packet, wants_keyframe;
	uint16_t highest_sequence;
	uint64_t answered_in_us; /* how long the last packet took, if it was asked for once */
	size_t missing_count;
	struct {
		uint64_t since_us, asked_at_us;
		uint16_t sequence_number;
		uint8_t tries;
	} missing[NACK_TRACKED_MAX]; /* ascending */
};

enum nack_arrival { NACK_IN_ORDER, NACK_RECOVERED, NACK_DUPLICATE_OR_LATE };

/* A packet came, directly or by RTX. NACK_DUPLICATE_OR_LATE: it was not missing and is not new. */
enum nack_arrival nack_tracker_on_packet(struct nack_tracker *tracker, uint16_t sequence_number,
					 uint64_t now_us);
/* A keyframe began at this sequence number: nothing before it matters any more. */
void nack_tracker_on_keyframe(struct nack_tracker *tracker, uint16_t sequence_number);
/* What to ask for now, ascending, at most `capacity`; counts as asked. The answer to a request
 * takes at most `wait_us`; what was overtaken may still come by itself for `late_us`. */
size_t nack_tracker_due(struct nack_tracker *tracker, uint64_t now_us, uint64_t wait_us,
			uint64_t late_us, uint16_t *ret_sequence_numbers, size_t capacity);
/* How long the packet that came last was waited for, if it was asked for, and but once; 0
 * otherwise. */
static inline uint64_t nack_tracker_round_trip_us(const struct nack_tracker *tracker)
{
	return tracker->answered_in_us;
}
/* Whether something was given up since the last call. */
bool nack_tracker_take_keyframe_wish(struct nack_tracker *tracker);

#endif
