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

#endif
