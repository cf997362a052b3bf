/* Offers that cannot work, and by which word they are refused. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/sfu/sdp_text.h"

static void what_cannot_work_is_refused_by_name(void **state)
{
	static const struct {
		const char *text, *field, *rule;
	} cases[] = {
		{"", "v=", "version"},
		{"hello", "v=", "version"},
		{"v=1\r\n", "v=", "version"},
		{"v=0\r\n", "o=", "number"},
		{"v=0\r\no=- x 1 IN IP4 0.0.0.0\r\n", "o=", "number"},
		{"v=0\r\no=- 1 99999999999999999999 IN IP4 0.0.0.0\r\n", "o=", "number"},
		{SESSION "nonsense\r\n", "", "letter"},
		{SESSION "a\r\n", "", "letter"},
		{SESSION " a=x\r\n", "", "letter"},
		{SESSION "y=x\r\n", "", "stands"},
		{SMALLEST "s=-\r\n", "", "stands"},
		{SESSION "a=x\ry\r\n", "", "control"},
		{SESSION "a=x\x1b[2J\r\n", "", "control"},
		{SESSION GROUP LINE PASSWORD FINGERPRINT MID MUX, "a=ice-ufrag", "missing"},
		{SESSION GROUP LINE UFRAG FINGERPRINT MID MUX, "a=ice-pwd", "missing"},
		{SESSION GROUP LINE "a=ice-ufrag:abc\r\n", "a=ice-ufrag", "4 to"},
		{SESSION GROUP LINE "a=ice-pwd:short\r\n", "a=ice-pwd", "22 to"},
		{SESSION GROUP LINE UFRAG PASSWORD MID MUX, "a=fingerprint", "SHA-256"},
		{SESSION GROUP LINE UFRAG PASSWORD
		 "a=fingerprint:sha-1 "
		 "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13\r\n" MID MUX,
		 "a=fingerprint", "SHA-256"},
		{SESSION GROUP LINE "a=fingerprint:sha-256 AB:CD\r\n", "a=fingerprint", "32 bytes"},
		{SESSION GROUP LINE "a=fingerprint:sha-256 G" DIGEST "\r\n", "a=fingerprint",
		 "32 bytes"},
		{SESSION FINGERPRINT GROUP LINE
		 "a=fingerprint:sha-256 00"
		 ":59:9C:11:07:E2:6D:4F:80:B4:21:D5:1E:4C:F7:66:0B:92:C3:7A:"
		 "85:EE:18:4D:F2:31:5B:A9:6C:D0:27:8E\r\n",
		 "a=fingerprint", "one certificate"},
		{SESSION SETUP GROUP LINE "a=setup:active\r\n", "a=setup", "alike"},
		{SESSION GROUP LINE "a=setup:holdconn\r\n", "a=setup", "actpass"},
		{SESSION GROUP LINE TRANSPORT MUX, "a=mid", "every"},
		{SESSION GROUP LINE TRANSPORT MUX MID MID, "a=mid", "has one"},
		{SESSION GROUP LINE "a=mid:12345678901234567\r\n", "a=mid", "1 to 16"},
		{SESSION GROUP LINE "a=mid:\xc3\xa9\r\n", "a=mid", "ASCII"},
		{SMALLEST LINE MID MUX OPUS, "a=mid", "twice"},
		{SMALLEST LINE "a=mid:1\r\n" MUX OPUS, "a=group:BUNDLE", "\"1\""},
		{SESSION LINE TRANSPORT MID MUX LINE "a=mid:1\r\n" MUX, "a=group:BUNDLE", "\"0\""},
		{SESSION "a=group:BUNDLE 00\r\n" LINE TRANSPORT MID MUX, "a=group:BUNDLE", "\"0\""},
		{SESSION GROUP LINE TRANSPORT MID, "a=rtcp-mux", "multiplex"},
		{SESSION GROUP "m=audio 9 RTP/AVP 0\r\n" TRANSPORT MID MUX, "m=", "SAVPF"},
		{SESSION GROUP "m=application 9 TCP/DTLS/SCTP x\r\n" TRANSPORT MID, "m=", "SCTP"},
		{SMALLEST "a=rtpmap:128 opus/48000\r\n", "a=rtpmap", "127"},
		{SESSION GROUP LINE "a=rtpmap:111 opus\r\n", "a=rtpmap", "clock rate"},
		{SESSION GROUP LINE "a=rtpmap:111 opus/0\r\n", "a=rtpmap", "clock rate"},
		{SESSION GROUP LINE "a=rtpmap:111 opus/48000/999\r\n", "a=rtpmap", "channel"},
		{SMALLEST "a=extmap:0 urn:ietf:params:rtp-hdrext:sdes:mid\r\n", "a=extmap", "1"},
		{SESSION "a=group:BUNDLE 0 1\r\n" LINE TRANSPORT MID MUX OPUS
			 "a=ssrc:7 cname:x\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\n" MUX
			 "a=ssrc:7 cname:x\r\n",
		 "a=ssrc", "7 is there twice"},
		{SMALLEST "a=ssrc:4294967296 cname:x\r\n", "a=ssrc", "32 bits"},
		{SMALLEST "a=ssrc-group:FID 1\r\n", "a=ssrc-group", "two"},
		{SMALLEST "a=sctp-port:65536\r\n", "a=sctp-port", "port"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct error error = {0};
		struct sdp *sdp = NULL;
		int r;

		r = sdp_parse(cases[i].text, strlen(cases[i].text), &sdp, &error);
		if (r != -EPROTO || strcmp(error.field, cases[i].field) != 0 ||
		    !strstr(error.message, cases[i].rule))
			fail_msg("case %zu: %d %s: %s", i, r, error.field, error.message);
		assert_string_equal(error.code, "bad_sdp");
		assert_int_equal(error.number, -EPROTO);
		assert_null(sdp);
		/* and without anybody asking why */
		assert_int_equal(sdp_parse(cases[i].text, strlen(cases[i].text), &sdp, NULL),
				 -EPROTO);
	}
}

static void a_zero_byte_is_refused(void **state)
{
	char text[] = SMALLEST;
	struct sdp *sdp = NULL;
	struct error error = {0};

	(void)state;
	text[strlen(SESSION) + 3] = '\0';
	assert_int_equal(sdp_parse(text, sizeof(text) - 1, &sdp, &error), -EPROTO);
	assert_null(sdp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_work_is_refused_by_name),
		cmocka_unit_test(a_zero_byte_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
