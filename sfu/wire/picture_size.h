/* picture_size.h - how large is the picture that a keyframe begins, and each of its spatial layers?
 * Read from what the codec puts into its first packet; the relay compares layers by it.
 *
 * Thread: any. RFC 7741 section 4.3 and RFC 6386 section 9.1 (VP8), RFC 9628 section 4.2.1 (VP9),
 * ITU-T H.264 section 7.3.2.1.1, AV1 RTP 1.0 section 4.4 and AV1 section 5.5.1.
 */
#ifndef SFU_WIRE_PICTURE_SIZE_H
#define SFU_WIRE_PICTURE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct picture_size {
	uint16_t width_px, height_px;
};

/* Of the spatial layers in one stream, the lowest first; there is one where there are none. */
enum { PICTURE_SIZES_MAX = 3 };
struct picture_sizes {
	uint8_t count; /* 0: not known */
	struct picture_size layers[PICTURE_SIZES_MAX];
};

/* Of more layers than there is room for the last is the largest. */
static inline void picture_sizes_add(struct picture_sizes *sizes, struct picture_size size)
{
	if (sizes->count < PICTURE_SIZES_MAX)
		sizes->count++;
	sizes->layers[sizes->count - 1] = size;
}

static inline struct picture_size picture_sizes_largest(const struct picture_sizes *sizes)
{
	return sizes->count ? sizes->layers[sizes->count - 1] : (struct picture_size){0, 0};
}

/* False: the packet does not say. */
typedef bool (*picture_sizes_fn)(const uint8_t *payload, size_t length,
				 struct picture_sizes *ret_sizes);
bool vp8_picture_sizes(const uint8_t *payload, size_t length, struct picture_sizes *ret_sizes);
/* By its scalability structure, of each spatial layer. */
bool vp9_picture_sizes(const uint8_t *payload, size_t length, struct picture_sizes *ret_sizes);
/* By a sequence parameter set, alone or in a STAP-A: nobody cuts one that is so small. */
bool h264_picture_sizes(const uint8_t *payload, size_t length, struct picture_sizes *ret_sizes);
/* By a sequence header: of the largest picture in the sequence. */
bool av1_picture_sizes(const uint8_t *payload, size_t length, struct picture_sizes *ret_sizes);

#endif
