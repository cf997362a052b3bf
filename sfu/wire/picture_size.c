#include "sfu/wire/picture_size.h"

#include "core/cursor.h"
#include "sfu/wire/keyframe.h"

static uint16_t read_u16_little(struct reader *reader)
{
	uint8_t low = read_u8(reader);

	return (uint16_t)(low | read_u8(reader) << 8);
}

bool vp8_picture_size(const uint8_t *payload, size_t length, struct picture_size *ret_size)
{
	static const uint8_t start_code[3] = {0x9d, 0x01, 0x2a};
	struct reader reader = reader_over(payload, length);
	struct picture_size size;
	const uint8_t *code;

	if (vp8_keyframe_start(payload, length) == KEYFRAME_NO_START)
		return false;
	if (read_u8(&reader) & 0x80) { /* X */
		uint8_t present = read_u8(&reader);

		if ((present & 0x80) && (read_u8(&reader) & 0x80)) /* I; M: 15 bits */
			(void)read_u8(&reader);
		if (present & 0x40) /* L */
			(void)read_u8(&reader);
		if (present & 0x30) /* T or K */
			(void)read_u8(&reader);
	}
	(void)read_bytes(&reader, 3); /* frame tag */
	code = read_bytes(&reader, sizeof(start_code));
	if (!code || memcmp(code, start_code, sizeof(start_code)) != 0)
		return false;
	size.width_px = read_u16_little(&reader) & 0x3fff; /* two bits above are of scaling */
	size.height_px = read_u16_little(&reader) & 0x3fff;
	if (reader.failed || size.width_px == 0 || size.height_px == 0)
		return false;
	*ret_size = size;
	return true;
}

bool vp9_picture_size(const uint8_t *payload, size_t length, struct picture_size *ret_size)
{
	struct reader reader = reader_over(payload, length);
	struct picture_size size = {0, 0};
	uint8_t descriptor = read_u8(&reader), structure;

	if (!(descriptor & 0x02) || (descriptor & 0x50) == 0x50) /* V; P and F: reference indices */
		return false;
	if ((descriptor & 0x80) && (read_u8(&reader) & 0x80)) /* I; M: 15 bits */
		(void)read_u8(&reader);
	if (descriptor & 0x20) { /* L */
		(void)read_u8(&reader);
		if (!(descriptor & 0x10)) /* F */
			(void)read_u8(&reader);
	}
	structure = read_u8(&reader);
	if (!(structure & 0x10)) /* Y */
		return false;
	for (unsigned i = 0; i <= structure >> 5; i++) {
		size.width_px = (uint16_t)read_u16(&reader);
		size.height_px = (uint16_t)read_u16(&reader);
	}
	if (reader.failed || size.width_px == 0 || size.height_px == 0)
		return false;
	*ret_size = size;
	return true;
}
