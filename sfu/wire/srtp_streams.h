/* srtp_streams.h - the SSRCs of one SRTP context, found in O(1).
 *
 * An open hash with linear probing. A retired SSRC gives its windows back but keeps its slot, so
 * that it can be told from one never seen; slots are thus never emptied and probing needs no care.
 *
 *   absent --add--> live --retire--> retired (for good)
 *
 * The table owns its streams. Thread: whoever owns the table.
 */
#ifndef SFU_WIRE_SRTP_STREAMS_H
#define SFU_WIRE_SRTP_STREAMS_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "sfu/wire/srtp_window.h"

struct srtp_stream {
	uint32_t ssrc;
	struct srtp_window rtp, rtcp;
};

struct srtp_streams {
	struct srtp_slot *slots; /* owned; a power of two, at most half in use */
	size_t slot_count, live_count, retired_count;
	uint32_t multiplier;	  /* odd and secret: SSRCs are the peer's choice */
	struct srtp_stream *last; /* found last; NULL if none */
};

/* -ENOMEM, -EIO without randomness. */
int srtp_streams_init(struct srtp_streams *streams) MUST_CHECK;
void srtp_streams_fini(struct srtp_streams *streams);

/* *ret_stream is borrowed until the SSRC is retired.
 *   -ENOENT  not here    -EEXIST  retired */
int srtp_streams_find(struct srtp_streams *streams, uint32_t ssrc,
		      struct srtp_stream **ret_stream) MUST_CHECK;

/* Whether srtp_streams_add() would be refused for want of room. */
bool srtp_streams_is_full(const struct srtp_streams *streams);

/* Add an SSRC that srtp_streams_find() said is not here.
 *   -ENOSPC  full    -ENOMEM */
int srtp_streams_add(struct srtp_streams *streams, uint32_t ssrc,
		     struct srtp_stream **ret_stream) MUST_CHECK;

/* Harmless for an SSRC that is not here. */
void srtp_streams_retire(struct srtp_streams *streams, uint32_t ssrc);

#endif
