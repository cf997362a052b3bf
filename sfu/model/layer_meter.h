/* layer_meter.h - what a layer carries: all of it, and its lowest temporal layers alone.
 *
 * Pure: it is told the time. Thread: worker.
 */
#ifndef SFU_MODEL_LAYER_METER_H
#define SFU_MODEL_LAYER_METER_H

#include <stdbool.h>
#include <stdint.h>

enum {
	/* Temporal layers that can be left out one by one: with those above they make three steps.
	 */
	TEMPORAL_REDUCED = 2,
	LAYER_METER_US = 250000 /* over so long a rate is taken */
};

struct layer_rates {
	uint64_t bitrate_bps;
	uint64_t reduced_bps[TEMPORAL_REDUCED]; /* of temporal layer 0; of 0 and 1 */
};
/* What one layer carries together with another, which it needs. */
void layer_rates_add(struct layer_rates *rates, const struct layer_rates *other);

/* Zero: nothing came yet. */
struct layer_meter {
	uint64_t bytes[TEMPORAL_REDUCED + 1]; /* by temporal layer; the last: and those above */
	uint64_t began_us;
	bool is_partial; /* for a part of the time the layer was away */
};

void layer_meter_on_packet(struct layer_meter *meter, uint8_t temporal_layer, uint64_t bytes);
/* The layer has been left off, or comes back: what comes in this time is less than its rate. */
static inline void layer_meter_interrupt(struct layer_meter *meter)
{
	meter->is_partial = true;
}
/* Takes the rates when it is time. A time without packets, or one that nobody looked at, says
 * nothing of the rate that it will have again: the rates stay. */
void layer_meter_tick(struct layer_meter *meter, uint64_t now_us, struct layer_rates *rates);

#endif
