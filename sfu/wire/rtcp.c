#include "sfu/wire/rtcp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "sfu/wire/rtcp_types.h"

enum {
	REPORT_BLOCK_BYTES = 24,
	CNAME_ITEM = 1,
	CNAME_MAX = 255,
	REMB_MANTISSA_MAX = (1 << 18) - 1
};

static const uint32_t remb_identifier = 0x52454d42; /* "REMB" */
static const uint64_t unix_epoch_in_ntp_seconds = 2208988800;

ntp_time ntp_from_unix_us(uint64_t unix_us)
{
	uint64_t seconds = unix_us / 1000000 + unix_epoch_in_ntp_seconds;

	return seconds << 32 | (unix_us % 1000000 << 32) / 1000000;
}

/* ---- reading ---- */

/* One packet of a compound, its padding taken off. */
struct rtcp_packet {
	uint8_t count; /* or feedback message type */
	uint8_t type;
	struct slice whole;
	struct reader body; /* behind the first 4 bytes */
};

static bool next_packet(struct reader *compound, struct rtcp_packet *ret_packet)
{
	size_t start = compound->offset, length;
	uint8_t first = read_u8(compound);
	const uint8_t *body;

	ret_packet->type = read_u8(compound);
	length = (size_t)read_u16(compound) * 4;
	body = read_bytes(compound, length);
	if (!body || first >> 6 != 2)
		return false;
	ret_packet->count = first & 0x1f;
	ret_packet->whole = (struct slice){compound->data + start, 4 + length};
	if (first & 0x20) {
		uint8_t padding = length > 0 ? body[length - 1] : 0;

		if (padding == 0 || padding > length)
			return false;
		length -= padding;
	}
	ret_packet->body = reader_over(body, length);
	return true;
}

static struct rtcp_report_block read_report_block(struct reader *reader)
{
	struct rtcp_report_block block = {.ssrc = read_u32(reader)};
	uint32_t lost;

	block.fraction_lost = read_u8(reader);
	lost = read_u24(reader);
	block.cumulative_lost = (int32_t)lost - (lost & 0x800000 ? 0x1000000 : 0);
	block.highest_sequence = read_u32(reader);
	block.jitter = read_u32(reader);
	block.last_sr = read_u32(reader);
	block.delay_since_last_sr = read_u32(reader);
	return block;
}

static bool visit_report(struct rtcp_packet *packet, const struct rtcp_visitor *visitor, void *data)
{
	struct reader *reader = &packet->body;
	uint32_t ssrc = read_u32(reader);
	struct rtcp_sender_info info;

	if (packet->type == RTCP_SENDER_REPORT) {
		info.ntp = read_u64(reader);
		info.rtp_timestamp = read_u32(reader);
		info.packet_count = read_u32(reader);
		info.octet_count = read_u32(reader);
	}
	/* What follows the blocks is a profile's extension (RFC 3550 section 6.4.3). */
	if (reader->failed || reader_left(reader) < (size_t)packet->count * REPORT_BLOCK_BYTES)
		return false;
	if (packet->type == RTCP_SENDER_REPORT && visitor->sender_report)
		visitor->sender_report(data, ssrc, &info);
	for (uint8_t i = 0; i < packet->count; i++) {
		struct rtcp_report_block block = read_report_block(reader);

		if (visitor->report_block)
			visitor->report_block(data, ssrc, &block);
	}
	return true;
}

static bool visit_bye(struct rtcp_packet *packet, const struct rtcp_visitor *visitor, void *data)
{
	if (reader_left(&packet->body) < (size_t)packet->count * 4)
		return false;
	for (uint8_t i = 0; i < packet->count; i++) {
		uint32_t ssrc = read_u32(&packet->body);

		if (visitor->bye)
			visitor->bye(data, ssrc);
	}
	return true;
}

/* RFC 4585 section 6.2.1: pairs of a packet id and a bit mask of the 16 after it. */
static bool visit_nack(struct reader *reader, uint32_t media_ssrc,
		       const struct rtcp_visitor *visitor, void *data)
{
	uint16_t numbers[RTCP_NACK_MAX];
	size_t count = 0;

	if (reader_left(reader) == 0 || reader_left(reader) % 4 != 0)
		return false;
	if (!visitor->nack)
		return true;
	while (reader_left(reader) > 0) {
		uint16_t packet_id = read_u16(reader);
		uint32_t mask = (uint32_t)read_u16(reader) << 1 | 1;

		for (uint16_t i = 0; i <= 16; i++) {
			if (!(mask >> i & 1))
				continue;
			if (count == ARRAY_LEN(numbers)) {
				visitor->nack(data, media_ssrc, numbers, count);
				count = 0;
			}
			numbers[count++] = (uint16_t)(packet_id + i);
		}
	}
	visitor->nack(data, media_ssrc, numbers, count);
	return true;
}

