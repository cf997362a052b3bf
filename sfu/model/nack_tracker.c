#include "sfu/model/nack_tracker.h"

#include <string.h>

#include "sfu/wire/rtp.h"

/* Drop entries [from, to). */
static void forget(struct nack_tracker *tracker, size_t from, size_t to)
{
	memmove(&tracker->missing[from], &tracker->missing[to],
		(tracker->missing_count - to) * sizeof(tracker->missing[0]));
	tracker->missing_count -= to - from;
}

static enum nack_arrival late_packet(struct nack_tracker *tracker, uint16_t sequence_number,
				     uint64_t now_us)
{
	for (size_t i = 0; i < tracker->missing_count; i++) {
		if (tracker->missing[i].sequence_number != sequence_number)
			continue;
		if (tracker->missing[i].tries == 1)
			tracker->answered_in_us = now_us - tracker->missing[i].asked_at_us;
		forget(tracker, i, i + 1);
		return NACK_RECOVERED;
	}
	return NACK_DUPLICATE_OR_LATE;
}

enum nack_arrival nack_tracker_on_packet(struct nack_tracker *tracker, uint16_t sequence_number,
					 uint64_t now_us)
{
	uint16_t gap;

	tracker->answered_in_us = 0;
	if (!tracker->has_packet) {
		tracker->has_packet = true;
		tracker->highest_sequence = sequence_number;
		return NACK_IN_ORDER;
	}
	if (!rtp_sequence_is_newer(sequence_number, tracker->highest_sequence))
		return late_packet(tracker, sequence_number, now_us);
	gap = (uint16_t)(sequence_number - tracker->highest_sequence - 1);
	if (gap > NACK_TRACKED_MAX - tracker->missing_count) {
		tracker->missing_count = 0;
		tracker->wants_keyframe = true;
	} else {
		for (uint16_t i = 0; i < gap; i++) {
			size_t at = tracker->missing_count++;

			tracker->missing[at].sequence_number =
				(uint16_t)(tracker->highest_sequence + 1 + i);
			tracker->missing[at].since_us = now_us;
			tracker->missing[at].asked_at_us = 0;
			tracker->missing[at].tries = 0;
		}
	}
	tracker->highest_sequence = sequence_number;
	return NACK_IN_ORDER;
}

void nack_tracker_on_keyframe(struct nack_tracker *tracker, uint16_t sequence_number)
{
	size_t before = 0;

	while (before < tracker->missing_count &&
	       rtp_sequence_is_newer(sequence_number, tracker->missing[before].sequence_number))
		before++;
	forget(tracker, 0, before);
}

size_t nack_tracker_due(struct nack_tracker *tracker, uint64_t now_us, uint64_t wait_us,
			uint64_t late_us, uint16_t *ret_sequence_numbers, size_t capacity)
{
	uint64_t patience_us = late_us > NACK_REORDER_US ? late_us : NACK_REORDER_US;
	size_t count = 0;

	for (size_t i = 0; i < tracker->missing_count;) {
		uint64_t age_us = now_us - tracker->missing[i].since_us;
		uint64_t least_us = (uint64_t)NACK_REPEAT_MIN_US * tracker->missing[i].tries;
		uint64_t repeat_us = wait_us > least_us ? wait_us : least_us;

		if (tracker->missing[i].tries >= NACK_TRIES_MAX || age_us > NACK_GIVE_UP_US) {
			tracker->wants_keyframe = true;
			forget(tracker, i, i + 1);
			continue;
		}
		if (count < capacity && age_us >= patience_us &&
		    (tracker->missing[i].tries == 0 ||
		     now_us - tracker->missing[i].asked_at_us >= repeat_us)) {
			ret_sequence_numbers[count++] = tracker->missing[i].sequence_number;
			tracker->missing[i].asked_at_us = now_us;
			tracker->missing[i].tries++;
		}
		i++;
	}
	return count;
}

bool nack_tracker_take_keyframe_wish(struct nack_tracker *tracker)
{
	bool wish = tracker->wants_keyframe;

	tracker->wants_keyframe = false;
	return wish;
}
