/* Each attribute has one function in a table, called for the session's and then for every m-line's.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <strings.h>

#include "sfu/wire/sdp_parsing.h"

enum {
	UFRAG_MIN = 4, /* RFC 8839 section 5.4 */
	PASSWORD_MIN = 22,
	BUNDLE_BYTES_MAX = 8 + SDP_MEDIA_MAX * (SDP_MID_MAX + 1)
};

/* ---- words ---- */

struct slice sdp_next_word(const char **text)
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

/* False if it is empty, longer than what has room in `capacity` or not ASCII, since these words end
 * up in logs and JSON. */
static bool word_is_good(struct slice word, size_t capacity)
{
	if (word.length == 0 || word.length >= capacity)
		return false;
	for (size_t i = 0; i < word.length; i++) {
		if (!g_ascii_isprint((gchar)word.data[i]))
			return false;
	}
	return true;
}

/* A good word as text of its own; NULL without memory. */
static char *word_duplicate(struct slice word)
{
	return strndup((const char *)word.data, word.length);
}

/* Copy into a field of `capacity`; false if it is not good. */
static bool word_copy(char *field, size_t capacity, struct slice word)
{
	if (!word_is_good(word, capacity))
		return false;
	memset(field, 0, capacity);
	memcpy(field, word.data, word.length);
	return true;
}

bool sdp_word_take_number(struct slice *word, uint64_t max, uint64_t *ret_number)
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

bool sdp_next_number(const char **text, uint64_t max, uint64_t *ret_number)
{
	struct slice word = sdp_next_word(text);

	return sdp_word_take_number(&word, max, ret_number) && word.length == 0;
}

/* ---- transport: session or m-line ---- */

/* With BUNDLE the transport is that of the first m-line; others may still tell of their own, which
 * they would have had otherwise (RFC 8843 section 7.2). A rejected one has none. */
static int read_ice(struct sdp_parsing *parsing, const char *value, const char *field_name,
		    size_t shortest, char *field, bool *has_media)
{
	struct slice word = sdp_next_word(&value);

	if (parsing->media && (parsing->media->rejected || *has_media))
		return 0;
	if (word.length < shortest || !word_copy(field, SDP_TOKEN_MAX, word))
		return SDP_REFUSE(parsing, field_name, "it must have %zu to %d ASCII characters",
				  shortest, SDP_TOKEN_MAX - 1);
	*has_media = parsing->media != NULL;
	return 0;
}

static int read_ice_ufrag(struct sdp_parsing *parsing, const char *value)
{
	return read_ice(parsing, value, "a=ice-ufrag", UFRAG_MIN, parsing->sdp->ice_ufrag,
			&parsing->has_media_ufrag);
}

static int read_ice_password(struct sdp_parsing *parsing, const char *value)
{
	return read_ice(parsing, value, "a=ice-pwd", PASSWORD_MIN, parsing->sdp->ice_password,
			&parsing->has_media_password);
}

static int read_ice_lite(struct sdp_parsing *parsing, const char *value)
{
	(void)value;
	parsing->sdp->ice_lite = true;
	return 0;
}

