#include "sfu/wire/rtp.h"

#include <errno.h>
#include <string.h>

enum {
	RTP_VERSION = 2,
	ONE_BYTE_PROFILE = 0xbede,
	TWO_BYTE_PROFILE = 0x1000, /* the low four bits are the application's */
	ONE_BYTE_STOP = 15,	   /* RFC 8285 section 4.2: ends the elements */
	ONE_BYTE_LENGTH_MAX = 16,  /* bytes of an element in the one-byte form */
	SHIFTED_END = 3,	   /* struct rtp_extension_shift */
	EXTENSION_PREFIX_BYTES = 4 /* profile and length in words */
};

enum packet_kind packet_kind_of(const uint8_t *bytes, size_t length)
{
	if (length < 1)
		return PACKET_UNKNOWN;
	if (bytes[0] <= 3)
		return PACKET_STUN;
	if (bytes[0] >= 20 && bytes[0] <= 63)
		return PACKET_DTLS;
	if (bytes[0] < 128 || bytes[0] > 191 || length < 2)
		return PACKET_UNKNOWN;
	/* RFC 5761 section 4: RTCP types here are what would be payload types 64 to 95 with a
	 * marker, which no one may assign. */
	return bytes[1] >= 192 && bytes[1] <= 223 ? PACKET_RTCP : PACKET_RTP;
}

int rtp_header_decode(const uint8_t *bytes, size_t length, bool is_protected,
		      struct rtp_header *ret_header)
{
	struct reader reader = reader_over(bytes, length);
	struct rtp_header header = {0};
	uint8_t first, second;

	first = read_u8(&reader);
	second = read_u8(&reader);
	header.marker = second & 0x80;
	header.payload_type = second & 0x7f;
	header.sequence_number = read_u16(&reader);
	header.rtp_timestamp = read_u32(&reader);
	header.ssrc = read_u32(&reader);
	(void)read_bytes(&reader, (size_t)(first & 0x0f) * 4); /* CSRCs; a failure sticks */

	if (first & 0x10) {
		uint16_t profile = read_u16(&reader);
		size_t extension_bytes = (size_t)read_u16(&reader) * 4;
		size_t offset = reader.offset;

		(void)read_bytes(&reader, extension_bytes);
		/* Some other profile is legal and opaque: skipped like any unknown element. */
		if (profile == ONE_BYTE_PROFILE || (profile & 0xfff0) == TWO_BYTE_PROFILE) {
			if (reader.offset > UINT16_MAX)
				return -EBADMSG;
			header.extension_offset = (uint16_t)offset;
			header.extension_bytes = (uint16_t)extension_bytes;
			header.extension_two_byte = profile != ONE_BYTE_PROFILE;
		}
	}
	if (reader.failed || first >> 6 != RTP_VERSION || reader.offset > UINT16_MAX)
		return -EBADMSG;
	header.header_bytes = (uint16_t)reader.offset;

	if ((first & 0x20) && !is_protected) {
		if (reader_left(&reader) == 0)
			return -EBADMSG;
		header.padding_bytes = bytes[length - 1];
		if (header.padding_bytes == 0 || header.padding_bytes > reader_left(&reader))
			return -EBADMSG;
	}
	*ret_header = header;
	return 0;
}

/* The elements of one packet, in order. */
struct extension_walk {
	struct reader reader;
	bool two_byte;
};

static struct extension_walk extension_walk_over(const struct rtp_header *header,
						 const uint8_t *bytes)
{
	return (struct extension_walk){
		.reader = reader_over(bytes + header->extension_offset, header->extension_bytes),
		.two_byte = header->extension_two_byte,
	};
}

/* False at the end, be it of the block, by id 15 or by an element that does not fit. */
static bool extension_walk_next(struct extension_walk *walk, uint8_t *ret_id,
				struct slice *ret_element)
{
	struct reader *reader = &walk->reader;
	const uint8_t *data;
	size_t length;
	uint8_t id;

	while (reader_left(reader) > 0) {
		uint8_t first = read_u8(reader);

		if (walk->two_byte) {
			id = first;
			if (id == 0)
				continue; /* padding is a single byte in either form */
			length = read_u8(reader);
		} else {
			id = first >> 4;
			/* RFC 8285 section 4.2: id 0 with a length is damage, told apart from
			 * padding only by its low bits. */
			if (first == 0)
				continue;
			if (id == 0 || id == ONE_BYTE_STOP)
				return false;
			length = (size_t)(first & 0x0f) + 1;
		}
		data = read_bytes(reader, length);
		if (!data)
			return false;
		*ret_id = id;
		*ret_element = (struct slice){data, length};
		return true;
	}
	return false;
}

struct slice rtp_extension_find(const struct rtp_header *header, const uint8_t *bytes, uint8_t id)
{
	struct extension_walk walk = extension_walk_over(header, bytes);
	struct slice element;
	uint8_t found;

	while (extension_walk_next(&walk, &found, &element)) {
		if (found == id)
			return element;
	}
	return (struct slice){NULL, 0};
}

void rtp_extension_for_each(const struct rtp_header *header, const uint8_t *bytes,
			    rtp_extension_fn visit, void *data)
{
	struct extension_walk walk = extension_walk_over(header, bytes);
	struct slice element;
	uint8_t id;

	while (extension_walk_next(&walk, &id, &element))
		visit(data, id, element);
}

