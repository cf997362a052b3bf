/* round_trip.h - how long an answer takes, and how long to wait for it before asking again.
 *
 * Measured where something is answered anyway: by report blocks (RFC 3550 section 6.4.1), which a
 * participant who only sends never has reason to write, and by packets sent again on request. What
 * was asked for twice tells nothing: it may answer either. Smoothed as in RFC 6298, but for the
 * wait, which is to be right mostly rather than always: to ask once more costs little.
 *
 * Pure. Thread: worker.
 */
#ifndef SFU_MODEL_ROUND_TRIP_H
#define SFU_MODEL_ROUND_TRIP_H

#include <stdbool.h>
#include <stdint.h>

enum { ROUND_TRIP_DEFAULT_US = 100000, ROUND_TRIP_MOST_US = 10000000 };

/* Zero: not known. */
struct round_trip {
	uint64_t smoothed_us, deviation_us;
	bool is_known;
};

void round_trip_on_sample(struct round_trip *round_trip, uint64_t sample_us);

static inline uint64_t round_trip_us(const struct round_trip *round_trip)
{
	return round_trip->is_known ? round_trip->smoothed_us : ROUND_TRIP_DEFAULT_US;
}
/* So long after a question its answer is probably lost. */
static inline uint64_t round_trip_wait_us(const struct round_trip *round_trip)
{
	return round_trip_us(round_trip) + round_trip->deviation_us;
}

#endif
