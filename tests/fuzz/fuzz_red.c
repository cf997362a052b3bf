#include <stdint.h>

#include "sfu/wire/red.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is rewritten reads as the same, of the other payload type. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t changed[RED_HEADERS_MAX + 3 * 1024] = {0};
	struct red_layout layout, again;

	if (red_layout_read(data, size, 111, &layout) < 0)
		return 0;
	if (layout.primary_at > size || layout.headers_bytes > layout.primary_at)
		__builtin_trap();
	(void)red_headers_write(&layout, data, 96, changed);
	if (red_layout_read(changed, layout.primary_at, 96, &again) < 0 ||
	    again.primary_at != layout.primary_at || again.headers_bytes != layout.headers_bytes)
		__builtin_trap();
	return 0;
}
