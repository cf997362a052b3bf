/* fanout_mark.h - what a message of the fan-out benchmark carries, wherever it is in the bytes:
 * "@PNNNNNNN:TTTTTTTTTTTTTTTT@", its publisher (a digit), its number and when it was sent
 * (monotonic nanoseconds, in hex). Thread: any. */
#ifndef TESTS_BENCH_FANOUT_MARK_H
#define TESTS_BENCH_FANOUT_MARK_H

#include <stddef.h>
#include <string.h>

enum { MARK_BYTES = 27, MARK_COLON = 9 };

/* The next mark, whole or cut by the end of the bytes, or NULL. */
static inline const char *mark_find(const char *at, const char *end)
{
	while (at < end && (at = memchr(at, '@', (size_t)(end - at)))) {
		if (end - at < MARK_BYTES || (at[MARK_COLON] == ':' && at[MARK_BYTES - 1] == '@'))
			return at;
		at++;
	}
	return NULL;
}

#endif
