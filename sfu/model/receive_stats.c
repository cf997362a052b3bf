#include "sfu/model/receive_stats.h"

#include <math.h>
#include <string.h>

#include "sfu/wire/rtp.h"

void receive_stats_init(struct receive_stats *stats, uint32_t clock_rate_hz)
{
	memset(stats, 0, sizeof(*stats));
	stats->clock_rate_hz = clock_rate_hz;
}

/* RFC 3550 appendix A.8: the smoothed difference of transit times. */
static void update_jitter(struct receive_stats *stats, uint32_t rtp_timestamp, uint64_t now_us)
{
	uint32_t arrival = (uint32_t)(now_us * stats->clock_rate_hz / 1000000u);
	uint32_t transit = arrival - rtp_timestamp;
	double difference = (double)(int32_t)(transit - stats->transit);

	if (stats->has_transit)
		stats->jitter += (fabs(difference) - stats->jitter) / 16;
	stats->has_transit = true;
	stats->transit = transit;
}

void receive_stats_on_packet(struct receive_stats *stats, uint16_t sequence_number,
			     uint32_t rtp_timestamp, bool is_repeat, size_t byte_count,
			     uint64_t now_us)
{
	if (!stats->has_packet) {
		stats->has_packet = true;
		stats->highest_sequence = sequence_number;
		stats->base_sequence = sequence_number;
	} else if (rtp_sequence_is_newer(sequence_number, stats->highest_sequence)) {
		if (sequence_number < stats->highest_sequence)
			stats->cycles += 0x10000;
		stats->highest_sequence = sequence_number;
	}
	stats->received_count++;
	stats->byte_count += byte_count;
	if (!is_repeat)
		update_jitter(stats, rtp_timestamp, now_us);
}

void receive_stats_on_sender_report(struct receive_stats *stats,
				    const struct rtcp_sender_info *info, uint64_t now_us)
{
	stats->has_sender_report = true;
	stats->sender_report = *info;
	stats->sender_report_at_us = now_us;
}

static int32_t clamp_24_bits(int64_t value)
{
	return value > 0x7fffff ? 0x7fffff : value < -0x800000 ? -0x800000 : (int32_t)value;
}

struct rtcp_report_block receive_stats_report(struct receive_stats *stats, uint32_t ssrc,
					      uint64_t now_us)
{
	struct rtcp_report_block block = {.ssrc = ssrc};
	uint64_t expected, expected_interval, received_interval;

	if (!stats->has_packet)
		return block;
	block.highest_sequence = stats->cycles | stats->highest_sequence;
	expected = (uint64_t)block.highest_sequence - stats->base_sequence + 1;
	block.cumulative_lost = clamp_24_bits((int64_t)expected - (int64_t)stats->received_count);
	expected_interval = expected - stats->expected_prior;
	received_interval = stats->received_count - stats->received_prior;
	if (expected_interval > received_interval)
		block.fraction_lost = (uint8_t)(((expected_interval - received_interval) << 8) /
						(expected_interval + 1)); /* below 256 */
	stats->expected_prior = expected;
	stats->received_prior = stats->received_count;
	block.jitter = (uint32_t)stats->jitter;
	if (stats->has_sender_report) {
		block.last_sr = ntp_middle(stats->sender_report.ntp);
		block.delay_since_last_sr =
			(uint32_t)(((now_us - stats->sender_report_at_us) << 16) / 1000000u);
	}
	return block;
}
