#include <stdio.h>

#include "sfu/wire/keyframe.h"
#include "sfu/wire/rtp.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/sfu/random.h"

enum { FRAME_TICKS = 3000, KEYFRAME_EVERY = 4, FRAMES = 12, FILE_MAX = 1 << 14 };

static const keyframe_start_fn every_codec[] = {vp8_keyframe_start, vp9_keyframe_start,
						h264_keyframe_start, av1_keyframe_start};

struct stream { /* what was heard of one fixture */
	keyframe_start_fn keyframe_start;
	uint32_t first_timestamp;
	unsigned packets_of_frame[FRAMES], starts_of_frame[FRAMES], wholes_of_frame[FRAMES];
};

static void hear(struct stream *stream, const uint8_t *packet, size_t length, bool is_first)
{
	struct rtp_header header;
	enum keyframe_start start;
	size_t frame;

	assert_int_equal(rtp_header_decode(packet, length, false, &header), 0);
	if (is_first)
		stream->first_timestamp = header.rtp_timestamp;
	/* GStreamer rounds down. */
	frame = (header.rtp_timestamp - stream->first_timestamp + 1) / FRAME_TICKS;
	assert_true(frame < FRAMES);
	start = stream->keyframe_start(packet + header.header_bytes,
				       rtp_payload_bytes(&header, length));
	if (stream->packets_of_frame[frame]++ == 0 && frame % KEYFRAME_EVERY == 0)
		assert_int_equal(start, KEYFRAME_STARTS_WHOLE);
	stream->starts_of_frame[frame] += start != KEYFRAME_NO_START;
	stream->wholes_of_frame[frame] += start == KEYFRAME_STARTS_WHOLE;
}

static struct stream heard(const char *name, keyframe_start_fn keyframe_start)
{
	struct stream stream = {.keyframe_start = keyframe_start};
	char path[512];
	uint8_t bytes[FILE_MAX];
	size_t size, at = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/rtp/%s.packets", RT_FIXTURES, name);
	file = fopen(path, "rb");
	assert_non_null(file);
	size = fread(bytes, 1, sizeof(bytes), file);
	(void)fclose(file);
	assert_true(size > 0 && size < sizeof(bytes));
	while (at < size) {
		size_t length = (size_t)(bytes[at] << 8 | bytes[at + 1]);

		assert_true(at + 2 + length <= size);
		hear(&stream, bytes + at + 2, length, at == 0);
		at += 2 + length;
	}
	for (size_t i = 0; i < FRAMES; i++) {
		assert_true(stream.packets_of_frame[i] > 0);
		if (i % KEYFRAME_EVERY != 0)
			assert_int_equal(stream.starts_of_frame[i], 0);
	}
	return stream;
}

/* Every fourth picture begins with its first packet, no other packet is a beginning. */
static void assert_one_start_each(const struct stream *stream)
{
	for (size_t i = 0; i < FRAMES; i += KEYFRAME_EVERY)
		assert_int_equal(stream->starts_of_frame[i], 1);
}

static void keyframes_of_real_streams_are_found(void **state)
{
	struct stream stream;

	(void)state;
	stream = heard("vp8", vp8_keyframe_start);
	assert_one_start_each(&stream);
	stream = heard("vp9", vp9_keyframe_start);
	assert_one_start_each(&stream);
	stream = heard("av1", av1_keyframe_start);
	assert_one_start_each(&stream);
	stream = heard("h264_stap", h264_keyframe_start);
	assert_one_start_each(&stream);
}

/* The parameter sets begin it; the picture after them, in fragments, is known as such. */
static void parameter_sets_of_their_own_begin_an_h264_keyframe(void **state)
{
	struct stream stream = heard("h264", h264_keyframe_start);

	(void)state;
	for (size_t i = 0; i < FRAMES; i += KEYFRAME_EVERY)
		assert_int_equal(stream.starts_of_frame[i] - stream.wholes_of_frame[i], 1);
}

struct payload {
	uint8_t bytes[12];
	size_t length;
	enum keyframe_start expected;
};
#define NO KEYFRAME_NO_START
#define PICTURE KEYFRAME_STARTS_PICTURE
#define WHOLE KEYFRAME_STARTS_WHOLE

static void check(keyframe_start_fn keyframe_start, const struct payload *payloads, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(keyframe_start(payloads[i].bytes, payloads[i].length),
				 payloads[i].expected);
}

static void a_vp8_keyframe_is_known_by_its_first_packet(void **state)
{
	static const struct payload payloads[] = {
		{{0x10, 0x00}, 2, WHOLE},
		{{0x10, 0x01}, 2, NO},					/* an inter frame */
		{{0x00, 0x00}, 2, NO},					/* not a start */
		{{0x11, 0x00}, 2, NO},					/* second partition */
		{{0x10}, 1, NO},					/* no frame header */
		{{0x90, 0x80, 0x05, 0x00}, 4, WHOLE},			/* 7-bit PictureID */
		{{0x90, 0x80, 0x85, 0x01, 0x00}, 5, WHOLE},		/* 15-bit PictureID */
		{{0x90, 0xe0, 0x85, 0x01, 0x07, 0x20, 0x00}, 7, WHOLE}, /* I L T */
		{{0x90, 0xe0, 0x85, 0x01, 0x07, 0x20, 0x01}, 7, NO},	/* ... of an inter frame */
		{{0x90, 0xf0, 0x85, 0x01, 0x07, 0x20, 0x00}, 7, WHOLE}, /* I L T K */
		{{0x90, 0x10, 0x1f, 0x00}, 4, WHOLE},			/* K alone */
		{{0x90, 0xf0, 0x85, 0x01, 0x07, 0x20}, 6, NO},		/* cut */
	};

	(void)state;
	check(vp8_keyframe_start, payloads, ARRAY_LEN(payloads));
}

