#include <errno.h>
#include <string.h>

#include "sfu/wire/framing.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/sfu/random.h"

enum { FRAMES = 500 };

/* Give it `length` bytes, in as many reads as it takes; each whole frame must be the next of the
 * stream, whose frames hold their own number. */
static void feed(struct frame_reader *reader, const uint8_t *bytes, size_t length,
		 unsigned *frame_count)
{
	while (length > 0) {
		size_t space, step;
		uint8_t *at = frame_reader_space(reader, &space);
		struct slice frame;

		assert_true(space > 0);
		step = length < space ? length : space;
		memcpy(at, bytes, step);
		frame_reader_add(reader, step);
		bytes += step;
		length -= step;
		while (frame_reader_next(reader, &frame) > 0) {
			for (size_t i = 0; i < frame.length; i++)
				assert_int_equal(frame.data[i], (uint8_t)*frame_count);
			(*frame_count)++;
		}
	}
}

static void frames_come_out_however_they_are_cut(void **state)
{
	struct random random = random_from_environment();
	static uint8_t stream[FRAMES * (FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX)];
	struct frame_reader reader = {0};
	size_t end = 0, at = 0;
	unsigned count = 0;

	(void)state;
	for (unsigned i = 0; i < FRAMES; i++) {
		size_t length = random_below(&random, 8)
					? random_below(&random, 1300)
					: random_below(&random, 2) * FRAME_PAYLOAD_MAX;

		frame_header_write(stream + end, length);
		memset(stream + end + FRAME_HEADER_BYTES, (int)(i & 0xff), length);
		end += FRAME_HEADER_BYTES + length;
	}
	while (at < end) {
		size_t step = 1 + random_below(&random, random_below(&random, 2) ? 5 : 20000);

		step = step < end - at ? step : end - at;
		feed(&reader, stream + at, step, &count);
		at += step;
	}
	assert_int_equal(count, FRAMES);
}

static void what_is_too_long_ends_it(void **state)
{
	struct frame_reader reader = {0};
	struct slice frame;
	size_t space;

	(void)state;
	frame_header_write(frame_reader_space(&reader, &space), FRAME_PAYLOAD_MAX + 1);
	frame_reader_add(&reader, 1);
	assert_int_equal(frame_reader_next(&reader, &frame), 0); /* half a length */
	frame_reader_add(&reader, 1);
	assert_int_equal(frame_reader_next(&reader, &frame), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_out_however_they_are_cut),
		cmocka_unit_test(what_is_too_long_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
