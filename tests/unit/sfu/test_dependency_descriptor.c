#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sfu/wire/bits.h"
#include "sfu/wire/dependency_descriptor.h"
#include "sfu/wire/picture_numbers.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/sfu/bit_writer.h"
#include "tests/unit/sfu/hex.h"
#include "tests/unit/sfu/random.h"

/* As Chromium sends them for L1T3, 320 by 180: a keyframe's, then those of single packets. */
static const char chromium_keyframe[] = "c00001800214eaa860414d1410208427013f00b3";

static int decode(const char *hex, struct dependency_structure *structure,
		  struct dependency_descriptor *ret_descriptor)
{
	uint8_t bytes[256];
	size_t length = from_hex(hex, bytes, sizeof(bytes));

	return dependency_descriptor_decode((struct slice){bytes, length}, structure,
					    ret_descriptor);
}

static void a_keyframe_brings_the_structure(void **state)
{
	struct dependency_structure structure = {0};
	struct dependency_descriptor descriptor;

	(void)state;
	assert_int_equal(decode(chromium_keyframe, &structure, &descriptor), 0);
	assert_true(descriptor.is_frame_start && descriptor.is_frame_end);
	assert_true(dependency_starts_keyframe(&descriptor));
	assert_int_equal(descriptor.frame_number, 1);
	assert_int_equal(descriptor.frame.temporal_layer, 0);
	assert_int_equal(descriptor.frame.switch_to, 2); /* all begins here */
	assert_true(structure.is_known);
	assert_int_equal(structure.target_count, 3);
	assert_int_equal(structure.targets[2].temporal_layer, 2);
	assert_int_equal(structure.sizes.layers[0].width_px, 320);
	assert_int_equal(structure.sizes.layers[0].height_px, 180);
}

static void packets_are_read_by_the_structure(void **state)
{
	/* Frames 2 to 5 of the pattern 0 2 1 2, by their templates; the last packet of one. */
	static const struct {
		const char *hex;
		uint8_t temporal_layer;
		bool is_start;
	} packets[] = {{"c30002", 2, true},
		       {"c20003", 1, true},
		       {"c10005", 0, true},
		       {"430006", 2, false}};
	struct dependency_structure structure = {0};
	struct dependency_descriptor descriptor;

	(void)state;
	assert_int_equal(decode("c30002", &structure, &descriptor), -EBADMSG); /* not known yet */
	assert_int_equal(decode(chromium_keyframe, &structure, &descriptor), 0);
	for (size_t i = 0; i < ARRAY_LEN(packets); i++) {
		assert_int_equal(decode(packets[i].hex, &structure, &descriptor), 0);
		assert_int_equal(descriptor.frame.temporal_layer, packets[i].temporal_layer);
		assert_int_equal(descriptor.is_frame_start, packets[i].is_start);
		assert_true(descriptor.frame.has_references);
		assert_false(dependency_starts_keyframe(&descriptor));
	}
	assert_true(structure.is_known);
}

/* Its ids are 5 to 9, of those five templates; before were 0 to 4, and 59 to 63. */
static void what_another_structure_is_missing_for_is_read_by_the_known_one(void **state)
{
	static const struct {
		const char *hex;
		uint8_t temporal_layer;
	} packets[] = {{"c60013", 0}, {"c70014", 1}, {"c80015", 2}, {"ca0016", 0}, {"cd0017", 2},
		       {"c2000f", 1}, {"c4000e", 2}, {"fb0008", 0}, {"fd0007", 1}, {"ff0006", 2}};
	struct dependency_structure structure = {0};
	struct dependency_descriptor descriptor;

	(void)state;
	/* Frame 0x12. */
	assert_int_equal(
		decode("c5001280a214eaa860414d1410208427013f00b3", &structure, &descriptor), 0);
	assert_int_equal(structure.template_id_offset, 5);
	for (size_t i = 0; i < ARRAY_LEN(packets); i++) {
		assert_int_equal(decode(packets[i].hex, &structure, &descriptor), 0);
		assert_int_equal(descriptor.frame.temporal_layer, packets[i].temporal_layer);
	}
}

/* 65,536 frames are 36 minutes, or 12 of three layers, in which nobody may ask for a keyframe. */
static void a_structure_is_new_however_long_ago_the_last_one_was(void **state)
{
	struct dependency_structure structure = {0};
	struct dependency_descriptor descriptor;
	char packet[] = "c1....";

	(void)state;
	assert_int_equal(decode(chromium_keyframe, &structure, &descriptor), 0);
	for (unsigned frame = 2; frame < 40000; frame += 100) {
		(void)snprintf(packet, sizeof(packet), "c1%04x", frame);
		assert_int_equal(decode(packet, &structure, &descriptor), 0);
	}
	/* Frame 40000, templates 7 to 11. */
	assert_int_equal(
		decode("c79c4080e214eaa860414d1410208427013f00b3", &structure, &descriptor), 0);
	assert_int_equal(structure.template_id_offset, 7);
}

