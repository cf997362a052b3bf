#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sfu/wire/rtcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was told, every byte of it read, so that a sanitizer sees what is not there. */
struct told {
	uint8_t sum;
	size_t count;
};

static void read_all(struct told *told, const void *bytes, size_t length)
{
	const uint8_t *byte = bytes;

	told->count++;
	for (size_t i = 0; i < length; i++)
		told->sum = (uint8_t)(told->sum + byte[i]);
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void on_sender_report(void *data, uint32_t ssrc, const struct rtcp_sender_info *info)
{
	read_all(data, &ssrc, sizeof(ssrc));
	read_all(data, info, sizeof(*info));
}

static void on_report_block(void *data, uint32_t reporter_ssrc,
			    const struct rtcp_report_block *block)
{
	read_all(data, &reporter_ssrc, sizeof(reporter_ssrc));
	read_all(data, &block->ssrc, sizeof(block->ssrc));
	read_all(data, &block->fraction_lost, 1); /* after it there is padding */
	read_all(data, &block->cumulative_lost,
		 sizeof(*block) - offsetof(struct rtcp_report_block, cumulative_lost));
	must(block->cumulative_lost >= -(1 << 23) && block->cumulative_lost < 1 << 23);
}

static void on_nack(void *data, uint32_t media_ssrc, const uint16_t *sequence_numbers, size_t count)
{
	uint8_t bytes[4096];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	must(count > 0 && count <= RTCP_NACK_MAX);
	read_all(data, &media_ssrc, sizeof(media_ssrc));
	read_all(data, sequence_numbers, count * sizeof(*sequence_numbers));
	rtcp_write_nack(&writer, 1, media_ssrc, sequence_numbers, count);
}

static void on_pli(void *data, uint32_t media_ssrc)
{
	read_all(data, &media_ssrc, sizeof(media_ssrc));
}

static void on_fir(void *data, uint32_t media_ssrc, uint8_t command_sequence)
{
	read_all(data, &media_ssrc, sizeof(media_ssrc));
	read_all(data, &command_sequence, sizeof(command_sequence));
}

static void on_remb(void *data, uint64_t bitrate_bps)
{
	read_all(data, &bitrate_bps, sizeof(bitrate_bps));
}

static void on_bye(void *data, uint32_t ssrc)
{
	read_all(data, &ssrc, sizeof(ssrc));
}

static bool on_arrival(void *data, uint16_t transport_sequence, bool has_arrived,
		       int64_t arrival_us)
{
	read_all(data, &transport_sequence, sizeof(transport_sequence));
	if (has_arrived)
		read_all(data, &arrival_us, sizeof(arrival_us));
	return true;
}

static void on_transport_feedback(void *data, struct slice packet)
{
	read_all(data, packet.data, packet.length);
	(void)!rtcp_read_transport_feedback(packet, on_arrival, data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rtcp_visitor visitor = {
		.sender_report = on_sender_report,
		.report_block = on_report_block,
		.nack = on_nack,
		.pli = on_pli,
		.fir = on_fir,
		.remb = on_remb,
		.transport_feedback = on_transport_feedback,
		.bye = on_bye,
	};
	static const struct rtcp_visitor nobody;
	static volatile uint8_t sink; /* nothing is read for nothing */
	uint64_t arrivals_us[512] = {0};
	uint8_t bytes[1200];
	struct writer writer = writer_over(bytes, size % sizeof(bytes));
	size_t count = size < sizeof(arrivals_us) ? size / 8 : 512;
	struct told told = {0};
	int r = rtcp_visit(data, size, &visitor, &told);

	sink = (uint8_t)(sink + told.sum);
	/* Who listens changes nothing of what fits. */
	must(rtcp_visit(data, size, &nobody, NULL) == r);
	if (count > 0)
		memcpy(arrivals_us, data, count * 8);
	(void)rtcp_write_transport_feedback(&writer, 1, 2, 3, arrivals_us, count, 0);
	return 0;
}
