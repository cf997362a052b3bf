#include <string.h>
#include <strings.h>

#include "sfu/model/negotiation.h"

/* In order of preference. Payload types are those browsers are used to. */
static const struct relay_codec codecs[] = {
	{MEDIA_AUDIO, "opus", 48000, 2, 111, 0, "minptime=10;useinbandfec=1"},
	{MEDIA_VIDEO, "VP8", 90000, 0, 96, 97, ""},
};

const struct relay_codec *relay_codec_find(const char *name, uint32_t clock_rate_hz)
{
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
		if (strcasecmp(codecs[i].name, name) == 0 &&
		    codecs[i].clock_rate_hz == clock_rate_hz)
			return &codecs[i];
	return NULL;
}
