/* The bus decoder, fed in pieces: the first byte is their size. */
#include "core/bus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bus_decoder decoder = {0};
	size_t step = size > 0 && data[0] > 0 ? data[0] : 1;

	for (size_t at = 1; at < size; at += step) {
		size_t length = size - at < step ? size - at : step;
		struct bus_frame frame;
		int r;

		if (bus_decoder_feed(&decoder, data + at, length) < 0)
			break;
		while ((r = bus_decoder_next(&decoder, &frame)) > 0)
			bus_frame_fini(&frame);
		if (r < 0)
			break;
	}
	bus_decoder_fini(&decoder);
	return 0;
}