static void shift_number(uint8_t *at, uint16_t by)
{
	uint16_t number = (uint16_t)((at[0] << 8 | at[1]) + by);

	at[0] = (uint8_t)(number >> 8);
	at[1] = (uint8_t)number;
}

int rtp_extension_block_rewrite(const struct rtp_header *header, const uint8_t *bytes,
				const uint8_t id_map[16], struct rtp_extension_shift shift,
				uint8_t *out, size_t capacity)
{
	struct extension_walk walk = extension_walk_over(header, bytes);
	struct writer writer = writer_over(out, capacity);
	struct slice element;
	size_t words;
	uint8_t id;

	while (extension_walk_next(&walk, &id, &element)) {
		uint8_t out_id = id < 16 ? id_map[id] : 0;

		if (out_id == 0 || (!walk.two_byte && out_id > RTP_EXTENSION_ID_MAX))
			continue;
		/* The prefix waits for the first element kept, so that none means no block. */
		if (writer.offset == 0) {
			write_u16(&writer, walk.two_byte ? TWO_BYTE_PROFILE : ONE_BYTE_PROFILE);
			write_u16(&writer, 0);
		}
		if (walk.two_byte) {
			write_u8(&writer, out_id);
			write_u8(&writer, (uint8_t)element.length);
		} else {
			write_u8(&writer, (uint8_t)(out_id << 4 | (element.length - 1)));
		}
		write_bytes(&writer, element.data, element.length);
		if (id == shift.id && element.length >= SHIFTED_END && !writer.failed)
			shift_number(out + writer.offset - element.length + 1, shift.by);
	}
	while (writer.offset % 4 != 0 && !writer.failed)
		write_u8(&writer, 0);
	if (writer.failed)
		return -EMSGSIZE;
	if (writer.offset == 0)
		return 0;
	words = (writer.offset - EXTENSION_PREFIX_BYTES) / 4;
	out[2] = (uint8_t)(words >> 8);
	out[3] = (uint8_t)words;
	return (int)writer.offset;
}

int rtp_extension_block_append(uint8_t *out, size_t length, size_t capacity, uint8_t id,
			       const uint8_t *data, size_t data_bytes)
{
	bool is_two_byte = length > 0 && out[0] != (uint8_t)(ONE_BYTE_PROFILE >> 8);
	size_t start = length ? length : EXTENSION_PREFIX_BYTES;
	size_t element_bytes = (is_two_byte ? 2 : 1) + data_bytes;
	size_t end = (start + element_bytes + 3) / 4 * 4, words;
	struct writer writer = writer_over(out, capacity);

	if (data_bytes == 0 || data_bytes > ONE_BYTE_LENGTH_MAX || end > capacity ||
	    (!is_two_byte && id > RTP_EXTENSION_ID_MAX))
		return -EMSGSIZE;
	if (length == 0) {
		write_u16(&writer, ONE_BYTE_PROFILE);
		write_u16(&writer, 0);
	}
	/* What stands before is filled up with zeros, which may stand between elements as well. */
	writer.offset = start;
	if (is_two_byte) {
		write_u8(&writer, id);
		write_u8(&writer, (uint8_t)data_bytes);
	} else {
		write_u8(&writer, (uint8_t)(id << 4 | (data_bytes - 1)));
	}
	write_bytes(&writer, data, data_bytes);
	while (writer.offset < end)
		write_u8(&writer, 0);
	words = (end - EXTENSION_PREFIX_BYTES) / 4;
	out[2] = (uint8_t)(words >> 8);
	out[3] = (uint8_t)words;
	return (int)end;
}

void rtp_header_encode(uint8_t out[RTP_HEADER_BYTES], uint8_t payload_type, bool marker,
		       bool has_extension, bool has_padding, uint16_t sequence_number,
		       uint32_t rtp_timestamp, uint32_t ssrc)
{
	out[0] =
		(uint8_t)(RTP_VERSION << 6 | (has_padding ? 0x20 : 0) | (has_extension ? 0x10 : 0));
	out[1] = (uint8_t)((marker ? 0x80 : 0) | (payload_type & 0x7f));
	out[2] = (uint8_t)(sequence_number >> 8);
	out[3] = (uint8_t)sequence_number;
	for (int i = 0; i < 4; i++) {
		out[4 + i] = (uint8_t)(rtp_timestamp >> (24 - 8 * i));
		out[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
	}
}

/* ---- abs-capture-time ---- */

void rtp_capture_time_pass_on(uint8_t *bytes, struct slice element, int64_t ahead_ntp)
{
	enum { CAPTURED_BYTES = 8, OFFSET_BYTES = 8 };
	uint8_t *offset = bytes + (element.data - bytes) + CAPTURED_BYTES;
	uint64_t ahead = 0;

	if (element.length != CAPTURED_BYTES + OFFSET_BYTES)
		return;
	for (int i = 0; i < OFFSET_BYTES; i++)
		ahead = ahead << 8 | offset[i];
	ahead += (uint64_t)ahead_ntp;
	for (int i = 0; i < OFFSET_BYTES; i++)
		offset[i] = (uint8_t)(ahead >> (56 - 8 * i));
}
