/* pacer.h - when the next packet may leave for somebody whose network is narrow.
 *
 * A keyframe is many times as large as the pictures around it. Sent at once it overflows the queue
 * before the narrowest link, and what is lost of it has to be asked for while the next pictures
 * follow. So packets leave somewhat faster than the network carries them in the long run, and no
 * faster; what a picture of usual size takes goes at once, for a relay pays for every time that it
 * wakes up.
 *
 * Pure: it is told the time. Thread: worker.
 */
#ifndef SFU_MODEL_PACER_H
#define SFU_MODEL_PACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PACER_PERCENT = 150, /* of what the network carries */
	PACER_BURST_MS =
		40, /* of it that may go at once: a picture, even if that is all it carries */
	PACER_BURST_BYTES = 3000, /* at least */
	PACER_DELAY_MAX_MS = 250, /* what waits is gone by then, narrow or not */
	PACER_TURN_MS = 5	  /* how often to look while something waits */
};

struct pacer {
	uint64_t free_at_ns; /* when all that was sent would have left at the pace */
	uint64_t burst_ns;
	uint32_t ns_per_byte; /* 0: everything goes at once */
};

/* What the network carries (negative: not known) and how many bytes wait now. */
void pacer_set_budget(struct pacer *pacer, int64_t budget_bps, size_t waiting_bytes);

static inline bool pacer_is_open(const struct pacer *pacer, uint64_t now_us)
{
	return pacer->free_at_ns <= now_us * 1000 + pacer->burst_ns;
}

static inline void pacer_on_sent(struct pacer *pacer, uint64_t now_us, size_t byte_count)
{
	uint64_t now_ns = now_us * 1000;

	if (pacer->free_at_ns < now_ns)
		pacer->free_at_ns = now_ns;
	pacer->free_at_ns += (uint64_t)pacer->ns_per_byte * byte_count;
}

#endif
