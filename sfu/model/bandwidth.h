/* bandwidth.h - how much the way to one receiver carries: send-side congestion control.
 *
 * After draft-ietf-rmcat-gcc-02, with what practice has added to it:
 *   - delay: a queue that builds up (delay_trend.h) takes the estimate to 85 % of what arrives;
 *     otherwise it grows, slowly near where it last had to fall.
 *   - loss: only what comes on top of what the way loses anyway. A link that drops 15 % of any
 * traffic is not congested, and sending less would not help.
 *   - collapse: where most is lost and little arrives, again and again, the estimate follows at
 * once. One burst of losses is none.
 *   - application limit: what is sent by far less than the estimate proves nothing
 * (application_limit.h). The estimate does not grow by it; a fall is of somebody else's making, and
 * what it was before is tried first once more is wanted.
 *   - probes: a short burst shows whether there is more.
 *
 * Pure: it gets events and times, and sends nothing. Thread: worker.
 */
#ifndef SFU_MODEL_BANDWIDTH_H
#define SFU_MODEL_BANDWIDTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sfu/model/application_limit.h"
#include "sfu/model/delay_trend.h"

enum {
	BANDWIDTH_MIN_BPS = 50000,
	BANDWIDTH_START_BPS = 1500000,
	BANDWIDTH_MAX_BPS = 100000000,
	BANDWIDTH_WINDOW_SLOTS = 16,
	BANDWIDTH_SLOT_US = 25000 /* the window is 400 ms */
};

/* Bytes over the last 400 ms, in slots. */
struct rate_window {
	uint64_t bytes[BANDWIDTH_WINDOW_SLOTS];
	uint64_t slot; /* the newest one's number since the clock began */
	uint64_t first_slot;
	bool has_begun;
};

/* A burst whose arrival shows how fast the way is. */
struct bandwidth_probe {
	uint8_t id; /* 0: none is on its way */
	uint64_t asked_bps, started_us;
	uint64_t byte_count; /* behind the first packet that arrived */
	unsigned packet_count;
	int64_t first_arrival_us, last_arrival_us;
};

struct bandwidth {
	double estimate_bps;
	struct delay_trend trend;
	struct rate_window sent, arrived;
	size_t sent_bytes; /* since the last feedback */
	struct application_limit application;
	int64_t arrival_us;		/* the last one told, unwrapped */
	double link_bps, link_variance; /* where it had to fall lately; 0: not known */
	uint64_t grown_at_us, lowered_at_us;
	double untested_bps; /* before it fell while next to nothing was sent; 0: it did not */
	uint64_t untested_at_us;
	/* Loss, told by feedback. */
	unsigned window_lost, window_count, window_runs; /* of lost packets, one behind the other */
	bool is_in_run;
	uint64_t loss_window_us;
	double loss, inherent_loss;	     /* of the last window; of the way itself */
	double loss_before, estimate_before; /* at the last fall because of loss; 0: none */
	uint64_t loss_lowered_at_us;
	/* Probes. */
	struct bandwidth_probe probe;
	uint8_t last_probe_id;
	uint64_t next_probe_us, probe_pause_us;
	uint64_t stamped_at_us; /* the first packet; 0: none yet */
	uint64_t heard_at_us;	/* the last feedback; 0: none yet */
};

void bandwidth_init(struct bandwidth *bandwidth, uint64_t now_us);
void bandwidth_on_sent(struct bandwidth *bandwidth, uint64_t now_us, size_t byte_count);

/* One feedback packet: bandwidth_on_result() for each packet that it tells of, in order, then
 * bandwidth_on_feedback(). `arrival_us` is the receiver's clock, which begins
 * anew after 12.4 days. */
void bandwidth_on_result(struct bandwidth *bandwidth, uint64_t now_us, uint64_t sent_us,
			 size_t byte_count, uint8_t probe, bool has_arrived, int64_t arrival_us);
void bandwidth_on_feedback(struct bandwidth *bandwidth, uint64_t now_us, uint64_t rtt_us);

/* What may be sent, bit/s; ALLOCATOR_BUDGET_UNLIMITED if the receiver never tells anything. */
int64_t bandwidth_budget_bps(const struct bandwidth *bandwidth, uint64_t now_us);

/* `wanted_bps` in all could be sent if there were room. True: send a burst of *ret_byte_count now,
 * marked with *ret_id; of small packets less will do, which a narrow way is grateful for. */
bool bandwidth_wants_probe(struct bandwidth *bandwidth, uint64_t now_us, uint64_t wanted_bps,
			   bool of_small_packets, uint8_t *ret_id, size_t *ret_byte_count);

#endif