static void a_vp9_keyframe_is_known_by_its_descriptor(void **state)
{
	static const struct payload payloads[] = {
		{{0x08}, 1, WHOLE},
		{{0x8a, 0x05}, 2, WHOLE},	      /* I, with SS behind */
		{{0x8a, 0x85, 0x01}, 3, WHOLE},	      /* 15-bit picture id */
		{{0x88, 0x85}, 2, NO},		      /* cut in it */
		{{0x80, 0x05}, 2, NO},		      /* not the frame's first packet */
		{{0xc8, 0x05}, 2, NO},		      /* predicted */
		{{0xa8, 0x05, 0x00}, 3, WHOLE},	      /* layers: the lowest */
		{{0xa8, 0x05, 0xe1}, 3, WHOLE},	      /* ... of any temporal layer */
		{{0xa8, 0x05, 0x02}, 3, NO},	      /* the second spatial layer */
		{{0xa8, 0x05}, 2, NO},		      /* cut */
		{{0xb8, 0x85, 0x01, 0x00}, 4, WHOLE}, /* flexible mode */
	};

	(void)state;
	check(vp9_keyframe_start, payloads, ARRAY_LEN(payloads));
}

static void an_h264_keyframe_begins_with_parameters_or_an_idr_slice(void **state)
{
	static const struct payload payloads[] = {
		{{0x67, 0x42}, 2, WHOLE},				  /* SPS */
		{{0x68, 0xce}, 2, NO},					  /* PPS */
		{{0x65, 0xb8}, 2, PICTURE},				  /* IDR, first slice */
		{{0x65, 0x5a}, 2, NO},					  /* IDR, a later one */
		{{0x65}, 1, NO},					  /* cut */
		{{0x61, 0xe0}, 2, NO},					  /* another slice */
		{{0xe7, 0x42}, 2, NO},					  /* forbidden bit */
		{{0x78, 0, 2, 0x67, 0x42, 0, 2, 0x65, 0xb8}, 9, WHOLE},	  /* STAP-A: SPS, IDR */
		{{0x78, 0, 2, 0x68, 0xce, 0, 2, 0x65, 0xb8}, 9, PICTURE}, /* PPS, IDR */
		{{0x78, 0, 2, 0x09, 0xf0, 0, 2, 0x67, 0x42}, 9, WHOLE},	  /* AUD, SPS */
		{{0x78, 0, 0, 0, 1, 0x67, 0, 2, 0x61, 0xe0}, 10, NO},	  /* empty and tiny units */
		{{0x78, 0, 9, 0x67, 0x42}, 5, NO},			  /* a lying size */
		{{0x78, 0}, 2, NO},					  /* half a size */
		{{0x7c, 0x85, 0xb8}, 3, PICTURE},			  /* FU-A, start */
		{{0x7c, 0x05, 0xb8}, 3, NO},				  /* FU-A, middle */
		{{0x7c, 0x45, 0xb8}, 3, NO},				  /* FU-A, end */
		{{0x7c, 0x87, 0x42}, 3, WHOLE},				  /* a large SPS */
		{{0x7c, 0x81, 0xe0}, 3, NO},
		{{0x7c, 0x85}, 2, NO},
	};

	(void)state;
	check(h264_keyframe_start, payloads, ARRAY_LEN(payloads));
}

static void an_av1_keyframe_is_a_new_sequence(void **state)
{
	static const struct payload payloads[] = {
		{{0x18, 0x08}, 2, WHOLE}, /* W=1 N */
		{{0x28, 0x0a}, 2, WHOLE}, /* W=2 N */
		{{0x10, 0x30}, 2, NO},	  /* no N */
		{{0x98, 0x08}, 2, NO},	  /* Z: it goes on */
		{{0x18}, 1, NO},	  /* nothing in it */
	};

	(void)state;
	check(av1_keyframe_start, payloads, ARRAY_LEN(payloads));
}

/* The sanitizers watch; each payload stands alone in memory of its size. */
static void any_bytes_of_any_length_are_fine(void **state)
{
	struct random random = random_from_environment();
	unsigned starts = 0;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		size_t length = random_u64(&random) % 24;
		uint8_t *bytes = malloc(length ? length : 1);

		for (size_t i = 0; i < length; i++)
			bytes[i] = (uint8_t)random_u64(&random);
		for (size_t i = 0; i < ARRAY_LEN(every_codec); i++)
			starts += every_codec[i](bytes, length) != KEYFRAME_NO_START;
		free(bytes);
	}
	assert_true(starts > 0);
	for (size_t i = 0; i < ARRAY_LEN(every_codec); i++)
		assert_int_equal(every_codec[i](NULL, 0), KEYFRAME_NO_START);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keyframes_of_real_streams_are_found),
		cmocka_unit_test(parameter_sets_of_their_own_begin_an_h264_keyframe),
		cmocka_unit_test(a_vp8_keyframe_is_known_by_its_first_packet),
		cmocka_unit_test(a_vp9_keyframe_is_known_by_its_descriptor),
		cmocka_unit_test(an_h264_keyframe_begins_with_parameters_or_an_idr_slice),
		cmocka_unit_test(an_av1_keyframe_is_a_new_sequence),
		cmocka_unit_test(any_bytes_of_any_length_are_fine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
