/* ordeal.h - what befalls films (film.h) and their viewers in tests that go on at random. */
#ifndef TESTS_INTEGRATION_RELAY_ORDEAL_H
#define TESTS_INTEGRATION_RELAY_ORDEAL_H

#include "tests/integration/relay/pair.h"
#include "tests/unit/sfu/random.h"

/* So many per cent are lost from now on; of two ways in five none. */
unsigned ordeal_loss_percent(struct random *random);
/* The SFU stands still for up to 60 ms, while all others `go_on`. What comes meanwhile is looked at
 * in one batch: all of one stream before the next. */
void ordeal_halt_sfu(struct pair *pair, struct random *random, void (*go_on)(void *data),
		     void *data);
/* When a run that begins now is over: RT_SECONDS from now, or as many as usual. By clock_now_us().
 */
uint64_t ordeal_end_us(uint64_t usual_seconds);

#endif
