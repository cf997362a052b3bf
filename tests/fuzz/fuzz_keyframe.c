#include <stdint.h>
#include <string.h>

#include "sfu/model/relay_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same bytes as a payload of every codec, and as its a=fmtp. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"opus", "VP8", "VP9", "H264", "AV1"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct relay_codec *codec = relay_codec_find_name(names[i]);
		struct sdp_codec offered = {.clock_rate_hz = codec->clock_rate_hz};
		struct media_format format;

		if (codec->keyframe_start)
			(void)codec->keyframe_start(data, size);
		memcpy(offered.name, names[i], strlen(names[i]));
		memcpy(offered.fmtp, data, size < SDP_FMTP_MAX ? size : SDP_FMTP_MAX - 1);
		if (media_format_read(&offered, &format) && !media_format_is_same(&format, &format))
			__builtin_trap();
	}
	return 0;
}
