#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sfu/wire/rtp.h"
#include "tests/unit/sfu/random.h"

/* A packet with one CSRC, a one-byte extension block (ids 1 and 3) and five bytes of payload. */
static const uint8_t one_byte_packet[] = {
	0x91, 0xe0, 0x12, 0x34, 0x00, 0x00, 0x10, 0x00, 0xde, 0xad, 0xbe, 0xef, /* fixed */
	0x00, 0x00, 0x00, 0x07,							/* CSRC */
	0xbe, 0xde, 0x00, 0x02,							/* profile, words */
	0x10, 0xaa, 0x00, 0x32, 0x01, 0x02, 0x03, 0x00,				/* elements */
	'm',  'e',  'd',  'i',	'a',
};

static const uint8_t two_byte_packet[] = {
	0x90, 0x60, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x02, /* fixed */
	0x10, 0x05, 0x00, 0x02,							/* profile, words */
	0x05, 0x00, 0x00, 0x10, 0x03, 0x01, 0x02, 0x03,				/* ids 5 and 16 */
};

static const struct rtp_extension_shift no_shift;

static void the_first_bytes_tell_the_protocols_of_the_port_apart(void **state)
{
	static const struct {
		uint8_t bytes[2];
		enum packet_kind kind;
	} cases[] = {
		{{0, 1}, PACKET_STUN},	     {{3, 0}, PACKET_STUN},
		{{4, 0}, PACKET_UNKNOWN},    {{16, 0}, PACKET_UNKNOWN},
		{{19, 0}, PACKET_UNKNOWN},   {{20, 0}, PACKET_DTLS},
		{{63, 0}, PACKET_DTLS},	     {{64, 0}, PACKET_UNKNOWN},
		{{127, 0}, PACKET_UNKNOWN},  {{128, 96}, PACKET_RTP},
		{{191, 191}, PACKET_RTP},    {{128, 192}, PACKET_RTCP},
		{{128, 200}, PACKET_RTCP},   {{191, 223}, PACKET_RTCP},
		{{128, 224}, PACKET_RTP},    {{192, 200}, PACKET_UNKNOWN},
		{{255, 96}, PACKET_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(packet_kind_of(cases[i].bytes, 2), cases[i].kind);
	assert_int_equal(packet_kind_of(cases[0].bytes, 0), PACKET_UNKNOWN);
	assert_int_equal(packet_kind_of((const uint8_t[]){128}, 1), PACKET_UNKNOWN);
}

static void a_header_is_read_field_by_field(void **state)
{
	struct rtp_header header;

	(void)state;
	assert_int_equal(
		rtp_header_decode(one_byte_packet, sizeof(one_byte_packet), false, &header), 0);
	assert_int_equal(header.payload_type, 96);
	assert_true(header.marker);
	assert_int_equal(header.sequence_number, 0x1234);
	assert_int_equal(header.rtp_timestamp, 0x1000);
	assert_int_equal(header.ssrc, 0xdeadbeef);
	assert_int_equal(header.header_bytes, 28);
	assert_int_equal(header.extension_offset, 20);
	assert_int_equal(header.extension_bytes, 8);
	assert_false(header.extension_two_byte);
	assert_int_equal(header.padding_bytes, 0);
	assert_int_equal(rtp_payload_bytes(&header, sizeof(one_byte_packet)), 5);
}

static void an_encoded_header_decodes_to_the_same(void **state)
{
	uint8_t bytes[RTP_HEADER_BYTES];
	struct rtp_header header;

	(void)state;
	rtp_header_encode(bytes, 111, true, false, false, 65535, 0xfffffff0, 0x01020304);
	assert_int_equal(rtp_header_decode(bytes, sizeof(bytes), false, &header), 0);
	assert_int_equal(header.payload_type, 111);
	assert_true(header.marker);
	assert_int_equal(header.sequence_number, 65535);
	assert_int_equal(header.rtp_timestamp, 0xfffffff0);
	assert_int_equal(header.ssrc, 0x01020304);
	assert_int_equal(header.header_bytes, RTP_HEADER_BYTES);
	assert_int_equal(header.extension_offset, 0);

	rtp_header_encode(bytes, 111, false, true, true, 1, 2, 3);
	assert_int_equal(bytes[0], 0xb0);
	assert_int_equal(bytes[1], 111);
}

static void a_packet_cut_inside_its_header_is_refused(void **state)
{
	struct rtp_header header;

	(void)state;
	for (size_t length = 0; length < 28; length++)
		assert_int_equal(rtp_header_decode(one_byte_packet, length, false, &header),
				 -EBADMSG);
	assert_int_equal(rtp_header_decode(one_byte_packet, 28, false, &header), 0);
}

static void another_version_is_refused(void **state)
{
	uint8_t bytes[RTP_HEADER_BYTES] = {0x40};
	struct rtp_header header;

	(void)state;
	assert_int_equal(rtp_header_decode(bytes, sizeof(bytes), false, &header), -EBADMSG);
}

static void padding_must_lie_inside_the_payload(void **state)
{
	uint8_t bytes[RTP_HEADER_BYTES + 4] = {0};
	struct rtp_header header;

	(void)state;
	rtp_header_encode(bytes, 96, false, false, true, 1, 2, 3);
	for (unsigned count = 0; count < 256; count++) {
		int r;

		bytes[sizeof(bytes) - 1] = (uint8_t)count;
		r = rtp_header_decode(bytes, sizeof(bytes), false, &header);
		if (count == 0 || count > 4) {
			assert_int_equal(r, -EBADMSG);
		} else {
			assert_int_equal(r, 0);
			assert_int_equal(rtp_payload_bytes(&header, sizeof(bytes)), 4 - count);
		}
		/* Under protection the last byte is ciphertext and says nothing. */
		assert_int_equal(rtp_header_decode(bytes, sizeof(bytes), true, &header), 0);
		assert_int_equal(header.padding_bytes, 0);
	}
	assert_int_equal(rtp_header_decode(bytes, RTP_HEADER_BYTES, false, &header), -EBADMSG);
}

static void a_header_longer_than_a_datagram_is_refused(void **state)
{
	static uint8_t bytes[12 + 4 + 65535 * 4];
	struct rtp_header header;

	(void)state;
	rtp_header_encode(bytes, 96, false, true, false, 1, 2, 3);
	memcpy(bytes + 12, (const uint8_t[]){0xbe, 0xde, 0xff, 0xff}, 4);
	assert_int_equal(rtp_header_decode(bytes, sizeof(bytes), false, &header), -EBADMSG);
	memcpy(bytes + 12, (const uint8_t[]){0xab, 0xac, 0xff, 0xff}, 4);
	assert_int_equal(rtp_header_decode(bytes, sizeof(bytes), false, &header), -EBADMSG);
}

static void an_extension_of_an_unknown_profile_is_skipped(void **state)
{
	uint8_t bytes[sizeof(one_byte_packet)];
	struct rtp_header header;

	(void)state;
	memcpy(bytes, one_byte_packet, sizeof(bytes));
	bytes[16] = 0xab;
	assert_int_equal(rtp_header_decode(bytes, sizeof(bytes), false, &header), 0);
	assert_int_equal(header.header_bytes, 28);
	assert_int_equal(header.extension_offset, 0);
	assert_null(rtp_extension_find(&header, bytes, 1).data);
}

static void one_byte_elements_are_found_by_id(void **state)
{
	struct rtp_header header;
	struct slice element;

	(void)state;
	assert_int_equal(
		rtp_header_decode(one_byte_packet, sizeof(one_byte_packet), false, &header), 0);
	element = rtp_extension_find(&header, one_byte_packet, 1);
	assert_int_equal(element.length, 1);
	assert_int_equal(element.data[0], 0xaa);
	assert_int_equal(rtp_audio_level_of(element), 0x2a);
	element = rtp_extension_find(&header, one_byte_packet, 3);
	assert_int_equal(element.length, 3);
	assert_memory_equal(element.data, "\1\2\3", 3);
	assert_null(rtp_extension_find(&header, one_byte_packet, 2).data);
	assert_null(rtp_extension_find(&header, one_byte_packet, 0).data);
}

static void the_offset_of_a_capture_time_is_moved_on(void **state)
{
	uint8_t bytes[16] = {0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 0, 0x80, 0, 0, 0};
	const uint8_t captured[8] = {0, 0, 0, 7, 0, 0, 0, 8};
	const uint8_t behind[8] = {0xff, 0xff, 0xff, 0xfe, 0x80, 0, 0, 0};

	(void)state;
	rtp_capture_time_pass_on(bytes, (struct slice){bytes, 16}, -(INT64_C(2) << 32));
	assert_memory_equal(bytes, captured, 8);
	assert_memory_equal(bytes + 8, behind, 8);
	/* One that does not tell it is left alone. */
	rtp_capture_time_pass_on(bytes, (struct slice){bytes, 8}, INT64_C(1) << 32);
	assert_memory_equal(bytes, captured, 8);
	assert_memory_equal(bytes + 8, behind, 8);
}

static void two_byte_elements_may_be_empty_and_have_large_ids(void **state)
{
	struct rtp_header header;
	struct slice element;

	(void)state;
	assert_int_equal(
		rtp_header_decode(two_byte_packet, sizeof(two_byte_packet), false, &header), 0);
	assert_true(header.extension_two_byte);
	element = rtp_extension_find(&header, two_byte_packet, 5);
	assert_non_null(element.data);
	assert_int_equal(element.length, 0);
	assert_int_equal(rtp_audio_level_of(element), 127);
	assert_int_equal(rtp_extension_find(&header, two_byte_packet, 16).length, 3);
}

static void count_element(void *data, uint8_t id, struct slice element)
{
	(void)id;
	(void)element;
	++*(int *)data;
}

static int elements_of(const uint8_t *block, uint8_t words)
{
	uint8_t bytes[64] = {0x90};
	struct rtp_header header;
	int count = 0;

	memcpy(bytes + 12, (const uint8_t[]){0xbe, 0xde, 0, words}, 4);
	memcpy(bytes + 16, block, (size_t)words * 4);
	assert_int_equal(rtp_header_decode(bytes, 16 + (size_t)words * 4, false, &header), 0);
	rtp_extension_for_each(&header, bytes, count_element, &count);
	return count;
}

static void damage_and_id_15_end_the_elements(void **state)
{
	(void)state;
	assert_int_equal(elements_of((const uint8_t[]){0x10, 1, 0x20, 2}, 1), 2);
	assert_int_equal(elements_of((const uint8_t[]){0x10, 1, 0xf0, 2}, 1), 1);
	assert_int_equal(elements_of((const uint8_t[]){0x10, 1, 0x2f, 2}, 1), 1); /* too long */
	assert_int_equal(elements_of((const uint8_t[]){0x10, 1, 0x01, 2}, 1), 1); /* id 0, length */
	assert_int_equal(elements_of((const uint8_t[]){0, 0, 0, 0}, 1), 0);
	assert_int_equal(elements_of((const uint8_t[]){0}, 0), 0);
}

static void extensions_are_renumbered_in_their_own_form(void **state)
{
	const uint8_t id_map[16] = {[1] = 9, [3] = 2, [5] = 14};
	const uint8_t expected[] = {0xbe, 0xde, 0, 2, 0x90, 0xaa, 0x22, 1, 2, 3, 0, 0};
	const uint8_t expected_two_byte[] = {0x10, 0x00, 0, 1, 14, 0, 0, 0};
	struct rtp_header header;
	uint8_t out[64];

	(void)state;
	assert_int_equal(
		rtp_header_decode(one_byte_packet, sizeof(one_byte_packet), false, &header), 0);
	assert_int_equal(rtp_extension_block_rewrite(&header, one_byte_packet, id_map, no_shift,
						     out, sizeof(out)),
			 sizeof(expected));
	assert_memory_equal(out, expected, sizeof(expected));
	for (size_t capacity = 0; capacity < sizeof(expected); capacity++)
		assert_int_equal(rtp_extension_block_rewrite(&header, one_byte_packet, id_map,
							     no_shift, out, capacity),
				 -EMSGSIZE);

	assert_int_equal(
		rtp_header_decode(two_byte_packet, sizeof(two_byte_packet), false, &header), 0);
	assert_int_equal(rtp_extension_block_rewrite(&header, two_byte_packet, id_map, no_shift,
						     out, sizeof(out)),
			 sizeof(expected_two_byte));
	assert_memory_equal(out, expected_two_byte, sizeof(expected_two_byte));
}

static void a_number_in_an_element_is_moved_on(void **state)
{
	static const uint8_t packet[] = {0x90, 96,   0, 1, 0,	 0,    0,    2,	   0,	 0, 0, 3,
					 0xbe, 0xde, 0, 2, 0x12, 0xc1, 0xff, 0xfe, 0x21, 9, 8, 0};
	static const uint8_t expected[] = {0xbe, 0xde, 0, 2, 0x72, 0xc1, 0x00, 0x03, 0x81, 9, 8, 0};
	static const uint8_t id_map[16] = {[1] = 7, [2] = 8};
	struct rtp_header header;
	uint8_t out[32];

	(void)state;
	assert_int_equal(rtp_header_decode(packet, sizeof(packet), false, &header), 0);
	assert_int_equal(rtp_extension_block_rewrite(&header, packet, id_map,
						     (struct rtp_extension_shift){1, 5}, out,
						     sizeof(out)),
			 sizeof(expected));
	assert_memory_equal(out, expected, sizeof(expected));
	/* One that is too short has no number. */
	assert_int_equal(rtp_extension_block_rewrite(&header, packet, id_map,
						     (struct rtp_extension_shift){2, 5}, out,
						     sizeof(out)),
			 sizeof(expected));
	assert_memory_equal(out + 8, expected + 8, 4);
}

static void dropping_every_element_leaves_no_block(void **state)
{
	const uint8_t id_map[16] = {0};
	const uint8_t too_large[16] = {[1] = 15, [3] = 200};
	struct rtp_header header;
	uint8_t out[4];

	(void)state;
	assert_int_equal(
		rtp_header_decode(one_byte_packet, sizeof(one_byte_packet), false, &header), 0);
	assert_int_equal(
		rtp_extension_block_rewrite(&header, one_byte_packet, id_map, no_shift, out, 0), 0);
	assert_int_equal(
		rtp_extension_block_rewrite(&header, one_byte_packet, too_large, no_shift, out, 4),
		0);
}

/* Behind what was kept, in its form; readable by anybody. */
static void an_element_of_our_own_is_appended(void **state)
{
	static const uint8_t *const packets[] = {one_byte_packet, two_byte_packet};
	static const size_t lengths[] = {sizeof(one_byte_packet), sizeof(two_byte_packet)};
	static const uint8_t none[16] = {0},
			     all[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
	static const uint8_t number[] = {0xbe, 0xef}, time[] = {1, 2, 3};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct rtp_header header;
		uint8_t out[RTP_HEADER_BYTES + RTP_EXTENSION_BLOCK_MAX] = {0};
		uint8_t *block = out + RTP_HEADER_BYTES;
		struct slice element;
		int length;

		assert_int_equal(rtp_header_decode(packets[i % 2], lengths[i % 2], false, &header),
				 0);
		length = rtp_extension_block_rewrite(&header, packets[i % 2], i < 2 ? all : none,
						     no_shift, block, RTP_EXTENSION_BLOCK_MAX);
		assert_true(length >= 0);
		length = rtp_extension_block_append(block, (size_t)length, RTP_EXTENSION_BLOCK_MAX,
						    13, number, sizeof(number));
		assert_true(length >= 8);
		length = rtp_extension_block_append(block, (size_t)length, RTP_EXTENSION_BLOCK_MAX,
						    14, time, sizeof(time));
		assert_true(length >= 12 && length % 4 == 0);
		assert_int_equal(rtp_extension_block_append(block, (size_t)length,
							    (size_t)length + 3, 13, number, 2),
				 -EMSGSIZE);
		assert_int_equal(rtp_extension_block_append(block, (size_t)length,
							    RTP_EXTENSION_BLOCK_MAX, 13, number, 0),
				 -EMSGSIZE);
		rtp_header_encode(out, 96, false, true, false, 1, 2, 3);
		assert_int_equal(
			rtp_header_decode(out, RTP_HEADER_BYTES + (size_t)length, false, &header),
			0);
		element = rtp_extension_find(&header, out, 13);
		assert_int_equal(element.length, 2);
		assert_int_equal(element.data[0], 0xbe);
		assert_int_equal(element.data[1], 0xef);
		element = rtp_extension_find(&header, out, 14);
		assert_int_equal(element.length, 3);
		assert_memory_equal(element.data, time, 3);
	}
}

static void the_time_of_sending_goes_round_in_64_seconds(void **state)
{
	static const struct {
		uint64_t now_us;
		uint8_t expected[RTP_ABS_SEND_TIME_BYTES];
	} times[] = {{0, {0, 0, 0}},
		     {1000000, {0x04, 0, 0}},
		     {63500000, {0xfe, 0, 0}},
		     {64000000, {0, 0, 0}},
		     {UINT64_C(64000000) * 1000000000 + 500000, {0x02, 0, 0}}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		uint8_t out[RTP_ABS_SEND_TIME_BYTES];

		rtp_abs_send_time_encode(out, times[i].now_us);
		assert_memory_equal(out, times[i].expected, sizeof(out));
	}
}

static void sequence_order_survives_the_wrap(void **state)
{
	(void)state;
	assert_true(rtp_sequence_is_newer(1, 0));
	assert_true(rtp_sequence_is_newer(0, 65535));
	assert_false(rtp_sequence_is_newer(65535, 0));
	assert_false(rtp_sequence_is_newer(7, 7));
	assert_false(rtp_sequence_is_newer(0x8000, 0));
}

static void a_rewritten_block_holds_what_was_kept(void **state)
{
	struct random random = random_from_environment();

	(void)state;
	for (int round = 0; round < 20000; round++) {
		uint8_t id_map[16] = {0}, in[80] = {0}, out[12 + 96] = {0};
		struct rtp_header header, rewritten;
		uint8_t words = (uint8_t)random_below(&random, 16);
		bool two_byte = random_below(&random, 2);
		int length;

		random_fill(&random, in, sizeof(in));
		for (size_t i = 1; i < 16;
		     i++) /* a permutation, so that look-ups are unambiguous */
			id_map[i] = (uint8_t)(random_below(&random, 3) ? 15 - i : 0);
		rtp_header_encode(in, 96, false, true, false, 1, 2, 3);
		memcpy(in + 12,
		       two_byte ? (const uint8_t[]){0x10, 0, 0, words}
				: (const uint8_t[]){0xbe, 0xde, 0, words},
		       4);
		assert_int_equal(rtp_header_decode(in, sizeof(in), false, &header), 0);

		length = rtp_extension_block_rewrite(&header, in, id_map, no_shift, out + 12, 96);
		assert_true(length >= 0 && length % 4 == 0);
		rtp_header_encode(out, 96, false, length > 0, false, 1, 2, 3);
		assert_int_equal(rtp_header_decode(out, 12 + (size_t)length, false, &rewritten), 0);
		for (uint8_t id = 1; id < 15; id++) {
			struct slice before = rtp_extension_find(&header, in, id);
			struct slice after = {NULL, 0};

			if (id_map[id])
				after = rtp_extension_find(&rewritten, out, id_map[id]);
			else
				continue;
			assert_int_equal(!before.data, !after.data);
			assert_int_equal(before.length, after.length);
			if (before.length)
				assert_memory_equal(before.data, after.data, before.length);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_bytes_tell_the_protocols_of_the_port_apart),
		cmocka_unit_test(a_header_is_read_field_by_field),
		cmocka_unit_test(an_encoded_header_decodes_to_the_same),
		cmocka_unit_test(a_packet_cut_inside_its_header_is_refused),
		cmocka_unit_test(another_version_is_refused),
		cmocka_unit_test(padding_must_lie_inside_the_payload),
		cmocka_unit_test(a_header_longer_than_a_datagram_is_refused),
		cmocka_unit_test(an_extension_of_an_unknown_profile_is_skipped),
		cmocka_unit_test(one_byte_elements_are_found_by_id),
		cmocka_unit_test(the_offset_of_a_capture_time_is_moved_on),
		cmocka_unit_test(two_byte_elements_may_be_empty_and_have_large_ids),
		cmocka_unit_test(damage_and_id_15_end_the_elements),
		cmocka_unit_test(extensions_are_renumbered_in_their_own_form),
		cmocka_unit_test(a_number_in_an_element_is_moved_on),
		cmocka_unit_test(dropping_every_element_leaves_no_block),
		cmocka_unit_test(an_element_of_our_own_is_appended),
		cmocka_unit_test(the_time_of_sending_goes_round_in_64_seconds),
		cmocka_unit_test(sequence_order_survives_the_wrap),
		cmocka_unit_test(a_rewritten_block_holds_what_was_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
