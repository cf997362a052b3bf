/* media_counters.h - what is counted of a participant's connection, and of all of a worker's.
 *
 * Each transport counts for itself. A worker's totals are the sums over those that are there and
 * those that were (`media_port_counters.ended`), so that they never go back, and a packet costs no
 * more than an addition. Names are those in SFU_STATUS. Thread: worker.
 */
#ifndef SFU_EDGE_MEDIA_COUNTERS_H
#define SFU_EDGE_MEDIA_COUNTERS_H

#include <jansson.h>
#include <stdint.h>

#include "core/metrics.h"

/* Bytes are of whole packets as SRTP has them, without IP and UDP. Lost are those of which it was
 * found out at some time that they are missing, and which were not repaired by then: `lost_in` by
 * us, `lost_out` by those who are sent something, as they report it. */
#define MEDIA_COUNTERS(X)                                                                          \
	X(packets_out) /* new ones; repeats and padding are counted below */                       \
	X(bytes_out)   /* of all of them */                                                        \
	X(packets_in)                                                                              \
	X(bytes_in)                                                                                \
	X(lost_in)                                                                                 \
	X(lost_out)                                                                                \
	X(nacks_sent) /* packets that were asked for, not packets of RTCP */                       \
	X(nacks_received)                                                                          \
	X(plis_sent)                                                                               \
	X(plis_received)                                                                           \
	X(firs_received)                                                                           \
	X(retransmitted) /* on request */                                                          \
	X(retransmitted_bytes)                                                                     \
	X(retransmissions_refused) /* more than its way may be burdened with */                    \
	X(probe_repeats)	   /* sent once more to try its way out */                         \
	X(padding)		   /* the same with nothing in them */                             \
	X(paced)		   /* had to wait for its way */

struct media_counters {
#define X(name) uint64_t name;
	MEDIA_COUNTERS(X)
#undef X
};

void media_counters_add(struct media_counters *sum, const struct media_counters *more);

/* As {name: count, ...}; each is a new reference. */
json_t *media_counters_to_json(const struct media_counters *counters);
json_t *tally_to_json(const struct tally *tally);
/* As {sum_us, counts: [...]}: core/metrics.h has the bounds. */
json_t *histogram_to_json(const struct histogram *histogram);

#endif
