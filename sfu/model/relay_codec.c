#include "sfu/model/relay_codec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- profiles ---- */

static struct slice parameter_or(const char *fmtp, const char *name, const char *fallback)
{
	struct slice value = sdp_fmtp_find(fmtp, name);

	return value.data ? value : (struct slice){(const uint8_t *)fallback, strlen(fallback)};
}

static bool parameter_is(const char *fmtp, const char *name, const char *fallback,
			 const char *expected)
{
	struct slice value = parameter_or(fmtp, name, fallback);

	return value.length == strlen(expected) && memcmp(value.data, expected, value.length) == 0;
}

static bool have_same(const char *fmtp, const char *other, const char *name, const char *fallback)
{
	struct slice one = parameter_or(fmtp, name, fallback);
	struct slice two = parameter_or(other, name, fallback);

	return one.length == two.length && memcmp(one.data, two.data, one.length) == 0;
}

static unsigned any_rank(const char *fmtp)
{
	(void)fmtp;
	return 0;
}

static bool any_is_same(const char *fmtp, const char *other)
{
	(void)fmtp;
	(void)other;
	return true;
}

/* RFC 9628 section 6.1; profile 0 is what everybody decodes. */
static unsigned vp9_rank(const char *fmtp)
{
	return parameter_is(fmtp, "profile-id", "0", "0") ? 0 : 1;
}

static bool vp9_is_same(const char *fmtp, const char *other)
{
	return have_same(fmtp, other, "profile-id", "0");
}

/* AV1 RTP 1.0 section 7.2: level and tier are each side's own. */
static unsigned av1_rank(const char *fmtp)
{
	return parameter_is(fmtp, "profile", "0", "0") ? 0 : 1;
}

static bool av1_is_same(const char *fmtp, const char *other)
{
	return have_same(fmtp, other, "profile", "0");
}

/* RFC 6184 table 5: different numbers that mean one profile. */
enum h264_profile {
	H264_CONSTRAINED_BASELINE,
	H264_BASELINE,
	H264_MAIN,
	H264_EXTENDED,
	H264_HIGH,
	H264_CONSTRAINED_HIGH
};

static const struct {
	uint8_t profile_idc, mask, constraints;
	enum h264_profile profile;
} h264_profiles[] = {
	{0x42, 0x4f, 0x40, H264_CONSTRAINED_BASELINE},
	{0x4d, 0x8f, 0x80, H264_CONSTRAINED_BASELINE},
	{0x58, 0xcf, 0xc0, H264_CONSTRAINED_BASELINE},
	{0x42, 0x4f, 0x00, H264_BASELINE},
	{0x58, 0xcf, 0x80, H264_BASELINE},
	{0x4d, 0xaf, 0x00, H264_MAIN},
	{0x58, 0xcf, 0x00, H264_EXTENDED},
	{0x64, 0xff, 0x00, H264_HIGH},
	{0x64, 0xff, 0x0c, H264_CONSTRAINED_HIGH}, /* as browsers use it */
};

/* The first two bytes of profile-level-id; without one it is Baseline (RFC 6184 section 8.1). -1:
 * not hexadecimal, or a profile that we do not know. */
static int h264_profile(const char *fmtp)
{
	struct slice value = sdp_fmtp_find(fmtp, "profile-level-id");
	char text[7] = "42000a";
	unsigned long number;
	char *end;

	if (value.data) {
		if (value.length != 6)
			return -1;
		memcpy(text, value.data, 6);
	}
	number = strtoul(text, &end, 16);
	if (end != text + 6)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(h264_profiles); i++)
		if (number >> 16 == h264_profiles[i].profile_idc &&
		    (number >> 8 & h264_profiles[i].mask) == h264_profiles[i].constraints)
			return (int)h264_profiles[i].profile;
	return -1;
}

/* Interleaved mode (2) is of no use in WebRTC (RFC 7742 section 6.2). */
static int h264_packetization_mode(const char *fmtp)
{
	if (parameter_is(fmtp, "packetization-mode", "0", "0"))
		return 0;
	return parameter_is(fmtp, "packetization-mode", "0", "1") ? 1 : -1;
}

/* Constrained Baseline is what every browser has; NAL units that may be cut (mode 1) are better
 * than slices that fit a packet, but the profile matters more. */
