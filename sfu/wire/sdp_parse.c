/* GStreamer splits the text into lines and attributes, believing anything; all judgement is here.
 * Each attribute has one function in a table, called for the session's and then for every m-line's;
 * what can only be told from several of them together follows when an m-line is complete. */
#include <errno.h>
#include <gst/sdp/gstsdpmessage.h>
#include <string.h>
#include <strings.h>

#include "core/cursor.h"
#include "sfu/wire/sdp.h"

enum {
	UFRAG_MIN = 4, /* RFC 8839 section 5.4 */
	PASSWORD_MIN = 22,
	NAMED_SSRCS_MAX = 4 * SDP_SSRCS_MAX, /* with RTX and FEC */
	BUNDLE_BYTES_MAX = 8 + SDP_MEDIA_MAX * (SDP_MID_MAX + 1)
};

/* The SSRC lines of one m-line as they come. */
struct named_ssrcs {
	uint32_t ssrcs[NAMED_SSRCS_MAX];
	size_t count;
	struct {
		uint32_t primary, secondary;
		bool is_retransmission; /* FID, otherwise a kind of FEC */
	} pairs[NAMED_SSRCS_MAX];
	size_t pair_count;
};

struct parsing {
	struct sdp *sdp;
	struct sdp_media *media; /* NULL at session level */
	struct named_ssrcs named;
	enum sdp_direction session_direction;
	const char *bundle; /* the value of a=group:BUNDLE; NULL if there is none */
	bool has_media_ufrag, has_media_password;
	struct error *reterr;
};

#define REFUSE(parsing, field, ...)                                                                \
	error_set_field((parsing)->reterr, -EPROTO, "bad_sdp", field, __VA_ARGS__)

/* ---- words ---- */

/* The next word up to a space, moving *text behind it; empty at the end. */
static struct slice next_word(const char **text)
{
	const char *start = *text + strspn(*text, " ");
	size_t length = strcspn(start, " ");

	*text = start + length;
	return (struct slice){(const uint8_t *)start, length};
}

static bool word_is(struct slice word, const char *text)
{
	return word.length == strlen(text) &&
	       strncasecmp((const char *)word.data, text, word.length) == 0;
}

/* Copy into a field of `capacity`; false if it is empty, does not fit or is not ASCII, since these
 * words end up in logs and JSON. */
static bool word_copy(char *field, size_t capacity, struct slice word)
{
	if (word.length == 0 || word.length >= capacity)
		return false;
	for (size_t i = 0; i < word.length; i++) {
		if (!g_ascii_isprint((gchar)word.data[i]))
			return false;
	}
	memset(field, 0, capacity);
	memcpy(field, word.data, word.length);
	return true;
}

/* Digits at the front of `word`, moving it behind them; false if there are none or too many. */
static bool word_take_number(struct slice *word, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t i = 0;

	for (; i < word->length && word->data[i] >= '0' && word->data[i] <= '9'; i++) {
		uint64_t digit = (uint64_t)(word->data[i] - '0');

		if (number > max / 10 || number * 10 > max - digit)
			return false;
		number = number * 10 + digit;
	}
	word->data += i;
	word->length -= i;
	*ret_number = number;
	return i > 0;
}

/* A word that is a number and nothing else. */
static bool next_number(const char **text, uint64_t max, uint64_t *ret_number)
{
	struct slice word = next_word(text);

	return word_take_number(&word, max, ret_number) && word.length == 0;
}

/* ---- transport: session or m-line ---- */

/* With BUNDLE the transport is that of the first m-line; others may still tell of their own, which
 * they would have had otherwise (RFC 8843 section 7.2). A rejected one has none. */
static int read_ice(struct parsing *parsing, const char *value, const char *field_name,
		    size_t shortest, char *field, bool *has_media)
{
	struct slice word = next_word(&value);

	if (parsing->media && (parsing->media->rejected || *has_media))
		return 0;
	if (word.length < shortest || !word_copy(field, SDP_TOKEN_MAX, word))
		return REFUSE(parsing, field_name, "it must have %zu to %d ASCII characters",
			      shortest, SDP_TOKEN_MAX - 1);
	*has_media = parsing->media != NULL;
	return 0;
}

