/* rate.h - a token bucket: so many a second on average, twice as many at once. Thread: its owner's.
 */
#ifndef REALTIME_MODEL_RATE_H
#define REALTIME_MODEL_RATE_H

#include <stdbool.h>
#include <stdint.h>

enum { RATE_BURST_S = 2 };

struct rate {
	uint64_t full_at_us; /* when the bucket will be full again; 0 at first */
};

/* Take one. 0: it may be; else how many microseconds to wait for the next. `per_second` 0: always.
 */
static inline uint64_t rate_take(struct rate *rate, uint64_t per_second, uint64_t now_us)
{
	uint64_t each_us, full_at_us, latest_us = now_us + RATE_BURST_S * 1000000u;

	if (per_second == 0)
		return 0;
	each_us = 1000000u / per_second;
	if (rate->full_at_us > latest_us)
		rate->full_at_us = now_us; /* the clock was put back */
	full_at_us = (rate->full_at_us > now_us ? rate->full_at_us : now_us) + each_us;
	if (full_at_us > latest_us)
		return full_at_us - latest_us;
	rate->full_at_us = full_at_us;
	return 0;
}

#endif
