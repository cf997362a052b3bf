#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sfu/wire/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_formattable(const struct sdp *sdp)
{
	for (size_t i = 0; i < sdp->media_count; i++) {
		if (!sdp->media[i].rejected)
			return true;
	}
	return false; /* with every m-line rejected the transport stands nowhere */
}

/* Whatever is understood is understood again from what we make of it, and so is a copy. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error error = {0};
	AUTO(sdp) sdp = NULL;
	AUTO(sdp) again = NULL;
	AUTO(sdp) copy = NULL;
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *same = NULL;

	if (sdp_parse((const char *)data, size, &sdp, &error) < 0)
		return 0;
	text = sdp_format(sdp);
	copy = sdp_copy(sdp);
	same = copy ? sdp_format(copy) : NULL;
	if (text && same && strcmp(text, same) != 0)
		abort();
	if (!text || !is_formattable(sdp) || strlen(text) > SDP_LARGE_BYTES_MAX)
		return 0;
	if (sdp_parse(text, strlen(text), &again, &error) < 0 ||
	    again->media_count != sdp->media_count)
		abort();
	return 0;
}
