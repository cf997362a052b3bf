#include "tests/integration/relay/ordeal.h"

#include <stdlib.h>

#include "core/clock.h"

enum { HALT_US_MAX = 60000 };

unsigned ordeal_loss_percent(struct random *random)
{
	static const unsigned percents[] = {0, 0, 2, 5, 15};

	return percents[random_below(random, ARRAY_LEN(percents))];
}

void ordeal_halt_sfu(struct pair *pair, struct random *random, void (*go_on)(void *data),
		     void *data)
{
	uint64_t until_us = clock_now_us() + random_below(random, HALT_US_MAX);

	pair_halt_sfu(pair);
	while (clock_now_us() < until_us)
		go_on(data);
	pair_resume_sfu(pair);
}

uint64_t ordeal_end_us(uint64_t usual_seconds)
{
	const char *seconds = getenv("RT_SECONDS");

	return clock_now_us() + (seconds ? strtoull(seconds, NULL, 10) : usual_seconds) * 1000000;
}
