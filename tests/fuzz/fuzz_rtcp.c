#include <stdint.h>
#include <string.h>

#include "sfu/wire/rtcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_nack(void *data, uint32_t media_ssrc, const uint16_t *sequence_numbers, size_t count)
{
	uint8_t bytes[4096];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	(void)data;
	rtcp_write_nack(&writer, 1, media_ssrc, sequence_numbers, count);
}

static bool on_arrival(void *data, uint16_t transport_sequence, bool has_arrived,
		       int64_t arrival_us)
{
	*(uint8_t *)data = (uint8_t)(transport_sequence + has_arrived + arrival_us);
	return true;
}

static void on_transport_feedback(void *data, struct slice packet)
{
	(void)!rtcp_read_transport_feedback(packet, on_arrival, data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rtcp_visitor visitor = {
		.nack = on_nack,
		.transport_feedback = on_transport_feedback,
	};
	uint64_t arrivals_us[512] = {0};
	uint8_t last, bytes[1200];
	struct writer writer = writer_over(bytes, size % sizeof(bytes));
	size_t count = size < sizeof(arrivals_us) ? size / 8 : 512;

	(void)!rtcp_visit(data, size, &visitor, &last);
	if (count > 0)
		memcpy(arrivals_us, data, count * 8);
	(void)rtcp_write_transport_feedback(&writer, 1, 2, 3, arrivals_us, count, 0);
	return 0;
}
