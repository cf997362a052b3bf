#include "sfu/model/forwarder.h"

#include <string.h>

#include "core/clock.h"
#include "sfu/wire/rtp.h"

enum {
	/* Packets; further back, numbers could mean the next round. Cut to the half at a time. */
	LOOK_BACK_MAX = 0x4000,
	PADDING_MAX = 1024, /* in one span */
	/* A change of layer moves the picture's time by no more than what has gone by, and this;
	 * nor is the layer behind what was sent by more, whose beginning came late. */
	TIMESTAMP_SLACK_US = 1000000,
	/* Of what came at once one layer is looked at before the next. Before that is the past. */
	PAST_US = 50000
};

void forwarder_init(struct forwarder *forwarder, bool needs_keyframe, uint16_t first_sequence,
		    uint32_t timestamp_offset)
{
	memset(forwarder, 0, sizeof(*forwarder));
	forwarder->needs_keyframe = needs_keyframe;
	forwarder->clock_rate_hz = 90000;
	forwarder->layer = forwarder->target_layer = LAYER_NONE;
	forwarder->target_temporal = forwarder->meanwhile_temporal = TEMPORAL_LAYER_MAX;
	forwarder->spatial_bound = SPATIAL_LAYER_MAX;
	for (size_t i = 0; i < FORWARDER_SPANS; i++)
		forwarder->spans[i] = (struct forwarder_span){.layer = LAYER_NONE,
							      .temporal_most = TEMPORAL_LAYER_MAX,
							      .spatial_most = SPATIAL_LAYER_MAX};
	/* Far from the wrap: a receiver that misses the first packets must not guess the SRTP
	 * rollover counter wrong (RFC 3711 section 3.3.1). */
	forwarder->highest_output_sequence = (uint16_t)((first_sequence & 0x3fff) | 1);
	forwarder->rtx_sequence = (uint16_t)(first_sequence & 0x3fff);
	forwarder->last_output_timestamp = timestamp_offset;
}

static void stop(struct forwarder *forwarder)
{
	forwarder->state = FORWARDER_WAITING;
	forwarder->layer = LAYER_NONE;
}

void forwarder_set_target(struct forwarder *forwarder, uint8_t layer)
{
	forwarder->target_layer = layer;
	if (layer != LAYER_NONE)
		return;
	forwarder->is_shown = false;
	stop(forwarder);
}

void forwarder_set_temporal(struct forwarder *forwarder, uint8_t target_most,
			    uint8_t meanwhile_most)
{
	forwarder->target_temporal = target_most;
	forwarder->meanwhile_temporal = meanwhile_most;
}

void forwarder_set_spatial(struct forwarder *forwarder, uint8_t target, uint8_t bound)
{
	forwarder->target_spatial = target;
	forwarder->spatial_bound = bound;
}

static void void_spans(struct forwarder *forwarder, uint8_t layer)
{
	for (size_t i = 0; i < FORWARDER_SPANS; i++)
		if (forwarder->spans[i].layer == layer)
			forwarder->spans[i].layer = LAYER_NONE;
}

void forwarder_cut(struct forwarder *forwarder)
{
	if (forwarder->state == FORWARDER_WAITING)
		return;
	void_spans(forwarder, forwarder->layer);
	stop(forwarder);
}

void forwarder_restart(struct forwarder *forwarder, uint8_t layer)
{
	void_spans(forwarder, layer);
	if (forwarder->layer == layer)
		stop(forwarder);
}

void forwarder_on_report(struct forwarder *forwarder, uint8_t layer,
			 const struct rtcp_sender_info *report)
{
	struct forwarder_clock *clock = &forwarder->clocks[layer];

	if (!report) {
		*clock = (struct forwarder_clock){0};
		return;
	}
	clock->has_report = true;
	clock->report = *report;
}

/* ---- where a layer begins ---- */

static uint32_t ticks_of(const struct forwarder *forwarder, uint64_t duration_us)
{
	return (uint32_t)(duration_us * forwarder->clock_rate_hz / 1000000u);
}

