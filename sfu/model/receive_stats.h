/* receive_stats.h - what a receiver knows of one incoming SSRC (RFC 3550 appendix A), and the
 * report block it makes of that. Thread: worker. */
#ifndef SFU_MODEL_RECEIVE_STATS_H
#define SFU_MODEL_RECEIVE_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "sfu/wire/rtcp.h"

struct receive_stats {
	uint32_t clock_rate_hz;
	bool has_packet;
	uint16_t highest_sequence; /* and how often it wrapped */
	uint32_t cycles;
	uint32_t base_sequence; /* extended */
	uint64_t received_count, byte_count;
	uint64_t expected_prior, received_prior; /* at the last report */
	double jitter;				 /* timestamp units */
	uint32_t transit;			 /* of the previous packet that tells */
	bool has_transit, has_sender_report;
	struct rtcp_sender_info sender_report;
	uint64_t sender_report_at_us;
};

void receive_stats_init(struct receive_stats *stats, uint32_t clock_rate_hz);
/* A packet that was not received before. One that was sent again because somebody asked took a time
 * that says nothing of the way's jitter. */
void receive_stats_on_packet(struct receive_stats *stats, uint16_t sequence_number,
			     uint32_t rtp_timestamp, bool is_repeat, size_t byte_count,
			     uint64_t now_us);
void receive_stats_on_sender_report(struct receive_stats *stats,
				    const struct rtcp_sender_info *info, uint64_t now_us);
/* The block for the next RR; starts a new interval. */
struct rtcp_report_block receive_stats_report(struct receive_stats *stats, uint32_t ssrc,
					      uint64_t now_us);

#endif
