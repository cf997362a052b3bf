/* guess_limit.h - how often a room's password may be guessed from one address: GUESSES_BURST times,
 * then once every GUESS_REFILL_US. A guess is counted before it is looked at, so that many at once
 * do not slip through, and given back if it was right. Addresses are forgotten once they have all
 * their guesses again, or when GUESSERS_MAX are known: the one that was quiet for the longest.
 * Thread: loop.
 */
#ifndef REALTIME_MODEL_GUESS_LIMIT_H
#define REALTIME_MODEL_GUESS_LIMIT_H

#include "core/list.h"
#include "realtime/model/table.h"

enum { GUESSES_BURST = 5, GUESS_REFILL_US = 10000000, GUESSERS_MAX = 8192 };

struct guess_limit {
	struct table guessers;
	struct list by_age; /* the one that was quiet for the longest first */
};

/* -ENOMEM */
int guess_limit_init(struct guess_limit *limit) MUST_CHECK;
void guess_limit_fini(struct guess_limit *limit);

/* One guess for `room_id` from `address`.
 *   -EDQUOT there is none left for now   -ENOMEM */
int guess_limit_take(struct guess_limit *limit, const char *room_id, const char *address,
		     uint64_t now_us) MUST_CHECK;
/* It was right. */
void guess_limit_give_back(struct guess_limit *limit, const char *room_id, const char *address);

#endif