static unsigned h264_rank(const char *fmtp)
{
	int profile = h264_profile(fmtp), mode = h264_packetization_mode(fmtp);

	if (profile < 0 || mode < 0)
		return RELAY_CODEC_NEVER;
	return (unsigned)profile * 2 + (mode == 1 ? 0 : 1);
}

/* RFC 6184 section 8.2.2: profile and packetization mode must agree, levels need not: what a stream
 * needs is told in its parameter sets. */
static bool h264_is_same(const char *fmtp, const char *other)
{
	return h264_profile(fmtp) == h264_profile(other) &&
	       h264_packetization_mode(fmtp) == h264_packetization_mode(other);
}

/* ---- the table ---- */

static const char *const opus_parameters[] = {
	"minptime",	     "maxptime", "ptime", "useinbandfec",    "stereo",
	"sprop-stereo",	     "usedtx",	 "cbr",	  "maxplaybackrate", "sprop-maxcapturerate",
	"maxaveragebitrate", NULL};
static const char *const no_parameters[] = {NULL};
static const char *const vp9_parameters[] = {"profile-id", NULL};
static const char *const h264_parameters[] = {"level-asymmetry-allowed", "packetization-mode",
					      "profile-level-id", NULL};
static const char *const av1_parameters[] = {"level-idx", "profile", "tier", NULL};

/* In order of preference. Payload types are those browsers are used to. */
static const struct relay_codec codecs[] = {
	{MEDIA_AUDIO, "opus", 48000, 2, 111, 0, false, opus_parameters, NULL, NULL, NULL, any_rank,
	 any_is_same},
	{MEDIA_VIDEO, "VP8", 90000, 0, 96, 97, true, no_parameters, vp8_keyframe_start,
	 vp8_picture_numbers, vp8_picture_sizes, any_rank, any_is_same},
	{MEDIA_VIDEO, "H264", 90000, 0, 102, 103, true, h264_parameters, h264_keyframe_start, NULL,
	 h264_picture_sizes, h264_rank, h264_is_same},
	{MEDIA_VIDEO, "VP9", 90000, 0, 98, 99, true, vp9_parameters, vp9_keyframe_start,
	 vp9_picture_numbers, vp9_picture_sizes, vp9_rank, vp9_is_same},
	{MEDIA_VIDEO, "AV1", 90000, 0, 45, 46, true, av1_parameters, av1_keyframe_start, NULL,
	 av1_picture_sizes, av1_rank, av1_is_same},
};
_Static_assert(ARRAY_LEN(codecs) <= RELAY_CODECS_MAX, "struct codec_preferences holds them all");

const struct relay_codec *relay_codec_find_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
		if (strcasecmp(codecs[i].name, name) == 0)
			return &codecs[i];
	return NULL;
}

const struct relay_codec *relay_codec_find(const char *name, uint32_t clock_rate_hz)
{
	const struct relay_codec *codec = relay_codec_find_name(name);

	return codec && codec->clock_rate_hz == clock_rate_hz ? codec : NULL;
}

/* ---- formats ---- */

static void append_parameter(char out[SDP_FMTP_MAX], const char *name, struct slice value)
{
	size_t used = strlen(out);
	int length = snprintf(out + used, SDP_FMTP_MAX - used, "%s%s=%.*s", used ? ";" : "", name,
			      (int)value.length, (const char *)value.data);

	/* All together are no longer than what they came from, but for what Opus is given. */
	if (length < 0 || (size_t)length >= SDP_FMTP_MAX - used)
		out[used] = '\0';
}

static bool has_parameter(const char *fmtp, const char *name)
{
	return sdp_fmtp_find(fmtp, name).data != NULL;
}

/* An Opus decoder takes whatever comes. What one side says it likes to get is how we ask the other
 * for it: stereo where the publisher has it, and error correction always (RFC 7587 section 6.1). */
static void complete_opus(char fmtp[SDP_FMTP_MAX])
{
	const struct slice one = {(const uint8_t *)"1", 1};

	if (!has_parameter(fmtp, "useinbandfec"))
		append_parameter(fmtp, "useinbandfec", one);
	if (parameter_is(fmtp, "sprop-stereo", "0", "1") && !has_parameter(fmtp, "stereo"))
		append_parameter(fmtp, "stereo", one);
}

