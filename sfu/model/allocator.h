/* allocator.h - which layer of each video a subscriber gets, and how many of its pictures, within
 * what its network carries.
 *
 * Between one layer and the next there are steps where the publisher's temporal layers allow them:
 * on a poor way the frame rate falls first, down to the half of it, and of the smallest layer to
 * whatever its lowest temporal layer has. Every stream that is wanted first gets the first step of
 * its smallest layer, the most important stream first; what is left raises them a step at a time in
 * the same order. A stream for which nothing is left
 * pauses, except the most important one, so that somebody is always seen. Going down takes effect
 * at once; going up needs a margin, and some time since it last went down, so that a budget that
 * wavers does not make the picture waver. Another layer begins with a keyframe, many times as large
 * as what follows: one that had to be given up soon after is tried again after twice that time each
 * time, unless clearly more has become free meanwhile.
 *
 * Thread: worker.
 */
#ifndef SFU_MODEL_ALLOCATOR_H
#define SFU_MODEL_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sfu/model/forwarder.h"
#include "sfu/model/layer_meter.h"
#include "sfu/wire/picture_size.h"

enum {
	ALLOCATOR_DWELL_US = 2000000, /* after a step down forced by the budget, no step up */
	ALLOCATOR_TRIAL_US = 5000000, /* a larger layer that has to go within this has failed */
	ALLOCATOR_DWELL_MAX_US = 32000000, /* after many failures */
	ALLOCATOR_BETTER_PERCENT = 125, /* of the budget that it failed with: it may come before */
	ALLOCATOR_MARGIN_PERCENT = 15,	/* to step up */
	ALLOCATOR_PRIORITY_DEFAULT = 1, /* higher is more important */
	ALLOCATOR_BUDGET_UNLIMITED = -1
};

struct allocator_layer {
	bool is_live;
	uint64_t bitrate_bps;
	struct picture_size size; /* 0: not known */
	/* Of temporal layer 0 alone, and of 0 and 1; 0, or as much as all of it, where there are
	 * none above them. */
	uint64_t reduced_bps[TEMPORAL_REDUCED];
};

/* One video on its way to a subscriber. */
struct allocator_stream {
	struct allocator_layer layers[LAYERS_MAX];
	size_t layer_count;
	bool is_source_congested; /* only the smallest layer has a chance to arrive */
	/* What the subscriber asked for. */
	bool is_paused;
	unsigned priority;
	struct picture_size shown; /* it will be shown so large; 0: not told */
	/* Kept between runs; LAYER_NONE at first. */
	uint8_t target, target_temporal; /* the highest temporal layer of it */
	bool is_starved; /* the budget, not the subscriber, keeps it below what it could have */
	uint64_t lowered_at_us;
	uint64_t raised_at_us;	 /* to the present layer; 0: it was not, or is not on trial */
	int64_t raised_with_bps; /* what the budget was */
	int64_t failed_with_bps; /* of the last failure */
	uint64_t dwell_us;	 /* after the last lowering, before the next larger layer */
};

void allocator_stream_init(struct allocator_stream *stream);

/* What the stream takes as it was decided last. */
uint64_t allocator_stream_bps(const struct allocator_stream *stream);

/* The budget, or less, where only a share of the largest layers of all that is not paused is to be
 * sent. */
int64_t allocator_bound_by_share(struct allocator_stream *const *streams, size_t count,
				 unsigned share_percent, int64_t budget_bps);

/* Set each stream's `target`. `budget_bps` is for all of them; ALLOCATOR_BUDGET_UNLIMITED: not
 * known. Returns what it would take to raise the next stream to the whole of its next layer, 0 if
 * all have what they want. */
uint64_t allocator_run(struct allocator_stream *const *streams, size_t count, int64_t budget_bps,
		       uint64_t now_us);

#endif
