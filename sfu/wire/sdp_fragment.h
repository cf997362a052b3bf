/* sdp_fragment.h - application/trickle-ice-sdpfrag (RFC 8840 section 9): what is said of ICE in a
 * session that was agreed on before, by PATCH of WHIP and WHEP (RFC 9725 section 4.3).
 *
 * Candidates are only looked at for their form: an ICE-lite agent learns addresses from checks.
 * Pure. Thread: any.
 */
#ifndef SFU_WIRE_SDP_FRAGMENT_H
#define SFU_WIRE_SDP_FRAGMENT_H

#include <stddef.h>

#include "core/error.h"
#include "sfu/wire/sdp.h"

enum { SDP_FRAGMENT_BYTES_MAX = 65536, SDP_FRAGMENT_CANDIDATES_MAX = 256 };

struct sdp_fragment {
	char ice_ufrag[SDP_TOKEN_MAX],
		ice_password[SDP_TOKEN_MAX]; /* "": it does not say; both or none */
	size_t candidate_count;
	bool is_complete; /* a=end-of-candidates */
};

/* The credentials may stand at session or media level; of several those of the first m-line count.
 * Lines that have nothing to do with ICE are passed over. Refused with code "bad_sdp_fragment", the
 * field being the line at fault: -EMSGSIZE  longer than SDP_FRAGMENT_BYTES_MAX, more candidates or
 * m-lines than can be -EPROTO    no SDP lines; an ufrag without a password or the other way; no
 * candidate */
int sdp_fragment_parse(const char *text, size_t length, struct sdp_fragment *ret_fragment,
		       struct error *reterr) MUST_CHECK;

/* What `sdp`, which we say, tells of ICE: our credentials and candidates, in its first m-line that
 * is not rejected. malloc()ed; NULL without memory. */
char *sdp_fragment_format(const struct sdp *sdp) MUST_CHECK;

#endif
