/* sender_clock.h - one timeline for the audio and video of a publisher (lip sync).
 *
 * A publisher's sender reports map its RTP clocks to its own NTP clock. We map that NTP clock to
 * ours by one offset for the whole publisher, the smallest (arrival - sent) seen, so the tracks
 * keep their relation exactly and the reports we write carry our time, as round-trip measurement
 * needs. RFC 3550 section 6.4.1. Thread: worker.
 */
#ifndef SFU_MODEL_SENDER_CLOCK_H
#define SFU_MODEL_SENDER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "sfu/wire/rtcp.h"

struct sender_clock { /* one per publisher */
	bool has_offset;
	int64_t offset_ntp; /* our NTP - the publisher's NTP, in 2^-32 s */
};

/* A sender report of any of the publisher's streams arrived at `arrival_ntp`, our clock. */
void sender_clock_on_report(struct sender_clock *clock, ntp_time sent_ntp, ntp_time arrival_ntp);

/* The RTP time of a stream at our time `now_ntp`, from that stream's last report. */
uint32_t sender_clock_rtp_time(const struct sender_clock *clock,
			       const struct rtcp_sender_info *last_report, uint32_t clock_rate_hz,
			       ntp_time now_ntp);

#endif
