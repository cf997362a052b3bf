/* forwarder.h - one track on its way to one subscriber: the numbers it travels under.
 *
 * Sequence numbers and timestamps leave continuous whatever happens to the source; the subscriber
 * sees one SSRC for life. Video begins with a keyframe.
 *
 *   WAITING --keyframe begins (video), any packet (audio)--> FLOWING --forwarder_restart()-->
 * WAITING
 *
 * Thread: worker. RFC 3550, RFC 4588.
 */
#ifndef SFU_MODEL_FORWARDER_H
#define SFU_MODEL_FORWARDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum forwarder_state { FORWARDER_WAITING, FORWARDER_FLOWING };

struct forwarder {
	enum forwarder_state state;
	bool needs_keyframe; /* video */
	uint32_t ssrc, rtx_ssrc;
	uint8_t payload_type, rtx_payload_type; /* rtx: 0 if not negotiated */
	uint8_t extension_id_map[16];		/* incoming id -> this subscriber's; 0 drops */
	uint32_t clock_rate_hz;

	uint16_t sequence_offset, first_input_sequence; /* out = in + offset */
	uint32_t timestamp_offset;
	uint16_t highest_output_sequence, rtx_sequence;
	uint32_t last_output_timestamp;
	uint64_t last_output_at_us;
	bool has_sent;

	uint32_t packet_count, octet_count; /* for sender reports; they wrap */
};

/* SSRCs, payload types, clock rate and extension map are set by the caller before or after. */
void forwarder_init(struct forwarder *forwarder, bool needs_keyframe, uint16_t first_sequence,
		    uint32_t timestamp_offset);
/* The source changes or pauses: continue its numbers at the next start. */
void forwarder_restart(struct forwarder *forwarder);

/* Map one incoming packet. True: send it under these numbers. False: not for this subscriber. */
bool forwarder_map(struct forwarder *forwarder, uint16_t sequence_number, uint32_t rtp_timestamp,
		   bool is_keyframe_start, uint64_t now_us, uint16_t *ret_sequence_number,
		   uint32_t *ret_rtp_timestamp);
void forwarder_on_sent(struct forwarder *forwarder, size_t payload_bytes);

/* The incoming sequence number behind an outgoing one that a NACK names. False: never sent. */
bool forwarder_unmap(const struct forwarder *forwarder, uint16_t output_sequence,
		     uint16_t *ret_sequence_number);

#endif
