/* turn_pace.h - how long a worker may wait so that more comes and goes together.
 *
 * A datagram that leaves alone costs a relay more than one of a train. While there is time enough
 * each is sent on at once. A worker that is busy waits after the first datagram for those that
 * follow, which are the rest of the same picture: publishers spread one over some milliseconds.
 * Waiting for less than that gains nothing, so it begins late and then quickly grows. It makes the
 * worker less busy, and so settles at as much as is needed.
 *
 * Pure: it is told the time. Thread: worker.
 */
#ifndef SFU_MODEL_TURN_PACE_H
#define SFU_MODEL_TURN_PACE_H

#include <stdint.h>

enum {
	TURN_WAIT_MAX_US = 4000,
	TURN_IDLE_PERCENT = 50, /* up to here nothing waits */
	TURN_FULL_PERCENT = 75	/* from here on everything waits for TURN_WAIT_MAX_US */
};

struct turn_pace {
	uint64_t window_began_us, busy_us; /* of the window that runs */
	unsigned load_hundredths;	   /* of a per cent, smoothed over some windows */
};

/* A turn of work went from `began_us` to `ended_us`; waiting is not work. */
void turn_pace_on_turn(struct turn_pace *pace, uint64_t began_us, uint64_t ended_us);
/* The part of the time in which it works, lately. */
unsigned turn_pace_load_percent(const struct turn_pace *pace);
unsigned turn_pace_wait_us(const struct turn_pace *pace);

#endif
