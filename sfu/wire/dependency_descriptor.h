/* dependency_descriptor.h - the RTP header extension by which a publisher tells, in the clear, how
 * its pictures depend on each other: layers, where one may begin or change, and sizes.
 *
 * The first packet of a coded sequence brings the structure: templates of which all packets name
 * one. Whoever receives a stream keeps the newest structure and reads each packet by it. While a
 * newer one has been lost, or where a packet is from before the one that is known, the templates
 * are taken for the same: their ids go on from one structure to the next, so that they do not
 * overlap, and encoders seldom change more.
 *
 * Thread: any. AV1 RTP 1.0, appendix A.
 */
#ifndef SFU_WIRE_DEPENDENCY_DESCRIPTOR_H
#define SFU_WIRE_DEPENDENCY_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/cursor.h"
#include "sfu/wire/picture_size.h"

enum { DEPENDENCY_TEMPLATES_MAX = 64, DEPENDENCY_TARGETS_MAX = 32 };

struct dependency_template {
	uint8_t spatial_layer, temporal_layer;
	bool has_references; /* it refers to frames before it */
	/* From such a picture on all temporal layers up to this one can be decoded, whatever of
	 * them was left out before. */
	uint8_t switch_to;
};

/* Zero: none has come yet. */
struct dependency_structure {
	bool is_known;
	int64_t frame, newest_frame; /* that brought it; of all so far. Counted on over 16 bits */
	uint8_t template_id_offset, template_count, target_count;
	struct dependency_template templates[DEPENDENCY_TEMPLATES_MAX];
	struct { /* decode targets: what a receiver may choose to decode */
		uint8_t spatial_layer, temporal_layer;
	} targets[DEPENDENCY_TARGETS_MAX];
	struct picture_sizes sizes; /* of the spatial layers, if it says */
};

struct dependency_descriptor {
	bool is_frame_start, is_frame_end;
	uint16_t frame_number;
	bool has_structure;
	struct dependency_template frame; /* what holds of this very picture */
};

/* Read a packet's element, keeping in *structure what it brings, unless that is older.
 *   -EBADMSG  damaged, or its structure has not come; *structure has not changed */
int dependency_descriptor_decode(struct slice element, struct dependency_structure *structure,
				 struct dependency_descriptor *ret_descriptor) MUST_CHECK;

/* A decoder needs nothing from before this packet. */
static inline bool dependency_starts_keyframe(const struct dependency_descriptor *descriptor)
{
	return descriptor->is_frame_start && descriptor->has_structure &&
	       !descriptor->frame.has_references && descriptor->frame.spatial_layer == 0;
}

#endif