/* A layer that flows for the first time: reports say when both layers' clocks showed what. */
static bool align(const struct forwarder *forwarder, uint8_t layer, uint32_t *ret_offset)
{
	const struct forwarder_clock *to = &forwarder->clocks[layer];

	for (uint8_t i = 0; i < LAYERS_MAX; i++) {
		const struct forwarder_clock *from = &forwarder->clocks[i];
		uint64_t between; /* of the reports, in 2^-16 s; unsigned, for publishers may say
				     anything */

		if (i == layer || !from->has_offset || !from->has_report || !to->has_report)
			continue;
		between = (uint64_t)((int64_t)(to->report.ntp - from->report.ntp) >> 16);
		*ret_offset = from->timestamp_offset + from->report.rtp_timestamp +
			      (uint32_t)(between * forwarder->clock_rate_hz >> 16) -
			      to->report.rtp_timestamp;
		return true;
	}
	return false;
}

/* Time never goes back, nor ahead of what has gone by. */
static bool is_plausible(const struct forwarder *forwarder, uint32_t output, uint64_t elapsed_us)
{
	uint32_t step = output - forwarder->last_output_timestamp;

	return step != 0 && step <= ticks_of(forwarder, elapsed_us + TIMESTAMP_SLACK_US);
}

static bool is_overtaken(const struct forwarder *forwarder, uint32_t output)
{
	return forwarder->last_output_timestamp - output <= ticks_of(forwarder, TIMESTAMP_SLACK_US);
}

static uint32_t choose_timestamp_offset(struct forwarder *forwarder,
					const struct forwarder_input *input)
{
	struct forwarder_clock *clock = &forwarder->clocks[input->layer];
	/* Of what came at once all of one layer is looked at before the next: it may be the older.
	 */
	uint64_t elapsed_us = clock_elapsed_us(forwarder->last_output_at_us, input->arrival_us);
	uint32_t offset = clock->timestamp_offset, elapsed, output;
	bool is_known = clock->has_offset || align(forwarder, input->layer, &offset);

	output = input->rtp_timestamp + offset;
	if (!forwarder->has_sent) { /* what it holds is where to begin */
		offset = forwarder->last_output_timestamp;
	} else if (is_known && is_overtaken(forwarder, output)) {
		/* Just behind what was sent; the clock is right. To move it on would add up from
		 * one change to the next. */
		clock->has_offset = true;
		clock->timestamp_offset = offset;
		return forwarder->last_output_timestamp + 1 - input->rtp_timestamp;
	} else if (!is_known || !is_plausible(forwarder, output, elapsed_us)) {
		/* At least one tick, so that it increases. */
		elapsed = ticks_of(forwarder, elapsed_us);
		offset = forwarder->last_output_timestamp + (elapsed ? elapsed : 1) -
			 input->rtp_timestamp;
	}
	clock->has_offset = true;
	clock->timestamp_offset = offset;
	return offset;
}

static struct forwarder_span *present_span(struct forwarder *forwarder)
{
	return &forwarder->spans[forwarder->span];
}

static struct forwarder_span *push_span(struct forwarder *forwarder,
					const struct forwarder_span *span)
{
	forwarder->span = (forwarder->span + 1) % FORWARDER_SPANS;
	forwarder->spans[forwarder->span] = *span;
	return present_span(forwarder);
}

/* One that goes on where this one ends. */
static struct forwarder_span following(const struct forwarder_span *span)
{
	struct forwarder_span next = *span;

	next.is_start = false;
	next.padding_count = 0;
	return next;
}

/* Where its numbers begin, and those of what was put in before it. */
static uint16_t first_taken(const struct forwarder_span *span)
{
	return (uint16_t)(span->first_output - span->padding_count);
}

