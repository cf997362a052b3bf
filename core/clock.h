/* clock.h - time. Inside the processes: monotonic microseconds, `now_us`. Outside (storage, JSON):
 * Unix milliseconds, `_unix_ms`. Models take the time as an argument and never ask. Thread: any. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static inline uint64_t clock_unix_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static inline int64_t clock_unix_ms(void)
{
	return (int64_t)(clock_unix_us() / 1000u);
}

/* How long ago that was; 0 if it is later, as what another thread or the kernel saw may be:
 * `now_us` is the beginning of a thread's turn. */
static inline uint64_t clock_elapsed_us(uint64_t then_us, uint64_t now_us)
{
	return now_us > then_us ? now_us - then_us : 0;
}

#endif
