/* rtcp.h - RTCP: SR, RR, SDES, BYE (RFC 3550), NACK, PLI, REMB (RFC 4585, draft-alvestrand-rmcat-
 * remb), FIR (RFC 5104), transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions).
 *
 * The SFU ends RTCP on each side: it reads what a peer says and writes what it has to say itself.
 * Thread: any.
 */
#ifndef SFU_WIRE_RTCP_H
#define SFU_WIRE_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/cursor.h"

enum { RTCP_NACK_MAX = 253, RTCP_REPORTS_MAX = 31 };

/* 64-bit NTP time: seconds since 1900 in the upper half, fraction in the lower. */
typedef uint64_t ntp_time;
/* The middle 32 bits, as LSR carries them. */
static inline uint32_t ntp_middle(ntp_time ntp)
{
	return (uint32_t)(ntp >> 16);
}
ntp_time ntp_from_unix_us(uint64_t unix_us);

struct rtcp_sender_info {
	ntp_time ntp;
	uint32_t rtp_timestamp, packet_count, octet_count;
};

struct rtcp_report_block {
	uint32_t ssrc;
	uint8_t fraction_lost;	      /* of 256 */
	int32_t cumulative_lost;      /* 24 bits, signed */
	uint32_t highest_sequence;    /* extended */
	uint32_t jitter;	      /* in timestamp units */
	uint32_t last_sr;	      /* ntp_middle() of the last SR, 0 if none */
	uint32_t delay_since_last_sr; /* 1/65536 s */
};

/* What a compound packet says, told in its order. Members may be NULL. Everything is borrowed for
 * the call. */
struct rtcp_visitor {
	void (*sender_report)(void *data, uint32_t ssrc, const struct rtcp_sender_info *info);
	void (*report_block)(void *data, uint32_t reporter_ssrc,
			     const struct rtcp_report_block *block);
	void (*nack)(void *data, uint32_t media_ssrc, const uint16_t *sequence_numbers,
		     size_t count); /* generic NACK, its bit masks spelled out; a long one is
				     * told in pieces of RTCP_NACK_MAX */
	void (*pli)(void *data, uint32_t media_ssrc);
	void (*fir)(void *data, uint32_t media_ssrc, uint8_t command_sequence);
	void (*remb)(void *data, uint64_t bitrate_bps);
	void (*transport_feedback)(void *data,
				   struct slice packet); /* whole, for a later decoder */
	void (*bye)(void *data, uint32_t ssrc);
};

/* Walk a plain (unprotected) compound packet. Unknown types are passed over.
 *   -EBADMSG  version, length or count does not fit; what came before it has been told */
int rtcp_visit(const uint8_t *bytes, size_t length, const struct rtcp_visitor *visitor,
	       void *data) MUST_CHECK;

/* Writers append one packet of a compound to `writer` (which fails if it does not fit). Counts are
 * at most RTCP_REPORTS_MAX for blocks and 255 for REMB's SSRCs; a CNAME is cut at 255 bytes. */
void rtcp_write_sender_report(struct writer *writer, uint32_t ssrc,
			      const struct rtcp_sender_info *info,
			      const struct rtcp_report_block *blocks, size_t count);
void rtcp_write_receiver_report(struct writer *writer, uint32_t ssrc,
				const struct rtcp_report_block *blocks, size_t count);
void rtcp_write_sdes_cname(struct writer *writer, uint32_t ssrc, const char *cname);
void rtcp_write_nack(struct writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc,
		     const uint16_t *sequence_numbers, size_t count); /* ascending */
void rtcp_write_pli(struct writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc);
void rtcp_write_fir(struct writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc,
		    uint8_t command_sequence);
void rtcp_write_remb(struct writer *writer, uint32_t sender_ssrc, uint64_t bitrate_bps,
		     const uint32_t *ssrcs, size_t count);
void rtcp_write_bye(struct writer *writer, uint32_t ssrc);

/* Transport-wide feedback: `arrivals_us[i]` is when sequence number base+i arrived, or 0 if it did
 * not; monotonic µs. Uses run-length and two-bit status chunks and 250 µs deltas, starting at a
 * reference time that is a multiple of 64 ms. Writes as many as fit in `writer` and in one packet,
 * and ends before a delta over 8 s; returns how many of `count` it covered (0, with nothing
 * written, if none fits or none arrived). */
size_t rtcp_write_transport_feedback(struct writer *writer, uint32_t sender_ssrc,
				     uint32_t media_ssrc, uint16_t base_sequence,
				     const uint64_t *arrivals_us, size_t count,
				     uint8_t feedback_count);

/* Read one such packet, whole: each packet that it tells of in order, with its arrival in the
 * receiver's own time, µs; what is between them is right, what it begins at says nothing. Two bytes
 * may tell of 8191 packets: `tell` returns false when it has heard enough.
 *   -EBADMSG  counts or lengths do not fit; what came before has been told */
typedef bool (*transport_feedback_fn)(void *data, uint16_t transport_sequence, bool has_arrived,
				      int64_t arrival_us);
int rtcp_read_transport_feedback(struct slice packet, transport_feedback_fn tell,
				 void *data) MUST_CHECK;

#endif
