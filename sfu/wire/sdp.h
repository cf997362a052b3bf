/* sdp.h - the session descriptions WebRTC exchanges (RFC 8866, RFC 9429) as structs, and back.
 *
 * Text is parsed by GStreamer's SDP library; this file turns the attributes that matter to a relay
 * into fields and refuses what cannot work, naming the rule. It decides nothing: which m-line gets
 * which track is model/negotiation's business.
 * Thread: any.
 */
#ifndef SFU_WIRE_SDP_H
#define SFU_WIRE_SDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/cursor.h"
#include "core/error.h"

enum {
	SDP_BYTES_MAX = 64 * 1024,
	/* Or of so many for each m-line, where that is more: browsers list in each all they know.
	 */
	SDP_MEDIA_BYTES_MAX = 4 * 1024,
	SDP_LARGE_BYTES_MAX = 128 * 1024, /* and never more than this */
	SDP_FIELD_MAX = 256 * 1024,	  /* holds one; what is wrong with it sdp_parse() says */
	SDP_MEDIA_MAX = 256,
	SDP_CODECS_MAX = 32, /* per m-line; further ones are passed over */
	SDP_SSRCS_MAX = 8,   /* per m-line */
	SDP_LAYERS_MAX = 3,  /* of simulcast, per m-line; further ones are passed over */
	SDP_MID_MAX = 16,
	SDP_RID_MAX = 16,
	SDP_FMTP_MAX = 256, /* parameters of a codec (NUL included) */
	SDP_TOKEN_MAX = 256 /* ICE ufrag and password, msid parts (NUL included) */
};

enum media_kind { MEDIA_AUDIO, MEDIA_VIDEO, MEDIA_APPLICATION, MEDIA_OTHER };
/* Bits: DIRECTION_SEND | DIRECTION_RECEIVE, from the point of view of whoever wrote the SDP. */
enum sdp_direction {
	DIRECTION_INACTIVE = 0,
	DIRECTION_SEND = 1,
	DIRECTION_RECEIVE = 2,
	DIRECTION_SENDRECV = 3
};
enum dtls_setup { SETUP_NONE, SETUP_ACTPASS, SETUP_ACTIVE, SETUP_PASSIVE };

enum header_extension { /* the ones we know, by URI */
			EXTENSION_NONE,
			EXTENSION_MID,
			EXTENSION_RID,
			EXTENSION_REPAIRED_RID,
			EXTENSION_AUDIO_LEVEL,
			EXTENSION_TRANSPORT_CC,
			EXTENSION_ABS_SEND_TIME,
			EXTENSION_VIDEO_ORIENTATION,
			EXTENSION_PLAYOUT_DELAY,
			EXTENSION_ABS_CAPTURE_TIME,
			EXTENSION_DEPENDENCY_DESCRIPTOR,
			EXTENSION_COUNT
};
const char *header_extension_uri(enum header_extension extension); /* NULL for EXTENSION_NONE */

struct sdp_codec {
	uint8_t payload_type;
	char name[16]; /* as written: "opus", "VP8", "rtx" */
	uint32_t clock_rate_hz;
	uint8_t channels; /* 0 if not given */
	int16_t apt;	  /* rtx: the payload type repaired; otherwise -1 */
	const char *fmtp; /* the parameters, verbatim; the m-line's, "" if none */
	bool nack, nack_pli, ccm_fir, goog_remb, transport_cc; /* a=rtcp-fb, "*" included */
};

struct sdp_media {
	enum media_kind kind;
	char mid[SDP_MID_MAX + 1];
	bool rejected; /* port 0 (without a=bundle-only) */
	enum sdp_direction direction;
	struct sdp_codec *codecs; /* owned; in order of preference */
	size_t codec_count;
	uint8_t extension_ids[EXTENSION_COUNT]; /* 0: it does not list that one */
	bool rtcp_mux, rtcp_rsize;
	char *msid_stream, *msid_track;	   /* owned; NULL if none */
	uint32_t ssrcs[SDP_SSRCS_MAX];	   /* primary media SSRCs, in order */
	uint32_t rtx_ssrcs[SDP_SSRCS_MAX]; /* by ssrc-group:FID, 0 if none */
	size_t ssrc_count;
	/* Simulcast by RID (RFC 8853): the layers that the writer sends, or those that it is ready
	 * to receive, in its order, which says nothing of their size. */
	char rids[SDP_LAYERS_MAX][SDP_RID_MAX + 1];
	size_t rid_count;
	bool rids_are_received;
	/* Simulcast by SSRC (a=ssrc-group:SIM): so many of `ssrcs`, the first ones, are layers of
	 * one picture. 0: none. */
	size_t layer_ssrc_count;
	char *cname;	    /* owned; written with the SSRCs; NULL: none */
	uint16_t sctp_port; /* application only */
};

struct sdp_candidate {
	char address[46]; /* numeric */
	uint16_t port;
	uint32_t priority;
	uint32_t foundation;
	bool is_tcp; /* passive: the peer connects (RFC 6544) */
};

