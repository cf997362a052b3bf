#include "sfu/model/allocator.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

void allocator_stream_init(struct allocator_stream *stream)
{
	memset(stream, 0, sizeof(*stream));
	stream->priority = ALLOCATOR_PRIORITY_DEFAULT;
	stream->target = LAYER_NONE;
	stream->target_temporal = TEMPORAL_LAYER_MAX;
	stream->dwell_us = ALLOCATOR_DWELL_US;
}

enum {
	ENOUGH_PERCENT = 80,
	STEPS_MAX = LAYERS_MAX * (TEMPORAL_REDUCED + 1),
	/* A step that saves less is none. */
	STEP_PERCENT = 90
};

/* ---- one stream's ladder ---- */

struct step {
	uint8_t layer, temporal; /* up to this temporal layer */
	uint64_t cost_bps;
};

/* The live layers from the smallest to the largest that is of use, in steps. */
struct ladder {
	struct allocator_stream *stream;
	size_t order; /* as they were given */
	struct step steps[STEPS_MAX];
	size_t count;
	size_t level; /* steps taken: 0 is nothing */
};

static uint64_t cost_with(const struct allocator_layer *layer, uint8_t temporal)
{
	return temporal < TEMPORAL_REDUCED && layer->reduced_bps[temporal]
		       ? layer->reduced_bps[temporal]
		       : layer->bitrate_bps;
}

uint64_t allocator_stream_bps(const struct allocator_stream *stream)
{
	return stream->target == LAYER_NONE
		       ? 0
		       : cost_with(&stream->layers[stream->target], stream->target_temporal);
}

/* Publishers name their layers in any order, so size tells which is the larger; where it is not
 * known, what they cost does. */
static bool is_smaller(const struct allocator_layer *a, const struct allocator_layer *b)
{
	if (a->size.width_px && b->size.width_px && a->size.width_px != b->size.width_px)
		return a->size.width_px < b->size.width_px;
	return a->bitrate_bps < b->bitrate_bps;
}

/* Does the picture fill what it will be shown in, or nearly so? A larger one would be wasted. */
static bool is_enough(const struct allocator_stream *stream, const struct allocator_layer *layer)
{
	return stream->shown.width_px && layer->size.width_px &&
	       (layer->size.width_px * 100u >= stream->shown.width_px * ENOUGH_PERCENT &&
		layer->size.height_px * 100u >= stream->shown.height_px * ENOUGH_PERCENT);
}

