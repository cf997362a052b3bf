#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sfu/wire/sdp_fragment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What it says of a transport we could say, and would understand. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error error = {0};
	struct sdp_fragment fragment, again;
	struct sdp ours = {0};
	AUTO_FREE char *text = NULL;

	if (sdp_fragment_parse((const char *)data, size, &fragment, &error) < 0) {
		if (strcmp(error.code, "bad_sdp_fragment") != 0)
			abort();
		return 0;
	}
	if (!*fragment.ice_ufrag != !*fragment.ice_password)
		abort();
	if (!*fragment.ice_ufrag)
		return 0;
	memcpy(ours.ice_ufrag, fragment.ice_ufrag, sizeof(ours.ice_ufrag));
	memcpy(ours.ice_password, fragment.ice_password, sizeof(ours.ice_password));
	text = sdp_fragment_format(&ours);
	if (!text || sdp_fragment_parse(text, strlen(text), &again, &error) < 0 ||
	    strcmp(again.ice_ufrag, fragment.ice_ufrag) != 0)
		abort();
	return 0;
}
