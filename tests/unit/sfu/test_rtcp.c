#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sfu/wire/rtcp.h"
#include "tests/unit/sfu/random.h"

/* What a visit told, in the order of its telling. */
struct told {
	char order[64]; /* a letter per call */
	uint32_t ssrc, reporter_ssrc, media_ssrc, fir_ssrc, bye_ssrc;
	struct rtcp_sender_info info;
	struct rtcp_report_block blocks[RTCP_REPORTS_MAX];
	size_t block_count;
	uint16_t nack[8192];
	size_t nack_count;
	uint8_t command_sequence;
	uint64_t bitrate_bps;
	size_t feedback_bytes;
};

static void note(struct told *told, char letter)
{
	size_t length = strlen(told->order);

	if (length + 1 < sizeof(told->order))
		told->order[length] = letter;
}

static void on_sender_report(void *data, uint32_t ssrc, const struct rtcp_sender_info *info)
{
	struct told *told = data;

	note(told, 'S');
	told->ssrc = ssrc;
	told->info = *info;
}

static void on_report_block(void *data, uint32_t reporter_ssrc,
			    const struct rtcp_report_block *block)
{
	struct told *told = data;

	note(told, 'r');
	told->reporter_ssrc = reporter_ssrc;
	told->blocks[told->block_count++ % RTCP_REPORTS_MAX] = *block;
}

static void on_nack(void *data, uint32_t media_ssrc, const uint16_t *sequence_numbers, size_t count)
{
	struct told *told = data;

	note(told, 'N');
	told->media_ssrc = media_ssrc;
	assert_true(count > 0 && count <= RTCP_NACK_MAX);
	assert_true(told->nack_count + count <= ARRAY_LEN(told->nack));
	memcpy(told->nack + told->nack_count, sequence_numbers, count * sizeof(*sequence_numbers));
	told->nack_count += count;
}

static void on_pli(void *data, uint32_t media_ssrc)
{
	struct told *told = data;

	note(told, 'P');
	told->media_ssrc = media_ssrc;
}

static void on_fir(void *data, uint32_t media_ssrc, uint8_t command_sequence)
{
	struct told *told = data;

	note(told, 'F');
	told->fir_ssrc = media_ssrc;
	told->command_sequence = command_sequence;
}

static void on_remb(void *data, uint64_t bitrate_bps)
{
	struct told *told = data;

	note(told, 'R');
	told->bitrate_bps = bitrate_bps;
}

static void on_transport_feedback(void *data, struct slice packet)
{
	struct told *told = data;

	note(told, 'T');
	told->feedback_bytes = packet.length;
}

static void on_bye(void *data, uint32_t ssrc)
{
	struct told *told = data;

	note(told, 'B');
	told->bye_ssrc = ssrc;
}

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

static void visit(const struct writer *writer, struct told *told)
{
	memset(told, 0, sizeof(*told));
	assert_false(writer->failed);
	assert_int_equal(writer->offset % 4, 0);
	assert_int_equal(rtcp_visit(writer->data, writer->offset, &visitor, told), 0);
}

static const struct rtcp_sender_info sample_info = {
	.ntp = 0x83aa7e8012345678,
	.rtp_timestamp = 90000,
	.packet_count = 77,
	.octet_count = 88888,
};

static const struct rtcp_report_block sample_block = {
	.ssrc = 0x11223344,
	.fraction_lost = 25,
	.cumulative_lost = -3,
	.highest_sequence = 0x0001fffe,
	.jitter = 42,
	.last_sr = 0x7e801234,
	.delay_since_last_sr = 65536,
};

static void assert_block_equal(const struct rtcp_report_block *a, const struct rtcp_report_block *b)
{
	assert_int_equal(a->ssrc, b->ssrc);
	assert_int_equal(a->fraction_lost, b->fraction_lost);
	assert_int_equal(a->cumulative_lost, b->cumulative_lost);
	assert_int_equal(a->highest_sequence, b->highest_sequence);
	assert_int_equal(a->jitter, b->jitter);
	assert_int_equal(a->last_sr, b->last_sr);
	assert_int_equal(a->delay_since_last_sr, b->delay_since_last_sr);
}

