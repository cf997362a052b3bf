/* cursor.h - read and write bytes with one bounds check policy.
 *
 * A cursor walks over memory it does not own. Its error sticks: after the first step out of bounds
 * every read yields 0 and every write is dropped, so a parser makes twenty reads and one check of
 * `failed`. Multi-byte fields are big-endian (network order), assembled by shifts. Thread: any.
 */
#ifndef CORE_CURSOR_H
#define CORE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that belong to somebody else. */
struct slice {
	const uint8_t *data;
	size_t length;
};

struct reader {
	const uint8_t *data;
	size_t length, offset;
	bool failed;
};

static inline struct reader reader_over(const void *data, size_t length)
{
	return (struct reader){.data = data, .length = length};
}

static inline size_t reader_left(const struct reader *reader)
{
	return reader->failed ? 0 : reader->length - reader->offset;
}

/* The next `count` bytes, borrowed; NULL (and failed) if there are fewer. */
static inline const uint8_t *read_bytes(struct reader *reader, size_t count)
{
	const uint8_t *bytes;

	if (reader->failed || count > reader->length - reader->offset) {
		reader->failed = true;
		return NULL;
	}
	bytes = reader->data + reader->offset;
	reader->offset += count;
	return bytes;
}

static inline uint64_t read_uint(struct reader *reader, size_t byte_count)
{
	const uint8_t *bytes = read_bytes(reader, byte_count);
	uint64_t value = 0;

	if (!bytes)
		return 0;
	for (size_t i = 0; i < byte_count; i++)
		value = value << 8 | bytes[i];
	return value;
}

static inline uint8_t read_u8(struct reader *reader)
{
	return (uint8_t)read_uint(reader, 1);
}
static inline uint16_t read_u16(struct reader *reader)
{
	return (uint16_t)read_uint(reader, 2);
}
static inline uint32_t read_u24(struct reader *reader)
{
	return (uint32_t)read_uint(reader, 3);
}
static inline uint32_t read_u32(struct reader *reader)
{
	return (uint32_t)read_uint(reader, 4);
}
static inline uint64_t read_u64(struct reader *reader)
{
	return read_uint(reader, 8);
}

struct writer {
	uint8_t *data;
	size_t capacity, offset;
	bool failed;
};

static inline struct writer writer_over(void *data, size_t capacity)
{
	return (struct writer){.data = data, .capacity = capacity};
}

/* Room for `count` bytes, to be filled by the caller; NULL (and failed) if there is not enough. */
static inline uint8_t *write_space(struct writer *writer, size_t count)
{
	uint8_t *space;

	if (writer->failed || count > writer->capacity - writer->offset) {
		writer->failed = true;
		return NULL;
	}
	space = writer->data + writer->offset;
	writer->offset += count;
	return space;
}

static inline void write_uint(struct writer *writer, uint64_t value, size_t byte_count)
{
	uint8_t *space = write_space(writer, byte_count);

	if (!space)
		return;
	for (size_t i = byte_count; i > 0; i--) {
		space[i - 1] = (uint8_t)value;
		value >>= 8;
	}
}

static inline void write_u8(struct writer *writer, uint8_t value)
{
	write_uint(writer, value, 1);
}
static inline void write_u16(struct writer *writer, uint16_t value)
{
	write_uint(writer, value, 2);
}
static inline void write_u24(struct writer *writer, uint32_t value)
{
	write_uint(writer, value, 3);
}
static inline void write_u32(struct writer *writer, uint32_t value)
{
	write_uint(writer, value, 4);
}
static inline void write_u64(struct writer *writer, uint64_t value)
{
	write_uint(writer, value, 8);
}
static inline void write_bytes(struct writer *writer, const void *bytes, size_t count)
{
	uint8_t *space = write_space(writer, count);

	if (space && count > 0)
		memcpy(space, bytes, count);
}

#endif