static int read_ice_ufrag(struct parsing *parsing, const char *value)
{
	return read_ice(parsing, value, "a=ice-ufrag", UFRAG_MIN, parsing->sdp->ice_ufrag,
			&parsing->has_media_ufrag);
}

static int read_ice_password(struct parsing *parsing, const char *value)
{
	return read_ice(parsing, value, "a=ice-pwd", PASSWORD_MIN, parsing->sdp->ice_password,
			&parsing->has_media_password);
}

static int read_ice_lite(struct parsing *parsing, const char *value)
{
	(void)value;
	parsing->sdp->ice_lite = true;
	return 0;
}

static bool decode_fingerprint(struct slice word, uint8_t digest[32])
{
	if (word.length != 32 * 3 - 1)
		return false;
	for (size_t i = 0; i < 32; i++) {
		int high = g_ascii_xdigit_value((gchar)word.data[i * 3]);
		int low = g_ascii_xdigit_value((gchar)word.data[i * 3 + 1]);

		if (high < 0 || low < 0 || (i < 31 && word.data[i * 3 + 2] != ':'))
			return false;
		digest[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int read_fingerprint(struct parsing *parsing, const char *value)
{
	struct sdp *sdp = parsing->sdp;
	uint8_t digest[32];

	if (parsing->media && parsing->media->rejected)
		return 0;
	if (!word_is(next_word(&value), "sha-256"))
		return 0; /* a further one, of the same certificate (RFC 8122 section 5) */
	if (!decode_fingerprint(next_word(&value), digest))
		return REFUSE(parsing, "a=fingerprint", "it must be 32 bytes in hexadecimal");
	if (sdp->has_fingerprint && memcmp(sdp->fingerprint_sha256, digest, sizeof(digest)) != 0)
		return REFUSE(parsing, "a=fingerprint", "all must be of one certificate");
	memcpy(sdp->fingerprint_sha256, digest, sizeof(digest));
	sdp->has_fingerprint = true;
	return 0;
}

static int read_setup(struct parsing *parsing, const char *value)
{
	struct slice word = next_word(&value);
	enum dtls_setup setup;

	if (parsing->media && parsing->media->rejected)
		return 0;
	if (word_is(word, "actpass"))
		setup = SETUP_ACTPASS;
	else if (word_is(word, "active"))
		setup = SETUP_ACTIVE;
	else if (word_is(word, "passive"))
		setup = SETUP_PASSIVE;
	else
		return REFUSE(parsing, "a=setup", "it must be actpass, active or passive");
	if (parsing->sdp->setup != SETUP_NONE && parsing->sdp->setup != setup)
		return REFUSE(parsing, "a=setup", "all must be alike");
	parsing->sdp->setup = setup;
	return 0;
}

static int read_group(struct parsing *parsing, const char *value)
{
	if (parsing->media || parsing->bundle || !word_is(next_word(&value), "BUNDLE"))
		return 0;
	if (strlen(value) > BUNDLE_BYTES_MAX)
		return REFUSE(parsing, "a=group:BUNDLE", "it names more than there can be");
	parsing->bundle = value;
	return 0;
}

/* ---- direction: session or m-line ---- */

static int set_direction(struct parsing *parsing, enum sdp_direction direction)
{
	if (parsing->media)
		parsing->media->direction = direction;
	else
		parsing->session_direction = direction;
	return 0;
}

static int read_inactive(struct parsing *parsing, const char *value)
{
	(void)value;
	return set_direction(parsing, DIRECTION_INACTIVE);
}

static int read_sendonly(struct parsing *parsing, const char *value)
{
	(void)value;
	return set_direction(parsing, DIRECTION_SEND);
}

static int read_recvonly(struct parsing *parsing, const char *value)
{
	(void)value;
	return set_direction(parsing, DIRECTION_RECEIVE);
}

static int read_sendrecv(struct parsing *parsing, const char *value)
{
	(void)value;
	return set_direction(parsing, DIRECTION_SENDRECV);
}

/* ---- m-line ---- */

static int read_mid(struct parsing *parsing, const char *value)
{
	struct sdp_media *media = parsing->media;

	if (media->mid[0])
		return REFUSE(parsing, "a=mid", "an m-line has one");
	if (!word_copy(media->mid, sizeof(media->mid), next_word(&value)))
		return REFUSE(parsing, "a=mid", "it must have 1 to %d ASCII characters",
			      SDP_MID_MAX);
	return 0;
}

static int read_rtcp_mux(struct parsing *parsing, const char *value)
{
	(void)value;
	parsing->media->rtcp_mux = true;
	return 0;
}

static int read_rtcp_rsize(struct parsing *parsing, const char *value)
{
	(void)value;
	parsing->media->rtcp_rsize = true;
	return 0;
}

static int read_sctp_port(struct parsing *parsing, const char *value)
{
	uint64_t port;

	if (!next_number(&value, UINT16_MAX, &port))
		return REFUSE(parsing, "a=sctp-port", "it must be a port");
	parsing->media->sctp_port = (uint16_t)port;
	return 0;
}

static struct sdp_codec *codec_of(struct sdp_media *media, uint64_t payload_type)
{
	for (size_t i = 0; i < media->codec_count; i++) {
		if (media->codecs[i].payload_type == payload_type)
			return &media->codecs[i];
	}
	return NULL;
}

/* Leave a codec out that cannot be described in full: it goes for one not offered. */
static void codec_remove(struct sdp_media *media, struct sdp_codec *codec)
{
	size_t behind = media->codec_count - (size_t)(codec - media->codecs) - 1;

	memmove(codec, codec + 1, behind * sizeof(*codec));
	media->codec_count--;
	memset(&media->codecs[media->codec_count], 0, sizeof(*codec));
}

/* "96 VP8/90000", "111 opus/48000/2" */
static int read_rtpmap(struct parsing *parsing, const char *value)
{
	struct sdp_codec *codec;
	struct slice word, name;
	uint64_t payload_type, rate, channels = 0;
	const uint8_t *slash;

	if (!next_number(&value, 127, &payload_type))
		return REFUSE(parsing, "a=rtpmap", "a payload type is a number up to 127");
	codec = codec_of(parsing->media, payload_type);
	if (!codec || codec->name[0])
		return 0;
	word = next_word(&value);
	slash = memchr(word.data, '/', word.length);
	if (!slash)
		return REFUSE(parsing, "a=rtpmap", "payload type %u has no clock rate",
			      codec->payload_type);
	name = (struct slice){word.data, (size_t)(slash - word.data)};
	word = (struct slice){slash + 1, word.length - name.length - 1};
	if (!word_take_number(&word, UINT32_MAX, &rate) || rate == 0)
		return REFUSE(parsing, "a=rtpmap", "payload type %u has no clock rate",
			      codec->payload_type);
	if (word.length > 1 && word.data[0] == '/') {
		word = (struct slice){word.data + 1, word.length - 1};
		if (!word_take_number(&word, UINT8_MAX, &channels))
			return REFUSE(parsing, "a=rtpmap", "payload type %u has no channel count",
				      codec->payload_type);
	}
	if (!word_copy(codec->name, sizeof(codec->name), name)) {
		codec_remove(parsing->media, codec);
		return 0;
	}
	codec->clock_rate_hz = (uint32_t)rate;
	codec->channels = (uint8_t)channels;
	return 0;
}

static int read_fmtp(struct parsing *parsing, const char *value)
{
	struct sdp_codec *codec;
	uint64_t payload_type;
	struct slice parameters;

	if (!next_number(&value, 127, &payload_type))
		return 0; /* of "*" or the like, as in a=fmtp:webrtc-datachannel */
	codec = codec_of(parsing->media, payload_type);
	if (!codec)
		return 0;
	value += strspn(value, " ");
	parameters = (struct slice){(const uint8_t *)value, strlen(value)};
	/* Cut short, the parameters would describe another codec. */
	if (parameters.length > 0 && !word_copy(codec->fmtp, sizeof(codec->fmtp), parameters))
		codec_remove(parsing->media, codec);
	return 0;
}

static void codec_add_feedback(struct sdp_codec *codec, struct slice type, struct slice subtype)
{
	if (word_is(type, "nack") && subtype.length == 0)
		codec->nack = true;
	else if (word_is(type, "nack") && word_is(subtype, "pli"))
		codec->nack_pli = true;
	else if (word_is(type, "ccm") && word_is(subtype, "fir"))
		codec->ccm_fir = true;
	else if (word_is(type, "goog-remb"))
		codec->goog_remb = true;
	else if (word_is(type, "transport-cc"))
		codec->transport_cc = true;
}

static int read_rtcp_fb(struct parsing *parsing, const char *value)
{
	struct sdp_media *media = parsing->media;
	struct slice which = next_word(&value);
	struct slice type = next_word(&value), subtype = next_word(&value);
	bool is_for_all = word_is(which, "*");
	uint64_t payload_type = 0;

	if (!is_for_all && !word_take_number(&which, 127, &payload_type))
		return 0;
	for (size_t i = 0; i < media->codec_count; i++) {
		if (is_for_all || media->codecs[i].payload_type == payload_type)
			codec_add_feedback(&media->codecs[i], type, subtype);
	}
	return 0;
}

/* "3 urn:ietf:params:rtp-hdrext:sdes:mid", "4/recvonly ..." */
static int read_extmap(struct parsing *parsing, const char *value)
{
	struct sdp_media *media = parsing->media;
	struct slice id_word = next_word(&value), uri = next_word(&value);
	uint64_t id;

	if (!word_take_number(&id_word, UINT32_MAX, &id) || id == 0)
		return REFUSE(parsing, "a=extmap", "an id is a number from 1");
	if (id > UINT8_MAX || media->extension_count == SDP_EXTENSIONS_MAX)
		return 0; /* RFC 8285 section 6: ids from 4096 are those not agreed on */
	for (int i = EXTENSION_NONE + 1; i < EXTENSION_COUNT; i++) {
		enum header_extension extension = (enum header_extension)i;

		if (!word_is(uri, header_extension_uri(extension)) ||
		    sdp_extension_id(media, extension) != 0)
			continue;
		media->extensions[media->extension_count].id = (uint8_t)id;
		media->extensions[media->extension_count].extension = extension;
		media->extension_count++;
	}
	return 0;
}

/* "STREAM TRACK"; a stream of "-" is none. Of several the first counts. */
static int read_msid(struct parsing *parsing, const char *value)
{
	struct sdp_media *media = parsing->media;
	struct slice stream = next_word(&value), track = next_word(&value);

	if (media->msid_stream[0] || media->msid_track[0])
		return 0;
	if (!word_is(stream, "-") &&
	    !word_copy(media->msid_stream, sizeof(media->msid_stream), stream))
		return REFUSE(parsing, "a=msid", "a stream has 1 to %d ASCII characters",
			      SDP_TOKEN_MAX - 1);
	if (track.length > 0 && !word_copy(media->msid_track, sizeof(media->msid_track), track))
		return REFUSE(parsing, "a=msid", "a track has up to %d ASCII characters",
			      SDP_TOKEN_MAX - 1);
	return 0;
}

/* "N cname:NAME", "N msid:STREAM TRACK" and others */
static int read_ssrc(struct parsing *parsing, const char *value)
{
	struct named_ssrcs *named = &parsing->named;
	struct sdp_media *media = parsing->media;
	struct slice attribute;
	uint64_t ssrc;
	size_t i;

	if (!next_number(&value, UINT32_MAX, &ssrc))
		return REFUSE(parsing, "a=ssrc", "it must be a number up to 32 bits");
	for (i = 0; i < named->count && named->ssrcs[i] != ssrc; i++)
		;
	if (i == NAMED_SSRCS_MAX)
		return 0;
	if (i == named->count)
		named->ssrcs[named->count++] = (uint32_t)ssrc;

	value += strspn(value, " ");
	if (strncmp(value, "msid:", 5) == 0)
		return read_msid(parsing, value + 5);
	attribute = next_word(&value);
	if (attribute.length > 6 && memcmp(attribute.data, "cname:", 6) == 0 && !media->cname[0]) {
		attribute = (struct slice){attribute.data + 6, attribute.length - 6};
		if (!word_copy(media->cname, sizeof(media->cname), attribute))
			return REFUSE(parsing, "a=ssrc", "a CNAME has up to %d ASCII characters",
				      SDP_TOKEN_MAX - 1);
	}
	return 0;
}

/* "FID PRIMARY RTX"; simulcast's SIM is a list of primaries, which is no news. */
static int read_ssrc_group(struct parsing *parsing, const char *value)
{
	struct named_ssrcs *named = &parsing->named;
	struct slice semantics = next_word(&value);
	uint64_t primary, secondary;

	if (word_is(semantics, "SIM") || named->pair_count == NAMED_SSRCS_MAX)
		return 0;
	if (!next_number(&value, UINT32_MAX, &primary) ||
	    !next_number(&value, UINT32_MAX, &secondary))
		return REFUSE(parsing, "a=ssrc-group", "it must name two SSRCs");
	named->pairs[named->pair_count].primary = (uint32_t)primary;
	named->pairs[named->pair_count].secondary = (uint32_t)secondary;
	named->pairs[named->pair_count].is_retransmission = word_is(semantics, "FID");
	named->pair_count++;
	return 0;
}

/* ---- which attribute goes where ---- */

enum level { LEVEL_SESSION = 1, LEVEL_MEDIA = 2, LEVEL_BOTH = 3 };

static const struct {
	const char *name;
	enum level level;
	int (*read)(struct parsing *parsing, const char *value);
} attributes[] = {
	{"ice-ufrag", LEVEL_BOTH, read_ice_ufrag},
	{"ice-pwd", LEVEL_BOTH, read_ice_password},
	{"ice-lite", LEVEL_SESSION, read_ice_lite},
	{"fingerprint", LEVEL_BOTH, read_fingerprint},
	{"setup", LEVEL_BOTH, read_setup},
	{"group", LEVEL_SESSION, read_group},
	{"inactive", LEVEL_BOTH, read_inactive},
	{"sendonly", LEVEL_BOTH, read_sendonly},
	{"recvonly", LEVEL_BOTH, read_recvonly},
	{"sendrecv", LEVEL_BOTH, read_sendrecv},
	{"mid", LEVEL_MEDIA, read_mid},
	{"rtcp-mux", LEVEL_MEDIA, read_rtcp_mux},
	{"rtcp-rsize", LEVEL_MEDIA, read_rtcp_rsize},
	{"sctp-port", LEVEL_MEDIA, read_sctp_port},
	{"rtpmap", LEVEL_MEDIA, read_rtpmap},
	{"fmtp", LEVEL_MEDIA, read_fmtp},
	{"rtcp-fb", LEVEL_MEDIA, read_rtcp_fb},
	{"extmap", LEVEL_MEDIA, read_extmap},
	{"msid", LEVEL_MEDIA, read_msid},
	{"ssrc", LEVEL_MEDIA, read_ssrc},
	{"ssrc-group", LEVEL_MEDIA, read_ssrc_group},
};

static int read_attribute(struct parsing *parsing, const GstSDPAttribute *attribute)
{
	enum level level = parsing->media ? LEVEL_MEDIA : LEVEL_SESSION;

	for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
		if ((attributes[i].level & level) &&
		    strcmp(attributes[i].name, attribute->key) == 0)
			return attributes[i].read(parsing, attribute->value);
	}
	return 0;
}

/* ---- an m-line as a whole ---- */

static void read_formats(struct sdp_media *media, const GstSDPMedia *line)
{
	for (guint i = 0; i < gst_sdp_media_formats_len(line); i++) {
		const char *format = gst_sdp_media_get_format(line, i);
		uint64_t payload_type;

		if (media->codec_count == SDP_CODECS_MAX)
			break;
		if (!next_number(&format, 127, &payload_type) || codec_of(media, payload_type))
			continue;
		media->codecs[media->codec_count].payload_type = (uint8_t)payload_type;
		media->codecs[media->codec_count].apt = -1;
		media->codec_count++;
	}
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
	return word_take_number(&word, 127, &payload_type) ? (int16_t)payload_type : -1;
}

static void complete_codecs(struct sdp_media *media)
{
	for (size_t i = 0; i < media->codec_count;) {
		struct sdp_codec *codec = &media->codecs[i];

		if (!codec->name[0] && !codec_set_static(codec)) {
			codec_remove(media, codec);
			continue;
		}
		codec->apt = apt_of(codec);
		i++;
	}
}

static void complete_ssrcs(struct sdp_media *media, const struct named_ssrcs *named)
{
	for (size_t i = 0; i < named->count && media->ssrc_count < SDP_SSRCS_MAX; i++) {
		bool is_secondary = false;
		uint32_t rtx_ssrc = 0;

		for (size_t j = 0; j < named->pair_count; j++) {
			is_secondary |= named->pairs[j].secondary == named->ssrcs[i];
			if (named->pairs[j].primary == named->ssrcs[i] &&
			    named->pairs[j].is_retransmission)
				rtx_ssrc = named->pairs[j].secondary;
		}
		if (is_secondary)
			continue;
		media->ssrcs[media->ssrc_count] = named->ssrcs[i];
		media->rtx_ssrcs[media->ssrc_count] = rtx_ssrc;
		media->ssrc_count++;
	}
}

static enum media_kind kind_of(const char *name)
{
	if (g_strcmp0(name, "audio") == 0)
		return MEDIA_AUDIO;
	if (g_strcmp0(name, "video") == 0)
		return MEDIA_VIDEO;
	return g_strcmp0(name, "application") == 0 ? MEDIA_APPLICATION : MEDIA_OTHER;
}

static int parse_media(struct parsing *parsing, const GstSDPMedia *line)
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
		return REFUSE(parsing, "m=", "the protocol must be %s", wanted);

	if (media->kind != MEDIA_APPLICATION)
		read_formats(media, line);
	for (guint i = 0; i < gst_sdp_media_attributes_len(line); i++) {
		r = read_attribute(parsing, gst_sdp_media_get_attribute(line, i));
		if (r < 0)
			return r;
	}
	complete_codecs(media);
	complete_ssrcs(media, &parsing->named);

	if (!media->rejected && !media->mid[0])
		return REFUSE(parsing, "a=mid", "every m-line must have one");
	if (!media->rejected && media->kind != MEDIA_APPLICATION && !media->rtcp_mux)
		return REFUSE(parsing, "a=rtcp-mux", "\"%s\" does not multiplex RTCP", media->mid);
	return 0;
}

/* ---- the description as a whole ---- */

static bool bundle_has(const char *bundle, const char *mid)
{
	while (*bundle) {
		struct slice word = next_word(&bundle);

		if (word.length == strlen(mid) && memcmp(word.data, mid, word.length) == 0)
			return true;
	}
	return false;
}

static int check_mids(struct parsing *parsing)
{
	const struct sdp *sdp = parsing->sdp;
	size_t live_count = 0;

	for (size_t i = 0; i < sdp->media_count; i++) {
		const char *mid = sdp->media[i].mid;

		live_count += !sdp->media[i].rejected;
		for (size_t j = 0; mid[0] && j < i; j++) {
			if (strcmp(mid, sdp->media[j].mid) == 0)
				return REFUSE(parsing, "a=mid", "\"%s\" is there twice", mid);
		}
	}
	/* A single one has nobody to be bundled with. */
	if (live_count <= 1 && !parsing->bundle)
		return 0;
	for (size_t i = 0; i < sdp->media_count; i++) {
		if (!sdp->media[i].rejected &&
		    (!parsing->bundle || !bundle_has(parsing->bundle, sdp->media[i].mid)))
			return REFUSE(parsing, "a=group:BUNDLE", "\"%s\" is not bundled",
				      sdp->media[i].mid);
	}
	return 0;
}

static int check_transport(struct parsing *parsing)
{
	if (!parsing->sdp->ice_ufrag[0])
		return REFUSE(parsing, "a=ice-ufrag", "it is missing");
	if (!parsing->sdp->ice_password[0])
		return REFUSE(parsing, "a=ice-pwd", "it is missing");
	if (!parsing->sdp->has_fingerprint)
		return REFUSE(parsing, "a=fingerprint", "there is none of SHA-256");
	return 0;
}

static int parse_origin(struct parsing *parsing, const GstSDPMessage *message)
{
	const GstSDPOrigin *origin = gst_sdp_message_get_origin(message);
	const char *id = origin->sess_id, *version = origin->sess_version;

	if (!id || !version || !next_number(&id, UINT64_MAX, &parsing->sdp->session_id) ||
	    !next_number(&version, UINT64_MAX, &parsing->sdp->session_version))
		return REFUSE(parsing, "o=", "session id and version must be numbers");
	return 0;
}

static int parse_message(struct parsing *parsing, const GstSDPMessage *message)
{
	int r = parse_origin(parsing, message);

	for (guint i = 0; r == 0 && i < gst_sdp_message_attributes_len(message); i++)
		r = read_attribute(parsing, gst_sdp_message_get_attribute(message, i));
	for (guint i = 0; r == 0 && i < gst_sdp_message_medias_len(message); i++) {
		parsing->media = &parsing->sdp->media[i];
		parsing->named = (struct named_ssrcs){0};
		r = parse_media(parsing, gst_sdp_message_get_media(message, i));
	}
	if (r == 0)
		r = check_mids(parsing);
	return r < 0 ? r : check_transport(parsing);
}

/* Lines of "x=", the letters where RFC 8866 section 5 has them, and not too many m-lines: GStreamer
 * takes any text, skips what it does not understand and allocates for every line. */
static int check_text(const char *text, size_t length, struct error *reterr)
{
	struct parsing parsing = {.reterr = reterr};
	const char *allowed = "vosiuepcbtrzka", *end = text + length;
	size_t media_count = 0;

	if (length > SDP_BYTES_MAX)
		return error_set_field(reterr, -EMSGSIZE, "bad_sdp", "",
				       "the text is longer than %d bytes", SDP_BYTES_MAX);
	if (length < 5 || memcmp(text, "v=0", 3) != 0 || (text[3] != '\r' && text[3] != '\n'))
		return REFUSE(&parsing, "v=", "it does not begin with version 0");
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t line_bytes = (size_t)((newline ? newline : end) - text);

		if (newline && line_bytes > 0 && text[line_bytes - 1] == '\r')
			line_bytes--;
		for (size_t i = 0; i < line_bytes; i++) {
			if (g_ascii_iscntrl((gchar)text[i]))
				return REFUSE(&parsing, "", "a line holds a control character");
		}
		if (line_bytes > 0 && (line_bytes < 2 || text[1] != '='))
			return REFUSE(&parsing, "",
				      "a line does not begin with a letter and \"=\"");
		if (line_bytes > 0 && text[0] == 'm') {
			allowed = "icbka";
			media_count++;
		} else if (line_bytes > 0 && !strchr(allowed, text[0])) {
			return REFUSE(&parsing, "", "a line stands where it must not");
		}
		if (!newline)
			break;
		text = newline + 1;
	}
	if (media_count > SDP_MEDIA_MAX)
		return error_set_field(reterr, -EMSGSIZE, "bad_sdp", "m=", "there are more than %d",
				       SDP_MEDIA_MAX);
	return 0;
}

int sdp_parse(const char *text, size_t length, struct sdp **ret_sdp, struct error *reterr)
{
	struct parsing parsing = {.session_direction = DIRECTION_SENDRECV, .reterr = reterr};
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
		return REFUSE(&parsing, "", "it cannot be parsed");

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
