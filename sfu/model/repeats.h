/* repeats.h - what was just sent to somebody once more, and cannot have arrived yet.
 *
 * Who misses a packet asks again and again until it is there, and learns only with it how long the
 * way has become. Each answer to a question from before the last answer could arrive would be one
 * too many, and that on a way that has no room for it. Pure. Thread: worker.
 */
#ifndef SFU_MODEL_REPEATS_H
#define SFU_MODEL_REPEATS_H

#include <stdbool.h>
#include <stdint.h>

/* As many are remembered: of a stream of 10 Mbit/s, a third of which has to be repeated, those of
 * 200 ms. One that takes the place of another lets that be sent once too often. */
enum { REPEATS = 64 };

/* Zero: none. */
struct repeats {
	struct {
		uint64_t sent_us; /* 0: none */
		uint16_t sequence_number;
	} packets[REPEATS];
};

static inline void repeats_note(struct repeats *repeats, uint16_t sequence_number, uint64_t now_us)
{
	repeats->packets[sequence_number % REPEATS].sent_us = now_us;
	repeats->packets[sequence_number % REPEATS].sequence_number = sequence_number;
}

/* An answer takes `round_trip_us` at the least. */
static inline bool repeats_is_on_its_way(const struct repeats *repeats, uint16_t sequence_number,
					 uint64_t now_us, uint64_t round_trip_us)
{
	uint64_t sent_us = repeats->packets[sequence_number % REPEATS].sent_us;

	return sent_us &&
	       repeats->packets[sequence_number % REPEATS].sequence_number == sequence_number &&
	       now_us - sent_us < round_trip_us;
}

#endif