static void a_compound_is_told_in_its_order(void **state)
{
	uint8_t bytes[1200];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	const uint16_t lost[] = {10, 12};
	const uint32_t ssrcs[] = {9, 10};
	struct told told;

	(void)state;
	rtcp_write_sender_report(&writer, 1, &sample_info, &sample_block, 1);
	rtcp_write_sdes_cname(&writer, 1, "somebody");
	rtcp_write_nack(&writer, 1, 2, lost, 2);
	rtcp_write_pli(&writer, 1, 3);
	rtcp_write_fir(&writer, 1, 4, 250);
	rtcp_write_remb(&writer, 1, 2500000, ssrcs, 2);
	rtcp_write_receiver_report(&writer, 5, &sample_block, 1);
	rtcp_write_bye(&writer, 1);
	visit(&writer, &told);

	assert_string_equal(told.order, "SrNPFRrB");
	assert_int_equal(told.ssrc, 1);
	assert_int_equal(told.info.ntp, sample_info.ntp);
	assert_int_equal(told.info.rtp_timestamp, 90000);
	assert_int_equal(told.info.packet_count, 77);
	assert_int_equal(told.info.octet_count, 88888);
	assert_int_equal(told.block_count, 2);
	assert_block_equal(&told.blocks[0], &sample_block);
	assert_block_equal(&told.blocks[1], &sample_block);
	assert_int_equal(told.reporter_ssrc, 5);
	assert_int_equal(told.nack_count, 2);
	assert_int_equal(told.nack[1], 12);
	assert_int_equal(told.media_ssrc, 3);
	assert_int_equal(told.fir_ssrc, 4);
	assert_int_equal(told.command_sequence, 250);
	assert_int_equal(told.bitrate_bps, 2500000);
	assert_int_equal(told.bye_ssrc, 1);
}

static void a_visitor_may_listen_to_nothing(void **state)
{
	const struct rtcp_visitor deaf = {0};
	uint8_t bytes[1200];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	const uint64_t arrivals_us[] = {1000};

	(void)state;
	rtcp_write_sender_report(&writer, 1, &sample_info, &sample_block, 1);
	rtcp_write_nack(&writer, 1, 2, (const uint16_t[]){1}, 1);
	rtcp_write_pli(&writer, 1, 3);
	rtcp_write_fir(&writer, 1, 4, 250);
	rtcp_write_remb(&writer, 1, 2500000, NULL, 0);
	assert_int_equal(rtcp_write_transport_feedback(&writer, 1, 2, 3, arrivals_us, 1, 0), 1);
	rtcp_write_bye(&writer, 1);
	assert_int_equal(rtcp_visit(bytes, writer.offset, &deaf, NULL), 0);
}

static void a_compound_cut_between_packets_is_sound_and_elsewhere_not(void **state)
{
	uint8_t bytes[256];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	size_t first, length;
	struct told told;

	(void)state;
	rtcp_write_receiver_report(&writer, 1, &sample_block, 1);
	first = writer.offset;
	rtcp_write_pli(&writer, 1, 3);
	for (length = 0; length < writer.offset; length++) {
		memset(&told, 0, sizeof(told));
		assert_int_equal(rtcp_visit(bytes, length, &visitor, &told),
				 length == first ? 0 : -EBADMSG);
		assert_string_equal(told.order, length < first ? "" : "r");
	}
}

static int visit_bytes(const uint8_t *bytes, size_t length)
{
	struct told told = {0};

	return rtcp_visit(bytes, length, &visitor, &told);
}

