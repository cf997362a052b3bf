/* random.h - repeatable randomness for property tests (xorshift64*).
 *
 * The seed comes from RT_SEED and is printed when a test asks for it, so that a failure can be run
 * again. Thread: any, one state each.
 */
#ifndef TESTS_UNIT_SFU_RANDOM_H
#define TESTS_UNIT_SFU_RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct random {
	uint64_t state;
};

static inline struct random random_from_environment(void)
{
	const char *text = getenv("RT_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : 20240229;

	/* cmocka shows what a test printed; a passing run is not read. */
	printf("RT_SEED=%llu\n", (unsigned long long)seed);
	return (struct random){seed ? seed : 1};
}

static inline uint64_t random_u64(struct random *random)
{
	random->state ^= random->state >> 12;
	random->state ^= random->state << 25;
	random->state ^= random->state >> 27;
	return random->state * 0x2545f4914f6cdd1d;
}

/* 0 <= result < limit. */
static inline uint32_t random_below(struct random *random, uint32_t limit)
{
	return (uint32_t)((random_u64(random) >> 32) % limit);
}

static inline void random_fill(struct random *random, void *bytes, size_t length)
{
	uint8_t *byte = bytes;

	for (size_t i = 0; i < length; i++)
		byte[i] = (uint8_t)(random_u64(random) >> 56);
}

#endif
