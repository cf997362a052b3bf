/* picture_size.h - how large is the picture that a keyframe begins? Read from what the codec puts
 * into its first packet; the relay compares a simulcast's layers by it.
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

/* False: the packet does not say. */
typedef bool (*picture_size_fn)(const uint8_t *payload, size_t length,
				struct picture_size *ret_size);
bool vp8_picture_size(const uint8_t *payload, size_t length, struct picture_size *ret_size);
/* Of the largest spatial layer. */
bool vp9_picture_size(const uint8_t *payload, size_t length, struct picture_size *ret_size);
/* By a sequence parameter set, alone or in a STAP-A: nobody cuts one that is so small. */
bool h264_picture_size(const uint8_t *payload, size_t length, struct picture_size *ret_size);
/* By a sequence header: of the largest picture in the sequence. */
bool av1_picture_size(const uint8_t *payload, size_t length, struct picture_size *ret_size);

#endif
