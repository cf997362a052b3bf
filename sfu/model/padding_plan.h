/* padding_plan.h - a few bytes of padding make a run of packets equally long.
 *
 * The kernel takes packets of one destination together if all have the same length and only the
 * last is shorter (UDP GSO). Codecs cut a picture into pieces that differ by a byte or two. RTP may
 * be padded (RFC 3550 section 5.1), so that such a picture leaves in one piece. Thread: any.
 */
#ifndef SFU_MODEL_PADDING_PLAN_H
#define SFU_MODEL_PADDING_PLAN_H

#include <stddef.h>
#include <stdint.h>

enum { PADDING_MAX = 8 }; /* bytes; more would cost the way more than it saves the relay */

struct padding_item {
	uint16_t header_bytes;	/* packets with other headers are other runs */
	uint16_t payload_bytes; /* 0: leave it alone, and begin another run */
	uint8_t padding_bytes;	/* the answer: so many to be added */
};

/* `items` in the order in which they leave. */
void padding_plan(struct padding_item *items, size_t count);

#endif
