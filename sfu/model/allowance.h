/* allowance.h - so many at once, and from then on one each while (the generic cell rate algorithm
 * of ITU-T I.371). Zeroed: all of it is there. Thread: worker. */
#ifndef SFU_MODEL_ALLOWANCE_H
#define SFU_MODEL_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

struct allowance {
	uint64_t spent_until_us; /* when all that was taken will have come back */
};

static inline bool allowance_is_left(const struct allowance *allowance, uint64_t now_us,
				     unsigned at_once, uint64_t each_us)
{
	return allowance->spent_until_us <= now_us + (at_once - 1) * each_us;
}

static inline void allowance_take(struct allowance *allowance, uint64_t now_us, uint64_t each_us)
{
	if (allowance->spent_until_us < now_us)
		allowance->spent_until_us = now_us;
	allowance->spent_until_us += each_us;
}

#endif
