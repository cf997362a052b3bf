/* webhook_tally.h - what this process's courier has done, for /metrics. Thread: any. */
#ifndef API_WEBHOOK_TALLY_H
#define API_WEBHOOK_TALLY_H

#include <stdatomic.h>

struct webhook_tally {
	atomic_ullong delivered, again, failed; /* attempts by what came of them, and given up */
	atomic_ullong dropped;			/* events for which a queue had no place */
};

#endif
