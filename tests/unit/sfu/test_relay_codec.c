#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/media_codecs.h"
#include "sfu/model/relay_codec.h"
#include "tests/unit/cmocka_all.h"

static struct sdp_codec offered(const char *name, uint32_t clock_rate_hz, const char *fmtp)
{
	struct sdp_codec codec = {.clock_rate_hz = clock_rate_hz, .apt = -1, .fmtp = fmtp};

	(void)snprintf(codec.name, sizeof(codec.name), "%s", name);
	return codec;
}

static struct media_format format_of(const char *name, const char *fmtp)
{
	struct sdp_codec codec = offered(name, relay_codec_find_name(name)->clock_rate_hz, fmtp);
	struct media_format format;

	assert_true(media_format_read(&codec, &format));
	return format;
}

static bool are_same(const char *name, const char *fmtp, const char *other)
{
	struct media_format one = format_of(name, fmtp), two = format_of(name, other);

	assert_int_equal(media_format_is_same(&one, &two), media_format_is_same(&two, &one));
	return media_format_is_same(&one, &two);
}

static void parameters_are_found_by_name(void **state)
{
	(void)state;
	assert_int_equal(sdp_fmtp_find("a=1; b=22 ;c=3", "b").length, 2);
	assert_int_equal(sdp_fmtp_find("Profile-ID=2", "profile-id").data[0], '2');
	assert_null(sdp_fmtp_find("profile-id-x=2", "profile-id").data);
	assert_null(sdp_fmtp_find("profile=2", "profile-id").data);
	assert_null(sdp_fmtp_find("b", "b").data);
	assert_null(sdp_fmtp_find("", "b").data);
	assert_non_null(sdp_fmtp_find("b=", "b").data);
}

static void what_is_not_relayed_is_no_format(void **state)
{
	struct sdp_codec codec;
	struct media_format format;

	(void)state;
	codec = offered("opus", 44100, "");
	assert_false(media_format_read(&codec, &format));
	codec = offered("H265", 90000, "");
	assert_false(media_format_read(&codec, &format));
	codec = offered("H264", 90000, "packetization-mode=2");
	assert_false(media_format_read(&codec, &format));
	codec = offered("H264", 90000, "profile-level-id=zzzzzz");
	assert_false(media_format_read(&codec, &format));
	codec = offered("h264", 90000, "");
	assert_true(media_format_read(&codec, &format));
}

static void h264_profiles_agree_as_rfc_6184_has_it(void **state)
{
	(void)state;
	/* Levels differ; Constrained Baseline has several names. */
	assert_true(are_same("H264", "profile-level-id=42e01f", "profile-level-id=42e034"));
	assert_true(are_same("H264", "profile-level-id=42e01f", "profile-level-id=42C00c"));
	assert_true(are_same("H264", "profile-level-id=42e01f", "profile-level-id=4d801f"));
	assert_true(are_same("H264", "profile-level-id=42e01f", "profile-level-id=58c01f"));
	assert_false(are_same("H264", "profile-level-id=42e01f", "profile-level-id=42001f"));
	assert_false(are_same("H264", "profile-level-id=4d001f", "profile-level-id=64001f"));
	assert_false(are_same("H264", "profile-level-id=640c1f", "profile-level-id=64001f"));
	assert_false(are_same("H264", "profile-level-id=42e01f;packetization-mode=1",
			      "profile-level-id=42e01f"));
	/* None named is Baseline in single NAL unit mode. */
	assert_true(are_same("H264", "", "profile-level-id=42000a;packetization-mode=0"));
}

static void vp9_and_av1_profiles_must_agree(void **state)
{
	(void)state;
	assert_true(are_same("VP9", "", "profile-id=0"));
	assert_true(are_same("VP9", "max-fs=12288;max-fr=60", "profile-id=0"));
	assert_false(are_same("VP9", "profile-id=2", "profile-id=0"));
	assert_true(are_same("AV1", "level-idx=5;profile=0;tier=0", "level-idx=8"));
	assert_false(are_same("AV1", "profile=1", ""));
	/* Nonsense is at least the same as itself. */
	assert_true(are_same("VP9", "profile-id=ation-mode=reo=1", "profile-id=ation-mode=reo=1"));
}

static void opus_keeps_what_it_is_asked_for(void **state)
{
	struct media_format format;

	(void)state;
	format = format_of("opus", "minptime=10;useinbandfec=1;stereo=1;usedtx=1;x=y");
	assert_string_equal(format.fmtp, "minptime=10;useinbandfec=1;stereo=1;usedtx=1");
	/* A publisher that has stereo is asked for it. */
	format = format_of("opus", "sprop-stereo=1");
	assert_string_equal(format.fmtp, "sprop-stereo=1;useinbandfec=1;stereo=1");
	format = format_of("opus", "useinbandfec=0");
	assert_string_equal(format.fmtp, "useinbandfec=0");
	format = format_of("VP8", "max-fs=12288;max-fr=60");
	assert_string_equal(format.fmtp, "");
}

