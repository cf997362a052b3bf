#include "sfu/wire/sdp.h"

#include <string.h>
#include <strings.h>

#include "core/cleanup.h"

static const char *const extension_uris[EXTENSION_COUNT] = {
	[EXTENSION_MID] = "urn:ietf:params:rtp-hdrext:sdes:mid",
	[EXTENSION_RID] = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
	[EXTENSION_REPAIRED_RID] = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
	[EXTENSION_AUDIO_LEVEL] = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
	[EXTENSION_TRANSPORT_CC] =
		"http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
	[EXTENSION_ABS_SEND_TIME] = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
	[EXTENSION_VIDEO_ORIENTATION] = "urn:3gpp:video-orientation",
	[EXTENSION_PLAYOUT_DELAY] = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
	[EXTENSION_ABS_CAPTURE_TIME] =
		"http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
	[EXTENSION_DEPENDENCY_DESCRIPTOR] = "https://aomediacodec.github.io/av1-rtp-spec/"
					    "#dependency-descriptor-rtp-header-extension",
};

const char *header_extension_uri(enum header_extension extension)
{
	return extension_uris[extension];
}

struct sdp *sdp_new(size_t media_count, size_t candidate_count)
{
	AUTO(sdp) sdp = calloc(1, sizeof(*sdp));

	if (!sdp)
		return NULL;
	if (media_count > 0) {
		sdp->media = calloc(media_count, sizeof(*sdp->media));
		if (!sdp->media)
			return NULL;
	}
	if (candidate_count > 0) {
		sdp->candidates = calloc(candidate_count, sizeof(*sdp->candidates));
		if (!sdp->candidates)
			return NULL;
	}
	sdp->media_count = media_count;
	sdp->candidate_count = candidate_count;
	return STEAL(sdp);
}

struct sdp *sdp_free(struct sdp *sdp)
{
	if (!sdp)
		return NULL;
	explicit_bzero(sdp->ice_password, sizeof(sdp->ice_password));
	free(sdp->media);
	free(sdp->candidates);
	free(sdp);
	return NULL;
}

const struct sdp_codec *sdp_codec_find(const struct sdp_media *media, const char *name)
{
	for (size_t i = 0; i < media->codec_count; i++) {
		if (strcasecmp(media->codecs[i].name, name) == 0)
			return &media->codecs[i];
	}
	return NULL;
}

const struct sdp_codec *sdp_codec_find_payload_type(const struct sdp_media *media,
						    uint8_t payload_type)
{
	for (size_t i = 0; i < media->codec_count; i++) {
		if (media->codecs[i].payload_type == payload_type)
			return &media->codecs[i];
	}
	return NULL;
}

const struct sdp_codec *sdp_codec_find_rtx(const struct sdp_media *media, uint8_t payload_type)
{
	for (size_t i = 0; i < media->codec_count; i++) {
		if (media->codecs[i].apt == payload_type)
			return &media->codecs[i];
	}
	return NULL;
}

const struct sdp_codec *sdp_codec_find_red(const struct sdp_media *media, uint8_t payload_type)
{
	const struct sdp_codec *primary = sdp_codec_find_payload_type(media, payload_type);

	for (size_t i = 0; primary && i < media->codec_count; i++) {
		const struct sdp_codec *codec = &media->codecs[i];
		char *end;

		/* Its parameters are the payload types of the blocks, "111/111". */
		if (strcasecmp(codec->name, "red") == 0 &&
		    codec->clock_rate_hz == primary->clock_rate_hz &&
		    strtoul(codec->fmtp, &end, 10) == payload_type && *end == '/')
			return codec;
	}
	return NULL;
}

uint8_t sdp_extension_id(const struct sdp_media *media, enum header_extension extension)
{
	for (size_t i = 0; i < media->extension_count; i++) {
		if (media->extensions[i].extension == extension)
			return media->extensions[i].id;
	}
	return 0;
}

struct slice sdp_fmtp_find(const char *fmtp, const char *name)
{
	size_t name_length = strlen(name);

	for (;;) {
		size_t length;

		fmtp += strspn(fmtp, "; \t");
		length = strcspn(fmtp, ";");
		if (length == 0)
			return (struct slice){NULL, 0};
		if (length > name_length && fmtp[name_length] == '=' &&
		    strncasecmp(fmtp, name, name_length) == 0) {
			fmtp += name_length + 1;
			return (struct slice){(const uint8_t *)fmtp, strcspn(fmtp, "; \t")};
		}
		fmtp += length;
	}
}