/* The live layers by size, as far as they are of use. */
static size_t sort_layers(const struct allocator_stream *stream, uint8_t sorted[LAYERS_MAX])
{
	bool is_any_metered = false;
	size_t count = 0;

	for (uint8_t i = 0; i < stream->layer_count; i++)
		is_any_metered |= stream->layers[i].is_live && stream->layers[i].bitrate_bps;
	for (uint8_t i = 0; i < stream->layer_count && !stream->is_paused; i++) {
		size_t at = count;

		/* What has just begun may cost anything: wait until it is known. */
		if (!stream->layers[i].is_live ||
		    (is_any_metered && stream->layers[i].bitrate_bps == 0))
			continue;
		for (; at > 0 && is_smaller(&stream->layers[i], &stream->layers[sorted[at - 1]]);
		     at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = i;
		count++;
	}
	if (stream->is_source_congested && count > 1)
		count = 1;
	for (size_t i = 0; i < count; i++)
		if (is_enough(stream, &stream->layers[sorted[i]]))
			count = i + 1;
	return count;
}

static bool is_step(const struct allocator_layer *layer, uint8_t temporal)
{
	return layer->reduced_bps[temporal] &&
	       layer->reduced_bps[temporal] * 100 <= layer->bitrate_bps * STEP_PERCENT;
}

/* The layer with fewer pictures, then whole. A quarter of them is worse to look at than a smaller
 * picture that moves: that is a step of the smallest layer alone. */
static void add_steps(struct ladder *ladder, uint8_t index, bool is_smallest)
{
	const struct allocator_layer *layer = &ladder->stream->layers[index];

	for (uint8_t temporal = 0; temporal < TEMPORAL_REDUCED; temporal++) {
		bool is_quarter = temporal == 0 && is_step(layer, 1);

		if (is_step(layer, temporal) && (is_smallest || !is_quarter))
			ladder->steps[ladder->count++] =
				(struct step){index, temporal, layer->reduced_bps[temporal]};
	}
	ladder->steps[ladder->count++] =
		(struct step){index, TEMPORAL_LAYER_MAX, layer->bitrate_bps};
}

static struct ladder ladder_of(struct allocator_stream *stream)
{
	struct ladder ladder = {.stream = stream};
	uint8_t sorted[LAYERS_MAX];
	size_t count = sort_layers(stream, sorted);

	for (size_t i = 0; i < count; i++)
		add_steps(&ladder, sorted[i], i == 0);
	return ladder;
}

static uint64_t cost_of(const struct ladder *ladder, size_t level)
{
	return level == 0 ? 0 : ladder->steps[level - 1].cost_bps;
}

/* Where the stream stood after the last run, on today's ladder. */
static size_t level_before(const struct ladder *ladder)
{
	size_t level = 0;

	for (size_t i = 0; i < ladder->count; i++)
		if (ladder->steps[i].layer == ladder->stream->target &&
		    (level == 0 || ladder->steps[i].temporal <= ladder->stream->target_temporal))
			level = i + 1;
	return level;
}

/* The level at which the whole of the next step's layer is sent. */
static size_t whole_layer_above(const struct ladder *ladder, size_t level)
{
	size_t whole = level + 1;

	while (whole < ladder->count && ladder->steps[whole].layer == ladder->steps[level].layer)
		whole++;
	return whole;
}

/* ---- all of them ---- */

static int compare_priority(const void *a, const void *b)
{
	const struct ladder *one = a, *two = b;

	if (one->stream->priority != two->stream->priority)
		return one->stream->priority > two->stream->priority ? -1 : 1;
	return (one->order > two->order) - (one->order < two->order);
}

struct budget {
	int64_t bps; /* for all; ALLOCATOR_BUDGET_UNLIMITED */
	uint64_t now_us;
};

/* Has it waited long enough since it was lowered? For a larger layer longer, if those before
 * failed. */
static bool may_rise(const struct ladder *ladder, const struct budget *budget)
{
	const struct allocator_stream *stream = ladder->stream;
	bool is_other_layer = ladder->steps[ladder->level].layer != stream->target;
	uint64_t waited_us = budget->now_us - stream->lowered_at_us;

	if (!stream->lowered_at_us)
		return true;
	if (waited_us < ALLOCATOR_DWELL_US)
		return false;
	return !is_other_layer || waited_us >= stream->dwell_us ||
	       budget->bps == ALLOCATOR_BUDGET_UNLIMITED ||
	       budget->bps >= stream->failed_with_bps * ALLOCATOR_BETTER_PERCENT / 100;
}

/* What a step up costs, with the margin if it goes above where the stream is; UINT64_MAX: not now.
 */
static uint64_t price_of_step(const struct ladder *ladder, const struct budget *budget)
{
	uint64_t price = cost_of(ladder, ladder->level + 1) - cost_of(ladder, ladder->level);

	if (cost_of(ladder, ladder->level + 1) < cost_of(ladder, ladder->level))
		price = 0;
	if (ladder->level + 1 <= level_before(ladder))
		return price;
	if (!may_rise(ladder, budget))
		return UINT64_MAX;
	return price + cost_of(ladder, ladder->level + 1) * ALLOCATOR_MARGIN_PERCENT / 100;
}

/* What it lacks to stand there, with the margin. */
static uint64_t missing_for(const struct ladder *ladder, size_t level)
{
	uint64_t goal_bps = cost_of(ladder, level) * (100 + ALLOCATOR_MARGIN_PERCENT) / 100;
	uint64_t present_bps = cost_of(ladder, ladder->level);

	return goal_bps > present_bps ? goal_bps - present_bps : 0;
}

/* Raise every stream by one step where that fits. Returns the price of the first that does not. */
static uint64_t raise_all(struct ladder *ladders, size_t count, size_t level,
			  const struct budget *budget, int64_t *left_bps)
{
	bool is_limited = budget->bps != ALLOCATOR_BUDGET_UNLIMITED;
	bool is_first_of_all = level == 0;
	uint64_t missing = 0;

	for (size_t i = 0; i < count; i++) {
		struct ladder *ladder = &ladders[i];
		uint64_t price;

		if (ladder->level != level || ladder->count <= level)
			continue;
		price = price_of_step(ladder, budget);
		if (is_limited && !is_first_of_all &&
		    (*left_bps < 0 || price > (uint64_t)*left_bps)) {
			if (missing == 0)
				missing = missing_for(ladder, whole_layer_above(ladder, level));
			continue;
		}
		*left_bps -= (int64_t)(cost_of(ladder, level + 1) - cost_of(ladder, level));
		ladder->level++;
		is_first_of_all = false;
	}
	return missing;
}

static void note_lowered(struct allocator_stream *stream, uint64_t now_us)
{
	if (stream->raised_at_us && now_us - stream->raised_at_us < ALLOCATOR_TRIAL_US) {
		stream->failed_with_bps = stream->raised_with_bps;
		if (stream->dwell_us < ALLOCATOR_DWELL_MAX_US)
			stream->dwell_us *= 2;
	} else if (stream->raised_at_us) {
		stream->dwell_us = ALLOCATOR_DWELL_US; /* it was worth it */
		stream->failed_with_bps = 0;
	}
	stream->raised_at_us = 0;
	stream->lowered_at_us = now_us;
}

static void settle(struct ladder *ladder, const struct budget *budget)
{
	struct allocator_stream *stream = ladder->stream;
	size_t before = level_before(ladder), level = ladder->level;

	stream->is_starved = level < ladder->count;
	if (stream->is_starved && level < before)
		note_lowered(stream, budget->now_us);
	if (level > before && before > 0 && ladder->steps[level - 1].layer != stream->target) {
		stream->raised_at_us = budget->now_us;
		stream->raised_with_bps = budget->bps;
	}
	stream->target = LAYER_NONE;
	stream->target_temporal = TEMPORAL_LAYER_MAX;
	if (level > 0) {
		stream->target = ladder->steps[level - 1].layer;
		stream->target_temporal = ladder->steps[level - 1].temporal;
	}
}

uint64_t allocator_run(struct allocator_stream *const *streams, size_t count, int64_t budget_bps,
		       uint64_t now_us)
{
	AUTO_FREE struct ladder *ladders = calloc(count + 1, sizeof(*ladders));
	const struct budget budget = {budget_bps, now_us};
	int64_t left_bps = budget_bps;
	uint64_t missing = 0;

	if (!ladders)
		return 0; /* everything stays as it is */
	for (size_t i = 0; i < count; i++) {
		ladders[i] = ladder_of(streams[i]);
		ladders[i].order = i;
	}
	qsort(ladders, count, sizeof(*ladders), compare_priority);
	for (size_t level = 0; level < STEPS_MAX; level++) {
		uint64_t more = raise_all(ladders, count, level, &budget, &left_bps);

		if (missing == 0)
			missing = more;
	}
	for (size_t i = 0; i < count; i++)
		settle(&ladders[i], &budget);
	return missing;
}

static uint64_t largest_bps(const struct allocator_stream *stream)
{
	uint64_t largest = 0;

	for (size_t i = 0; i < stream->layer_count && !stream->is_paused; i++)
		if (stream->layers[i].is_live && stream->layers[i].bitrate_bps > largest)
			largest = stream->layers[i].bitrate_bps;
	return largest;
}

int64_t allocator_bound_by_share(struct allocator_stream *const *streams, size_t count,
				 unsigned share_percent, int64_t budget_bps)
{
	uint64_t all_bps = 0;
	int64_t bound_bps;

	for (size_t i = 0; i < count; i++)
		all_bps += largest_bps(streams[i]);
	bound_bps = (int64_t)(all_bps * share_percent / 100);
	return budget_bps == ALLOCATOR_BUDGET_UNLIMITED || budget_bps > bound_bps ? bound_bps
										  : budget_bps;
}
