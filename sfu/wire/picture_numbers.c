#include "sfu/wire/picture_numbers.h"

#include <string.h>

#include "core/cursor.h"

enum {
	VP8_EXTENDED = 0x80,
	VP8_PICTURE_ID = 0x80,
	VP8_TL0_INDEX = 0x40,
	VP8_TEMPORAL = 0x20,
	VP8_KEY_INDEX = 0x10,
	VP8_PARTITION_START = 0x10,
	VP8_PARTITION = 0x07,
	VP8_LAYER_SYNC = 0x20,
	VP9_PICTURE_ID = 0x80,
	VP9_LAYERS = 0x20,
	VP9_FLEXIBLE = 0x10,
	VP9_FRAME_START = 0x08,
	VP9_FRAME_END = 0x04,
	VP9_SWITCHING_UP = 0x10,
	LONG_PICTURE_ID = 0x80,
	KEY_INDEX_MASK = 0x1f
};

static void read_picture_id(struct reader *reader, struct picture_numbers *numbers)
{
	uint8_t first;

	numbers->picture_id_at = (uint8_t)reader->offset;
	first = read_u8(reader);
	numbers->picture_id_is_long = first & LONG_PICTURE_ID;
	numbers->picture_id = first & 0x7f;
	if (numbers->picture_id_is_long)
		numbers->picture_id = (uint16_t)(numbers->picture_id << 8 | read_u8(reader));
	numbers->descriptor_bytes = (uint8_t)reader->offset;
}

static void read_tl0_index(struct reader *reader, struct picture_numbers *numbers)
{
	numbers->tl0_index_at = (uint8_t)reader->offset;
	numbers->tl0_index = read_u8(reader);
	numbers->descriptor_bytes = (uint8_t)reader->offset;
}

void vp8_picture_numbers(const uint8_t *payload, size_t length, struct picture_numbers *ret_numbers)
{
	struct reader reader = reader_over(payload, length);
	struct picture_numbers numbers = {0};
	uint8_t descriptor = read_u8(&reader), present = 0;

	numbers.picture_id_is_dense = true;
	if (descriptor & VP8_EXTENDED)
		present = read_u8(&reader);
	if (present & VP8_PICTURE_ID)
		read_picture_id(&reader, &numbers);
	if (present & VP8_TL0_INDEX)
		read_tl0_index(&reader, &numbers);
	if (present & (VP8_TEMPORAL | VP8_KEY_INDEX)) {
		uint8_t at = (uint8_t)reader.offset, byte = read_u8(&reader);

		if (present & VP8_TEMPORAL)
			numbers.temporal_layer = byte >> 6;
		/* It needs the lowest layer alone; those above it do not say what they need. */
		if (numbers.temporal_layer > 0 && (byte & VP8_LAYER_SYNC) &&
		    (descriptor & VP8_PARTITION_START) && (descriptor & VP8_PARTITION) == 0) {
			numbers.switch_from = numbers.temporal_layer - 1;
			numbers.switch_to = numbers.temporal_layer;
		}
		if (present & VP8_KEY_INDEX) {
			numbers.key_index_at = at;
			numbers.key_index = byte & KEY_INDEX_MASK;
			numbers.descriptor_bytes = (uint8_t)reader.offset;
		}
	}
	*ret_numbers = reader.failed ? (struct picture_numbers){0} : numbers;
}

void vp9_picture_numbers(const uint8_t *payload, size_t length, struct picture_numbers *ret_numbers)
{
	struct reader reader = reader_over(payload, length);
	struct picture_numbers numbers = {0};
	uint8_t descriptor = read_u8(&reader);

	if (descriptor & VP9_PICTURE_ID)
		read_picture_id(&reader, &numbers);
	if (descriptor & VP9_LAYERS) {
		uint8_t layers = read_u8(&reader); /* TID U SID D */

		numbers.temporal_layer = layers >> 5;
		numbers.spatial_layer = layers >> 1 & 7;
		numbers.is_layer_end = descriptor & VP9_FRAME_END;
		if ((layers & VP9_SWITCHING_UP) && (descriptor & VP9_FRAME_START)) {
			numbers.switch_from = numbers.temporal_layer;
			numbers.switch_to = TEMPORAL_LAYER_MAX;
		}
		if (!(descriptor & VP9_FLEXIBLE))
			read_tl0_index(&reader, &numbers);
	}
	*ret_numbers = reader.failed ? (struct picture_numbers){0} : numbers;
}

size_t picture_numbers_write(const struct picture_numbers *numbers, const uint8_t *payload,
			     const struct picture_offsets *offsets,
			     uint8_t out[PICTURE_DESCRIPTOR_MAX])
{
	uint16_t picture_id = (uint16_t)(numbers->picture_id + offsets->picture_id);

	memcpy(out, payload, numbers->descriptor_bytes);
	if (numbers->picture_id_at && numbers->picture_id_is_long) {
		out[numbers->picture_id_at] = (uint8_t)(LONG_PICTURE_ID | (picture_id >> 8 & 0x7f));
		out[numbers->picture_id_at + 1] = (uint8_t)picture_id;
	} else if (numbers->picture_id_at) {
		out[numbers->picture_id_at] = (uint8_t)(picture_id & 0x7f);
	}
	if (numbers->tl0_index_at)
		out[numbers->tl0_index_at] = (uint8_t)(numbers->tl0_index + offsets->tl0_index);
	if (numbers->key_index_at)
		out[numbers->key_index_at] =
			(uint8_t)((payload[numbers->key_index_at] & ~KEY_INDEX_MASK) |
				  ((numbers->key_index + offsets->key_index) & KEY_INDEX_MASK));
	return numbers->descriptor_bytes;
}
