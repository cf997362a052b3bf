/* A native binary frame, and a deflated message. The first byte chooses. */
#include <stdlib.h>

#include "realtime/wire/deflate.h"
#include "realtime/wire/native.h"

enum { INFLATED_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_frame(const uint8_t *data, size_t size)
{
	struct native_header header = {0};
	struct slice meta, payload;
	struct error error = {0};

	if (native_frame_decode(data, size, &header, &meta, &payload, &error) < 0) {
		if (!*error.code)
			__builtin_trap(); /* every refusal has a code */
		return;
	}
	if (meta.length + payload.length + NATIVE_HEADER_BYTES != size ||
	    meta.data != data + NATIVE_HEADER_BYTES)
		__builtin_trap();
}

/* Two messages with one window, as a client sends them. */
static void try_inflating(const uint8_t *data, size_t size)
{
	struct inflater *inflater = inflater_new();
	size_t half = size / 2, length;
	char *bytes = NULL;

	if (!inflater)
		return;
	if (inflater_message(inflater, data, half, INFLATED_MAX, &bytes, &length) == 0) {
		if (length > INFLATED_MAX || bytes[length] != '\0')
			__builtin_trap();
		free(bytes);
		if (inflater_message(inflater, data + half, size - half, INFLATED_MAX, &bytes,
				     &length) == 0)
			free(bytes);
	}
	(void)inflater_free(inflater);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		try_frame(data + 1, size - 1);
	else
		try_inflating(data + 1, size - 1);
	return 0;
}
