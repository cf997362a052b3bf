/* negotiation.h - the offers and answers of one peer connection (RFC 9429), as a relay sees them.
 *
 * A peer has one connection: it may offer (to publish) and the SFU may offer (when tracks come and
 * go). This module owns the list of m-lines, decides what each carries (negotiation.c), and writes
 * the SDP (negotiation_write.c). It knows neither sockets nor tracks: what an m-line is bound to is
 * an opaque pointer of the edge's.
 *
 *   STABLE --negotiation_make_offer--> OFFERED --negotiation_take_answer--> STABLE
 *   OFFERED --negotiation_take_offer: both offered at once, ours is void--> STABLE (and dirty)
 *
 * M-lines are never removed: one that carries nothing is inactive and is used again for the next
 * track of its kind. Thread: worker.
 */
#ifndef SFU_MODEL_NEGOTIATION_H
#define SFU_MODEL_NEGOTIATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "sfu/model/relay_codec.h"
#include "sfu/wire/sdp.h"

enum {
	PUBLISHED_TRACKS_MAX = 16, /* of one peer */
	DECLINES_MAX = 5,	   /* of one stream; then it is not offered again */
	REFUSED_FORMATS_MAX = 16   /* remembered of one peer; further ones are offered again */
};

enum negotiation_state { NEGOTIATION_STABLE, NEGOTIATION_OFFERED };

/* The stream we send on an m-line. */
struct send_stream {
	void *binding; /* whose track this is, the edge's; never NULL while in use */
	struct media_format format;
	const char *stream_id, *track_id; /* msid; borrowed, live as long as it is bound */
	uint32_t ssrc, rtx_ssrc;
};

struct media_line {
	enum media_kind kind;
	char mid[SDP_MID_MAX + 1];
	bool is_ours;	  /* we offered it first: a slot for sending */
	bool is_proposed; /* only in an offer of ours that is not answered yet */
	bool is_rejected; /* carries nothing for good (data channels, refused kinds) */

	/* What the peer sends us. */
	bool is_publishing;
	struct media_format format; /* what it sends in, or was last agreed for an idle line */
	uint8_t payload_type, rtx_payload_type; /* its numbers */
	uint8_t red_payload_type; /* audio: it sends redundantly, under this one; 0: not */
	struct sdp_media remote;  /* owned: its side, as last negotiated */
	bool has_remote;

	/* What we send to it. */
	bool is_sending_wanted; /* `send` is bound */
	bool is_sending_live;	/* and the peer has agreed to receive it: media may flow */
	uint8_t decline_count; /* answers that did not receive what is bound: it is offered again */
	struct send_stream send;
	uint8_t send_payload_type, send_rtx_payload_type;
	uint8_t send_red_payload_type; /* 0: it does not take redundant audio */
	/* What our last offer said of this line. */
	uint32_t offered_ssrc;
	uint8_t offered_payload_type, offered_rtx_payload_type;
};

struct negotiation_identity {
	char ice_ufrag[32], ice_password[40];
	uint8_t fingerprint_sha256[32];
	const struct sdp_candidate *candidates; /* borrowed, constant */
	size_t candidate_count;
	char cname[32];
};

struct negotiation {
	enum negotiation_state state;
	bool is_dirty;	 /* something changed that the peer must be offered */
	bool has_remote; /* an offer or answer was accepted: the peer's ICE and DTLS are known */
	struct negotiation_identity identity;
	bool may_publish;		      /* true at first */
	struct codec_preferences preferences; /* for what it publishes; empty at first: anything */
	struct media_format *refused;	      /* owned; offered once, and not taken */
	size_t refused_count;
	uint8_t remote_fingerprint_sha256[32];
	char remote_ufrag[SDP_TOKEN_MAX];
	bool remote_allows_mixed; /* header extensions of both forms; RFC 8285 section 6 */
	uint64_t session_id, session_version;
	uint64_t offer_id;		  /* of our last offer; its answer may say it */
	struct media_line **lines;	  /* owned */
	size_t line_count, offered_count; /* the last: in our last offer */
	uint32_t next_mid;
};

void negotiation_init(struct negotiation *negotiation, const struct negotiation_identity *identity,
		      uint64_t session_id);
void negotiation_fini(struct negotiation *negotiation);

