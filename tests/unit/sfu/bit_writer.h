/* bit_writer.h - fields of any width, one behind the other, to be read again. Thread: any. */
#ifndef TESTS_UNIT_SFU_BIT_WRITER_H
#define TESTS_UNIT_SFU_BIT_WRITER_H

#include <stddef.h>
#include <stdint.h>

/* Zero is an empty one. */
struct bit_writer {
	uint8_t bytes[256];
	size_t at; /* in bits */
};

static inline void put(struct bit_writer *writer, unsigned count, uint32_t value)
{
	for (; count > 0; count--, writer->at++)
		if (value >> (count - 1) & 1)
			writer->bytes[writer->at / 8] |= (uint8_t)(0x80 >> writer->at % 8);
}

static inline size_t written_bytes(const struct bit_writer *writer)
{
	return (writer->at + 7) / 8;
}

#endif
