/* sdp_parsing.h - a session description half read: shared by sdp_parse.c, which knows its lines and
 * judges the whole, and sdp_attributes.c, which knows each attribute.
 *
 * Private to the wire ring. Thread: any.
 */
#ifndef SFU_WIRE_SDP_PARSING_H
#define SFU_WIRE_SDP_PARSING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cursor.h"
#include "core/error.h"
#include "sfu/wire/sdp.h"

enum { SDP_NAMED_SSRCS_MAX = 4 * SDP_SSRCS_MAX /* with RTX and FEC */ };

/* The SSRC lines of one m-line as they come. */
struct sdp_named_ssrcs {
	uint32_t ssrcs[SDP_NAMED_SSRCS_MAX];
	size_t count;
	struct {
		uint32_t primary, secondary;
		bool is_retransmission; /* FID, otherwise a kind of FEC */
	} pairs[SDP_NAMED_SSRCS_MAX];
	size_t pair_count;
	uint32_t layers[SDP_LAYERS_MAX]; /* of SIM */
	size_t layer_count;
};

struct sdp_parsing {
	struct sdp *sdp;
	struct sdp_media *media; /* NULL at session level */
	struct sdp_named_ssrcs named;
	enum sdp_direction session_direction;
	const char *bundle; /* the value of a=group:BUNDLE, borrowed; NULL if there is none */
	bool has_media_ufrag, has_media_password;
	struct error *reterr;
};

#define SDP_REFUSE(parsing, field, ...)                                                            \
	error_set_field((parsing)->reterr, -EPROTO, "bad_sdp", field, __VA_ARGS__)

/* Take one "a=name:value" in; a name we do not know, or not at this level, is passed over.
 * -EPROTO with reterr filled for a value that cannot be. */
int sdp_attribute_read(struct sdp_parsing *parsing, const char *name, const char *value) MUST_CHECK;

struct sdp_codec *sdp_codec_of(struct sdp_media *media, uint64_t payload_type); /* NULL if none */

/* ---- words, the pieces of a value ---- */

/* The next word up to a space, moving *text behind it; empty at the end. */
struct slice sdp_next_word(const char **text);
/* Digits at the front of `word`, moving it behind them; false if there are none or too many. */
bool sdp_word_take_number(struct slice *word, uint64_t max, uint64_t *ret_number);
/* The next word, being a number and nothing else. */
bool sdp_next_number(const char **text, uint64_t max, uint64_t *ret_number);

#endif