/* RFC 5104 section 4.3.1: whom it concerns stands in each entry. */
static bool visit_fir(struct reader *reader, const struct rtcp_visitor *visitor, void *data)
{
	if (reader_left(reader) == 0 || reader_left(reader) % 8 != 0)
		return false;
	while (reader_left(reader) > 0) {
		uint32_t ssrc = read_u32(reader);
		uint8_t command_sequence = read_u8(reader);

		(void)read_u24(reader); /* reserved */
		if (visitor->fir)
			visitor->fir(data, ssrc, command_sequence);
	}
	return true;
}

/* Application layer feedback; any but REMB is someone else's and passed over. */
static bool visit_remb(struct reader *reader, const struct rtcp_visitor *visitor, void *data)
{
	uint64_t mantissa, bitrate_bps;
	uint32_t word;
	uint8_t ssrc_count, exponent;

	if (read_u32(reader) != remb_identifier)
		return true;
	ssrc_count = read_u8(reader);
	word = read_u24(reader);
	if (reader->failed || reader_left(reader) < (size_t)ssrc_count * 4)
		return false;
	exponent = (uint8_t)(word >> 18);
	mantissa = word & REMB_MANTISSA_MAX;
	bitrate_bps = mantissa << exponent;
	if (bitrate_bps >> exponent != mantissa)
		bitrate_bps = UINT64_MAX;
	if (visitor->remb)
		visitor->remb(data, bitrate_bps);
	return true;
}

static bool visit_feedback(struct rtcp_packet *packet, const struct rtcp_visitor *visitor,
			   void *data)
{
	struct reader *reader = &packet->body;
	bool is_transport = packet->type == RTCP_TRANSPORT_FEEDBACK;
	uint32_t media_ssrc;

	(void)read_u32(reader); /* of the sender */
	media_ssrc = read_u32(reader);
	if (reader->failed)
		return false;
	if (is_transport && packet->count == RTPFB_NACK)
		return visit_nack(reader, media_ssrc, visitor, data);
	if (is_transport && packet->count == RTPFB_TRANSPORT_CC) {
		if (reader_left(reader) < 8)
			return false;
		if (visitor->transport_feedback)
			visitor->transport_feedback(data, packet->whole);
	}
	if (!is_transport && packet->count == PSFB_PLI && visitor->pli)
		visitor->pli(data, media_ssrc);
	if (!is_transport && packet->count == PSFB_FIR)
		return visit_fir(reader, visitor, data);
	if (!is_transport && packet->count == PSFB_APPLICATION)
		return visit_remb(reader, visitor, data);
	return true;
}

int rtcp_visit(const uint8_t *bytes, size_t length, const struct rtcp_visitor *visitor, void *data)
{
	struct reader compound = reader_over(bytes, length);
	struct rtcp_packet packet;

	do {
		bool is_sound = next_packet(&compound, &packet);

		if (!is_sound)
			return -EBADMSG;
		switch (packet.type) {
		case RTCP_SENDER_REPORT:
		case RTCP_RECEIVER_REPORT:
			is_sound = visit_report(&packet, visitor, data);
			break;
		case RTCP_BYE:
			is_sound = visit_bye(&packet, visitor, data);
			break;
		case RTCP_TRANSPORT_FEEDBACK:
		case RTCP_PAYLOAD_FEEDBACK:
			is_sound = visit_feedback(&packet, visitor, data);
			break;
		default: /* a byte from the wire, not an enum of ours */
			break;
		}
		if (!is_sound)
			return -EBADMSG;
	} while (reader_left(&compound) > 0);
	return 0;
}

/* ---- writing ---- */

size_t rtcp_packet_begin(struct writer *writer, uint8_t count, enum rtcp_type type)
{
	size_t start = writer->offset;

	write_u8(writer, (uint8_t)(0x80 | count));
	write_u8(writer, (uint8_t)type);
	write_u16(writer, 0);
	return start;
}

void rtcp_packet_end(struct writer *writer, size_t start)
{
	size_t words;

	while ((writer->offset - start) % 4 != 0 && !writer->failed)
		write_u8(writer, 0);
	words = (writer->offset - start) / 4 - 1;
	if (writer->failed || words > UINT16_MAX) {
		writer->failed = true;
		return;
	}
	writer->data[start + 2] = (uint8_t)(words >> 8);
	writer->data[start + 3] = (uint8_t)words;
}

static void write_report_blocks(struct writer *writer, const struct rtcp_report_block *blocks,
				size_t count)
{
	for (size_t i = 0; i < count; i++) {
		write_u32(writer, blocks[i].ssrc);
		write_u8(writer, blocks[i].fraction_lost);
		write_u24(writer, (uint32_t)blocks[i].cumulative_lost);
		write_u32(writer, blocks[i].highest_sequence);
		write_u32(writer, blocks[i].jitter);
		write_u32(writer, blocks[i].last_sr);
		write_u32(writer, blocks[i].delay_since_last_sr);
	}
}

