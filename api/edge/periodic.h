/* periodic.h - a thread with a store of its own that does something every now and then. Thread:
 * main for the functions. */
#ifndef API_EDGE_PERIODIC_H
#define API_EDGE_PERIODIC_H

#include <stdint.h>

#include "db/store.h"

struct periodic;

/* What it does, on its own thread; it tells its faults itself. Returns for how many milliseconds it
 * rests. */
typedef int64_t periodic_fn(void *data, struct store *store);

/* `data` is borrowed. The store's errors, -EAGAIN, -ENOMEM */
int periodic_start(const char *database, enum store_durability durability, periodic_fn *run,
		   void *data, struct periodic **ret_periodic, struct error *reterr) MUST_CHECK;
/* Waits for what it is doing. */
struct periodic *periodic_stop(struct periodic *periodic);
DEFINE_AUTO(periodic, periodic_stop);

#endif