static void counts_and_lengths_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	/* another version */
	assert_int_equal(visit_bytes((const uint8_t[]){0x40, 201, 0, 1, 0, 0, 0, 1}, 8), -EBADMSG);
	/* a report block that is not there */
	assert_int_equal(visit_bytes((const uint8_t[]){0x81, 201, 0, 1, 0, 0, 0, 1}, 8), -EBADMSG);
	/* BYE of two with one */
	assert_int_equal(visit_bytes((const uint8_t[]){0x82, 203, 0, 1, 0, 0, 0, 1}, 8), -EBADMSG);
	/* NACK of nothing */
	assert_int_equal(
		visit_bytes((const uint8_t[]){0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2}, 12),
		-EBADMSG);
	/* PLI without media SSRC */
	assert_int_equal(visit_bytes((const uint8_t[]){0x81, 206, 0, 1, 0, 0, 0, 1}, 8), -EBADMSG);
	/* REMB with fewer SSRCs than it says */
	assert_int_equal(visit_bytes((const uint8_t[]){0x8f, 206, 0,   4,   0,	 0,   0, 1, 0, 0,
						       0,    0,	  'R', 'E', 'M', 'B', 1, 0, 0, 1},
				     20),
			 -EBADMSG);
	/* padding of none, and of more than there is */
	assert_int_equal(visit_bytes((const uint8_t[]){0xa0, 201, 0, 1, 0, 0, 0, 0}, 8), -EBADMSG);
	assert_int_equal(visit_bytes((const uint8_t[]){0xa0, 201, 0, 1, 0, 0, 0, 5}, 8), -EBADMSG);
	assert_int_equal(visit_bytes((const uint8_t[]){0xa0, 201, 0, 0}, 4), -EBADMSG);
	/* ... and as it should be */
	assert_int_equal(
		visit_bytes((const uint8_t[]){0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4}, 12), 0);
}

static void unknown_packets_and_profile_extensions_are_passed_over(void **state)
{
	const uint8_t bytes[] = {
		0x80, 207, 0, 1, 0, 0, 0, 1,					     /* XR */
		0x80, 204, 0, 2, 0, 0, 0, 1, 'n', 'a', 'm', 'e',		     /* APP */
		0x8f, 206, 0, 3, 0, 0, 0, 1, 0,	  0,   0,   0,	 'x', 'x', 'x', 'x', /* not REMB */
		0x80, 201, 0, 2, 0, 0, 0, 1, 9,	  9,   9,   9, /* RR, extended */
		0x81, 203, 0, 1, 0, 0, 0, 7,		       /* BYE */
	};
	struct told told = {0};

	(void)state;
	assert_int_equal(rtcp_visit(bytes, sizeof(bytes), &visitor, &told), 0);
	assert_string_equal(told.order, "B");
	assert_int_equal(told.bye_ssrc, 7);
}

static void a_nack_names_every_packet_of_its_mask(void **state)
{
	const uint8_t bytes[] = {0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0x80, 0x01};
	struct told told = {0};

	(void)state;
	assert_int_equal(rtcp_visit(bytes, sizeof(bytes), &visitor, &told), 0);
	assert_int_equal(told.nack_count, 3);
	assert_int_equal(told.nack[0], 65535);
	assert_int_equal(told.nack[1], 0);
	assert_int_equal(told.nack[2], 15);
}

static void what_is_nacked_arrives(void **state)
{
	struct random random = random_from_environment();

	(void)state;
	for (int round = 0; round < 3000; round++) {
		static uint8_t bytes[65536];
		struct writer writer = writer_over(bytes, sizeof(bytes));
		uint16_t numbers[600], number = (uint16_t)random_u64(&random);
		size_t count = 1 + random_below(&random, ARRAY_LEN(numbers));
		static struct told told;

		for (size_t i = 0; i < count; i++) {
			numbers[i] = number;
			number += (uint16_t)(1 +
					     random_below(&random, 1 + random_below(&random, 40)));
		}
		rtcp_write_nack(&writer, 1, 2, numbers, count);
		visit(&writer, &told);
		assert_int_equal(told.media_ssrc, 2);
		assert_int_equal(told.nack_count, count);
		assert_memory_equal(told.nack, numbers, count * sizeof(*numbers));
	}
}

