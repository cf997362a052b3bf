#include <stdint.h>
#include <string.h>

#include "sfu/model/relay_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is rewritten reads back as what it was to be, and nothing else has changed. */
static void rewrite_numbers(const struct relay_codec *codec, const uint8_t *data, size_t size)
{
	const struct picture_offsets offsets = {.picture_id = 3, .tl0_index = 5, .key_index = 7};
	uint8_t changed[PICTURE_DESCRIPTOR_MAX];
	struct picture_numbers numbers, again;
	size_t length;

	if (!codec->picture_numbers)
		return;
	codec->picture_numbers(data, size, &numbers);
	length = picture_numbers_write(&numbers, data, &offsets, changed);
	if (length > size || length > sizeof(changed))
		__builtin_trap();
	if (length == 0)
		return;
	codec->picture_numbers(changed, length, &again);
	if (again.descriptor_bytes != 0 &&
	    (again.descriptor_bytes != numbers.descriptor_bytes ||
	     (numbers.tl0_index_at && again.tl0_index != (uint8_t)(numbers.tl0_index + 5)) ||
	     (numbers.key_index_at && again.key_index != ((numbers.key_index + 7) & 0x1f))))
		__builtin_trap();
}

static void check_sizes(const struct picture_sizes *sizes)
{
	if (sizes->count == 0 || sizes->count > PICTURE_SIZES_MAX)
		__builtin_trap();
	for (size_t i = 0; i < sizes->count; i++)
		if (sizes->layers[i].width_px == 0 || sizes->layers[i].height_px == 0)
			__builtin_trap();
}

/* The same bytes as a payload of every codec, and as its a=fmtp. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"opus", "VP8", "VP9", "H264", "AV1"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct relay_codec *codec = relay_codec_find_name(names[i]);
		char fmtp[SDP_FMTP_MAX] = {0};
		struct sdp_codec offered = {.clock_rate_hz = codec->clock_rate_hz, .fmtp = fmtp};
		struct media_format format;
		struct picture_sizes sizes;

		if (codec->keyframe_start)
			(void)codec->keyframe_start(data, size);
		rewrite_numbers(codec, data, size);
		if (codec->picture_sizes && codec->picture_sizes(data, size, &sizes))
			check_sizes(&sizes);
		memcpy(offered.name, names[i], strlen(names[i]));
		memcpy(fmtp, data, size < SDP_FMTP_MAX ? size : SDP_FMTP_MAX - 1);
		if (media_format_read(&offered, &format) && !media_format_is_same(&format, &format))
			__builtin_trap();
	}
	return 0;
}
