#include "sfu/model/forwarder.h"

#include <string.h>

#include "sfu/wire/rtp.h"

enum {
	LOOK_BACK_MAX = 0x4000, /* packets; further back, numbers could mean the next round */
	/* A change of layer moves the picture's time by no more than what has gone by, and this. */
	TIMESTAMP_SLACK_US = 1000000
};

void forwarder_init(struct forwarder *forwarder, bool needs_keyframe, uint16_t first_sequence,
		    uint32_t timestamp_offset)
{
	memset(forwarder, 0, sizeof(*forwarder));
	forwarder->needs_keyframe = needs_keyframe;
	forwarder->clock_rate_hz = 90000;
	forwarder->layer = forwarder->target_layer = LAYER_NONE;
	for (size_t i = 0; i < FORWARDER_SPANS; i++)
		forwarder->spans[i].layer = LAYER_NONE;
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
	if (layer == LAYER_NONE)
		stop(forwarder);
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
	forwarder->clocks[layer] = (struct forwarder_clock){0};
	if (forwarder->layer == layer)
		stop(forwarder);
}

void forwarder_on_report(struct forwarder *forwarder, uint8_t layer,
			 const struct rtcp_sender_info *report)
{
	struct forwarder_clock *clock = &forwarder->clocks[layer];

	clock->has_report = report != NULL;
	if (report)
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

static uint32_t choose_timestamp_offset(struct forwarder *forwarder,
					const struct forwarder_input *input)
{
	struct forwarder_clock *clock = &forwarder->clocks[input->layer];
	uint64_t elapsed_us = input->arrival_us - forwarder->last_output_at_us;
	uint32_t offset = clock->timestamp_offset, elapsed;

	if (!forwarder->has_sent) /* what it holds is where to begin */
		offset = forwarder->last_output_timestamp;
	else if ((!clock->has_offset && !align(forwarder, input->layer, &offset)) ||
		 !is_plausible(forwarder, input->rtp_timestamp + offset, elapsed_us)) {
		/* At least one tick, so that it increases. */
		elapsed = ticks_of(forwarder, elapsed_us);
		offset = forwarder->last_output_timestamp + (elapsed ? elapsed : 1) -
			 input->rtp_timestamp;
	}
	clock->has_offset = true;
	clock->timestamp_offset = offset;
	return offset;
}

static void start(struct forwarder *forwarder, const struct forwarder_input *input)
{
	const struct picture_offsets *last = &forwarder->last_picture;
	struct forwarder_span *span;

	forwarder->span = (forwarder->span + 1) % FORWARDER_SPANS;
	span = &forwarder->spans[forwarder->span];
	*span = (struct forwarder_span){
		.layer = input->layer,
		.first_input = input->sequence_number,
		.first_output = (uint16_t)(forwarder->highest_output_sequence + 1),
		.timestamp_offset = choose_timestamp_offset(forwarder, input)};
	span->sequence_offset = (uint16_t)(span->first_output - input->sequence_number);
	if (forwarder->has_sent)
		span->picture = (struct picture_offsets){
			.picture_id = (uint16_t)(last->picture_id + 1 - input->picture->picture_id),
			.tl0_index = (uint8_t)(last->tl0_index + 1 - input->picture->tl0_index),
			.key_index = (uint8_t)(last->key_index + 1 - input->picture->key_index)};
	forwarder->state = FORWARDER_FLOWING;
	forwarder->layer = input->layer;
}

/* ---- packets ---- */

static void advance(struct forwarder *forwarder, const struct forwarder_input *input,
		    uint16_t output)
{
	struct forwarder_span *span = &forwarder->spans[forwarder->span];
	const struct picture_numbers *picture = input->picture;

	forwarder->highest_output_sequence = output;
	forwarder->last_output_timestamp = input->rtp_timestamp + span->timestamp_offset;
	forwarder->last_output_at_us = input->arrival_us;
	forwarder->last_picture = (struct picture_offsets){
		.picture_id = (uint16_t)(picture->picture_id + span->picture.picture_id),
		.tl0_index = (uint8_t)(picture->tl0_index + span->picture.tl0_index),
		.key_index = (uint8_t)(picture->key_index + span->picture.key_index)};
	if ((uint16_t)(output - span->first_output) <= LOOK_BACK_MAX)
		return;
	span->first_output = (uint16_t)(output - LOOK_BACK_MAX);
	span->first_input = (uint16_t)(span->first_output - span->sequence_offset);
	for (size_t i = 0; i < FORWARDER_SPANS; i++)
		if (i != forwarder->span)
			forwarder->spans[i].layer = LAYER_NONE;
}

const struct forwarder_span *forwarder_map(struct forwarder *forwarder,
					   const struct forwarder_input *input)
{
	const struct forwarder_span *span;
	uint16_t output;

	if (input->layer == forwarder->target_layer && input->layer != forwarder->layer &&
	    (input->is_keyframe_start || !forwarder->needs_keyframe))
		start(forwarder, input);
	if (input->layer != forwarder->layer)
		return NULL;
	span = &forwarder->spans[forwarder->span];
	output = (uint16_t)(input->sequence_number + span->sequence_offset);
	/* The stream's own progress keeps this close to the input, so 16 bits are enough to tell
	 * late packets from before the start, which must not be sent. */
	if (!forwarder->has_sent ||
	    rtp_sequence_is_newer(output, forwarder->highest_output_sequence))
		advance(forwarder, input, output);
	else if (input->sequence_number != span->first_input &&
		 !rtp_sequence_is_newer(input->sequence_number, span->first_input))
		return NULL;
	forwarder->has_sent = true;
	return span;
}

void forwarder_on_sent(struct forwarder *forwarder, size_t payload_bytes)
{
	forwarder->packet_count++;
	forwarder->octet_count += (uint32_t)payload_bytes;
}

const struct forwarder_span *forwarder_unmap(const struct forwarder *forwarder,
					     uint16_t output_sequence)
{
	if (!forwarder->has_sent ||
	    rtp_sequence_is_newer(output_sequence, forwarder->highest_output_sequence))
		return NULL;
	for (unsigned back = 0; back < FORWARDER_SPANS; back++) {
		const struct forwarder_span *span =
			&forwarder->spans[(forwarder->span + FORWARDER_SPANS - back) %
					  FORWARDER_SPANS];

		if (output_sequence == span->first_output ||
		    rtp_sequence_is_newer(output_sequence, span->first_output))
			return span->layer == LAYER_NONE ? NULL : span;
	}
	return NULL;
}
