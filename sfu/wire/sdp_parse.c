/* GStreamer splits the text into lines and attributes, believing anything; all judgement is here
 * and in sdp_attributes.c. What can only be told from several attributes together follows when an
 * m-line, and then the whole, is complete. */
#include <errno.h>
#include <gst/sdp/gstsdpmessage.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "sfu/wire/sdp_parsing.h"

static int read_attribute(struct sdp_parsing *parsing, const GstSDPAttribute *attribute)
{
	return sdp_attribute_read(parsing, attribute->key, attribute->value);
}

/* ---- an m-line as a whole ---- */

static int read_formats(struct sdp_media *media, const GstSDPMedia *line)
{
	int r = 0;

	for (guint i = 0; r == 0 && i < gst_sdp_media_formats_len(line); i++) {
		const char *format = gst_sdp_media_get_format(line, i);
		struct sdp_codec codec = {.apt = -1};
		uint64_t payload_type;

		if (media->codec_count == SDP_CODECS_MAX)
			break;
		if (!sdp_next_number(&format, 127, &payload_type) ||
		    sdp_codec_of(media, payload_type))
			continue;
		codec.payload_type = (uint8_t)payload_type;
		r = sdp_media_add_codec(media, &codec);
	}
	return r;
}

/* RFC 3551 table 4: those that are still offered without an a=rtpmap. */
static bool codec_set_static(struct sdp_codec *codec)
{
	static const struct {
		uint8_t payload_type;
		const char *name;
	} known[] = {{0, "PCMU"}, {8, "PCMA"}, {9, "G722"}, {13, "CN"}};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (known[i].payload_type != codec->payload_type)
			continue;
		memcpy(codec->name, known[i].name, strlen(known[i].name) + 1);
		codec->clock_rate_hz = 8000;
		return true;
	}
	return false;
}

static int16_t apt_of(const struct sdp_codec *codec)
{
	const char *apt = strcasecmp(codec->name, "rtx") == 0 ? strstr(codec->fmtp, "apt=") : NULL;
	struct slice word;
	uint64_t payload_type;

	if (!apt)
		return -1;
	word = (struct slice){(const uint8_t *)apt + 4, strlen(apt + 4)};
	return sdp_word_take_number(&word, 127, &payload_type) ? (int16_t)payload_type : -1;
}

static void complete_codecs(struct sdp_media *media)
{
	for (size_t i = 0; i < media->codec_count;) {
		struct sdp_codec *codec = &media->codecs[i];

		if (!codec->name[0] && !codec_set_static(codec)) {
			sdp_media_remove_codec(media, codec);
			continue;
		}
		codec->apt = apt_of(codec);
		i++;
	}
}

static bool has_ssrc(const struct sdp_media *media, uint32_t ssrc)
{
	for (size_t i = 0; i < media->ssrc_count; i++)
		if (media->ssrcs[i] == ssrc)
			return true;
	return false;
}

static void add_ssrc(struct sdp_media *media, const struct sdp_named_ssrcs *named, uint32_t ssrc)
{
	uint32_t rtx_ssrc = 0;

	if (media->ssrc_count == SDP_SSRCS_MAX || has_ssrc(media, ssrc))
		return;
	for (size_t i = 0; i < named->pair_count; i++) {
		if (named->pairs[i].secondary == ssrc)
			return;
		if (named->pairs[i].primary == ssrc && named->pairs[i].is_retransmission)
			rtx_ssrc = named->pairs[i].secondary;
	}
	media->ssrcs[media->ssrc_count] = ssrc;
	media->rtx_ssrcs[media->ssrc_count++] = rtx_ssrc;
}

static void complete_ssrcs(struct sdp_media *media, const struct sdp_named_ssrcs *named)
{
	for (size_t i = 0; i < named->layer_count; i++)
		add_ssrc(media, named, named->layers[i]);
	media->layer_ssrc_count = media->ssrc_count;
	for (size_t i = 0; i < named->count; i++)
		add_ssrc(media, named, named->ssrcs[i]);
}

static enum media_kind kind_of(const char *name)
{
	if (g_strcmp0(name, "audio") == 0)
		return MEDIA_AUDIO;
	if (g_strcmp0(name, "video") == 0)
		return MEDIA_VIDEO;
	return g_strcmp0(name, "application") == 0 ? MEDIA_APPLICATION : MEDIA_OTHER;
}

