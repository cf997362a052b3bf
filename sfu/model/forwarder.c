#include "sfu/model/forwarder.h"

#include <string.h>

#include "sfu/wire/rtp.h"

void forwarder_init(struct forwarder *forwarder, bool needs_keyframe, uint16_t first_sequence,
		    uint32_t timestamp_offset)
{
	memset(forwarder, 0, sizeof(*forwarder));
	forwarder->needs_keyframe = needs_keyframe;
	forwarder->clock_rate_hz = 90000;
	/* Far from the wrap: a receiver that misses the first packets must not guess the SRTP
	 * rollover counter wrong (RFC 3711 section 3.3.1). */
	forwarder->highest_output_sequence = (uint16_t)((first_sequence & 0x3fff) | 1);
	forwarder->rtx_sequence = (uint16_t)(first_sequence & 0x3fff);
	forwarder->timestamp_offset = timestamp_offset;
}

void forwarder_restart(struct forwarder *forwarder)
{
	forwarder->state = FORWARDER_WAITING;
}

static void start(struct forwarder *forwarder, uint16_t sequence_number, uint32_t rtp_timestamp,
		  uint64_t now_us)
{
	forwarder->state = FORWARDER_FLOWING;
	forwarder->first_input_sequence = sequence_number;
	forwarder->sequence_offset =
		(uint16_t)(forwarder->highest_output_sequence + 1 - sequence_number);
	if (forwarder->has_sent) {
		/* Time went on while nothing was sent; at least one tick, so that it increases. */
		uint64_t elapsed = (now_us - forwarder->last_output_at_us) *
				   forwarder->clock_rate_hz / 1000000u;

		forwarder->timestamp_offset = forwarder->last_output_timestamp +
					      (uint32_t)(elapsed ? elapsed : 1) - rtp_timestamp;
	}
}

bool forwarder_map(struct forwarder *forwarder, uint16_t sequence_number, uint32_t rtp_timestamp,
		   bool is_keyframe_start, uint64_t now_us, uint16_t *ret_sequence_number,
		   uint32_t *ret_rtp_timestamp)
{
	uint16_t output;

	if (forwarder->state == FORWARDER_WAITING) {
		if (forwarder->needs_keyframe && !is_keyframe_start)
			return false;
		start(forwarder, sequence_number, rtp_timestamp, now_us);
	}
	output = (uint16_t)(sequence_number + forwarder->sequence_offset);
	if (!forwarder->has_sent ||
	    rtp_sequence_is_newer(output, forwarder->highest_output_sequence)) {
		/* The stream's own progress keeps this close to the input, so 16 bits are enough
		 * to tell late packets from before the start, which must not be sent. */
		forwarder->highest_output_sequence = output;
		forwarder->last_output_timestamp = rtp_timestamp + forwarder->timestamp_offset;
		forwarder->last_output_at_us = now_us;
		if ((uint16_t)(sequence_number - forwarder->first_input_sequence) > 0x4000)
			forwarder->first_input_sequence = (uint16_t)(sequence_number - 0x4000);
	} else if (sequence_number != forwarder->first_input_sequence &&
		   !rtp_sequence_is_newer(sequence_number, forwarder->first_input_sequence)) {
		return false;
	}
	forwarder->has_sent = true;
	*ret_sequence_number = output;
	*ret_rtp_timestamp = rtp_timestamp + forwarder->timestamp_offset;
	return true;
}

void forwarder_on_sent(struct forwarder *forwarder, size_t payload_bytes)
{
	forwarder->packet_count++;
	forwarder->octet_count += (uint32_t)payload_bytes;
}

bool forwarder_unmap(const struct forwarder *forwarder, uint16_t output_sequence,
		     uint16_t *ret_sequence_number)
{
	uint16_t input = (uint16_t)(output_sequence - forwarder->sequence_offset);

	if (!forwarder->has_sent || forwarder->state != FORWARDER_FLOWING ||
	    rtp_sequence_is_newer(output_sequence, forwarder->highest_output_sequence) ||
	    (input != forwarder->first_input_sequence &&
	     !rtp_sequence_is_newer(input, forwarder->first_input_sequence)))
		return false;
	*ret_sequence_number = input;
	return true;
}