void rtcp_write_sender_report(struct writer *writer, uint32_t ssrc,
			      const struct rtcp_sender_info *info,
			      const struct rtcp_report_block *blocks, size_t count)
{
	size_t start = rtcp_packet_begin(writer, (uint8_t)count, RTCP_SENDER_REPORT);

	assert(count <= RTCP_REPORTS_MAX);
	write_u32(writer, ssrc);
	write_u64(writer, info->ntp);
	write_u32(writer, info->rtp_timestamp);
	write_u32(writer, info->packet_count);
	write_u32(writer, info->octet_count);
	write_report_blocks(writer, blocks, count);
	rtcp_packet_end(writer, start);
}

void rtcp_write_receiver_report(struct writer *writer, uint32_t ssrc,
				const struct rtcp_report_block *blocks, size_t count)
{
	size_t start = rtcp_packet_begin(writer, (uint8_t)count, RTCP_RECEIVER_REPORT);

	assert(count <= RTCP_REPORTS_MAX);
	write_u32(writer, ssrc);
	write_report_blocks(writer, blocks, count);
	rtcp_packet_end(writer, start);
}

void rtcp_write_sdes_cname(struct writer *writer, uint32_t ssrc, const char *cname)
{
	size_t start = rtcp_packet_begin(writer, 1, RTCP_SOURCE_DESCRIPTION);
	size_t length = strnlen(cname, CNAME_MAX);

	write_u32(writer, ssrc);
	write_u8(writer, CNAME_ITEM);
	write_u8(writer, (uint8_t)length);
	write_bytes(writer, cname, length);
	write_u8(writer, 0); /* ends the items; rtcp_packet_end() fills the word up */
	rtcp_packet_end(writer, start);
}

static size_t feedback_begin(struct writer *writer, uint8_t format, enum rtcp_type type,
			     uint32_t sender_ssrc, uint32_t media_ssrc)
{
	size_t start = rtcp_packet_begin(writer, format, type);

	write_u32(writer, sender_ssrc);
	write_u32(writer, media_ssrc);
	return start;
}

void rtcp_write_nack(struct writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc,
		     const uint16_t *sequence_numbers, size_t count)
{
	size_t start = feedback_begin(writer, RTPFB_NACK, RTCP_TRANSPORT_FEEDBACK, sender_ssrc,
				      media_ssrc);

	for (size_t i = 0; i < count;) {
		uint16_t packet_id = sequence_numbers[i++], mask = 0;

		while (i < count) {
			uint16_t ahead = (uint16_t)(sequence_numbers[i] - packet_id);

			if (ahead > 16)
				break;
			if (ahead > 0)
				mask |= (uint16_t)(1u << (ahead - 1));
			i++;
		}
		write_u16(writer, packet_id);
		write_u16(writer, mask);
	}
	rtcp_packet_end(writer, start);
}

void rtcp_write_pli(struct writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc)
{
	size_t start =
		feedback_begin(writer, PSFB_PLI, RTCP_PAYLOAD_FEEDBACK, sender_ssrc, media_ssrc);

	rtcp_packet_end(writer, start);
}

void rtcp_write_fir(struct writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc,
		    uint8_t command_sequence)
{
	/* RFC 5104 section 4.3.1.2: the media SSRC of the common header is 0. */
	size_t start = feedback_begin(writer, PSFB_FIR, RTCP_PAYLOAD_FEEDBACK, sender_ssrc, 0);

	write_u32(writer, media_ssrc);
	write_u8(writer, command_sequence);
	write_u24(writer, 0);
	rtcp_packet_end(writer, start);
}

void rtcp_write_remb(struct writer *writer, uint32_t sender_ssrc, uint64_t bitrate_bps,
		     const uint32_t *ssrcs, size_t count)
{
	size_t start =
		feedback_begin(writer, PSFB_APPLICATION, RTCP_PAYLOAD_FEEDBACK, sender_ssrc, 0);
	uint32_t exponent = 0;

	assert(count <= UINT8_MAX);
	for (; bitrate_bps > REMB_MANTISSA_MAX; bitrate_bps >>= 1)
		exponent++;
	write_u32(writer, remb_identifier);
	write_u8(writer, (uint8_t)count);
	write_u24(writer, exponent << 18 | (uint32_t)bitrate_bps);
	for (size_t i = 0; i < count; i++)
		write_u32(writer, ssrcs[i]);
	rtcp_packet_end(writer, start);
}

void rtcp_write_bye(struct writer *writer, uint32_t ssrc)
{
	size_t start = rtcp_packet_begin(writer, 1, RTCP_BYE);

	write_u32(writer, ssrc);
	rtcp_packet_end(writer, start);
}
