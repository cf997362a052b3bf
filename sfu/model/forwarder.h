/* forwarder.h - one track on its way to one subscriber: which layer, how much of its frame rate and
 * of its size, and the numbers it travels under.
 *
 * Sequence numbers, timestamps and picture numbers leave continuous whatever happens to the source
 * and whichever layer of it is chosen; the subscriber sees one SSRC for life. Video begins, and
 * changes its layer, with a keyframe: until one of the wanted layer comes, the present one goes on,
 * or where that has ended whichever of some others begins first.
 * Pictures of higher temporal layers are left out without a gap, from one picture to the next; they
 * are taken up again where the publisher allows it. So are the higher spatial layers inside a
 * stream (SVC), which come back with a keyframe. Between two pictures packets without contents can
 * be put in, under numbers of their own.
 *
 *   WAITING --keyframe of the target begins (video), any packet (audio)--> FLOWING
 *   FLOWING --forwarder_restart(), target LAYER_NONE--> WAITING
 *
 * Thread: worker. RFC 3550, RFC 4588, RFC 8853.
 */
#ifndef SFU_MODEL_FORWARDER_H
#define SFU_MODEL_FORWARDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sfu/wire/picture_numbers.h"
#include "sfu/wire/rtcp.h"

enum {
	LAYERS_MAX = 3,
	LAYER_NONE = 0xff,
	/* As many changes, of layer or by pictures left out, can a NACK look back over: of 30
	 * pictures a second, every other one left out, 4 s. */
	FORWARDER_SPANS = 64,
	/* So long without a packet, and a stopgap is better than to go on waiting. */
	FORWARDER_DARK_US = 250000
};

enum forwarder_state { FORWARDER_WAITING, FORWARDER_FLOWING };

/* What a run of packets has in common on its way: out = in + offset. It ends where the next one's
 * numbers begin; of the input there may be packets between, which were left out. */
struct forwarder_span {
	uint8_t layer;	       /* LAYER_NONE: void */
	uint8_t temporal_most; /* pictures of temporal layers above were left out */
	uint8_t spatial_most;  /* and so were the spatial layers above */
	bool is_start;	       /* the layer begins here: what came before is nothing to it */
	uint16_t first_input, first_output;
	uint16_t padding_count;	    /* of so many numbers before first_output nothing came in */
	uint32_t padding_timestamp; /* as they went out */
	uint16_t sequence_offset;
	uint32_t timestamp_offset;
	struct picture_offsets picture;
};

/* What is known of a layer's clock. */
struct forwarder_clock {
	bool has_offset; /* it was sent before, with this one */
	uint32_t timestamp_offset;
	bool has_report; /* the publisher's last sender report */
	struct rtcp_sender_info report;
};

struct forwarder {
	enum forwarder_state state;
	bool needs_keyframe; /* video */
	uint32_t ssrc, rtx_ssrc;
	uint8_t payload_type, rtx_payload_type; /* rtx: 0 if not negotiated */
	uint8_t extension_id_map[16];		/* incoming id -> this subscriber's; 0 drops */
	uint32_t clock_rate_hz;

	uint8_t layer, target_layer; /* what flows; what should */
	uint8_t stopgap_layers;	     /* as bits: what may, where nothing does */
	/* Temporal layers: of the target, and of another layer that flows until the target begins.
	 */
	uint8_t target_temporal, meanwhile_temporal;
	/* Spatial layers in one stream: what should flow, and what may. */
	uint8_t target_spatial, spatial_bound;

	uint16_t highest_input_sequence; /* of the layer that flows */
	uint32_t last_input_timestamp;
	uint16_t left_out_picture; /* the last one's id, if `has_left_out` */
	bool has_left_out;
	uint16_t highest_output_sequence, rtx_sequence;
	uint32_t last_output_timestamp;
	struct picture_offsets last_picture; /* the numbers that went out last */
	uint64_t last_output_at_us;
	bool has_sent;
	bool is_shown;		  /* something was sent since the target was LAYER_NONE */
	bool is_between_pictures; /* what went out last was the end of one */

	uint64_t packet_count, octet_count; /* sender reports have their last 32 bits */
	uint64_t byte_count;		    /* of whole packets, the caller's to count */

	/* Behind what each packet needs, which so lies together. */
	unsigned span; /* the present one's index */
	struct forwarder_span spans[FORWARDER_SPANS];
	struct forwarder_clock clocks[LAYERS_MAX];
};