static void a_full_receiver_report_holds_31_blocks(void **state)
{
	struct rtcp_report_block blocks[RTCP_REPORTS_MAX];
	uint8_t bytes[1200];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct told told;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
		blocks[i] = sample_block;
		blocks[i].ssrc = (uint32_t)i;
		blocks[i].cumulative_lost = i % 2 ? 0x7fffff : -0x800000;
	}
	rtcp_write_receiver_report(&writer, 5, blocks, ARRAY_LEN(blocks));
	visit(&writer, &told);
	assert_int_equal(told.block_count, RTCP_REPORTS_MAX);
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		assert_block_equal(&told.blocks[i], &blocks[i]);
}

static void remb_keeps_18_bits_and_never_overflows(void **state)
{
	static const uint64_t bitrates_bps[] = {0, 1, 0x3ffff, 0x40000, 123456789, UINT64_MAX};
	uint8_t bytes[64];
	struct told told = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bitrates_bps); i++) {
		struct writer writer = writer_over(bytes, sizeof(bytes));

		rtcp_write_remb(&writer, 1, bitrates_bps[i], NULL, 0);
		visit(&writer, &told);
		assert_true(told.bitrate_bps <= bitrates_bps[i]);
		assert_true(bitrates_bps[i] - told.bitrate_bps <= bitrates_bps[i] >> 17);
	}
	memset(bytes + 17, 0xff, 3);
	assert_int_equal(rtcp_visit(bytes, 20, &visitor, &told), 0);
	assert_int_equal(told.bitrate_bps, UINT64_MAX);
}

static void a_cname_ends_in_a_zero_whatever_its_length(void **state)
{
	char cname[300];

	(void)state;
	memset(cname, 'c', sizeof(cname));
	for (size_t length = 0; length < sizeof(cname); length++) {
		size_t kept = length < 255 ? length : 255;
		uint8_t bytes[300];
		struct writer writer = writer_over(bytes, sizeof(bytes));

		cname[length] = '\0';
		rtcp_write_sdes_cname(&writer, 7, cname);
		cname[length] = 'c';
		assert_false(writer.failed);
		assert_int_equal(writer.offset % 4, 0);
		assert_int_equal(bytes[2] << 8 | bytes[3], writer.offset / 4 - 1);
		assert_int_equal(bytes[8], 1);
		assert_int_equal(bytes[9], kept);
		assert_memory_equal(bytes + 10, cname, kept);
		assert_true(writer.offset > 10 + kept);
		for (size_t i = 10 + kept; i < writer.offset; i++)
			assert_int_equal(bytes[i], 0);
	}
}

static void a_packet_that_does_not_fit_fails_the_writer(void **state)
{
	uint8_t bytes[64];

	(void)state;
	for (size_t capacity = 0; capacity < 52; capacity++) {
		struct writer writer = writer_over(bytes, capacity);

		rtcp_write_sender_report(&writer, 1, &sample_info, &sample_block, 1);
		assert_true(writer.failed);
	}
}

static void ntp_counts_from_1900(void **state)
{
	(void)state;
	assert_int_equal(ntp_from_unix_us(0), UINT64_C(2208988800) << 32);
	assert_int_equal(ntp_from_unix_us(1500000) & UINT32_MAX, 0x80000000);
	assert_int_equal(ntp_middle(ntp_from_unix_us(1500000)),
			 (2208988801 & 0xffff) << 16 | 0x8000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_compound_is_told_in_its_order),
		cmocka_unit_test(a_visitor_may_listen_to_nothing),
		cmocka_unit_test(a_compound_cut_between_packets_is_sound_and_elsewhere_not),
		cmocka_unit_test(counts_and_lengths_that_do_not_fit_are_refused),
		cmocka_unit_test(unknown_packets_and_profile_extensions_are_passed_over),
		cmocka_unit_test(a_nack_names_every_packet_of_its_mask),
		cmocka_unit_test(what_is_nacked_arrives),
		cmocka_unit_test(a_full_receiver_report_holds_31_blocks),
		cmocka_unit_test(remb_keeps_18_bits_and_never_overflows),
		cmocka_unit_test(a_cname_ends_in_a_zero_whatever_its_length),
		cmocka_unit_test(a_packet_that_does_not_fit_fails_the_writer),
		cmocka_unit_test(ntp_counts_from_1900),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