static void add(struct sdp_media *media, uint8_t payload_type, const char *name, const char *fmtp)
{
	struct sdp_codec codec = offered(name, 90000, fmtp);

	codec.payload_type = payload_type;
	assert_int_equal(sdp_media_add_codec(media, &codec), 0);
}

static void the_rooms_order_decides_then_what_most_can_take(void **state)
{
	struct sdp_media media = {.kind = MEDIA_VIDEO};
	struct codec_preferences preferences = {0};
	struct media_format format;

	(void)state;
	add(&media, 98, "VP9", "profile-id=0");
	add(&media, 100, "VP9", "profile-id=2");
	add(&media, 96, "VP8", "");
	add(&media, 110, "H264", "profile-level-id=64001f;packetization-mode=1");
	add(&media, 103, "H264", "profile-level-id=42001f;packetization-mode=1");
	add(&media, 106, "H264", "profile-level-id=42e01f;packetization-mode=1");
	add(&media, 107, "H264", "profile-level-id=42e01f");
	assert_int_equal(codec_preferences_choose(NULL, &media, &format)->payload_type, 96);
	assert_int_equal(codec_preferences_add(&preferences, "h264", NULL), 0);
	assert_int_equal(codec_preferences_add(&preferences, "VP9", NULL), 0);
	assert_int_equal(codec_preferences_add(&preferences, "VP9", NULL), 0);
	assert_int_equal(preferences.count, 2);
	assert_int_equal(codec_preferences_choose(&preferences, &media, &format)->payload_type,
			 106);
	assert_string_equal(format.fmtp, "packetization-mode=1;profile-level-id=42e01f");
	sdp_media_keep_codecs(&media, 0);
	add(&media, 96, "VP8", "");
	add(&media, 98, "VP9", "profile-id=0");
	assert_int_equal(codec_preferences_choose(&preferences, &media, &format)->payload_type, 98);
	sdp_media_keep_codecs(&media, 0);
	add(&media, 96, "VP8", "");
	assert_null(codec_preferences_choose(&preferences, &media, &format));
	sdp_media_fini(&media);
}

static void a_kind_that_is_not_named_is_free(void **state)
{
	struct codec_preferences preferences = {0};
	char names[RELAY_CODEC_NAMES_MAX];
	const struct sdp_codec opus = offered("opus", 48000, "");
	struct sdp_media media = {.kind = MEDIA_AUDIO};
	struct media_format format;

	(void)state;
	assert_int_equal(sdp_media_add_codec(&media, &opus), 0);
	assert_int_equal(codec_preferences_add(&preferences, "AV1", NULL), 0);
	assert_non_null(codec_preferences_choose(&preferences, &media, &format));
	sdp_media_fini(&media);
	codec_preferences_names(&preferences, MEDIA_VIDEO, names);
	assert_string_equal(names, "AV1");
	codec_preferences_names(NULL, MEDIA_VIDEO, names);
	assert_string_equal(names, "VP8, H264, VP9, AV1");
}

/* The API takes what we carry, and nothing else. */
static void the_names_are_those_that_a_room_may_list(void **state)
{
	struct codec_preferences all = {0};
	char names[RELAY_CODEC_NAMES_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(media_codec_names); i++) {
		assert_string_equal(relay_codec_find_name(media_codec_names[i])->name,
				    media_codec_names[i]);
		assert_int_equal(codec_preferences_add(&all, media_codec_names[i], NULL), 0);
	}
	codec_preferences_names(NULL, MEDIA_VIDEO, names);
	assert_string_equal(names, strchr(MEDIA_CODEC_NAMES_TEXT, 'V'));
	codec_preferences_names(NULL, MEDIA_AUDIO, names);
	assert_string_equal(names, "opus");
}

static void a_name_of_nothing_is_refused(void **state)
{
	struct codec_preferences preferences = {0};
	struct error error = {0};

	(void)state;
	assert_int_equal(codec_preferences_add(&preferences, "H266", &error), -EINVAL);
	assert_string_equal(error.code, "unsupported_codec");
	assert_int_equal(preferences.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_are_found_by_name),
		cmocka_unit_test(what_is_not_relayed_is_no_format),
		cmocka_unit_test(h264_profiles_agree_as_rfc_6184_has_it),
		cmocka_unit_test(vp9_and_av1_profiles_must_agree),
		cmocka_unit_test(opus_keeps_what_it_is_asked_for),
		cmocka_unit_test(the_rooms_order_decides_then_what_most_can_take),
		cmocka_unit_test(a_kind_that_is_not_named_is_free),
		cmocka_unit_test(the_names_are_those_that_a_room_may_list),
		cmocka_unit_test(a_name_of_nothing_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
