/* overload.h - what a worker that is too busy does before everybody's packets are late.
 *
 * Past the limit nobody new may begin to publish. Where that is not enough, everyone is sent less:
 * `share_percent` of what they could be sent, which the allocator turns into smaller layers. That
 * falls by a quarter each second until the worker has room, and comes back slowly. Sound is never
 * touched.
 *
 * Pure: it is told load and time. Thread: worker.
 */
#ifndef SFU_MODEL_OVERLOAD_H
#define SFU_MODEL_OVERLOAD_H

#include <stdbool.h>
#include <stdint.h>

enum { OVERLOAD_SHARE_MIN = 20, OVERLOAD_SHARE_ALL = 100 };

struct overload {
	unsigned limit_percent; /* of a core; 0: there is none */
	bool refuses;		/* new publishers */
	unsigned share_percent;
	uint64_t busy_since_us, idle_since_us; /* 0: it is not */
	uint64_t changed_at_us;		       /* the share */
};

void overload_init(struct overload *overload, unsigned limit_percent);
/* How busy the worker is now. True: `refuses` or `share_percent` changed. */
bool overload_update(struct overload *overload, unsigned load_percent, uint64_t now_us);

#endif
