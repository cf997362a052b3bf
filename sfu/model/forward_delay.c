#include "sfu/model/forward_delay.h"

/* The middle of a slot. */
static int64_t age_of(size_t slot)
{
	size_t coarse = slot - FORWARD_DELAY_FINE;

	if (slot < FORWARD_DELAY_FINE)
		return ((int64_t)slot << FORWARD_DELAY_FINE_BITS) +
		       (1 << (FORWARD_DELAY_FINE_BITS - 1));
	return ((int64_t)coarse << FORWARD_DELAY_COARSE_BITS) +
	       (1 << (FORWARD_DELAY_COARSE_BITS - 1));
}

static uint64_t not_below_zero(int64_t us)
{
	return us > 0 ? (uint64_t)us : 0;
}

void forward_delay_on_sent(struct forward_delay *delay, uint64_t now_us,
			   struct histogram *histogram)
{
	int64_t rest_us = (int64_t)(now_us - delay->zero_us); /* negative in a short turn */
	uint64_t left = delay->count;

	if (left == 0)
		return;
	histogram->sum_us += not_below_zero((int64_t)delay->ages_us + (int64_t)left * rest_us);
	for (size_t i = 0; left > 0; i++) {
		if (delay->slots[i] == 0)
			continue;
		histogram_count(histogram, not_below_zero(age_of(i) + rest_us), delay->slots[i]);
		left -= delay->slots[i];
		delay->slots[i] = 0;
	}
	delay->count = delay->ages_us = 0;
}
