#include "sfu/wire/sdp.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
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
	for (size_t i = 0; sdp->media && i < sdp->media_count; i++)
		sdp_media_fini(&sdp->media[i]);
	free(sdp->media);
	free(sdp->candidates);
	free(sdp);
	return NULL;
}

/* ---- what an m-line owns ---- */

static void free_fmtp(const struct sdp_codec *codec)
{
	free((void *)(uintptr_t)codec->fmtp); /* constant to all but us */
}

void sdp_media_keep_codecs(struct sdp_media *media, size_t count)
{
	while (media->codec_count > count)
		free_fmtp(&media->codecs[--media->codec_count]);
}

void sdp_media_fini(struct sdp_media *media)
{
	sdp_media_keep_codecs(media, 0);
	free(media->codecs);
	free(media->msid_stream);
	free(media->msid_track);
	free(media->cname);
	*media = (struct sdp_media){0};
}

int sdp_media_add_codec(struct sdp_media *media, const struct sdp_codec *codec)
{
	struct sdp_codec *codecs;
	char *fmtp;

	assert(media->codec_count < SDP_CODECS_MAX);
	codecs = realloc(media->codecs, (media->codec_count + 1) * sizeof(*codecs));
	if (!codecs)
		return -ENOMEM;
	media->codecs = codecs;
	fmtp = strdup(codec->fmtp ? codec->fmtp : "");
	if (!fmtp)
		return -ENOMEM;
	codecs[media->codec_count] = *codec;
	codecs[media->codec_count++].fmtp = fmtp;
	return 0;
}

int sdp_codec_set_fmtp(struct sdp_codec *codec, const char *fmtp)
{
	char *copy = strdup(fmtp);

	if (!copy)
		return -ENOMEM;
	free_fmtp(codec);
	codec->fmtp = copy;
	return 0;
}

void sdp_media_remove_codec(struct sdp_media *media, struct sdp_codec *codec)
{
	size_t behind = media->codec_count - (size_t)(codec - media->codecs) - 1;

	free_fmtp(codec);
	memmove(codec, codec + 1, behind * sizeof(*codec));
	media->codec_count--;
}

int sdp_set_text(char **place, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return -ENOMEM;
	free(*place);
	*place = copy;
	return 0;
}

static int copy_media(const struct sdp_media *media, struct sdp_media *copy)
{
	int r;

	*copy = *media;
	copy->codecs = NULL;
	copy->codec_count = 0;
	copy->msid_stream = copy->msid_track = copy->cname = NULL;
	r = sdp_set_text(&copy->msid_stream, media->msid_stream);
	if (r == 0)
		r = sdp_set_text(&copy->msid_track, media->msid_track);
	if (r == 0)
		r = sdp_set_text(&copy->cname, media->cname);
	for (size_t i = 0; r == 0 && i < media->codec_count; i++)
		r = sdp_media_add_codec(copy, &media->codecs[i]);
	return r;
}

struct sdp *sdp_copy(const struct sdp *sdp)
{
	AUTO(sdp) copy = sdp_new(sdp->media_count, sdp->candidate_count);
	struct sdp_candidate *candidates;
	struct sdp_media *media;

	if (!copy)
		return NULL;
	media = copy->media;
	candidates = copy->candidates;
	*copy = *sdp;
	copy->media = media;
	copy->candidates = candidates;
	for (size_t i = 0; i < sdp->candidate_count; i++)
		candidates[i] = sdp->candidates[i];
	for (size_t i = 0; i < sdp->media_count; i++)
		if (copy_media(&sdp->media[i], &media[i]) < 0)
			return NULL;
	return STEAL(copy);
}

/* ---- look-ups ---- */

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
