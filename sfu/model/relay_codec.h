/* relay_codec.h - the codecs that are relayed: one table of all that negotiation, the packet path
 * and reports must know of them.
 *
 * A codec is a row. A format is a codec with its a=fmtp parameters: the same codec in two profiles
 * is two formats, and a stream of one is nothing to a receiver of the other.
 *
 * Thread: any.
 */
#ifndef SFU_MODEL_RELAY_CODEC_H
#define SFU_MODEL_RELAY_CODEC_H

#include "sfu/wire/keyframe.h"
#include "sfu/wire/picture_numbers.h"
#include "sfu/wire/picture_size.h"
#include "sfu/wire/sdp.h"

enum { RELAY_CODECS_MAX = 8, RELAY_CODEC_NAMES_MAX = 64 };

struct relay_codec {
	enum media_kind kind;
	const char *name;
	uint32_t clock_rate_hz;
	uint8_t channels;
	/* What we offer to who has not named its own; 0: no retransmission format. */
	uint8_t payload_type, rtx_payload_type;
	bool has_video_feedback;	    /* a=rtcp-fb nack, nack pli, ccm fir */
	const char *const *parameters;	    /* of a=fmtp that are passed on; NULL-terminated */
	keyframe_start_fn keyframe_start;   /* NULL: every packet is a start */
	picture_numbers_fn picture_numbers; /* NULL: its descriptor has none */
	picture_sizes_fn picture_sizes;	    /* NULL: we do not read them */
	/* How much we like a format, 0 most; RELAY_CODEC_NEVER if it is not relayed. */
	unsigned (*rank)(const char *fmtp);
	/* Are streams of one what receivers of the other take? */
	bool (*is_same)(const char *fmtp, const char *other);
};
enum { RELAY_CODEC_NEVER = 1000 };

/* By name, in any case; NULL if we do not carry it. */
const struct relay_codec *relay_codec_find(const char *name, uint32_t clock_rate_hz);
const struct relay_codec *relay_codec_find_name(const char *name);

struct media_format {
	const struct relay_codec *codec; /* NULL: none yet */
	char fmtp[SDP_FMTP_MAX];	 /* what is passed on of its parameters */
};

/* False if it is not one that we carry. */
bool media_format_read(const struct sdp_codec *codec, struct media_format *ret_format);
bool media_format_is_same(const struct media_format *format, const struct media_format *other);
/* The numbers that an m-line gives to this format and to its retransmissions (0: none); false if it
 * does not list it. */
bool media_format_find(const struct sdp_media *media, const struct media_format *format,
		       uint8_t *ret_payload_type, uint8_t *ret_rtx_payload_type);

/* The codecs that a room takes, the most wanted first. A kind of which it names none is taken in
 * every codec of the table. */
struct codec_preferences {
	const struct relay_codec *codecs[RELAY_CODECS_MAX];
	size_t count;
};
/* -EINVAL "unsupported_codec": nothing here is called so. A name given twice counts once. */
int codec_preferences_add(struct codec_preferences *preferences, const char *name,
			  struct error *reterr) MUST_CHECK;
/* What of an m-line's formats we would use; NULL if none is relayed or allowed. `preferences` may
 * be NULL: anything that is relayed. */
const struct sdp_codec *codec_preferences_choose(const struct codec_preferences *preferences,
						 const struct sdp_media *media,
						 struct media_format *ret_format);
/* "VP8, VP9", for messages. */
void codec_preferences_names(const struct codec_preferences *preferences, enum media_kind kind,
			     char out[RELAY_CODEC_NAMES_MAX]);

#endif
