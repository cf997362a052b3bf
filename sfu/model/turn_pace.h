/* turn_pace.h - how long a worker sleeps before it looks for what has come.
 *
 * A datagram that leaves alone costs a relay more than one of a train, a turn of the loop for one
 * packet more than one for several, and to be woken by a packet as much as to send some. An idle
 * worker waits for packets and sends each on at once. Where calls are going on it sleeps for about
 * a millisecond between two turns, in which something always comes. The busier it is the longer its
 * turns are and the more each of them carries anyway, so it sleeps for less: a packet waits for a
 * sleep and two turns at most, and that is to stay under two milliseconds up to half a core.
 *
 * Pure: it is told the time. Thread: worker.
 */
#ifndef SFU_MODEL_TURN_PACE_H
#define SFU_MODEL_TURN_PACE_H

#include <stdint.h>

enum {
	TURN_IDLE_PERCENT = 2, /* below this load nothing waits, from here on at least */
	TURN_WAIT_FIRST_US = 500,
	TURN_CALL_PERCENT = 5, /* here for the longest, then for less and less */
	TURN_WAIT_MAX_US = 1350,
	TURN_BUSY_PERCENT = 25,
	TURN_WAIT_BUSY_US = 600,
	TURN_FULL_PERCENT = 50, /* and from here on for the least */
	TURN_WAIT_FULL_US = 300
};

struct turn_pace {
	uint64_t window_began_us, busy_us; /* of the window that runs */
	unsigned load_hundredths;	   /* of a per cent, smoothed over some windows */
};

/* A turn of work went from `began_us` to `ended_us`; waiting is not work. */
void turn_pace_on_turn(struct turn_pace *pace, uint64_t began_us, uint64_t ended_us);
/* The part of the time in which it works, lately. */
unsigned turn_pace_load_percent(const struct turn_pace *pace);
/* How long to sleep before the next turn; 0: wait for a packet instead. */
unsigned turn_pace_wait_us(const struct turn_pace *pace);

#endif
