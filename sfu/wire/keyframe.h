/* keyframe.h - does a packet begin a keyframe? One function for each video codec.
 *
 * They read the payload descriptor of RTP and, where that does not say it (VP8, H264), the first
 * bytes behind it. They keep no state and trust nothing: any bytes of any length are fine. VP9 and
 * AV1 are read from their descriptors alone, so frames that are encrypted end to end are no matter.
 *
 * Thread: any.
 */
#ifndef SFU_WIRE_KEYFRAME_H
#define SFU_WIRE_KEYFRAME_H

#include <stddef.h>
#include <stdint.h>

enum keyframe_start {
	KEYFRAME_NO_START,
	/* The picture begins here, but parameter sets it needs may have come in packets before. */
	KEYFRAME_STARTS_PICTURE,
	/* A decoder needs nothing from before this packet. */
	KEYFRAME_STARTS_WHOLE
};

typedef enum keyframe_start (*keyframe_start_fn)(const uint8_t *payload, size_t length);

/* RFC 7741: S=1, PID=0, and the P bit of the frame header clear. */
enum keyframe_start vp8_keyframe_start(const uint8_t *payload, size_t length);
/* RFC 9628: B=1, P=0, and the lowest spatial layer where there are layers. */
enum keyframe_start vp9_keyframe_start(const uint8_t *payload, size_t length);
/* RFC 6184: a sequence parameter set begins it whole; the first slice of an IDR picture begins the
 * picture. Alone, in a STAP-A or at the start of an FU-A; the other aggregates are of interleaved
 * mode, which WebRTC does not use. */
enum keyframe_start h264_keyframe_start(const uint8_t *payload, size_t length);
/* AV1 RTP 1.0, section 4.4: N=1, the first packet of a coded video sequence. */
enum keyframe_start av1_keyframe_start(const uint8_t *payload, size_t length);

#endif