static int read_extmap_allow_mixed(struct sdp_parsing *parsing, const char *value)
{
	(void)value;
	parsing->sdp->extmap_allow_mixed = true;
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

static int read_fingerprint(struct sdp_parsing *parsing, const char *value)
{
	struct sdp *sdp = parsing->sdp;
	uint8_t digest[32];

	if (parsing->media && parsing->media->rejected)
		return 0;
	if (!word_is(sdp_next_word(&value), "sha-256"))
		return 0; /* a further one, of the same certificate (RFC 8122 section 5) */
	if (!decode_fingerprint(sdp_next_word(&value), digest))
		return SDP_REFUSE(parsing, "a=fingerprint", "it must be 32 bytes in hexadecimal");
	if (sdp->has_fingerprint && memcmp(sdp->fingerprint_sha256, digest, sizeof(digest)) != 0)
		return SDP_REFUSE(parsing, "a=fingerprint", "all must be of one certificate");
	memcpy(sdp->fingerprint_sha256, digest, sizeof(digest));
	sdp->has_fingerprint = true;
	return 0;
}

static int read_setup(struct sdp_parsing *parsing, const char *value)
{
	struct slice word = sdp_next_word(&value);
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
		return SDP_REFUSE(parsing, "a=setup", "it must be actpass, active or passive");
	if (parsing->sdp->setup != SETUP_NONE && parsing->sdp->setup != setup)
		return SDP_REFUSE(parsing, "a=setup", "all must be alike");
	parsing->sdp->setup = setup;
	return 0;
}

static int read_group(struct sdp_parsing *parsing, const char *value)
{
	if (parsing->media || parsing->bundle || !word_is(sdp_next_word(&value), "BUNDLE"))
		return 0;
	if (strlen(value) > BUNDLE_BYTES_MAX)
		return SDP_REFUSE(parsing, "a=group:BUNDLE", "it names more than there can be");
	parsing->bundle = value;
	return 0;
}

/* ---- direction: session or m-line ---- */

static int set_direction(struct sdp_parsing *parsing, enum sdp_direction direction)
{
	if (parsing->media)
		parsing->media->direction = direction;
	else
		parsing->session_direction = direction;
	return 0;
}

static int read_inactive(struct sdp_parsing *parsing, const char *value)
{
	(void)value;
	return set_direction(parsing, DIRECTION_INACTIVE);
}

static int read_sendonly(struct sdp_parsing *parsing, const char *value)
{
	(void)value;
	return set_direction(parsing, DIRECTION_SEND);
}

static int read_recvonly(struct sdp_parsing *parsing, const char *value)
{
	(void)value;
	return set_direction(parsing, DIRECTION_RECEIVE);
}

static int read_sendrecv(struct sdp_parsing *parsing, const char *value)
{
	(void)value;
	return set_direction(parsing, DIRECTION_SENDRECV);
}

/* ---- m-line ---- */

static int read_mid(struct sdp_parsing *parsing, const char *value)
{
	struct sdp_media *media = parsing->media;

	if (media->mid[0])
		return SDP_REFUSE(parsing, "a=mid", "an m-line has one");
	if (!word_copy(media->mid, sizeof(media->mid), sdp_next_word(&value)))
		return SDP_REFUSE(parsing, "a=mid", "it must have 1 to %d ASCII characters",
				  SDP_MID_MAX);
	return 0;
}

static int read_rtcp_mux(struct sdp_parsing *parsing, const char *value)
{
	(void)value;
	parsing->media->rtcp_mux = true;
	return 0;
}

static int read_rtcp_rsize(struct sdp_parsing *parsing, const char *value)
{
	(void)value;
	parsing->media->rtcp_rsize = true;
	return 0;
}

static int read_sctp_port(struct sdp_parsing *parsing, const char *value)
{
	uint64_t port;

	if (!sdp_next_number(&value, UINT16_MAX, &port))
		return SDP_REFUSE(parsing, "a=sctp-port", "it must be a port");
	parsing->media->sctp_port = (uint16_t)port;
	return 0;
}

struct sdp_codec *sdp_codec_of(struct sdp_media *media, uint64_t payload_type)
{
	for (size_t i = 0; i < media->codec_count; i++) {
		if (media->codecs[i].payload_type == payload_type)
			return &media->codecs[i];
	}
	return NULL;
}

/* "96 VP8/90000", "111 opus/48000/2" */
static int read_rtpmap(struct sdp_parsing *parsing, const char *value)
{
	struct sdp_codec *codec;
	struct slice word, name;
	uint64_t payload_type, rate, channels = 0;
	const uint8_t *slash;

	if (!sdp_next_number(&value, 127, &payload_type))
		return SDP_REFUSE(parsing, "a=rtpmap", "a payload type is a number up to 127");
	codec = sdp_codec_of(parsing->media, payload_type);
	if (!codec || codec->name[0])
		return 0;
	word = sdp_next_word(&value);
	slash = memchr(word.data, '/', word.length);
	if (!slash)
		return SDP_REFUSE(parsing, "a=rtpmap", "payload type %u has no clock rate",
				  codec->payload_type);
	name = (struct slice){word.data, (size_t)(slash - word.data)};
	word = (struct slice){slash + 1, word.length - name.length - 1};
	if (!sdp_word_take_number(&word, UINT32_MAX, &rate) || rate == 0)
		return SDP_REFUSE(parsing, "a=rtpmap", "payload type %u has no clock rate",
				  codec->payload_type);
	if (word.length > 1 && word.data[0] == '/') {
		word = (struct slice){word.data + 1, word.length - 1};
		if (!sdp_word_take_number(&word, UINT8_MAX, &channels))
			return SDP_REFUSE(parsing, "a=rtpmap",
					  "payload type %u has no channel count",
					  codec->payload_type);
	}
	if (!word_copy(codec->name, sizeof(codec->name), name)) {
		sdp_media_remove_codec(parsing->media, codec);
		return 0;
	}
	codec->clock_rate_hz = (uint32_t)rate;
	codec->channels = (uint8_t)channels;
	return 0;
}

static int read_fmtp(struct sdp_parsing *parsing, const char *value)
{
	struct sdp_codec *codec;
	uint64_t payload_type;
	struct slice parameters;

	if (!sdp_next_number(&value, 127, &payload_type))
		return 0; /* of "*" or the like, as in a=fmtp:webrtc-datachannel */
	codec = sdp_codec_of(parsing->media, payload_type);
	if (!codec)
		return 0;
	value += strspn(value, " ");
	parameters = (struct slice){(const uint8_t *)value, strlen(value)};
	if (parameters.length == 0)
		return 0;
	/* Cut short, the parameters would describe another codec: it goes for one not offered. */
	if (!word_is_good(parameters, SDP_FMTP_MAX)) {
		sdp_media_remove_codec(parsing->media, codec);
		return 0;
	}
	return sdp_codec_set_fmtp(codec, value);
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

static int read_rtcp_fb(struct sdp_parsing *parsing, const char *value)
{
	struct sdp_media *media = parsing->media;
	struct slice which = sdp_next_word(&value);
	struct slice type = sdp_next_word(&value), subtype = sdp_next_word(&value);
	bool is_for_all = word_is(which, "*");
	uint64_t payload_type = 0;

	if (!is_for_all && !sdp_word_take_number(&which, 127, &payload_type))
		return 0;
	for (size_t i = 0; i < media->codec_count; i++) {
		if (is_for_all || media->codecs[i].payload_type == payload_type)
			codec_add_feedback(&media->codecs[i], type, subtype);
	}
	return 0;
}

/* "3 urn:ietf:params:rtp-hdrext:sdes:mid", "4/recvonly ..." */
static int read_extmap(struct sdp_parsing *parsing, const char *value)
{
	struct sdp_media *media = parsing->media;
	struct slice id_word = sdp_next_word(&value), uri = sdp_next_word(&value);
	uint64_t id;

	if (!sdp_word_take_number(&id_word, UINT32_MAX, &id) || id == 0)
		return SDP_REFUSE(parsing, "a=extmap", "an id is a number from 1");
	if (id > UINT8_MAX)
		return 0; /* RFC 8285 section 6: ids from 4096 are those not agreed on */
	for (int i = EXTENSION_NONE + 1; i < EXTENSION_COUNT; i++) {
		enum header_extension extension = (enum header_extension)i;

		if (word_is(uri, header_extension_uri(extension)) &&
		    !media->extension_ids[extension])
			media->extension_ids[extension] = (uint8_t)id;
	}
	return 0;
}

/* "STREAM TRACK"; a stream of "-" is none. Of several the first counts. */
static int read_msid(struct sdp_parsing *parsing, const char *value)
{
	struct sdp_media *media = parsing->media;
	struct slice stream = sdp_next_word(&value), track = sdp_next_word(&value);

	if (media->msid_stream || media->msid_track)
		return 0;
	if (!word_is(stream, "-")) {
		if (!word_is_good(stream, SDP_TOKEN_MAX))
			return SDP_REFUSE(parsing, "a=msid",
					  "a stream has 1 to %d ASCII characters",
					  SDP_TOKEN_MAX - 1);
		media->msid_stream = word_duplicate(stream);
		if (!media->msid_stream)
			return -ENOMEM;
	}
	if (track.length == 0)
		return 0;
	if (!word_is_good(track, SDP_TOKEN_MAX))
		return SDP_REFUSE(parsing, "a=msid", "a track has up to %d ASCII characters",
				  SDP_TOKEN_MAX - 1);
	media->msid_track = word_duplicate(track);
	return media->msid_track ? 0 : -ENOMEM;
}

/* "N cname:NAME", "N msid:STREAM TRACK" and others */
static int read_ssrc(struct sdp_parsing *parsing, const char *value)
{
	struct sdp_named_ssrcs *named = &parsing->named;
	struct sdp_media *media = parsing->media;
	struct slice attribute;
	uint64_t ssrc;
	size_t i;

	if (!sdp_next_number(&value, UINT32_MAX, &ssrc))
		return SDP_REFUSE(parsing, "a=ssrc", "it must be a number up to 32 bits");
	for (i = 0; i < named->count && named->ssrcs[i] != ssrc; i++)
		;
	if (i == SDP_NAMED_SSRCS_MAX)
		return 0;
	if (i == named->count)
		named->ssrcs[named->count++] = (uint32_t)ssrc;

	value += strspn(value, " ");
	if (strncmp(value, "msid:", 5) == 0)
		return read_msid(parsing, value + 5);
	attribute = sdp_next_word(&value);
	if (attribute.length > 6 && memcmp(attribute.data, "cname:", 6) == 0 && !media->cname) {
		attribute = (struct slice){attribute.data + 6, attribute.length - 6};
		if (!word_is_good(attribute, SDP_TOKEN_MAX))
			return SDP_REFUSE(parsing, "a=ssrc",
					  "a CNAME has up to %d ASCII characters",
					  SDP_TOKEN_MAX - 1);
		media->cname = word_duplicate(attribute);
		if (!media->cname)
			return -ENOMEM;
	}
	return 0;
}

/* "SIM LAYER LAYER LAYER" */
static int read_layer_ssrcs(struct sdp_parsing *parsing, const char *value)
{
	struct sdp_named_ssrcs *named = &parsing->named;
	uint64_t ssrc;

	while (named->layer_count < SDP_LAYERS_MAX && *(value += strspn(value, " "))) {
		if (!sdp_next_number(&value, UINT32_MAX, &ssrc))
			return SDP_REFUSE(parsing, "a=ssrc-group", "it must name SSRCs");
		named->layers[named->layer_count++] = (uint32_t)ssrc;
	}
	return 0;
}

/* "FID PRIMARY RTX" and others of two; "SIM" has an own form. */
static int read_ssrc_group(struct sdp_parsing *parsing, const char *value)
{
	struct sdp_named_ssrcs *named = &parsing->named;
	struct slice semantics = sdp_next_word(&value);
	uint64_t primary, secondary;

	if (word_is(semantics, "SIM"))
		return read_layer_ssrcs(parsing, value);
	if (named->pair_count == SDP_NAMED_SSRCS_MAX)
		return 0;
	if (!sdp_next_number(&value, UINT32_MAX, &primary) ||
	    !sdp_next_number(&value, UINT32_MAX, &secondary))
		return SDP_REFUSE(parsing, "a=ssrc-group", "it must name two SSRCs");
	named->pairs[named->pair_count].primary = (uint32_t)primary;
	named->pairs[named->pair_count].secondary = (uint32_t)secondary;
	named->pairs[named->pair_count].is_retransmission = word_is(semantics, "FID");
	named->pair_count++;
	return 0;
}

static int add_rid(struct sdp_parsing *parsing, struct slice rid)
{
	struct sdp_media *media = parsing->media;
	char *added = media->rids[media->rid_count];

	if (!word_copy(added, sizeof(media->rids[0]), rid))
		return SDP_REFUSE(parsing, "a=simulcast", "a RID has 1 to %d ASCII characters",
				  SDP_RID_MAX);
	for (size_t i = 0; i < media->rid_count; i++)
		if (strcmp(media->rids[i], added) == 0)
			return SDP_REFUSE(parsing, "a=simulcast", "a RID names one layer");
	media->rid_count++;
	return 0;
}

/* "send q;h;~f" or "send q recv a;b" (RFC 8853 section 5.1). Of the alternatives of a stream
 * ("h,i") the first counts; "~" marks one that is paused at first. */
static int read_simulcast(struct sdp_parsing *parsing, const char *value)
{
	struct sdp_media *media = parsing->media;
	struct slice direction = sdp_next_word(&value), list = sdp_next_word(&value);
	const uint8_t *at, *end;

	if (media->rid_count > 0 || (!word_is(direction, "send") && !word_is(direction, "recv")))
		return 0;
	if (word_is(direction, "recv") && word_is(sdp_next_word(&value), "send"))
		list = sdp_next_word(&value); /* what is sent matters to us */
	else
		media->rids_are_received = word_is(direction, "recv");
	for (at = list.data, end = at + list.length; at < end; at++) {
		const uint8_t *stop = at;
		struct slice rid;

		while (stop < end && *stop != ';' && *stop != ',')
			stop++;
		rid = (struct slice){at, (size_t)(stop - at)};
		if (rid.length > 0 && rid.data[0] == '~')
			rid = (struct slice){rid.data + 1, rid.length - 1};
		if (media->rid_count < SDP_LAYERS_MAX) {
			int r = add_rid(parsing, rid);

			if (r < 0)
				return r;
		}
		while (stop < end && *stop != ';')
			stop++;
		at = stop;
	}
	return 0;
}

/* ---- which attribute goes where ---- */

enum level { LEVEL_SESSION = 1, LEVEL_MEDIA = 2, LEVEL_BOTH = 3 };

static const struct {
	const char *name;
	enum level level;
	int (*read)(struct sdp_parsing *parsing, const char *value);
} attributes[] = {
	{"ice-ufrag", LEVEL_BOTH, read_ice_ufrag},
	{"ice-pwd", LEVEL_BOTH, read_ice_password},
	{"ice-lite", LEVEL_SESSION, read_ice_lite},
	{"extmap-allow-mixed", LEVEL_SESSION, read_extmap_allow_mixed},
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
	{"simulcast", LEVEL_MEDIA, read_simulcast},
};

int sdp_attribute_read(struct sdp_parsing *parsing, const char *name, const char *value)
{
	enum level level = parsing->media ? LEVEL_MEDIA : LEVEL_SESSION;

	for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
		if ((attributes[i].level & level) && strcmp(attributes[i].name, name) == 0)
			return attributes[i].read(parsing, value);
	}
	return 0;
}
