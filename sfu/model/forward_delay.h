/* forward_delay.h - how long media packets were here: from when the kernel had them until it was
 * given what was made of them, once for each subscriber.
 *
 * What a turn of the loop sends leaves at its end, and only then it is known when. Until then
 * packets are counted by how old they are; at the end all move on by the rest of the turn. A packet
 * costs a subtraction and two additions. Ages are kept to 128 us, those over 12 ms to 8 ms; their
 * sum is exact.
 *
 * Pure: it is told the time. Thread: worker.
 */
#ifndef SFU_MODEL_FORWARD_DELAY_H
#define SFU_MODEL_FORWARD_DELAY_H

#include <stdint.h>

#include "core/metrics.h"

enum {
	/* A packet may come while the turn goes on; what comes later than that into it counts as
	 * if it had come then. */
	FORWARD_DELAY_AHEAD_US = 4096,
	FORWARD_DELAY_FINE_BITS = 7,
	FORWARD_DELAY_FINE = 128, /* slots, of 128 us */
	FORWARD_DELAY_COARSE_BITS = 13,
	FORWARD_DELAY_COARSE = 128 /* slots, of 8 ms; the last: and older */
};

struct forward_delay {
	uint64_t zero_us;	 /* the turn's beginning, and FORWARD_DELAY_AHEAD_US */
	uint64_t count, ages_us; /* since then; ages are counted from there */
	uint32_t slots[FORWARD_DELAY_FINE + FORWARD_DELAY_COARSE];
};

static inline void forward_delay_begin_turn(struct forward_delay *delay, uint64_t now_us)
{
	delay->zero_us = now_us + FORWARD_DELAY_AHEAD_US;
}

/* One that came at `arrival_us` was made ready for somebody. */
static inline void forward_delay_on_packet(struct forward_delay *delay, uint64_t arrival_us)
{
	uint64_t age_us = arrival_us < delay->zero_us ? delay->zero_us - arrival_us : 0;
	uint64_t fine = age_us >> FORWARD_DELAY_FINE_BITS;
	uint64_t coarse = age_us >> FORWARD_DELAY_COARSE_BITS;

	delay->count++;
	delay->ages_us += age_us;
	if (fine < FORWARD_DELAY_FINE)
		delay->slots[fine]++;
	else
		delay->slots[FORWARD_DELAY_FINE +
			     (coarse < FORWARD_DELAY_COARSE ? coarse : FORWARD_DELAY_COARSE - 1)]++;
}

/* All of them have left now. */
void forward_delay_on_sent(struct forward_delay *delay, uint64_t now_us,
			   struct histogram *histogram);

#endif
