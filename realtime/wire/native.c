#include "realtime/wire/native.h"

#include <errno.h>

enum { MAGIC = 0xB7, VERSION = 1, KIND_DATA = 1, FLAG_PERSISTENT = 4, FLAG_REPLAYED = 8 };

void native_header_encode(const struct native_header *header, uint8_t out[NATIVE_HEADER_BYTES])
{
	uint8_t bytes[NATIVE_HEADER_BYTES]; /* GCC loses the size of a parameter */
	struct writer writer = writer_over(bytes, sizeof(bytes));

	write_u8(&writer, MAGIC);
	write_u8(&writer, VERSION);
	write_u8(&writer, KIND_DATA);
	write_u8(&writer, (uint8_t)((header->is_persistent ? FLAG_PERSISTENT : 0) |
				    (header->is_replayed ? FLAG_REPLAYED : 0)));
	write_u32(&writer, header->meta_length);
	write_u64(&writer, header->number);
	memcpy(out, bytes, sizeof(bytes));
}

int native_frame_decode(const void *bytes, size_t length, struct native_header *ret_header,
			struct slice *ret_meta, struct slice *ret_payload, struct error *reterr)
{
	struct reader reader = reader_over(bytes, length);
	uint8_t magic = read_u8(&reader), version = read_u8(&reader), kind = read_u8(&reader);
	uint8_t flags = read_u8(&reader);
	uint32_t meta_length = read_u32(&reader);
	uint64_t number = read_u64(&reader);

	if (reader.failed)
		return error_set(reterr, -EINVAL, "bad_frame",
				 "a binary frame has a head of %d bytes", NATIVE_HEADER_BYTES);
	ret_header->number = number; /* so that the answer can carry it */
	if (magic != MAGIC || version != VERSION || kind != KIND_DATA)
		return error_set(reterr, -EINVAL, "bad_frame",
				 "a binary frame begins with 0xB7, version 1 and kind 1");
	if (meta_length > NATIVE_META_MAX || meta_length > reader_left(&reader))
		return error_set(reterr, -EINVAL, "bad_frame",
				 "meta_len is %u, but must be at most %d and within the frame",
				 meta_length, NATIVE_META_MAX);
	ret_header->is_persistent = (flags & FLAG_PERSISTENT) != 0;
	ret_header->is_replayed = (flags & FLAG_REPLAYED) != 0;
	ret_header->meta_length = meta_length;
	ret_meta->data = read_bytes(&reader, meta_length);
	ret_meta->length = meta_length;
	ret_payload->length = reader_left(&reader);
	ret_payload->data = read_bytes(&reader, ret_payload->length);
	return 0;
}
