#include "tests/unit/cmocka_all.h"

#include "tests/integration/relay/heard.h"

#include "core/clock.h"
#include "sfu/wire/rtp.h"
#include "tests/integration/relay/pair.h"

static void hear_nack(void *data, uint32_t ssrc, const uint16_t *sequence_numbers, size_t count)
{
	struct heard *heard = data;

	heard->nack_ssrc = ssrc;
	heard->nack_sequence = sequence_numbers[0];
	heard->nack_count = count;
}

static void hear_pli(void *data, uint32_t ssrc)
{
	((struct heard *)data)->pli_ssrc = ssrc;
}

static void hear_sender_report(void *data, uint32_t ssrc, const struct rtcp_sender_info *info)
{
	struct heard *heard = data;

	heard->report_ssrc = ssrc;
	heard->report = *info;
}

static void hear_block(void *data, uint32_t reporter, const struct rtcp_report_block *block)
{
	(void)reporter;
	((struct heard *)data)->block = *block;
}

void heard_take(struct heard *heard, const uint8_t *packet, size_t length)
{
	static const struct rtcp_visitor visitor = {.nack = hear_nack,
						    .pli = hear_pli,
						    .sender_report = hear_sender_report,
						    .report_block = hear_block};

	assert_int_equal(rtcp_visit(packet, length, &visitor, heard), 0);
}

void heard_wait(struct heard *heard, struct load_peer *peer,
		bool (*is_enough)(const struct heard *))
{
	uint64_t until_us = clock_now_us() + PATIENCE_MS * 1000u;
	uint8_t packet[2048];

	while (!is_enough(heard) && clock_now_us() < until_us) {
		size_t length = load_peer_receive(peer, 100, packet);

		if (length > 0 && packet_kind_of(packet, length) == PACKET_RTCP)
			heard_take(heard, packet, length);
	}
	assert_true(is_enough(heard));
}

bool heard_has_nack(const struct heard *heard)
{
	return heard->nack_count > 0;
}

bool heard_has_pli(const struct heard *heard)
{
	return heard->pli_ssrc != 0;
}

bool heard_has_sender_report(const struct heard *heard)
{
	return heard->report_ssrc != 0;
}

bool heard_has_block(const struct heard *heard)
{
	return heard->block.ssrc != 0;
}

struct heard_counts heard_count(struct load_peer *peer, int quiet_ms)
{
	struct heard_counts counts = {0};
	uint8_t packet[2048];
	size_t length;

	while ((length = load_peer_receive(peer, quiet_ms, packet)) > 0) {
		struct heard heard = {0};
		struct rtp_header header;

		if (packet_kind_of(packet, length) == PACKET_RTP) {
			assert_int_equal(rtp_header_decode(packet, length, false, &header), 0);
			counts.rtx += header.payload_type == LOAD_RTX;
		} else {
			heard_take(&heard, packet, length);
			counts.plis += heard.pli_ssrc != 0;
		}
	}
	return counts;
}