static void a_straggler_does_not_bring_back_what_is_over(void **state)
{
	struct dependency_structure structure = {0};
	struct dependency_descriptor descriptor;
	char later[sizeof(chromium_keyframe)];

	(void)state;
	memcpy(later, chromium_keyframe, sizeof(later));
	later[3] = '9'; /* frame 0x0901 */
	assert_int_equal(decode(later, &structure, &descriptor), 0);
	assert_int_equal(structure.frame, 0x0901);
	assert_int_equal(
		decode("c0 0900 800214eaa860414d1410208427 00ff 00b3", &structure, &descriptor), 0);
	assert_int_equal(structure.sizes.layers[0].width_px, 320);
}

/* ---- structures of our own ---- */

/* Two spatial layers of two temporal ones each; targets are the two spatial layers whole. */
static struct bit_writer two_by_two(void)
{
	struct bit_writer writer = {.at = 0};

	put(&writer, 2, 3);    /* start, end */
	put(&writer, 6, 10);   /* template 0, of an offset of 10 */
	put(&writer, 16, 500); /* frame */
	put(&writer, 5, 0x10); /* the structure, nothing else */
	put(&writer, 6, 10);   /* offset */
	put(&writer, 5, 1);    /* two targets */
	put(&writer, 2, 1);    /* S0T0, then S0T1 */
	put(&writer, 2, 2);    /* then S1T0 */
	put(&writer, 2, 1);    /* then S1T1 */
	put(&writer, 2, 3);
	put(&writer, 8, 0xaf); /* S0T0: SS; S0T1: RR */
	put(&writer, 8, 0x21); /* S1T0: -S; S1T1: -D */
	put(&writer, 1, 0);    /* S0T0 refers to nothing */
	put(&writer, 6, 0x20); /* the others: one back each */
	put(&writer, 6, 0x20);
	put(&writer, 6, 0x20);
	put(&writer, 1, 1); /* ns(3): one chain */
	put(&writer, 1, 0);
	put(&writer, 16, 0); /* its distances, for four templates */
	put(&writer, 1, 1);  /* sizes */
	put(&writer, 16, 319);
	put(&writer, 16, 179);
	put(&writer, 16, 639);
	put(&writer, 16, 359);
	return writer;
}

static void spatial_layers_are_read(void **state)
{
	struct bit_writer writer = two_by_two();
	struct dependency_structure structure = {0};
	struct dependency_descriptor descriptor;
	struct slice element = {writer.bytes, written_bytes(&writer)};

	(void)state;
	assert_int_equal(dependency_descriptor_decode(element, &structure, &descriptor), 0);
	assert_true(dependency_starts_keyframe(&descriptor));
	assert_int_equal(structure.template_count, 4);
	assert_int_equal(structure.templates[3].spatial_layer, 1);
	assert_int_equal(structure.templates[3].temporal_layer, 1);
	assert_int_equal(structure.targets[0].spatial_layer, 0);
	assert_int_equal(structure.targets[1].spatial_layer, 1);
	assert_int_equal(structure.targets[1].temporal_layer, 1);
	assert_int_equal(structure.templates[0].switch_to, 1);
	assert_int_equal(structure.templates[1].switch_to, 0);
	assert_false(structure.templates[0].has_references);
	assert_true(structure.templates[2].has_references);
	assert_int_equal(structure.sizes.count, 2);
	assert_int_equal(structure.sizes.layers[0].width_px, 320);
	assert_int_equal(structure.sizes.layers[1].height_px, 360);
	assert_int_equal(decode("cd0001", &structure, &descriptor), 0); /* 10 + 3 */
	assert_int_equal(descriptor.frame.spatial_layer, 1);
}

