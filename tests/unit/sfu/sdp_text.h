/* sdp_text.h - an offer in pieces, for tests of what is made of one. */
#ifndef TESTS_UNIT_SFU_SDP_TEXT_H
#define TESTS_UNIT_SFU_SDP_TEXT_H

#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sfu/wire/sdp.h"

/* The smallest offer there is, in pieces to be replaced. */
#define SESSION "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
#define GROUP "a=group:BUNDLE 0\r\n"
#define LINE "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n"
#define UFRAG "a=ice-ufrag:4ZcD\r\n"
#define PASSWORD "a=ice-pwd:2/1muCWoOi3uLifh0NuRHlti\r\n"
#define DIGEST                                                                                     \
	"3A:59:9C:11:07:E2:6D:4F:80:B4:21:D5:1E:4C:F7:66:0B:92:C3:7A:85:EE:18:4D:F2:31:5B:A9:6C:"  \
	"D0:27:8E"
#define FINGERPRINT "a=fingerprint:sha-256 " DIGEST "\r\n"
#define SETUP "a=setup:actpass\r\n"
#define TRANSPORT UFRAG PASSWORD FINGERPRINT SETUP
#define MID "a=mid:0\r\n"
#define MUX "a=rtcp-mux\r\n"
#define OPUS "a=rtpmap:111 opus/48000/2\r\n"
#define SMALLEST SESSION GROUP LINE TRANSPORT MID MUX OPUS

/* It must be good. */
static inline struct sdp *parsed(const char *text)
{
	struct error error = {0};
	struct sdp *sdp = NULL;
	int r = sdp_parse(text, strlen(text), &sdp, &error);

	if (r < 0)
		print_message("%s %s: %s\n", error.code, error.field, error.message);
	assert_int_equal(r, 0);
	return sdp;
}

/* The text of a file in tests/fixtures/sdp/; the caller's to free. */
static inline char *fixture(const char *name)
{
	char path[512];
	char *text = calloc(1, 1 << 16);
	FILE *file;

	assert_non_null(text);
	(void)snprintf(path, sizeof(path), "%s/sdp/%s", RT_FIXTURES, name);
	file = fopen(path, "rb");
	assert_non_null(file);
	assert_true(fread(text, 1, (1 << 16) - 1, file) > 0);
	(void)fclose(file);
	return text;
}

#endif
