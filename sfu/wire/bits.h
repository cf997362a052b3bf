/* bits.h - read fields that do not stand on whole bytes.
 *
 * Like core/cursor.h's reader: it walks over memory it does not own, its error sticks, and after
 * the first step out of bounds every read yields 0. Thread: any.
 */
#ifndef SFU_WIRE_BITS_H
#define SFU_WIRE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bit_reader {
	const uint8_t *data;
	size_t bit_count, at;
	bool failed;
};

static inline struct bit_reader bit_reader_over(const uint8_t *data, size_t length)
{
	return (struct bit_reader){.data = data, .bit_count = length * 8};
}

/* The next `count` bits (at most 32), the first one the highest. */
static inline uint32_t read_bits(struct bit_reader *reader, unsigned count)
{
	uint64_t value = 0;

	if (reader->failed || count > reader->bit_count - reader->at) {
		reader->failed = true;
		return 0;
	}
	for (; count > 0; count--, reader->at++)
		value = value << 1 | (reader->data[reader->at / 8] >> (7 - reader->at % 8) & 1);
	return (uint32_t)value;
}

static inline bool read_flag(struct bit_reader *reader)
{
	return read_bits(reader, 1) != 0;
}

static inline void skip_bits(struct bit_reader *reader, size_t count)
{
	if (reader->failed || count > reader->bit_count - reader->at)
		reader->failed = true;
	else
		reader->at += count;
}

/* One of `count` values in as few bits as it takes: AV1's ns(n). */
static inline uint32_t read_non_symmetric(struct bit_reader *reader, uint32_t count)
{
	unsigned width = 0;
	uint32_t short_ones, value;

	while (width < 32 && count >> width)
		width++;
	if (width == 0)
		return 0;
	short_ones = (1u << width) - count;
	value = read_bits(reader, width - 1);
	if (value < short_ones)
		return value;
	return (value << 1) - short_ones + read_bits(reader, 1);
}

/* Exp-Golomb, H.264's ue(v): so many zeros, a one, so many bits. */
static inline uint32_t read_exp_golomb(struct bit_reader *reader)
{
	unsigned zeros = 0;

	while (!reader->failed && zeros < 32 && !read_flag(reader))
		zeros++;
	if (zeros >= 32)
		reader->failed = true;
	return reader->failed ? 0 : (uint32_t)((1ull << zeros) - 1 + read_bits(reader, zeros));
}

#endif