static void start(struct forwarder *forwarder, const struct forwarder_input *input)
{
	const struct picture_offsets *last = &forwarder->last_picture;
	const struct picture_numbers *picture = input->picture;
	struct forwarder_span span = {
		.layer = input->layer,
		.temporal_most = input->layer == forwarder->target_layer
					 ? forwarder->target_temporal
					 : forwarder->meanwhile_temporal,
		.spatial_most = forwarder->spatial_bound,
		.is_start = true,
		.first_input = input->sequence_number,
		.first_output = (uint16_t)(forwarder->highest_output_sequence + 1),
		.timestamp_offset = choose_timestamp_offset(forwarder, input)};

	span.sequence_offset = (uint16_t)(span.first_output - input->sequence_number);
	if (forwarder->has_sent)
		span.picture = (struct picture_offsets){
			.picture_id = (uint16_t)(last->picture_id + 1 - picture->picture_id),
			.frame_number = (uint16_t)(last->frame_number + 1 - picture->frame_number),
			.tl0_index = (uint8_t)(last->tl0_index + 1 - picture->tl0_index),
			.key_index = (uint8_t)(last->key_index + 1 - picture->key_index)};
	(void)push_span(forwarder, &span);
	forwarder->highest_input_sequence = (uint16_t)(input->sequence_number - 1);
	forwarder->last_input_timestamp = input->rtp_timestamp;
	forwarder->has_left_out = false;
	forwarder->state = FORWARDER_FLOWING;
	forwarder->is_shown = true;
	forwarder->layer = input->layer;
}

/* ---- temporal and spatial layers ---- */

/* Fewer at once, all that may be with a keyframe. */
static uint8_t choose_spatial(const struct forwarder *forwarder,
			      const struct forwarder_input *input, uint8_t most)
{
	return forwarder->spatial_bound < most || input->is_keyframe_start
		       ? forwarder->spatial_bound
		       : most;
}

/* Fewer at once, more where the publisher allows it. */
static uint8_t choose_temporal(const struct forwarder *forwarder,
			       const struct forwarder_input *input, uint8_t most, uint8_t spatial)
{
	const struct picture_numbers *picture = input->picture;
	uint8_t wanted =
		forwarder->layer == forwarder->target_layer && spatial >= forwarder->target_spatial
			? forwarder->target_temporal
			: forwarder->meanwhile_temporal;

	if (wanted <= most || input->is_keyframe_start)
		return wanted;
	if (most < picture->switch_from || picture->switch_to <= most)
		return most;
	return wanted < picture->switch_to ? wanted : picture->switch_to;
}

/* From here on so many of the layers. What is missing before is still of the span before. */
static void change_layers(struct forwarder *forwarder, const struct forwarder_input *input,
			  uint8_t temporal, uint8_t spatial)
{
	struct forwarder_span *span = present_span(forwarder), next;

	if (temporal == span->temporal_most && spatial == span->spatial_most)
		return;
	if (span->first_input != input->sequence_number) {
		next = following(span);
		next.first_input = input->sequence_number;
		next.first_output = (uint16_t)(next.first_input + next.sequence_offset);
		span = push_span(forwarder, &next);
	}
	span->temporal_most = temporal;
	span->spatial_most = spatial;
}

/* If packets are missing before it there may be others of the picture among them, unless it says
 * that it is the first. */
static bool is_first_of_picture(const struct forwarder *forwarder,
				const struct forwarder_input *input)
{
	return input->sequence_number == (uint16_t)(forwarder->highest_input_sequence + 1) ||
	       input->is_keyframe_start ||
	       (input->picture->switch_to > 0 && input->picture->spatial_layer == 0);
}

/* A new picture begins. As its first packets went, or will when they come late, so must the rest:
 * where they are missing the layers are chosen with the next picture. */
static void begin_picture(struct forwarder *forwarder, const struct forwarder_input *input)
{
	const struct forwarder_span *span = present_span(forwarder);
	uint8_t spatial = choose_spatial(forwarder, input, span->spatial_most);

	forwarder->last_input_timestamp = input->rtp_timestamp;
	if (is_first_of_picture(forwarder, input))
		change_layers(forwarder, input,
			      choose_temporal(forwarder, input, span->temporal_most, spatial),
			      spatial);
}

/* All that follows moves up by one. */
static void leave_out(struct forwarder *forwarder, const struct forwarder_input *input)
{
	const struct picture_numbers *picture = input->picture;
	struct forwarder_span *span = present_span(forwarder), next;

	if (span->first_input != input->sequence_number) {
		next = following(span);
		next.first_output = (uint16_t)(input->sequence_number + next.sequence_offset);
		span = push_span(forwarder, &next);
	}
	span->first_input = (uint16_t)(input->sequence_number + 1);
	span->sequence_offset--;
	if (!picture->picture_id_is_dense ||
	    (forwarder->has_left_out && picture->picture_id == forwarder->left_out_picture))
		return;
	forwarder->has_left_out = true;
	forwarder->left_out_picture = picture->picture_id;
	span->picture.picture_id--;
}

