/* rate_meter.h - how much passes a second, from a count that only grows. Pure: it is told the time.
 * Thread: worker. */
#ifndef SFU_MODEL_RATE_METER_H
#define SFU_MODEL_RATE_METER_H

#include <stdbool.h>
#include <stdint.h>

enum { RATE_METER_US = 1000000 };

/* Zero: nothing was measured. */
struct rate_meter {
	uint64_t began_us, bytes_before, bitrate_bps;
	bool is_known; /* one second has passed */
};

/* Is it time for the next one? */
static inline bool rate_meter_is_due(const struct rate_meter *meter, uint64_t now_us)
{
	return now_us - meter->began_us >= RATE_METER_US;
}

/* So many bytes have passed in all. Often; a rate stands for the last whole second or so. */
static inline void rate_meter_tick(struct rate_meter *meter, uint64_t byte_count, uint64_t now_us)
{
	uint64_t elapsed_us = now_us - meter->began_us;

	if (!rate_meter_is_due(meter, now_us))
		return;
	if (meter->began_us) {
		meter->is_known = true;
		meter->bitrate_bps = (byte_count - meter->bytes_before) * 8000000u / elapsed_us;
	}
	meter->began_us = now_us;
	meter->bytes_before = byte_count;
}

#endif