bool media_format_read(const struct sdp_codec *codec, struct media_format *ret_format)
{
	const struct relay_codec *known = relay_codec_find(codec->name, codec->clock_rate_hz);

	if (!known || known->rank(codec->fmtp) >= RELAY_CODEC_NEVER)
		return false;
	*ret_format = (struct media_format){.codec = known};
	for (const char *const *name = known->parameters; *name; name++) {
		struct slice value = sdp_fmtp_find(codec->fmtp, *name);

		if (value.data)
			append_parameter(ret_format->fmtp, *name, value);
	}
	if (known->kind == MEDIA_AUDIO)
		complete_opus(ret_format->fmtp);
	return true;
}

bool media_format_is_same(const struct media_format *format, const struct media_format *other)
{
	return format->codec == other->codec && format->codec &&
	       format->codec->is_same(format->fmtp, other->fmtp);
}

bool media_format_find(const struct sdp_media *media, const struct media_format *format,
		       uint8_t *ret_payload_type, uint8_t *ret_rtx_payload_type)
{
	for (size_t i = 0; i < media->codec_count; i++) {
		const struct sdp_codec *candidate = &media->codecs[i];
		struct media_format theirs;
		const struct sdp_codec *rtx;

		if (!media_format_read(candidate, &theirs) ||
		    !media_format_is_same(format, &theirs))
			continue;
		rtx = sdp_codec_find_rtx(media, candidate->payload_type);
		*ret_payload_type = candidate->payload_type;
		*ret_rtx_payload_type = rtx ? rtx->payload_type : 0;
		return true;
	}
	return false;
}

/* ---- preferences ---- */

int codec_preferences_add(struct codec_preferences *preferences, const char *name,
			  struct error *reterr)
{
	const struct relay_codec *codec = relay_codec_find_name(name);

	if (!codec)
		return error_set_field(reterr, -EINVAL, "unsupported_codec", "codecs",
				       "\"%.32s\" is no codec that is relayed here", name);
	for (size_t i = 0; i < preferences->count; i++)
		if (preferences->codecs[i] == codec)
			return 0;
	preferences->codecs[preferences->count++] = codec;
	return 0;
}

static bool names_kind(const struct codec_preferences *preferences, enum media_kind kind)
{
	for (size_t i = 0; preferences && i < preferences->count; i++)
		if (preferences->codecs[i]->kind == kind)
			return true;
	return false;
}

/* Where the list has the codec, its end if it need not; RELAY_CODEC_NEVER if it is not allowed. */
static unsigned preference_of(const struct codec_preferences *preferences,
			      const struct relay_codec *codec)
{
	if (!names_kind(preferences, codec->kind))
		return (unsigned)(codec - codecs);
	for (unsigned i = 0; i < preferences->count; i++)
		if (preferences->codecs[i] == codec)
			return i;
	return RELAY_CODEC_NEVER;
}

const struct sdp_codec *codec_preferences_choose(const struct codec_preferences *preferences,
						 const struct sdp_media *media,
						 struct media_format *ret_format)
{
	const struct sdp_codec *chosen = NULL;
	unsigned best = RELAY_CODEC_NEVER * RELAY_CODEC_NEVER;

	for (size_t i = 0; i < media->codec_count; i++) {
		struct media_format format;
		unsigned score;

		if (!media_format_read(&media->codecs[i], &format) ||
		    format.codec->kind != media->kind)
			continue;
		score = preference_of(preferences, format.codec);
		if (score >= RELAY_CODEC_NEVER)
			continue;
		/* The codec first, then its format; among equals the peer's own order. */
		score = score * RELAY_CODEC_NEVER + format.codec->rank(format.fmtp);
		if (score >= best)
			continue;
		best = score;
		chosen = &media->codecs[i];
		*ret_format = format;
	}
	return chosen;
}

void codec_preferences_names(const struct codec_preferences *preferences, enum media_kind kind,
			     char out[RELAY_CODEC_NAMES_MAX])
{
	size_t used = 0;

	*out = '\0';
	for (size_t i = 0; i < ARRAY_LEN(codecs) && used < RELAY_CODEC_NAMES_MAX; i++)
		if (codecs[i].kind == kind &&
		    preference_of(preferences, &codecs[i]) < RELAY_CODEC_NEVER)
			used += (size_t)snprintf(out + used, RELAY_CODEC_NAMES_MAX - used, "%s%s",
						 used ? ", " : "", codecs[i].name);
}