/* ---- packets ---- */

/* What lies too far back is forgotten. */
static void bound_look_back(struct forwarder *forwarder, uint16_t output)
{
	struct forwarder_span *span = present_span(forwarder);

	if ((uint16_t)(output - span->first_output) <= LOOK_BACK_MAX)
		return;
	span->first_output = (uint16_t)(output - LOOK_BACK_MAX / 2);
	span->first_input = (uint16_t)(span->first_output - span->sequence_offset);
	span->padding_count = 0;
	for (size_t i = 0; i < FORWARDER_SPANS; i++)
		if (i != forwarder->span)
			forwarder->spans[i].layer = LAYER_NONE;
}

/* What goes out is the newest so far. */
static void advance(struct forwarder *forwarder, const struct forwarder_input *input,
		    const struct forwarder_span *span)
{
	const struct picture_numbers *picture = input->picture;

	forwarder->has_sent = true;
	forwarder->is_between_pictures =
		input->is_picture_end || forwarder_ends_picture(span, picture);
	forwarder->highest_output_sequence =
		(uint16_t)(input->sequence_number + span->sequence_offset);
	forwarder->last_output_timestamp = input->rtp_timestamp + span->timestamp_offset;
	forwarder->last_output_at_us = input->arrival_us;
	forwarder->last_picture = (struct picture_offsets){
		.picture_id = (uint16_t)(picture->picture_id + span->picture.picture_id),
		.frame_number = (uint16_t)(picture->frame_number + span->picture.frame_number),
		.tl0_index = (uint8_t)(picture->tl0_index + span->picture.tl0_index),
		.key_index = (uint8_t)(picture->key_index + span->picture.key_index)};
}

/* The stream goes on. */
static const struct forwarder_span *map_next(struct forwarder *forwarder,
					     const struct forwarder_input *input)
{
	const struct forwarder_span *span;

	if (input->rtp_timestamp != forwarder->last_input_timestamp || input->is_keyframe_start)
		begin_picture(forwarder, input);
	forwarder->highest_input_sequence = input->sequence_number;
	span = present_span(forwarder);
	if (forwarder_is_blank(span, input->picture)) {
		leave_out(forwarder, input);
		return NULL;
	}
	advance(forwarder, input, span);
	bound_look_back(forwarder, forwarder->highest_output_sequence);
	return span;
}

static bool is_from(uint16_t sequence_number, uint16_t first)
{
	return sequence_number == first || rtp_sequence_is_newer(sequence_number, first);
}

/* It was missing, and its number left free, unless it is from before the layer began. Where all
 * that came since was left out it is the newest to go. */
static const struct forwarder_span *map_late(struct forwarder *forwarder,
					     const struct forwarder_input *input)
{
	const struct forwarder_span *span = NULL, *next;
	unsigned back = 0;
	uint16_t output;

	do {
		next = span;
		span = &forwarder->spans[(forwarder->span + FORWARDER_SPANS - back) %
					 FORWARDER_SPANS];
		if (span->layer != input->layer || (next && next->is_start) ||
		    ++back > FORWARDER_SPANS)
			return NULL;
	} while (!is_from(input->sequence_number, span->first_input));
	output = (uint16_t)(input->sequence_number + span->sequence_offset);
	if (next && is_from(output, first_taken(next)))
		return NULL; /* it was left out */
	if (rtp_sequence_is_newer(output, forwarder->highest_output_sequence))
		advance(forwarder, input, span);
	return span;
}

/* It goes on only until the target begins, and not with all that it has, which is too much: so is
 * the largest picture of all. */
static bool is_too_large(const struct forwarder *forwarder, const struct forwarder_input *input)
{
	return input->is_keyframe_start && forwarder->needs_keyframe &&
	       input->layer == forwarder->layer && input->layer != forwarder->target_layer &&
	       forwarder->meanwhile_temporal < TEMPORAL_LAYER_MAX;
}

/* What another subscriber begins with: who has been shown what came since would see that time
 * twice, and be late by as much from then on. A younger keyframe has been asked for. */