struct forwarder_input {
	uint8_t layer;
	bool is_keyframe_start;
	bool is_picture_end; /* the marker bit */
	uint16_t sequence_number;
	uint32_t rtp_timestamp;
	uint64_t arrival_us;
	const struct picture_numbers *picture;
};

/* SSRCs, payload types, clock rate and extension map are set by the caller before or after. The
 * target is LAYER_NONE. */
void forwarder_init(struct forwarder *forwarder, bool needs_keyframe, uint16_t first_sequence,
		    uint32_t timestamp_offset);
/* Which layer should flow; LAYER_NONE: nothing, at once. */
void forwarder_set_target(struct forwarder *forwarder, uint8_t layer);
/* What was shown has ended for other reasons than a target of LAYER_NONE: nothing was sent for too
 * long. */
static inline bool forwarder_is_dark(const struct forwarder *forwarder, uint64_t now_us)
{
	return forwarder->is_shown && now_us > forwarder->last_output_at_us + FORWARDER_DARK_US;
}
/* While it is dark any of these layers, as bits, may begin with a keyframe of its own before the
 * target does. 0: none, as at first. */
static inline void forwarder_set_stopgaps(struct forwarder *forwarder, unsigned layers)
{
	forwarder->stopgap_layers = (uint8_t)layers;
}
/* Of the target's temporal layers those up to `target_most`, and up to `meanwhile_most` of what
 * flows before it: if not all of them, that ends with its next keyframe, which is larger than what
 * is left out, and comes with the target's as a rule. At first all of both. */
void forwarder_set_temporal(struct forwarder *forwarder, uint8_t target_most,
			    uint8_t meanwhile_most);
/* Of the spatial layers in the stream those up to `target` should flow, and those up to `bound` may
 * as well if they come without being asked for. At first all may. */
void forwarder_set_spatial(struct forwarder *forwarder, uint8_t target, uint8_t bound);
/* The highest ones that flow now. */
static inline uint8_t forwarder_spatial(const struct forwarder *forwarder)
{
	return forwarder->spans[forwarder->span].spatial_most;
}
static inline uint8_t forwarder_temporal(const struct forwarder *forwarder)
{
	return forwarder->spans[forwarder->span].temporal_most;
}
/* The present layer stops at once, before the next begins, and nothing of it is sent again: the way
 * is far too narrow for it. */
void forwarder_cut(struct forwarder *forwarder);
/* A layer begins anew, with other numbers and contents: continue ours at its next start. If its
 * clock is another one as well, say so by a void report. */
void forwarder_restart(struct forwarder *forwarder, uint8_t layer);
/* The publisher's sender report of a layer, by which layers are aligned in time; NULL: void, its
 * clock is another one from now on. */
void forwarder_on_report(struct forwarder *forwarder, uint8_t layer,
			 const struct rtcp_sender_info *report);

/* Map one incoming packet. The span by which to send it, borrowed until the next call; NULL: it is
 * not for this subscriber. */
const struct forwarder_span *forwarder_map(struct forwarder *forwarder,
					   const struct forwarder_input *input);
/* It came so late that its number was left free for it, and now shows to be of a picture that was
 * left out: sent without its payload, so that nobody waits for that number. */
static inline bool forwarder_is_blank(const struct forwarder_span *span,
				      const struct picture_numbers *picture)
{
	return picture->temporal_layer > span->temporal_most ||
	       picture->spatial_layer > span->spatial_most;
}
/* It is the last that is sent of its picture, since the spatial layers above are left out. */
static inline bool forwarder_ends_picture(const struct forwarder_span *span,
					  const struct picture_numbers *picture)
{
	return picture->is_layer_end && picture->spatial_layer == span->spatial_most;
}
void forwarder_on_sent(struct forwarder *forwarder, size_t payload_bytes);

/* May a packet without contents be sent now? Only after the last packet of a picture, with nothing
 * missing after it; or while nothing flows. */
bool forwarder_can_pad(const struct forwarder *forwarder);
/* Take the next number for one, if forwarder_can_pad(): what follows moves up. */
void forwarder_pad(struct forwarder *forwarder, uint16_t *ret_sequence, uint32_t *ret_timestamp);

/* The span under which an outgoing sequence number was sent, to be sent again. NULL: never sent, or
 * too long ago, or without contents. */
const struct forwarder_span *forwarder_unmap(const struct forwarder *forwarder,
					     uint16_t output_sequence);
/* It was sent without contents, with this timestamp. */
bool forwarder_was_padding(const struct forwarder *forwarder, uint16_t output_sequence,
			   uint32_t *ret_timestamp);

#endif