static int parse_media(struct sdp_parsing *parsing, const GstSDPMedia *line)
{
	struct sdp_media *media = parsing->media;
	bool is_bundle_only = gst_sdp_media_get_attribute_val(line, "bundle-only") != NULL;
	const char *protocol, *wanted;
	int r;

	media->kind = kind_of(gst_sdp_media_get_media(line));
	media->rejected = gst_sdp_media_get_port(line) == 0 && !is_bundle_only;
	media->direction = parsing->session_direction;
	wanted = media->kind == MEDIA_APPLICATION ? "UDP/DTLS/SCTP" : "UDP/TLS/RTP/SAVPF";
	protocol = gst_sdp_media_get_proto(line);
	if (!media->rejected && g_strcmp0(protocol, wanted) != 0)
		return SDP_REFUSE(parsing, "m=", "the protocol must be %s", wanted);

	r = media->kind != MEDIA_APPLICATION ? read_formats(media, line) : 0;
	for (guint i = 0; r == 0 && i < gst_sdp_media_attributes_len(line); i++)
		r = read_attribute(parsing, gst_sdp_media_get_attribute(line, i));
	if (r < 0)
		return r;
	complete_codecs(media);
	complete_ssrcs(media, &parsing->named);

	if (!media->rejected && !media->mid[0])
		return SDP_REFUSE(parsing, "a=mid", "every m-line must have one");
	if (!media->rejected && media->kind != MEDIA_APPLICATION && !media->rtcp_mux)
		return SDP_REFUSE(parsing, "a=rtcp-mux", "\"%s\" does not multiplex RTCP",
				  media->mid);
	return 0;
}

/* ---- the description as a whole ---- */

static bool bundle_has(const char *bundle, const char *mid)
{
	while (*bundle) {
		struct slice word = sdp_next_word(&bundle);

		if (word.length == strlen(mid) && memcmp(word.data, mid, word.length) == 0)
			return true;
	}
	return false;
}

static int check_mids(struct sdp_parsing *parsing)
{
	const struct sdp *sdp = parsing->sdp;
	size_t live_count = 0;

	for (size_t i = 0; i < sdp->media_count; i++) {
		const char *mid = sdp->media[i].mid;

		live_count += !sdp->media[i].rejected;
		for (size_t j = 0; mid[0] && j < i; j++) {
			if (strcmp(mid, sdp->media[j].mid) == 0)
				return SDP_REFUSE(parsing, "a=mid", "\"%s\" is there twice", mid);
		}
	}
	/* A single one has nobody to be bundled with. */
	if (live_count <= 1 && !parsing->bundle)
		return 0;
	for (size_t i = 0; i < sdp->media_count; i++) {
		if (!sdp->media[i].rejected &&
		    (!parsing->bundle || !bundle_has(parsing->bundle, sdp->media[i].mid)))
			return SDP_REFUSE(parsing, "a=group:BUNDLE", "\"%s\" is not bundled",
					  sdp->media[i].mid);
	}
	return 0;
}

