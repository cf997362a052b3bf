/* turn_pace.h - how long a worker may wait so that more comes and goes together.
 *
 * A datagram that leaves alone costs a relay more than one of a train, and a turn of the loop for
 * one packet more than one for several. An idle worker sends each on at once. Where calls are
 * going on it waits half a millisecond or so after the first datagram for those that follow,
 * which are the rest of the same picture and what others say at that time: rooms of ten take a
 * fifth less CPU for it, and waiting longer gains little more. One that is busy waits for longer,
 * which makes it less busy, and so settles at as much as is needed.
 *
 * Pure: it is told the time. Thread: worker.
 */
#ifndef SFU_MODEL_TURN_PACE_H
#define SFU_MODEL_TURN_PACE_H

#include <stdint.h>

enum {
	TURN_IDLE_PERCENT = 2, /* up to this load nothing waits */
	TURN_CALL_PERCENT = 5, /* from this to the next, for TURN_WAIT_US */
	TURN_BUSY_PERCENT = 50,
	TURN_FULL_PERCENT = 75, /* from here on for TURN_WAIT_MAX_US */
	TURN_WAIT_US = 600,
	TURN_WAIT_MAX_US = 4000
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