/* The peer offers. On success the answer is in *ret_answer and the lines are up to date.
 * On failure nothing has changed:
 *   -EPROTO "bad_sdp"  m-lines out of order, a mid or kind changed, DTLS roles that cannot work
 *   -EPROTONOSUPPORT "unsupported_codec"  an m-line to publish on has no codec that is allowed
 *   -EPROTO "fingerprint_changed"  a different certificate than before
 *   -E2BIG "too_many_tracks"       more than PUBLISHED_TRACKS_MAX
 *   -EACCES "forbidden"            it publishes, and may not
 *   -ENOMEM                        lines that only we knew of may be lost
 * Streams of ours that find no room behind the peer's lines, or that it cannot take as we see now,
 * are bound to no line any more: see negotiation_has_send(). */
int negotiation_take_offer(struct negotiation *negotiation, const struct sdp *offer,
			   struct sdp **ret_answer, struct error *reterr) MUST_CHECK;

/* Does this offer restart ICE (RFC 8839 section 5.4)? The answer to it must have new credentials of
 * ours: set them in `identity` before it is written. */
bool negotiation_is_ice_restart(const struct negotiation *negotiation, const struct sdp *offer);

/* Outside of an offer (RFC 9725 section 4.3.2). False: it is the ufrag that it has already. */
bool negotiation_restart_ice(struct negotiation *negotiation, const char *remote_ufrag);

/* Can the peer take a stream in this format? What it offers to receive says so. Of who has not
 * offered to receive that kind nothing is known: such a peer is offered it, and its answer says. */
bool negotiation_can_take(const struct negotiation *negotiation, const struct media_format *format);
/* Bind a stream to an m-line that sends to the peer: an idle one of ours, else a new one. The
 * change becomes real with the next offer (is_dirty).
 *   -EPROTONOSUPPORT "unsupported_codec"  see negotiation_can_take()
 *   -ENOMEM   -E2BIG "too_many_media" */
int negotiation_add_send(struct negotiation *negotiation, const struct send_stream *stream,
			 struct error *reterr) MUST_CHECK;
/* The same onto a given line of the peer's own offer, before that offer is answered with
 * negotiation_write_answer() (WHEP). -EPROTONOSUPPORT if the line has not that format. */
int negotiation_bind_send(struct negotiation *negotiation, struct media_line *line,
			  const struct send_stream *stream, struct error *reterr) MUST_CHECK;
/* Is a line bound to it? Not any more once the peer has shown that it cannot take it. */
bool negotiation_has_send(const struct negotiation *negotiation, const void *binding);
/* Does this header extension go from a publisher to its subscribers? */
bool negotiation_passes_on(enum header_extension extension);

/* The number of abs-send-time in what we send on this line, where the peer estimates by it; 0: not.
 */
uint8_t negotiation_abs_send_time_id(const struct negotiation *negotiation,
				     const struct media_line *line);

/* How many layers (simulcast) the peer sends on this m-line: 1 to LAYERS_MAX. */
uint8_t media_line_layer_count(const struct media_line *line);

/* What is bound to `binding` has another name (borrowed) from now on: the next offer says so, none
 * is needed.
 * Returns its line, borrowed; NULL: there is none, or the peer has not agreed to it yet. */
const struct media_line *negotiation_rename_send(struct negotiation *negotiation,
						 const void *binding, const char *stream_id,
						 const char *track_id);
/* Whatever is bound to `binding` ends. */
void negotiation_remove_send(struct negotiation *negotiation, const void *binding);

/* Compose an offer of how things are now. One that is outstanding is void then. -ENOMEM. */
int negotiation_make_offer(struct negotiation *negotiation, struct sdp **ret_offer) MUST_CHECK;
/* The text of an offer, which is made by negotiation_make_offer(), or compose the answer to the
 * last accepted offer once more. */
int negotiation_write(const struct negotiation *negotiation, bool as_offer,
		      struct sdp **ret_sdp) MUST_CHECK;

/* The peer answers our offer: the one of `offer_id`, if it says which; 0: it does not, and an
 * answer to another offer is known by its m-lines alone. On failure nothing has changed: -EPROTO
 * "stale_answer" none is outstanding, or it answers another offer -EPROTO "bad_sdp"      -EPROTO
 * "fingerprint_changed"      -ENOMEM */
int negotiation_take_answer(struct negotiation *negotiation, const struct sdp *answer,
			    uint64_t offer_id, struct error *reterr) MUST_CHECK;

#endif
