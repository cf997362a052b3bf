#include "sfu/wire/picture_size.h"

#include "core/cursor.h"
#include "sfu/wire/bits.h"
#include "sfu/wire/keyframe.h"

static uint16_t read_u16_little(struct reader *reader)
{
	uint8_t low = read_u8(reader);

	return (uint16_t)(low | read_u8(reader) << 8);
}

static void take_one(struct picture_size size, struct picture_sizes *ret_sizes)
{
	*ret_sizes = (struct picture_sizes){0};
	picture_sizes_add(ret_sizes, size);
}

bool vp8_picture_sizes(const uint8_t *payload, size_t length, struct picture_sizes *ret_sizes)
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
	take_one(size, ret_sizes);
	return true;
}

bool vp9_picture_sizes(const uint8_t *payload, size_t length, struct picture_sizes *ret_sizes)
{
	struct reader reader = reader_over(payload, length);
	struct picture_sizes sizes = {0};
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
		struct picture_size size = {.width_px = (uint16_t)read_u16(&reader)};

		size.height_px = (uint16_t)read_u16(&reader);
		if (reader.failed || size.width_px == 0 || size.height_px == 0)
			return false;
		picture_sizes_add(&sizes, size);
	}
	*ret_sizes = sizes;
	return true;
}

/* ---- H264 ---- */

enum {
	NAL_SEQUENCE_PARAMETERS = 7,
	NAL_STAP_A = 24,
	SPS_BYTES_MAX = 128, /* so far, what stands before the size can reach */
	CHROMA_420 = 1,
	CHROMA_444 = 3,
	REFERENCES_MAX = 255
};

/* What follows two zeros and a three is itself; the three only keeps start codes apart. */
static size_t without_emulation(const uint8_t *unit, size_t length, uint8_t out[SPS_BYTES_MAX])
{
	size_t count = 0, zeros = 0;

	for (size_t i = 0; i < length && count < SPS_BYTES_MAX; i++) {
		if (zeros >= 2 && unit[i] == 3) {
			zeros = 0;
			continue;
		}
		zeros = unit[i] == 0 ? zeros + 1 : 0;
		out[count++] = unit[i];
	}
	return count;
}

static int32_t read_signed_golomb(struct bit_reader *reader)
{
	uint32_t number = read_exp_golomb(reader);

	return number & 1 ? (int32_t)(number / 2 + 1) : -(int32_t)(number / 2);
}

static void skip_scaling_list(struct bit_reader *reader, unsigned count)
{
	int32_t last = 8, next = 8;

	for (unsigned i = 0; i < count && next != 0 && !reader->failed; i++) {
		next = (int32_t)((uint32_t)last + (uint32_t)read_signed_golomb(reader)) & 0xff;
		last = next ? next : last;
	}
}

/* What the high profiles have before the rest. Returns chroma_format_idc. */
static uint32_t read_high_profile(struct bit_reader *reader)
{
	uint32_t chroma = read_exp_golomb(reader);

	if (chroma == CHROMA_444)
		skip_bits(reader, 1);
	(void)read_exp_golomb(reader); /* bit depths */
	(void)read_exp_golomb(reader);
	skip_bits(reader, 1);
	if (read_flag(reader)) {
		unsigned lists = chroma == CHROMA_444 ? 12 : 8;

		for (unsigned i = 0; i < lists; i++)
			if (read_flag(reader))
				skip_scaling_list(reader, i < 6 ? 16 : 64);
	}
	return chroma;
}

static bool has_chroma_format(uint32_t profile)
{
	static const uint8_t profiles[] = {100, 110, 122, 244, 44,  83, 86,
					   118, 128, 138, 139, 134, 135};

	return memchr(profiles, (int)profile, sizeof(profiles)) != NULL;
}

static void skip_picture_order(struct bit_reader *reader)
{
	uint32_t type = read_exp_golomb(reader), count;

	if (type == 0)
		(void)read_exp_golomb(reader);
	if (type != 1)
		return;
	skip_bits(reader, 1);
	(void)read_exp_golomb(reader);
	(void)read_exp_golomb(reader);
	count = read_exp_golomb(reader);
	for (uint32_t i = 0; i < count && i < REFERENCES_MAX && !reader->failed; i++)
		(void)read_exp_golomb(reader);
}

static bool take_size(uint64_t width_px, uint64_t height_px, struct picture_sizes *ret_sizes)
{
	if (width_px == 0 || height_px == 0 || width_px > UINT16_MAX || height_px > UINT16_MAX)
		return false;
	take_one((struct picture_size){(uint16_t)width_px, (uint16_t)height_px}, ret_sizes);
	return true;
}