struct sdp {
	char ice_ufrag[SDP_TOKEN_MAX], ice_password[SDP_TOKEN_MAX];
	bool ice_lite;
	/* One packet may have header extensions in the form for large ones, the next in the short
	 * one (RFC 8285 section 6). At session level. */
	bool extmap_allow_mixed;
	uint8_t fingerprint_sha256[32];
	bool has_fingerprint;
	enum dtls_setup setup;
	uint64_t session_id, session_version; /* o= */
	struct sdp_media *media;	      /* owned, with all that is in them */
	size_t media_count;
	struct sdp_candidate *candidates; /* owned; written only, not parsed */
	size_t candidate_count;
};

struct sdp *sdp_new(size_t media_count, size_t candidate_count); /* zeroed; NULL without memory */
struct sdp *sdp_free(struct sdp *sdp);
DEFINE_AUTO(sdp, sdp_free);
/* With all that it owns. NULL without memory. */
struct sdp *sdp_copy(const struct sdp *sdp);

/* Free what an m-line owns; it is empty then. */
void sdp_media_fini(struct sdp_media *media);
/* Add a copy of a codec and of its a=fmtp (NULL: none), up to SDP_CODECS_MAX. -ENOMEM. */
int sdp_media_add_codec(struct sdp_media *media, const struct sdp_codec *codec) MUST_CHECK;
void sdp_media_remove_codec(struct sdp_media *media, struct sdp_codec *codec);
/* Only the first `count`; the others are freed. */
void sdp_media_keep_codecs(struct sdp_media *media, size_t count);
int sdp_codec_set_fmtp(struct sdp_codec *codec, const char *fmtp) MUST_CHECK; /* copied; -ENOMEM */
/* Put a copy of `text` (NULL: none) in the place of one of an m-line's. -ENOMEM: as before. */
int sdp_set_text(char **place, const char *text) MUST_CHECK;

/* Does it describe a transport? Where every m-line is rejected (a browser that has stopped all it
 * had) it need not. */
static inline bool sdp_has_transport(const struct sdp *sdp)
{
	for (size_t i = 0; i < sdp->media_count; i++)
		if (!sdp->media[i].rejected)
			return true;
	return sdp->media_count == 0;
}

/* Parse an offer or answer from a peer. ICE, DTLS and the setup role may stand at session or media
 * level. With BUNDLE fingerprint and setup must be one; of several ICE credentials those of the
 * first m-line count, whose transport it is (RFC 8843 section 7.2). A rejected m-line says nothing
 * of the transport and needs no mid, see sdp_has_transport(); a single m-line needs no group.
 * Codecs that cannot be described in full (no a=rtpmap, a name or a=fmtp too long for us) are left
 * out. Words that are kept are ASCII. Refused, with code "bad_sdp", the field being the SDP line at
 * fault
 * ("a=ice-ufrag", "a=fingerprint", "a=group:BUNDLE", "a=rtcp-mux", "m="; "" for the text as a
 * whole) and the rule in words: -EMSGSIZE  longer than SDP_BYTES_MAX and than its m-lines
 * excuse, more than SDP_MEDIA_MAX m-lines -EPROTO    not SDP; no ICE credentials; no SHA-256
 * fingerprint; m-lines that are not bundled or have no mid, a mid or an SSRC twice; no rtcp-mux; a
 * protocol other than UDP/TLS/RTP/SAVPF or UDP/DTLS/SCTP; SETUP_PASSIVE in an offer is fine here,
 * the model decides -ENOMEM    reterr untouched */
int sdp_parse(const char *text, size_t length, struct sdp **ret_sdp,
	      struct error *reterr) MUST_CHECK;

/* Text of what we say: one BUNDLE group of all m-lines that are not rejected, rtcp-mux, candidates
 * and a=end-of-candidates in the first m-line of these, a=msid-semantic, per m-line ICE,
 * fingerprint and setup. Control characters in a string are left out. MEDIA_OTHER is written as
 * "text". Returns a malloc()ed string, NULL without memory. */
char *sdp_format(const struct sdp *sdp) MUST_CHECK;

/* Look-ups. NULL if there is none. */
const struct sdp_codec *sdp_codec_find_payload_type(const struct sdp_media *media,
						    uint8_t payload_type);
const struct sdp_codec *sdp_codec_find(const struct sdp_media *media, const char *name);
const struct sdp_codec *sdp_codec_find_rtx(const struct sdp_media *media, uint8_t payload_type);
/* The redundant form (RFC 2198) of this audio format. */
const struct sdp_codec *sdp_codec_find_red(const struct sdp_media *media, uint8_t payload_type);
/* The value of one of an a=fmtp's parameters ("profile-id=0;tier=1"), borrowed; names are told
 * apart without regard to case. {NULL, 0} if it is not there. */
struct slice sdp_fmtp_find(const char *fmtp, const char *name);

#endif
