/* picture_numbers.h - what a codec's payload descriptor tells of a packet's picture: its numbers,
 * and its temporal and spatial layer.
 *
 * Each layer of a simulcast counts its pictures by itself. A subscriber that is moved from one
 * layer to another must see one count that goes on, so the relay rewrites them: it reads where they
 * stand, once for each packet, and writes a changed copy of the descriptor for each subscriber.
 *
 * Pictures of a temporal layer need those of the layers below alone, so the higher ones can be left
 * out: that halves the frame rate. They are taken up again only with a picture that allows it.
 *
 * A picture may come in spatial layers (SVC), the smallest first, each in packets of its own. Those
 * above one can be left out, which makes the picture smaller; they are taken up again with a
 * keyframe.
 *
 * Thread: any. RFC 7741 section 4.2 (VP8), RFC 9628 section 4.2 (VP9).
 */
#ifndef SFU_WIRE_PICTURE_NUMBERS_H
#define SFU_WIRE_PICTURE_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PICTURE_DESCRIPTOR_MAX = 8 };

/* Where a number stands is counted from the payload's first byte; 0: the packet has not got it. */
struct picture_numbers {
	uint16_t picture_id; /* 15 bits, or 7 */
	uint8_t tl0_index;   /* TL0PICIDX */
	uint8_t key_index;   /* KEYIDX, 5 bits; VP8 */
	uint8_t picture_id_at, tl0_index_at, key_index_at;
	bool picture_id_is_long;
	bool picture_id_is_dense; /* nothing refers to it: where pictures are left out it counts on
				   */
	uint8_t descriptor_bytes; /* up to and with the last of these */
	uint16_t frame_number;	  /* of the dependency descriptor, which is a header extension */
	uint8_t temporal_layer;
	/* Who has the temporal layers up to `switch_from` may go on with those up to `switch_to`
	 * from this picture on. 0: nobody; so is it behind the picture's first packet. */
	uint8_t switch_from, switch_to;
	uint8_t spatial_layer;
	bool is_layer_end; /* the last packet that this picture has of this spatial layer */
};
enum { TEMPORAL_LAYER_MAX = 7, SPATIAL_LAYER_MAX = 7 };

/* What is added to each, modulo its width. */
struct picture_offsets {
	uint16_t picture_id, frame_number;
	uint8_t tl0_index, key_index;
};

/* Read them; a packet that is damaged or has none gives all zeros. */
typedef void (*picture_numbers_fn)(const uint8_t *payload, size_t length,
				   struct picture_numbers *ret_numbers);
void vp8_picture_numbers(const uint8_t *payload, size_t length,
			 struct picture_numbers *ret_numbers);
void vp9_picture_numbers(const uint8_t *payload, size_t length,
			 struct picture_numbers *ret_numbers);

/* Copy the descriptor of `numbers->descriptor_bytes` with every number moved on; returns its
 * length. */
size_t picture_numbers_write(const struct picture_numbers *numbers, const uint8_t *payload,
			     const struct picture_offsets *offsets,
			     uint8_t out[PICTURE_DESCRIPTOR_MAX]);

#endif
