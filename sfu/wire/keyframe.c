#include "sfu/wire/keyframe.h"

#include "core/cursor.h"

enum keyframe_start vp8_keyframe_start(const uint8_t *payload, size_t length)
{
	struct reader reader = reader_over(payload, length);
	uint8_t descriptor = read_u8(&reader);
	uint8_t frame_header;

	if (descriptor & 0x80) { /* X */
		uint8_t present = read_u8(&reader);

		if ((present & 0x80) && (read_u8(&reader) & 0x80)) /* I; M: 15 bits */
			(void)read_u8(&reader);
		if (present & 0x40) /* L */
			(void)read_u8(&reader);
		if (present & 0x30) /* T or K share a byte */
			(void)read_u8(&reader);
	}
	frame_header = read_u8(&reader);
	/* S set, partition 0; and the frame header's P bit is "not a keyframe". */
	if (reader.failed || !(descriptor & 0x10) || (descriptor & 0x07) != 0 ||
	    (frame_header & 0x01))
		return KEYFRAME_NO_START;
	return KEYFRAME_STARTS_WHOLE;
}

/* ---- VP9 ---- */

enum {
	VP9_PICTURE_ID = 0x80,
	VP9_INTER_PREDICTED = 0x40,
	VP9_LAYERS = 0x20,
	VP9_FRAME_START = 0x08
};

enum keyframe_start vp9_keyframe_start(const uint8_t *payload, size_t length)
{
	struct reader reader = reader_over(payload, length);
	uint8_t descriptor = read_u8(&reader);
	uint8_t spatial_layer = 0;

	if ((descriptor & VP9_PICTURE_ID) && (read_u8(&reader) & 0x80)) /* M: 15 bits */
		(void)read_u8(&reader);
	if (descriptor & VP9_LAYERS)
		spatial_layer = read_u8(&reader) >> 1 & 0x07; /* TID U SID D */
	/* On a keyframe the upper layers are predicted from the one below, which P does not tell.
	 */
	if (reader.failed || !(descriptor & VP9_FRAME_START) ||
	    (descriptor & VP9_INTER_PREDICTED) || spatial_layer != 0)
		return KEYFRAME_NO_START;
	return KEYFRAME_STARTS_WHOLE;
}

/* ---- H264 ---- */

enum { NAL_IDR_SLICE = 5, NAL_SEQUENCE_PARAMETERS = 7, NAL_STAP_A = 24, NAL_FU_A = 28 };

/* `first` is the byte behind the NAL unit's header. */
static enum keyframe_start nal_start(unsigned type, uint8_t first)
{
	if (type == NAL_SEQUENCE_PARAMETERS)
		return KEYFRAME_STARTS_WHOLE;
	/* first_mb_in_slice is an Exp-Golomb number: 0, the picture's first slice, is a bit of 1.
	 */
	return type == NAL_IDR_SLICE && (first & 0x80) ? KEYFRAME_STARTS_PICTURE
						       : KEYFRAME_NO_START;
}

/* Several NAL units, each behind its size. What is cut short at the end does not count. */
static enum keyframe_start stap_a_start(struct reader *reader)
{
	enum keyframe_start found = KEYFRAME_NO_START;

	while (reader_left(reader) > 0) {
		size_t size = read_u16(reader);
		const uint8_t *unit = read_bytes(reader, size);
		enum keyframe_start start;

		if (!unit)
			break;
		if (size < 2)
			continue;
		start = nal_start(unit[0] & 0x1f, unit[1]);
		if (start > found)
			found = start;
	}
	return found;
}

enum keyframe_start h264_keyframe_start(const uint8_t *payload, size_t length)
{
	struct reader reader = reader_over(payload, length);
	uint8_t header = read_u8(&reader);
	unsigned type = header & 0x1f;
	uint8_t first;

	if (header & 0x80) /* forbidden_zero_bit */
		return KEYFRAME_NO_START;
	if (type == NAL_STAP_A)
		return stap_a_start(&reader);
	if (type == NAL_FU_A) {
		uint8_t fragment = read_u8(&reader);

		if (!(fragment & 0x80)) /* S */
			return KEYFRAME_NO_START;
		type = fragment & 0x1f;
	}
	first = read_u8(&reader);
	return reader.failed ? KEYFRAME_NO_START : nal_start(type, first);
}

/* ---- AV1 ---- */

enum { AV1_CONTINUES = 0x80, AV1_NEW_SEQUENCE = 0x08 };

enum keyframe_start av1_keyframe_start(const uint8_t *payload, size_t length)
{
	struct reader reader = reader_over(payload, length);
	uint8_t aggregation_header = read_u8(&reader);

	if (reader_left(&reader) == 0 || (aggregation_header & AV1_CONTINUES) ||
	    !(aggregation_header & AV1_NEW_SEQUENCE))
		return KEYFRAME_NO_START;
	return KEYFRAME_STARTS_WHOLE;
}
