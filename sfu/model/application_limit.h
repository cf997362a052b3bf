/* application_limit.h - is less sent than the way is believed to carry? Then what arrives says
 * nothing of the way (the application-limited region, ALR): a queue on it is not of our making, and
 * where it was never full is not known.
 *
 * What could have been sent and was not is counted over half a second. Much of it left: limited;
 * until more than half of it is used up again, so that a large picture now and then ends nothing.
 *
 * Zeroed: nothing is known yet, which is not limited. Pure. Thread: worker. */
#ifndef SFU_MODEL_APPLICATION_LIMIT_H
#define SFU_MODEL_APPLICATION_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct application_limit {
	double unused;	/* of what may be sent in the window; less than 0: more was sent */
	uint64_t at_us; /* when that was; 0: nothing was sent yet */
	bool is_limited;
};

/* So many bytes were sent since the last call, while the estimate was `estimate_bps`. Some ten
 * times a second will do. */
static inline void application_limit_on_sent(struct application_limit *limit, uint64_t now_us,
					     size_t byte_count, double estimate_bps)
{
	/* Of the estimate; what keeps below it cannot be held for one who fills the way. */
	const double used_share = 0.65, window_us = 500000;
	const double begins = 0.8, ends = 0.5;
	double window_bytes = used_share * estimate_bps / 8 * window_us / 1e6;

	if (limit->at_us)
		limit->unused += (double)(now_us - limit->at_us) / window_us;
	limit->unused -= (double)byte_count / window_bytes;
	if (limit->unused > 1)
		limit->unused = 1;
	if (limit->unused < -1)
		limit->unused = -1;
	limit->at_us = now_us;
	limit->is_limited = limit->unused > (limit->is_limited ? ends : begins);
}

#endif
