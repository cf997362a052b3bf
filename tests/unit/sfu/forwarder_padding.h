/* forwarder_padding.h - tests of the forwarder that go once more with packets without contents
 * between the pictures. One test program has one of it. */
#ifndef TESTS_UNIT_SFU_FORWARDER_PADDING_H
#define TESTS_UNIT_SFU_FORWARDER_PADDING_H

#include <stdlib.h>

#include "sfu/model/forwarder.h"
#include "tests/unit/cmocka_all.h"

enum { PICTURE_TICKS = 3000 }; /* 30 pictures a second */

/* In some tests packets without contents are put in wherever they may be, now and then. */
static bool with_padding;

/* Returns how many: each takes the next number and the time of the last picture, and no NACK for it
 * leads to another packet. */
static inline unsigned put_in_padding(struct forwarder *forwarder, uint16_t numbers[static 8])
{
	unsigned count = with_padding && rand() % 4 == 0 ? 1 + (unsigned)rand() % 8 : 0, i = 0;
	uint16_t next = (uint16_t)(forwarder->highest_output_sequence + 1);
	uint32_t last_timestamp = forwarder->last_output_timestamp, timestamp;

	for (; i < count && forwarder_can_pad(forwarder); i++) {
		forwarder_pad(forwarder, &numbers[i], &timestamp);
		assert_int_equal(numbers[i], (uint16_t)(next + i));
		assert_int_equal(timestamp, last_timestamp);
	}
	for (unsigned j = 0; j < i; j++) {
		assert_null(forwarder_unmap(forwarder, numbers[j]));
		assert_true(forwarder_was_padding(forwarder, numbers[j], &timestamp));
		assert_int_equal(timestamp, last_timestamp);
	}
	return i;
}

/* The input that an output number was sent for. */
static inline bool unmap(const struct forwarder *forwarder, uint16_t output, uint16_t *ret_input)
{
	const struct forwarder_span *span = forwarder_unmap(forwarder, output);

	*ret_input = span ? (uint16_t)(output - span->sequence_offset) : 0;
	return span != NULL;
}

static inline int pad(void **state)
{
	(void)state;
	with_padding = true;
	return 0;
}

static inline int pad_no_more(void **state)
{
	(void)state;
	with_padding = false;
	return 0;
}

/* Once more, with packets without contents between the pictures. */
#define TEST_PADDED(function)                                                                      \
	{                                                                                          \
#function " (padded)", function, pad, pad_no_more, NULL                            \
	}

#endif