static void a_picture_may_differ_from_its_template(void **state)
{
	struct bit_writer writer = two_by_two(), custom = {.at = 0};
	struct dependency_structure structure = {0};
	struct dependency_descriptor descriptor;

	(void)state;
	assert_int_equal(
		dependency_descriptor_decode((struct slice){writer.bytes, written_bytes(&writer)},
					     &structure, &descriptor),
		0);
	put(&custom, 2, 3);
	put(&custom, 6, 11); /* S0T1 */
	put(&custom, 16, 501);
	put(&custom, 5, 0x0e); /* targets, indications and references of its own */
	put(&custom, 2, 3);    /* both targets are active */
	put(&custom, 4, 0xa);  /* SS */
	put(&custom, 2, 1);    /* a reference of 4 bits: 3 back */
	put(&custom, 4, 2);
	put(&custom, 2, 2); /* of 8 bits: 20 back */
	put(&custom, 8, 19);
	put(&custom, 2, 0); /* no other */
	assert_int_equal(
		dependency_descriptor_decode((struct slice){custom.bytes, written_bytes(&custom)},
					     &structure, &descriptor),
		0);
	assert_int_equal(descriptor.frame.temporal_layer, 1);
	assert_int_equal(descriptor.frame.switch_to, 1);
	assert_true(descriptor.frame.has_references);
	assert_false(descriptor.has_structure);
}

/* Cut anywhere it is refused, and leaves what was known. */
static void what_is_cut_short_is_refused(void **state)
{
	struct bit_writer writer = two_by_two();
	size_t whole = written_bytes(&writer);

	(void)state;
	for (size_t length = 0; length < whole; length++) {
		struct dependency_structure structure = {0};
		struct dependency_descriptor descriptor;
		uint8_t *exact = malloc(length + 1);

		memcpy(exact, writer.bytes, length);
		assert_int_equal(dependency_descriptor_decode((struct slice){exact, length},
							      &structure, &descriptor),
				 -EBADMSG);
		assert_false(structure.is_known);
		free(exact);
	}
}

static void any_bytes_are_fine(void **state)
{
	struct random random = random_from_environment();
	struct dependency_structure structure = {0};
	unsigned read = 0;

	(void)state;
	for (unsigned round = 0; round < 50000; round++) {
		size_t length = random_below(&random, 64);
		uint8_t *bytes = malloc(length ? length : 1);
		struct dependency_descriptor descriptor;

		random_fill(&random, bytes, length);
		if (length > 4 && round % 2) {
			bytes[3] = (uint8_t)(0x80 | (bytes[3] & 7)); /* a structure */
			bytes[0] = (uint8_t)(bytes[0] & 0xc0);
		}
		if (dependency_descriptor_decode((struct slice){bytes, length}, &structure,
						 &descriptor) == 0) {
			read++;
			assert_true(descriptor.frame.temporal_layer <= TEMPORAL_LAYER_MAX);
			assert_true(descriptor.frame.switch_to <= TEMPORAL_LAYER_MAX);
		}
		free(bytes);
	}
	assert_true(read > 0);
}

/* ---- numbers of odd widths ---- */

static void odd_numbers_are_read(void **state)
{
	/* ns(5): 0, 1 and 2 in two bits, 3 and 4 in three. ue(v): 0, 1, 2 and a number cut short.
	 */
	static const uint8_t non_symmetric[] = {0x1b, 0x80}; /* 00 01 10 111 */
	static const uint8_t golomb[] = {0xa6};		     /* 1 010 011 0 */
	struct bit_reader reader = bit_reader_over(non_symmetric, sizeof(non_symmetric));

	(void)state;
	assert_int_equal(read_non_symmetric(&reader, 5), 0);
	assert_int_equal(read_non_symmetric(&reader, 5), 1);
	assert_int_equal(read_non_symmetric(&reader, 5), 2);
	assert_int_equal(read_non_symmetric(&reader, 5), 4);
	assert_int_equal(read_non_symmetric(&reader, 1), 0);
	assert_false(reader.failed);
	reader = bit_reader_over(golomb, sizeof(golomb));
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(read_exp_golomb(&reader), i);
	assert_false(reader.failed);
	assert_int_equal(read_exp_golomb(&reader), 0);
	assert_true(reader.failed);
	assert_int_equal(read_bits(&reader, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_keyframe_brings_the_structure),
		cmocka_unit_test(packets_are_read_by_the_structure),
		cmocka_unit_test(a_straggler_does_not_bring_back_what_is_over),
		cmocka_unit_test(what_another_structure_is_missing_for_is_read_by_the_known_one),
		cmocka_unit_test(a_structure_is_new_however_long_ago_the_last_one_was),
		cmocka_unit_test(spatial_layers_are_read),
		cmocka_unit_test(a_picture_may_differ_from_its_template),
		cmocka_unit_test(what_is_cut_short_is_refused),
		cmocka_unit_test(any_bytes_are_fine),
		cmocka_unit_test(odd_numbers_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
