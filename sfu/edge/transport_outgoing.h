/* transport_outgoing.h - a packet as one subscriber sees it: how it is written, the first time
 * (transport_send.c) and again (transport_repeat.c). Thread: worker. */
#ifndef SFU_EDGE_TRANSPORT_OUTGOING_H
#define SFU_EDGE_TRANSPORT_OUTGOING_H

#include "sfu/edge/transport_private.h"

/* The header in `out`, then `prefix`, then the packet's own payload from `skipped` on. */
struct outgoing {
	size_t header_bytes;
	uint16_t transport_sequence;	     /* to be set by the caller: see outgoing_number() */
	bool is_numbered;		     /* with it */
	uint8_t prefix[2 + RED_HEADERS_MAX]; /* a number, and one of these */
	size_t prefix_bytes, skipped;
	bool is_blank; /* nothing behind the header: see forwarder_is_blank() */
};

/* The transport-wide number that a packet gets now. */
static inline uint16_t outgoing_number(const struct send_stream_out *stream)
{
	return stream->transport_cc_id ? transport_next_number(stream->transport) : 0;
}

/* Append what tells the subscriber when this left to a block of `length` bytes: the transport-wide
 * number, or for who estimates by itself the time. Returns the block's bytes, with these. */
int outgoing_append_sending(const struct send_stream_out *stream, uint8_t *block, int length,
			    struct outgoing *outgoing);
void outgoing_write_header(const struct send_stream_out *stream, const struct packet *packet,
			   const struct forwarder_span *span, uint8_t payload_type, uint32_t ssrc,
			   uint16_t sequence_number, uint8_t *out, struct outgoing *outgoing);
/* The payload's descriptor with numbers that go on from the layer before. */
void outgoing_write_descriptor(const struct send_stream_out *stream,
			       const struct forwarder_span *span, const struct packet *packet,
			       struct outgoing *outgoing);
const uint8_t *outgoing_payload(const struct packet *packet, const struct outgoing *outgoing,
				size_t *ret_bytes);
uint8_t outgoing_payload_type(const struct send_stream_out *stream, const struct packet *packet);

#endif
