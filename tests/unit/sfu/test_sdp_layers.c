/* Simulcast in an offer: by RID and by SSRC. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/sfu/sdp_text.h"

static void layers_are_read_and_answered(void **state)
{
	AUTO_FREE char *text = fixture("chromium_offer.sdp");
	AUTO_FREE char *offer = NULL, *answer = NULL;
	AUTO(sdp) first = parsed(text);
	AUTO(sdp) again = NULL;
	struct sdp_media *video = NULL;

	(void)state;
	for (size_t i = 0; i < first->media_count; i++)
		if (first->media[i].kind == MEDIA_VIDEO)
			video = &first->media[i];
	assert_non_null(video);
	assert_int_equal(video->rid_count, 0);
	memcpy(video->rids[0], "q", 2);
	memcpy(video->rids[1], "h", 2);
	memcpy(video->rids[2], "f", 2);
	video->rid_count = 3;
	offer = sdp_format(first);
	assert_non_null(strstr(offer, "a=rid:h send\r\n"));
	assert_non_null(strstr(offer, "a=simulcast:send q;h;f\r\n"));
	again = parsed(offer);
	video = &again->media[video - first->media];
	assert_int_equal(video->rid_count, 3);
	assert_false(video->rids_are_received);
	assert_string_equal(video->rids[2], "f");
	video->rids_are_received = true;
	answer = sdp_format(again);
	assert_non_null(strstr(answer, "a=simulcast:recv q;h;f\r\n"));
}

static void layers_in_other_words(void **state)
{
	static const struct {
		const char *value;
		size_t count;
		const char *first, *last;
		bool is_received;
	} cases[] = {
		{"send q;~h;f", 3, "q", "f", false},	 {"send a,b;c", 2, "a", "c", false},
		{"recv x send y;z", 2, "y", "z", false}, {"recv x;y", 2, "x", "y", true},
		{"send 1;2;3;4;5", 3, "1", "3", false},	 {"send", 0, "", "", false},
		{"sideways a;b", 0, "", "", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_FREE char *text = NULL;
		AUTO(sdp) sdp = NULL;
		const struct sdp_media *media;

		assert_true(asprintf(&text, "%sa=simulcast:%s\r\n", SMALLEST, cases[i].value) > 0);
		sdp = parsed(text);
		media = &sdp->media[sdp->media_count - 1];
		assert_int_equal(media->rid_count, cases[i].count);
		if (cases[i].count == 0)
			continue;
		assert_string_equal(media->rids[0], cases[i].first);
		assert_string_equal(media->rids[cases[i].count - 1], cases[i].last);
		assert_int_equal(media->rids_are_received, cases[i].is_received);
	}
}

static void two_layers_of_one_rid_are_refused(void **state)
{
	AUTO_FREE char *text = NULL;
	AUTO(sdp) sdp = NULL;
	struct error error = {0};

	(void)state;
	assert_true(asprintf(&text, "%sa=simulcast:send q;h;q\r\n", SMALLEST) > 0);
	assert_int_equal(sdp_parse(text, strlen(text), &sdp, &error), -EPROTO);
	assert_string_equal(error.field, "a=simulcast");
}

static void layers_by_ssrc(void **state)
{
	AUTO_FREE char *text = NULL;
	AUTO(sdp) sdp = NULL;
	const struct sdp_media *media;

	(void)state;
	assert_true(asprintf(&text,
			     "%sa=ssrc-group:FID 3 13\r\na=ssrc-group:FID 1 11\r\n"
			     "a=ssrc:13 cname:x\r\na=ssrc:3 cname:x\r\na=ssrc:1 cname:x\r\n"
			     "a=ssrc:2 cname:x\r\na=ssrc-group:SIM 1 2 3\r\n",
			     SMALLEST) > 0);
	sdp = parsed(text);
	media = &sdp->media[sdp->media_count - 1];
	assert_int_equal(media->layer_ssrc_count, 3);
	assert_int_equal(media->ssrc_count, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(media->ssrcs[i], i + 1);
	assert_int_equal(media->rtx_ssrcs[0], 11);
	assert_int_equal(media->rtx_ssrcs[1], 0);
	assert_int_equal(media->rtx_ssrcs[2], 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layers_are_read_and_answered),
		cmocka_unit_test(layers_in_other_words),
		cmocka_unit_test(two_layers_of_one_rid_are_refused),
		cmocka_unit_test(layers_by_ssrc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