static int compare_ssrcs(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

/* In one bundle an SSRC is one stream's (RFC 8843 section 9.2). */
static int check_ssrcs(struct sdp_parsing *parsing)
{
	const struct sdp *sdp = parsing->sdp;
	AUTO_FREE uint32_t *ssrcs =
		calloc(sdp->media_count * 2 * SDP_SSRCS_MAX + 1, sizeof(*ssrcs));
	size_t count = 0;

	if (!ssrcs)
		return -ENOMEM;
	for (size_t i = 0; i < sdp->media_count; i++) {
		const struct sdp_media *media = &sdp->media[i];

		for (size_t j = 0; !media->rejected && j < media->ssrc_count; j++) {
			ssrcs[count++] = media->ssrcs[j];
			if (media->rtx_ssrcs[j])
				ssrcs[count++] = media->rtx_ssrcs[j];
		}
	}
	qsort(ssrcs, count, sizeof(*ssrcs), compare_ssrcs);
	for (size_t i = 1; i < count; i++)
		if (ssrcs[i] == ssrcs[i - 1])
			return SDP_REFUSE(parsing, "a=ssrc", "%" PRIu32 " is there twice",
					  ssrcs[i]);
	return 0;
}

static int check_transport(struct sdp_parsing *parsing)
{
	if (!sdp_has_transport(parsing->sdp))
		return 0;
	if (!parsing->sdp->ice_ufrag[0])
		return SDP_REFUSE(parsing, "a=ice-ufrag", "it is missing");
	if (!parsing->sdp->ice_password[0])
		return SDP_REFUSE(parsing, "a=ice-pwd", "it is missing");
	if (!parsing->sdp->has_fingerprint)
		return SDP_REFUSE(parsing, "a=fingerprint", "there is none of SHA-256");
	return 0;
}

static int parse_origin(struct sdp_parsing *parsing, const GstSDPMessage *message)
{
	const GstSDPOrigin *origin = gst_sdp_message_get_origin(message);
	const char *id = origin->sess_id, *version = origin->sess_version;

	if (!id || !version || !sdp_next_number(&id, UINT64_MAX, &parsing->sdp->session_id) ||
	    !sdp_next_number(&version, UINT64_MAX, &parsing->sdp->session_version))
		return SDP_REFUSE(parsing, "o=", "session id and version must be numbers");
	return 0;
}

static int parse_message(struct sdp_parsing *parsing, const GstSDPMessage *message)
{
	int r = parse_origin(parsing, message);

	for (guint i = 0; r == 0 && i < gst_sdp_message_attributes_len(message); i++)
		r = read_attribute(parsing, gst_sdp_message_get_attribute(message, i));
	for (guint i = 0; r == 0 && i < gst_sdp_message_medias_len(message); i++) {
		parsing->media = &parsing->sdp->media[i];
		parsing->named = (struct sdp_named_ssrcs){0};
		r = parse_media(parsing, gst_sdp_message_get_media(message, i));
	}
	if (r == 0)
		r = check_mids(parsing);
	if (r == 0)
		r = check_ssrcs(parsing);
	return r < 0 ? r : check_transport(parsing);
}

static bool is_too_long(size_t length, size_t media_count)
{
	return length > SDP_BYTES_MAX && length > media_count * SDP_MEDIA_BYTES_MAX;
}

static int refuse_length(int bytes_max, struct error *reterr)
{
	return error_set_field(reterr, -EMSGSIZE, "bad_sdp", "", "the text is longer than %d bytes",
			       bytes_max);
}

/* Lines of "x=", the letters where RFC 8866 section 5 has them, and not too many m-lines: GStreamer
 * takes any text, skips what it does not understand and allocates for every line. */
static int check_text(const char *text, size_t length, struct error *reterr)
{
	struct sdp_parsing parsing = {.reterr = reterr};
	const char *allowed = "vosiuepcbtrzka", *end = text + length;
	size_t media_count = 0;

	if (length > SDP_LARGE_BYTES_MAX)
		return refuse_length(SDP_LARGE_BYTES_MAX, reterr);
	if (length < 5 || memcmp(text, "v=0", 3) != 0 || (text[3] != '\r' && text[3] != '\n'))
		return SDP_REFUSE(&parsing, "v=", "it does not begin with version 0");
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t line_bytes = (size_t)((newline ? newline : end) - text);

		if (newline && line_bytes > 0 && text[line_bytes - 1] == '\r')
			line_bytes--;
		for (size_t i = 0; i < line_bytes; i++) {
			if (g_ascii_iscntrl((gchar)text[i]))
				return SDP_REFUSE(&parsing, "", "a line holds a control character");
		}
		if (line_bytes > 0 && (line_bytes < 2 || text[1] != '='))
			return SDP_REFUSE(&parsing, "",
					  "a line does not begin with a letter and \"=\"");
		if (line_bytes > 0 && text[0] == 'm') {
			allowed = "icbka";
			media_count++;
		} else if (line_bytes > 0 && !strchr(allowed, text[0])) {
			return SDP_REFUSE(&parsing, "", "a line stands where it must not");
		}
		if (!newline)
			break;
		text = newline + 1;
	}
	if (media_count > SDP_MEDIA_MAX)
		return error_set_field(reterr, -EMSGSIZE, "bad_sdp", "m=", "there are more than %d",
				       SDP_MEDIA_MAX);
	return is_too_long(length, media_count) ? refuse_length(SDP_BYTES_MAX, reterr) : 0;
}

int sdp_parse(const char *text, size_t length, struct sdp **ret_sdp, struct error *reterr)
{
	struct sdp_parsing parsing = {.session_direction = DIRECTION_SENDRECV, .reterr = reterr};
	g_autoptr(GstSDPMessage) message = NULL;
	AUTO(sdp) sdp = NULL;
	int r;

	r = check_text(text, length, reterr);
	if (r < 0)
		return r;
	if (gst_sdp_message_new(&message) != GST_SDP_OK)
		return -ENOMEM;
	if (gst_sdp_message_parse_buffer((const guint8 *)text, (guint)length, message) !=
	    GST_SDP_OK)
		return SDP_REFUSE(&parsing, "", "it cannot be parsed");

	sdp = sdp_new(gst_sdp_message_medias_len(message), 0);
	if (!sdp)
		return -ENOMEM;
	parsing.sdp = sdp;
	r = parse_message(&parsing, message);
	if (r < 0)
		return r;
	*ret_sdp = STEAL(sdp);
	return 0;
}
