/* A stream of ICE over TCP, in reads of the sizes that its first bytes say. */
#include <string.h>

#include "sfu/wire/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_reader reader;
	size_t step = size > 0 ? 1 + data[0] * 40u : 1;

	memset(&reader, 0, sizeof(reader));
	while (size > 0) {
		size_t space, taken;
		uint8_t *at = frame_reader_space(&reader, &space);
		struct slice frame;
		int r;

		if (space == 0)
			__builtin_trap(); /* nothing could ever come */
		taken = step < size ? step : size;
		taken = taken < space ? taken : space;
		memcpy(at, data, taken);
		frame_reader_add(&reader, taken);
		data += taken;
		size -= taken;
		while ((r = frame_reader_next(&reader, &frame)) > 0)
			for (size_t i = 0; i < frame.length; i++)
				(void)*(const volatile uint8_t *)(frame.data + i);
		if (r < 0)
			return 0;
	}
	return 0;
}