/* A NAL unit with its header. */
static bool sps_size(const uint8_t *unit, size_t length, struct picture_sizes *ret_sizes)
{
	uint8_t bytes[SPS_BYTES_MAX];
	struct bit_reader reader = bit_reader_over(bytes, without_emulation(unit, length, bytes));
	uint32_t profile, chroma = CHROMA_420, step_x, step_y, fields;
	uint64_t width_px, height_px, cut_x = 0, cut_y = 0;

	skip_bits(&reader, 8);
	profile = read_bits(&reader, 8);
	skip_bits(&reader, 16);
	(void)read_exp_golomb(&reader);
	if (has_chroma_format(profile))
		chroma = read_high_profile(&reader);
	(void)read_exp_golomb(&reader);
	skip_picture_order(&reader);
	(void)read_exp_golomb(&reader);
	skip_bits(&reader, 1);
	width_px = ((uint64_t)read_exp_golomb(&reader) + 1) * 16;
	height_px = ((uint64_t)read_exp_golomb(&reader) + 1) * 16;
	fields = read_flag(&reader) ? 1 : 2;
	if (fields == 2)
		skip_bits(&reader, 1);
	skip_bits(&reader, 1);
	if (read_flag(&reader)) {
		cut_x = read_exp_golomb(&reader);
		cut_x += read_exp_golomb(&reader);
		cut_y = read_exp_golomb(&reader);
		cut_y += read_exp_golomb(&reader);
	}
	step_x = chroma == 1 || chroma == 2 ? 2 : 1;
	step_y = (chroma == 1 ? 2 : 1) * fields;
	height_px *= fields;
	if (reader.failed || cut_x * step_x >= width_px || cut_y * step_y >= height_px)
		return false;
	return take_size(width_px - cut_x * step_x, height_px - cut_y * step_y, ret_sizes);
}

bool h264_picture_sizes(const uint8_t *payload, size_t length, struct picture_sizes *ret_sizes)
{
	struct reader reader = reader_over(payload, length);
	unsigned type = read_u8(&reader) & 0x1f;

	if (type == NAL_SEQUENCE_PARAMETERS)
		return sps_size(payload, length, ret_sizes);
	while (type == NAL_STAP_A && reader_left(&reader) > 0) {
		size_t size = read_u16(&reader);
		const uint8_t *unit = read_bytes(&reader, size);

		if (unit && size > 0 && (unit[0] & 0x1f) == NAL_SEQUENCE_PARAMETERS)
			return sps_size(unit, size, ret_sizes);
	}
	return false;
}

/* ---- AV1 ---- */

enum {
	OBU_SEQUENCE_HEADER = 1,
	OBU_EXTENSION = 0x04,
	OBU_HAS_SIZE = 0x02,
	AV1_CONTINUES = 0x80,
	LEB128_BYTES_MAX = 8,
	LEVEL_WITH_TIER = 7 /* above it */
};

static uint64_t read_leb128(struct reader *reader)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < LEB128_BYTES_MAX; i++) {
		uint8_t byte = read_u8(reader);

		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80))
			break;
	}
	return value;
}

struct av1_decoder_model {
	bool is_present;
	unsigned delay_bits;
};

static struct av1_decoder_model read_timing(struct bit_reader *reader)
{
	struct av1_decoder_model model = {false, 0};

	if (!read_flag(reader))
		return model;
	skip_bits(reader, 64); /* units in a tick, time scale */
	if (read_flag(reader))
		(void)read_exp_golomb(reader);
	model.is_present = read_flag(reader);
	if (model.is_present) {
		model.delay_bits = read_bits(reader, 5) + 1;
		skip_bits(reader, 32 + 5 + 5);
	}
	return model;
}

static void skip_operating_points(struct bit_reader *reader, struct av1_decoder_model model)
{
	bool has_display_delay = read_flag(reader);
	uint32_t count = read_bits(reader, 5) + 1;

	for (uint32_t i = 0; i < count; i++) {
		skip_bits(reader, 12);
		if (read_bits(reader, 5) > LEVEL_WITH_TIER)
			skip_bits(reader, 1);
		if (model.is_present && read_flag(reader))
			skip_bits(reader, 2 * model.delay_bits + 1);
		if (has_display_delay && read_flag(reader))
			skip_bits(reader, 4);
	}
}

/* An OBU with its header. */
static bool sequence_header_size(struct slice unit, struct picture_sizes *ret_sizes)
{
	struct reader header = reader_over(unit.data, unit.length);
	uint8_t first = read_u8(&header);
	struct bit_reader reader;
	unsigned width_bits, height_bits;
	uint64_t width_px, height_px;

	if (first & OBU_EXTENSION)
		(void)read_u8(&header);
	if (first & OBU_HAS_SIZE)
		(void)read_leb128(&header);
	if (header.failed)
		return false;
	reader = bit_reader_over(unit.data + header.offset, unit.length - header.offset);
	skip_bits(&reader, 4);
	if (read_flag(&reader)) /* a still picture, reduced */
		skip_bits(&reader, 5);
	else
		skip_operating_points(&reader, read_timing(&reader));
	width_bits = read_bits(&reader, 4) + 1;
	height_bits = read_bits(&reader, 4) + 1;
	width_px = (uint64_t)read_bits(&reader, width_bits) + 1;
	height_px = (uint64_t)read_bits(&reader, height_bits) + 1;
	return !reader.failed && take_size(width_px, height_px, ret_sizes);
}

bool av1_picture_sizes(const uint8_t *payload, size_t length, struct picture_sizes *ret_sizes)
{
	struct reader reader = reader_over(payload, length);
	uint8_t aggregation = read_u8(&reader);
	unsigned count = aggregation >> 4 & 3; /* W; 0: each has its size */

	if (aggregation & AV1_CONTINUES)
		return false;
	for (unsigned i = 1; reader_left(&reader) > 0; i++) {
		uint64_t size = count && i >= count ? reader_left(&reader) : read_leb128(&reader);
		const uint8_t *unit = size <= length ? read_bytes(&reader, (size_t)size) : NULL;

		if (!unit)
			return false;
		if (size > 0 && (unit[0] >> 3 & 0x0f) == OBU_SEQUENCE_HEADER)
			return sequence_header_size((struct slice){unit, (size_t)size}, ret_sizes);
	}
	return false;
}
