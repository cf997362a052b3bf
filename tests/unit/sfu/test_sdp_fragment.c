#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sfu/wire/sdp_fragment.h"
#include "tests/unit/cmocka_all.h"

#define CREDENTIALS "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
#define CANDIDATE "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n"

static int parse(const char *text, struct sdp_fragment *ret_fragment, struct error *reterr)
{
	return sdp_fragment_parse(text, strlen(text), ret_fragment, reterr);
}

static void credentials_and_candidates_are_read_at_either_level(void **state)
{
	static const char *const texts[] = {
		CREDENTIALS "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n" CANDIDATE,
		"a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n" CREDENTIALS
			CANDIDATE
		"m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\na=ice-ufrag:other\r\n"
		"a=ice-pwd:0123456789012345678901\r\n",
		"a=ice-ufrag:EsAw\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\na=ice-options:trickle "
		"ice2\n\n" CANDIDATE,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct sdp_fragment fragment;

		assert_int_equal(parse(texts[i], &fragment, NULL), 0);
		assert_string_equal(fragment.ice_ufrag, "EsAw");
		assert_string_equal(fragment.ice_password, "P2uYro0UCOQ4zxjKXaWCBui1");
		assert_int_equal(fragment.candidate_count, 1);
		assert_false(fragment.is_complete);
	}
}

static void candidates_alone_belong_to_the_session_as_it_is(void **state)
{
	struct sdp_fragment fragment;

	(void)state;
	assert_int_equal(parse("m=audio 9 RTP/AVP 0\r\n" CANDIDATE CANDIDATE, &fragment, NULL), 0);
	assert_string_equal(fragment.ice_ufrag, "");
	assert_int_equal(fragment.candidate_count, 2);
	assert_int_equal(parse("a=end-of-candidates", &fragment, NULL), 0);
	assert_true(fragment.is_complete);
}

static void what_cannot_be_is_named_by_its_line(void **state)
{
	static const struct {
		const char *text, *field;
	} wrong[] = {
		{"", ""},
		{"hello", ""},
		{"a=mid:0\r\n", ""},
		{"a=ice-ufrag:EsAw\r\na=\x01\r\n", ""},
		{"a=ice-ufrag:EsAw\r\n", "a=ice-pwd"},
		{"a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", "a=ice-ufrag"},
		{"a=ice-ufrag:a\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", "a=ice-ufrag"},
		{"a=ice-ufrag:EsAw\r\na=ice-pwd:short\r\n", "a=ice-pwd"},
		{"a=candidate:1 1 udp\r\n", "a=candidate"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct sdp_fragment fragment;
		struct error error = {0};

		assert_int_equal(parse(wrong[i].text, &fragment, &error), -EPROTO);
		assert_string_equal(error.code, "bad_sdp_fragment");
		assert_string_equal(error.field, wrong[i].field);
		assert_true(strlen(error.message) > 5);
	}
}

static void nobody_says_too_much(void **state)
{
	AUTO_FREE char *text = malloc(SDP_FRAGMENT_BYTES_MAX + 2);
	struct sdp_fragment fragment;
	struct error error = {0};
	size_t length = 0;

	(void)state;
	memset(text, 'a', SDP_FRAGMENT_BYTES_MAX + 1);
	assert_int_equal(sdp_fragment_parse(text, SDP_FRAGMENT_BYTES_MAX + 1, &fragment, &error),
			 -EMSGSIZE);
	memcpy(text, "a=", 2);
	assert_int_equal(sdp_fragment_parse(text, 1200, &fragment, &error), -EMSGSIZE);
	for (int i = 0; i <= SDP_FRAGMENT_CANDIDATES_MAX; i++)
		length += (size_t)sprintf(text + length, CANDIDATE);
	assert_int_equal(sdp_fragment_parse(text, length, &fragment, &error), -EMSGSIZE);
	assert_string_equal(error.field, "a=candidate");
	length = 0;
	for (int i = 0; i <= SDP_MEDIA_MAX; i++)
		length += (size_t)sprintf(text + length, "m=audio 9 RTP/AVP 0\r\n");
	assert_int_equal(sdp_fragment_parse(text, length, &fragment, &error), -EMSGSIZE);
	assert_string_equal(error.code, "bad_sdp_fragment");
	assert_string_equal(error.field, "m=");
}

static void ours_tells_where_we_are(void **state)
{
	AUTO(sdp) sdp = sdp_new(2, 1);
	AUTO_FREE char *text = NULL;
	struct sdp_fragment fragment;

	(void)state;
	(void)strcpy(sdp->ice_ufrag, "ours");
	(void)strcpy(sdp->ice_password, "0123456789012345678901");
	sdp->ice_lite = true;
	sdp->media[0].rejected = true;
	sdp->media[1].kind = MEDIA_VIDEO;
	(void)strcpy(sdp->media[1].mid, "1");
	sdp->candidates[0] = (struct sdp_candidate){
		.address = "192.0.2.7", .port = 8002, .priority = 100, .foundation = 1};
	text = sdp_fragment_format(sdp);
	assert_non_null(strstr(text, "a=ice-lite\r\n"));
	assert_non_null(strstr(text, "m=video 9 "));
	assert_non_null(strstr(text, "a=mid:1\r\na=ice-ufrag:ours\r\n"));
	assert_non_null(strstr(text, " 192.0.2.7 8002 typ host\r\na=end-of-candidates\r\n"));
	assert_int_equal(parse(text, &fragment, NULL), 0);
	assert_string_equal(fragment.ice_ufrag, "ours");
	assert_int_equal(fragment.candidate_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(credentials_and_candidates_are_read_at_either_level),
		cmocka_unit_test(candidates_alone_belong_to_the_session_as_it_is),
		cmocka_unit_test(what_cannot_be_is_named_by_its_line),
		cmocka_unit_test(nobody_says_too_much),
		cmocka_unit_test(ours_tells_where_we_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