static bool is_of_the_past(const struct forwarder *forwarder, const struct forwarder_input *input)
{
	return clock_elapsed_us(input->arrival_us, forwarder->last_output_at_us) > PAST_US;
}

static bool may_start(const struct forwarder *forwarder, const struct forwarder_input *input)
{
	if (input->layer == forwarder->layer ||
	    (forwarder->needs_keyframe &&
	     (!input->is_keyframe_start || is_of_the_past(forwarder, input))))
		return false;
	if (input->layer == forwarder->target_layer)
		return input->picture->temporal_layer <= forwarder->target_temporal;
	return forwarder->stopgap_layers & 1u << input->layer &&
	       forwarder_is_dark(forwarder, input->arrival_us);
}

const struct forwarder_span *forwarder_map(struct forwarder *forwarder,
					   const struct forwarder_input *input)
{
	if (is_too_large(forwarder, input))
		forwarder_cut(forwarder);
	if (may_start(forwarder, input))
		start(forwarder, input);
	if (input->layer != forwarder->layer)
		return NULL;
	if (rtp_sequence_is_newer(input->sequence_number, forwarder->highest_input_sequence))
		return map_next(forwarder, input);
	return map_late(forwarder, input);
}

void forwarder_on_sent(struct forwarder *forwarder, size_t payload_bytes)
{
	forwarder->packet_count++;
	forwarder->octet_count += payload_bytes;
}

/* ---- packets without contents ---- */

bool forwarder_can_pad(const struct forwarder *forwarder)
{
	uint16_t next = (uint16_t)(forwarder->highest_output_sequence + 1);

	if (forwarder->state == FORWARDER_WAITING)
		return forwarder->has_sent; /* what was broken off goes no further */
	return forwarder->is_between_pictures &&
	       !rtp_sequence_is_newer(forwarder->spans[forwarder->span].first_output, next);
}

void forwarder_pad(struct forwarder *forwarder, uint16_t *ret_sequence, uint32_t *ret_timestamp)
{
	struct forwarder_span *span = present_span(forwarder);
	uint16_t output = (uint16_t)(forwarder->highest_output_sequence + 1);
	bool is_unused = span->first_output == output;

	if (!is_unused || span->padding_count == PADDING_MAX) {
		struct forwarder_span next = following(span);

		next.is_start = is_unused && span->is_start;
		if (!is_unused) /* else it begins where this one would have */
			next.first_input = (uint16_t)(forwarder->highest_input_sequence + 1);
		next.first_output = output;
		span = push_span(forwarder, &next);
	}
	span->first_output++;
	span->sequence_offset++;
	span->padding_count++;
	span->padding_timestamp = forwarder->last_output_timestamp;
	forwarder->highest_output_sequence = output;
	*ret_sequence = output;
	*ret_timestamp = forwarder->last_output_timestamp;
}

/* Of what was sent under this number, or put in before it. */
static const struct forwarder_span *find_span(const struct forwarder *forwarder,
					      uint16_t output_sequence)
{
	if (!forwarder->has_sent ||
	    rtp_sequence_is_newer(output_sequence, forwarder->highest_output_sequence))
		return NULL;
	for (unsigned back = 0; back < FORWARDER_SPANS; back++) {
		const struct forwarder_span *span =
			&forwarder->spans[(forwarder->span + FORWARDER_SPANS - back) %
					  FORWARDER_SPANS];

		if (is_from(output_sequence, first_taken(span)))
			return span;
	}
	return NULL;
}

const struct forwarder_span *forwarder_unmap(const struct forwarder *forwarder,
					     uint16_t output_sequence)
{
	const struct forwarder_span *span = find_span(forwarder, output_sequence);

	return !span || span->layer == LAYER_NONE || !is_from(output_sequence, span->first_output)
		       ? NULL
		       : span;
}

bool forwarder_was_padding(const struct forwarder *forwarder, uint16_t output_sequence,
			   uint32_t *ret_timestamp)
{
	const struct forwarder_span *span = find_span(forwarder, output_sequence);

	if (!span || is_from(output_sequence, span->first_output))
		return false;
	*ret_timestamp = span->padding_timestamp;
	return true;
}
