/* rtp.h - RTP packets (RFC 3550) and their header extensions (RFC 8285).
 *
 * Reads headers from bytes and writes them; knows nothing of streams, keys or sockets.
 * Thread: any.
 */
#ifndef SFU_WIRE_RTP_H
#define SFU_WIRE_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/cursor.h"

enum {
	RTP_HEADER_BYTES = 12,	      /* the fixed part */
	RTP_EXTENSION_ID_MAX = 14,    /* of the one-byte form */
	RTP_EXTENSION_BLOCK_MAX = 256 /* bytes of extensions we will forward */
};

/* What a datagram on the media port is, by its first bytes (RFC 7983, RFC 5761). */
enum packet_kind { PACKET_UNKNOWN, PACKET_STUN, PACKET_DTLS, PACKET_RTP, PACKET_RTCP };
enum packet_kind packet_kind_of(const uint8_t *bytes, size_t length);

struct rtp_header {
	uint8_t payload_type; /* 7 bits */
	bool marker;
	uint16_t sequence_number;
	uint32_t rtp_timestamp;
	uint32_t ssrc;
	uint16_t header_bytes;	   /* offset of the payload: fixed part, CSRCs, extension block */
	uint16_t extension_bytes;  /* elements only, without the 4-byte profile and length */
	uint16_t extension_offset; /* of the first element; 0 if the packet has no extension */
	bool extension_two_byte;   /* profile 0x100x rather than 0xBEDE */
	uint8_t padding_bytes;	   /* at the end of the packet, its count byte included */
};

/* Decode the header of a packet of `length` bytes. SRTP-protected packets are fine with
 * `is_protected`: their padding is unreadable and left 0.
 *   -EBADMSG  not RTP version 2, or any length that points outside the packet */
int rtp_header_decode(const uint8_t *bytes, size_t length, bool is_protected,
		      struct rtp_header *ret_header) MUST_CHECK;

/* Bytes of media: the packet without header and padding. */
static inline size_t rtp_payload_bytes(const struct rtp_header *header, size_t length)
{
	return length - header->header_bytes - header->padding_bytes;
}

/* The element with this id, borrowed from the packet; {NULL, 0} if there is none. */
struct slice rtp_extension_find(const struct rtp_header *header, const uint8_t *bytes, uint8_t id);

/* For each element call `visit`; stops at damage. */
typedef void (*rtp_extension_fn)(void *data, uint8_t id, struct slice element);
void rtp_extension_for_each(const struct rtp_header *header, const uint8_t *bytes,
			    rtp_extension_fn visit, void *data);

/* A number that an element has in its second and third byte (the dependency descriptor: of the
 * frame), moved on. */
struct rtp_extension_shift {
	uint8_t id; /* incoming; 0: none */
	uint16_t by;
};

/* Renumber extensions for one receiver: `id_map[in] = out`, 0 drops the element. Elements are
 * written in the form (one- or two-byte) that they came in, with profile, length and padding to 4.
 * Writes nothing and returns 0 if no element is kept. Returns the bytes written, or -EMSGSIZE. */
int rtp_extension_block_rewrite(const struct rtp_header *header, const uint8_t *bytes,
				const uint8_t id_map[16], struct rtp_extension_shift shift,
				uint8_t *out, size_t capacity) MUST_CHECK;

/* Append an element of 1 to 16 bytes to such a block of `length` bytes (0: begin one, in the
 * one-byte form). Returns the new length, or -EMSGSIZE. */
int rtp_extension_block_append(uint8_t *out, size_t length, size_t capacity, uint8_t id,
			       const uint8_t *data, size_t data_bytes) MUST_CHECK;

/* The abs-capture-time extension, `element` of the packet `bytes`: when a picture or sound was
 * captured, by its source's clock, and maybe how far that is ahead of the sender's. Whoever passes
 * the packet on becomes the sender: move the second on by what the last sender's clock is ahead of
 * the next one's, in 2^-32 s. Where it is not told nothing happens. */
void rtp_capture_time_pass_on(uint8_t *bytes, struct slice element, int64_t ahead_ntp);

/* When a packet is sent, as the abs-send-time extension tells it: 24 bits, 6.18 seconds. */
enum { RTP_ABS_SEND_TIME_BYTES = 3 };
static inline void rtp_abs_send_time_encode(uint8_t out[RTP_ABS_SEND_TIME_BYTES], uint64_t now_us)
{
	/* Whole turns of 64 s first: the product would not fit after three months. */
	uint32_t time = (uint32_t)(((now_us % 64000000u) << 18) / 1000000u);

	out[0] = (uint8_t)(time >> 16);
	out[1] = (uint8_t)(time >> 8);
	out[2] = (uint8_t)time;
}

/* Write the 12 fixed bytes: version 2, no CSRC; `has_extension` sets X, `has_padding` sets P. */
void rtp_header_encode(uint8_t out[RTP_HEADER_BYTES], uint8_t payload_type, bool marker,
		       bool has_extension, bool has_padding, uint16_t sequence_number,
		       uint32_t rtp_timestamp, uint32_t ssrc);

/* RFC 6464 audio level: 0 (loudest) to 127 (silence), in -dBov. */
static inline uint8_t rtp_audio_level_of(struct slice element)
{
	return element.length ? element.data[0] & 0x7f : 127;
}

/* a follows b in sequence space (RFC 1982), across the wrap. */
static inline bool rtp_sequence_is_newer(uint16_t a, uint16_t b)
{
	return a != b && (uint16_t)(a - b) < 0x8000;
}

#endif
