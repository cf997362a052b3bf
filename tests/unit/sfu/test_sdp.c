#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/sfu/random.h"
#include "tests/unit/sfu/sdp_text.h"

static size_t extension_count(const struct sdp_media *media)
{
	size_t count = 0;

	for (size_t i = 0; i < EXTENSION_COUNT; i++)
		count += media->extension_ids[i] != 0;
	return count;
}

static void a_chromium_offer_is_read(void **state)
{
	AUTO_FREE char *text = fixture("chromium_offer.sdp");
	AUTO(sdp) sdp = parsed(text);
	const struct sdp_media *audio = &sdp->media[0], *video = &sdp->media[1];
	const struct sdp_codec *codec;

	(void)state;
	assert_int_equal(sdp->media_count, 3);
	assert_int_equal(sdp->session_id, 4611731400430051336);
	assert_int_equal(sdp->session_version, 2);
	assert_string_equal(sdp->ice_ufrag, "4ZcD");
	assert_string_equal(sdp->ice_password, "2/1muCWoOi3uLifh0NuRHlti");
	assert_false(sdp->ice_lite);
	assert_true(sdp->has_fingerprint);
	assert_int_equal(sdp->fingerprint_sha256[0], 0x3a);
	assert_int_equal(sdp->fingerprint_sha256[31], 0x8e);
	assert_int_equal(sdp->setup, SETUP_ACTPASS);

	assert_int_equal(audio->kind, MEDIA_AUDIO);
	assert_string_equal(audio->mid, "0");
	assert_int_equal(audio->direction, DIRECTION_SENDRECV);
	assert_int_equal(audio->codec_count, 8);
	codec = sdp_codec_find(audio, "OPUS");
	assert_ptr_equal(codec, &audio->codecs[0]);
	assert_int_equal(codec->payload_type, 111);
	assert_int_equal(codec->clock_rate_hz, 48000);
	assert_int_equal(codec->channels, 2);
	assert_int_equal(codec->apt, -1);
	assert_string_equal(codec->fmtp, "minptime=10;useinbandfec=1");
	assert_true(codec->transport_cc);
	assert_false(codec->nack);
	assert_int_equal(audio->extension_ids[EXTENSION_AUDIO_LEVEL], 1);
	assert_int_equal(audio->extension_ids[EXTENSION_RID], 0);
	assert_int_equal(audio->ssrc_count, 1);
	assert_int_equal(audio->ssrcs[0], 3735928559);
	assert_int_equal(audio->rtx_ssrcs[0], 0);

	assert_int_equal(video->kind, MEDIA_VIDEO);
	assert_int_equal(video->codec_count, 13);
	codec = sdp_codec_find(video, "VP8");
	assert_int_equal(codec->payload_type, 96);
	assert_true(codec->nack && codec->nack_pli && codec->ccm_fir && codec->goog_remb &&
		    codec->transport_cc);
	assert_int_equal(sdp_codec_find_rtx(video, 96)->payload_type, 97);
	assert_int_equal(sdp_codec_find_rtx(video, 45)->payload_type, 46);
	assert_null(sdp_codec_find_rtx(video, 97));
	assert_null(sdp_codec_find(video, "H265"));
	assert_int_equal(extension_count(video), 8);
	assert_int_equal(video->extension_ids[EXTENSION_DEPENDENCY_DESCRIPTOR], 12);
	assert_true(video->rtcp_mux && video->rtcp_rsize);
	assert_string_equal(video->msid_stream, "8c1f7d53-3ad5-4ee8-9f3b-5a0c7c0b6f10");
	assert_string_equal(video->msid_track, "f2b8c6d4-video");
	assert_int_equal(video->ssrc_count, 1);
	assert_int_equal(video->ssrcs[0], 2231627014);
	assert_int_equal(video->rtx_ssrcs[0], 632943048);
	assert_string_equal(video->cname, "nXc3KqJz0bQhW1v2");

	assert_int_equal(sdp->media[2].kind, MEDIA_APPLICATION);
	assert_int_equal(sdp->media[2].sctp_port, 5000);
	assert_false(sdp->media[2].rejected);
}

static void a_firefox_offer_is_read(void **state)
{
	AUTO_FREE char *text = fixture("firefox_offer.sdp");
	AUTO(sdp) sdp = parsed(text);
	const struct sdp_media *video = &sdp->media[1];

	(void)state;
	assert_int_equal(sdp->media_count, 2);
	assert_int_equal(sdp->session_id, 5723488127344908441);
	assert_string_equal(sdp->ice_ufrag, "b41d9c2e");
	assert_true(sdp->has_fingerprint);
	assert_int_equal(sdp_codec_find(&sdp->media[0], "opus")->payload_type, 109);
	assert_int_equal(sdp_codec_find(&sdp->media[0], "G722")->channels, 1);
	assert_int_equal(sdp_codec_find(video, "VP8")->payload_type, 120);
	assert_true(sdp_codec_find(video, "VP8")->transport_cc);
	assert_int_equal(sdp_codec_find_rtx(video, 120)->payload_type, 124);
	assert_int_equal(video->extension_ids[EXTENSION_PLAYOUT_DELAY], 6);
	assert_int_equal(video->ssrc_count, 1);
	assert_int_equal(video->ssrcs[0], 2948123377);
	assert_int_equal(video->rtx_ssrcs[0], 1029384756);
	assert_string_equal(video->msid_stream, "{5f0a9d0c-6a86-4a3e-9d8e-0d7b2f6c1a77}");
}

static void a_webrtcbin_offer_is_read(void **state)
{
	AUTO_FREE char *text = fixture("webrtcbin_offer.sdp");
	AUTO(sdp) sdp = parsed(text);

	(void)state;
	assert_int_equal(sdp->media_count, 2);
	assert_string_equal(sdp->media[0].mid, "video0");
	assert_int_equal(sdp->media[0].rtx_ssrcs[0], 1385012233);
	/* bundle-only has port 0 and is not rejected */
	assert_false(sdp->media[1].rejected);
	assert_non_null(sdp_codec_find(&sdp->media[1], "opus"));
	assert_string_equal(sdp->media[1].msid_stream, "user4121318577@host-9fd8cb09");
	assert_string_equal(sdp->media[1].msid_track, "webrtctransceiver1");
}

static void assert_text_equal(const char *a, const char *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (a)
		assert_string_equal(a, b);
}

static void assert_codec_equal(const struct sdp_codec *a, const struct sdp_codec *b)
{
	assert_int_equal(a->payload_type, b->payload_type);
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->clock_rate_hz, b->clock_rate_hz);
	assert_int_equal(a->channels, b->channels);
	assert_int_equal(a->apt, b->apt);
	assert_string_equal(a->fmtp, b->fmtp);
	assert_int_equal(a->nack, b->nack);
	assert_int_equal(a->nack_pli, b->nack_pli);
	assert_int_equal(a->ccm_fir, b->ccm_fir);
	assert_int_equal(a->goog_remb, b->goog_remb);
	assert_int_equal(a->transport_cc, b->transport_cc);
}

static void assert_media_equal(const struct sdp_media *a, const struct sdp_media *b)
{
	struct sdp_media rest[2];

	assert_int_equal(a->codec_count, b->codec_count);
	for (size_t i = 0; i < a->codec_count; i++)
		assert_codec_equal(&a->codecs[i], &b->codecs[i]);
	assert_text_equal(a->msid_stream, b->msid_stream);
	assert_text_equal(a->msid_track, b->msid_track);
	assert_text_equal(a->cname, b->cname);
	/* Every other byte not written is zero, in both. */
	memcpy(&rest[0], a, sizeof(rest[0]));
	memcpy(&rest[1], b, sizeof(rest[1]));
	for (size_t i = 0; i < 2; i++) {
		rest[i].codecs = NULL;
		rest[i].msid_stream = rest[i].msid_track = rest[i].cname = NULL;
	}
	assert_memory_equal(&rest[0], &rest[1], sizeof(rest[0]));
}

static void assert_sdp_equal(const struct sdp *a, const struct sdp *b)
{
	assert_string_equal(a->ice_ufrag, b->ice_ufrag);
	assert_string_equal(a->ice_password, b->ice_password);
	assert_int_equal(a->ice_lite, b->ice_lite);
	assert_int_equal(a->extmap_allow_mixed, b->extmap_allow_mixed);
	assert_int_equal(a->has_fingerprint, b->has_fingerprint);
	assert_memory_equal(a->fingerprint_sha256, b->fingerprint_sha256, 32);
	assert_int_equal(a->setup, b->setup);
	assert_int_equal(a->session_id, b->session_id);
	assert_int_equal(a->session_version, b->session_version);
	assert_int_equal(a->media_count, b->media_count);
	for (size_t i = 0; i < a->media_count; i++)
		assert_media_equal(&a->media[i], &b->media[i]);
}

/* What a peer's m-line is kept in for as long as the peer stays: the sum of its blocks. */
static size_t bytes_of(const struct sdp_media *media)
{
	size_t bytes = sizeof(*media) + malloc_usable_size(media->codecs) +
		       malloc_usable_size(media->msid_stream) +
		       malloc_usable_size(media->msid_track) + malloc_usable_size(media->cname);

	for (size_t i = 0; i < media->codec_count; i++)
		bytes += strlen(media->codecs[i].fmtp) + 1;
	return bytes;
}

static void a_copy_has_all_and_is_no_larger_than_what_was_said(void **state)
{
	AUTO_FREE char *text = fixture("chromium_offer.sdp");
	AUTO(sdp) sdp = parsed(text);
	AUTO(sdp) copy = sdp_copy(sdp);

	(void)state;
	assert_non_null(copy);
	assert_sdp_equal(sdp, copy);
	assert_in_range(bytes_of(&copy->media[0]), 0, 1024); /* 8 codecs */
	assert_in_range(bytes_of(&copy->media[1]), 0, 1536); /* 13 */
	assert_in_range(sizeof(struct sdp_media), 0, 320);
}

static void what_is_formatted_parses_to_the_same(void **state)
{
	static const char *const names[] = {"chromium_offer.sdp", "firefox_offer.sdp",
					    "webrtcbin_offer.sdp"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FREE char *text = fixture(names[i]);
		AUTO(sdp) first = parsed(text);
		AUTO_FREE char *formatted = sdp_format(first);
		AUTO(sdp) again = parsed(formatted);
		AUTO_FREE char *formatted_again = sdp_format(again);

		assert_sdp_equal(first, again);
		assert_string_equal(formatted, formatted_again);
	}
}

static void an_answer_reads_as_browsers_expect(void **state)
{
	static const char expected[] =
		"v=0\r\no=- 77 3 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
		"a=group:BUNDLE 0 2\r\na=msid-semantic: WMS *\r\na=ice-lite\r\n"
		"m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\n"
		"a=rtcp:9 IN IP4 0.0.0.0\r\n"
		"a=ice-ufrag:sErV\r\na=ice-pwd:a-password-of-22-chars\r\n"
		"a=fingerprint:sha-256 "
		"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"
		"10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n"
		"a=setup:passive\r\na=mid:0\r\n"
		"a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
		"a=sendonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"
		"a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
		"a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
		"a=msid:peer camera\r\na=ssrc-group:FID 1000 1001\r\n"
		"a=ssrc:1000 cname:peer\r\na=ssrc:1001 cname:peer\r\n"
		"a=candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host\r\n"
		"a=candidate:2 1 udp 2130706175 2001:db8::1 3478 typ host\r\n"
		"a=end-of-candidates\r\n"
		"m=audio 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:1\r\n"
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n"
		"a=ice-ufrag:sErV\r\na=ice-pwd:a-password-of-22-chars\r\n"
		"a=fingerprint:sha-256 "
		"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"
		"10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n"
		"a=setup:passive\r\na=mid:2\r\na=sctp-port:5000\r\n"
		"m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n"
		"a=inactive\r\na=mid:3\r\n";
	const struct sdp_codec vp8 = {96, "VP8", 90000, .apt = -1, .nack = true, .nack_pli = true};
	const struct sdp_codec rtx = {97, "rtx", 90000, .apt = 96};
	AUTO(sdp) sdp = sdp_new(4, 2);
	AUTO_FREE char *text = NULL;

	(void)state;
	assert_non_null(sdp);
	strcpy(sdp->ice_ufrag, "sErV");
	strcpy(sdp->ice_password, "a-password-of-22-chars");
	sdp->ice_lite = true;
	sdp->has_fingerprint = true;
	for (uint8_t i = 0; i < 32; i++)
		sdp->fingerprint_sha256[i] = i;
	sdp->setup = SETUP_PASSIVE;
	sdp->session_id = 77;
	sdp->session_version = 3;
	sdp->candidates[0] = (struct sdp_candidate){"192.0.2.1", 3478, 2130706431, 1};
	sdp->candidates[1] = (struct sdp_candidate){"2001:db8::1", 3478, 2130706175, 2};
	sdp->media[0] = (struct sdp_media){
		.kind = MEDIA_VIDEO,
		.mid = "0",
		.direction = DIRECTION_SEND,
		.extension_ids = {[EXTENSION_MID] = 4},
		.rtcp_mux = true,
		.rtcp_rsize = true,
		.ssrcs = {1000},
		.rtx_ssrcs = {1001},
		.ssrc_count = 1,
	};
	assert_int_equal(sdp_media_add_codec(&sdp->media[0], &vp8), 0);
	assert_int_equal(sdp_media_add_codec(&sdp->media[0], &rtx), 0);
	assert_int_equal(sdp_set_text(&sdp->media[0].msid_stream, "peer"), 0);
	assert_int_equal(sdp_set_text(&sdp->media[0].msid_track, "camera"), 0);
	assert_int_equal(sdp_set_text(&sdp->media[0].cname, "peer"), 0);
	sdp->media[1] = (struct sdp_media){.kind = MEDIA_AUDIO, .mid = "1", .rejected = true};
	sdp->media[2] =
		(struct sdp_media){.kind = MEDIA_APPLICATION, .mid = "2", .sctp_port = 5000};
	sdp->media[3] = (struct sdp_media){.kind = MEDIA_APPLICATION, .mid = "3", .rejected = true};
	text = sdp_format(sdp);
	assert_string_equal(text, expected);
}

static void a_name_cannot_begin_a_line(void **state)
{
	AUTO(sdp) sdp = parsed(SMALLEST);
	AUTO_FREE char *text = NULL;

	(void)state;
	assert_int_equal(sdp_set_text(&sdp->media[0].msid_stream, "x\r\na=candidate:evil"), 0);
	text = sdp_format(sdp);
	assert_null(strstr(text, "\r\na=candidate"));
	assert_non_null(strstr(text, "a=msid:xa=candidate:evil"));
}

static void the_SMALLEST_is_enough(void **state)
{
	AUTO(sdp) sdp = parsed(SMALLEST);
	/* One m-line needs no group; session level will do for the transport; LF will do for CRLF.
	 */
	AUTO(sdp) ungrouped = parsed(SESSION TRANSPORT LINE MID MUX OPUS);
	AUTO(sdp)
	with_lf = parsed("v=0\no=- 1 2 IN IP4 0.0.0.0\ns=-\nt=0 0\n" TRANSPORT LINE MID MUX
			 "a=rtpmap:111 opus/48000/2\n\n");

	(void)state;
	assert_int_equal(sdp->media[0].codec_count, 1);
	assert_string_equal(ungrouped->ice_ufrag, "4ZcD");
	assert_int_equal(with_lf->media[0].codecs[0].channels, 2);
}

static void the_first_m_lines_ice_credentials_count(void **state)
{
	AUTO(sdp)
	sdp = parsed(SESSION "a=ice-ufrag:sess\r\n"
			     "a=group:BUNDLE 0 1\r\n" LINE TRANSPORT MID MUX OPUS LINE
			     "a=mid:1\r\na=ice-ufrag:other\r\n" MUX);

	(void)state;
	assert_string_equal(sdp->ice_ufrag, "4ZcD");
}

static void a_rejected_m_line_needs_nothing(void **state)
{
	AUTO(sdp)
	sdp = parsed(SMALLEST "m=video 0 RTP/AVP 31\r\n"
			      "m=image 0 udptl t38\r\na=mid:9\r\n"
			      "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n");
	AUTO_FREE char *text = sdp_format(sdp);
	AUTO(sdp) again = parsed(text);

	(void)state;
	assert_int_equal(sdp->media_count, 4);
	assert_true(sdp->media[1].rejected && sdp->media[2].rejected && sdp->media[3].rejected);
	assert_int_equal(sdp->media[2].kind, MEDIA_OTHER);
	assert_string_equal(sdp->media[2].mid, "9");
	assert_int_equal(again->media_count, 4);
	assert_true(again->media[3].rejected);
}

static void where_all_is_rejected_no_transport_is_needed(void **state)
{
	AUTO(sdp)
	sdp = parsed("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
		     "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=inactive\r\n");

	(void)state;
	assert_false(sdp_has_transport(sdp));
	assert_true(sdp->media[0].rejected);
}

static void codecs_that_do_not_fit_are_left_out(void **state)
{
	char text[4096], parameters[400];
	AUTO(sdp) sdp = NULL;

	(void)state;
	memset(parameters, 'x', sizeof(parameters) - 1);
	parameters[sizeof(parameters) - 1] = '\0';
	(void)snprintf(
		text, sizeof(text),
		SESSION GROUP
		"m=audio 9 UDP/TLS/RTP/SAVPF 0 111 96 97 98 111 zz 300\r\n" TRANSPORT MID MUX OPUS
		"a=rtpmap:96 a-name-much-too-long/8000\r\n"
		"a=rtpmap:97 L16/8000\r\na=fmtp:97 %s\r\n"
		"a=fmtp:111 a=1; b=2\r\na=rtcp-fb:* nack\r\n",
		parameters);
	sdp = parsed(text);
	assert_int_equal(sdp->media[0].codec_count, 2);
	assert_string_equal(sdp->media[0].codecs[0].name, "PCMU");
	assert_int_equal(sdp->media[0].codecs[0].clock_rate_hz, 8000);
	assert_string_equal(sdp->media[0].codecs[1].name, "opus");
	assert_string_equal(sdp->media[0].codecs[1].fmtp, "a=1; b=2");
	assert_true(sdp->media[0].codecs[0].nack && sdp->media[0].codecs[1].nack);
}

static void forty_codecs_and_twenty_ssrcs_are_cut_to_the_first(void **state)
{
	static char text[16384];
	size_t length;
	AUTO(sdp) sdp = NULL;

	(void)state;
	length = (size_t)snprintf(text, sizeof(text), SESSION GROUP "m=audio 9 UDP/TLS/RTP/SAVPF");
	for (int i = 0; i < 40; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, " %d", 80 + i);
	length += (size_t)snprintf(text + length, sizeof(text) - length, "\r\n" TRANSPORT MID MUX);
	for (int i = 0; i < 40; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length,
					   "a=rtpmap:%d c%d/8000\r\na=ssrc:%d cname:c\r\n", 80 + i,
					   i, 1000 + i);
	sdp = parsed(text);
	assert_int_equal(sdp->media[0].codec_count, SDP_CODECS_MAX);
	assert_string_equal(sdp->media[0].codecs[31].name, "c31");
	assert_int_equal(sdp->media[0].ssrc_count, SDP_SSRCS_MAX);
	assert_int_equal(sdp->media[0].ssrcs[7], 1007);
}

/* An offer of `count` m-lines, each with `extra` after it. */
static char *long_offer(int count, const char *extra)
{
	size_t capacity = (size_t)count * (strlen(extra) + 256) + 8192, length;
	char *text = malloc(capacity);

	assert_non_null(text);
	length = (size_t)snprintf(text, capacity, SESSION TRANSPORT "a=group:BUNDLE");
	for (int i = 0; i < count; i++)
		length += (size_t)snprintf(text + length, capacity - length, " m%d", i);
	length += (size_t)snprintf(text + length, capacity - length, "\r\n");
	for (int i = 0; i < count; i++)
		length += (size_t)snprintf(text + length, capacity - length,
					   LINE MUX OPUS "a=mid:m%d\r\n%s", i, extra);
	return text;
}

static void offers_of_200_m_lines_and_over_64_kilobytes_are_read(void **state)
{
	AUTO_FREE char *text =
		long_offer(200, "a=x:0123456789012345678901234567890123456789012345678901234567890"
				"12345678901234567890123456789012345678901234567890123456789012345"
				"67890123456789012345678901234567890123456789012345678901234567890"
				"1234567890123456789012345678901234567890123456789012345678\r\n");
	AUTO(sdp) sdp = parsed(text);
	AUTO_FREE char *formatted = sdp_format(sdp);
	AUTO(sdp) again = parsed(formatted);

	(void)state;
	assert_true(strlen(text) > 65536);
	assert_int_equal(sdp->media_count, 200);
	assert_string_equal(sdp->media[199].mid, "m199");
	assert_sdp_equal(sdp, again);
}

static void what_is_beyond_the_limits_is_refused(void **state)
{
	AUTO_FREE char *most = long_offer(SDP_MEDIA_MAX, "");
	AUTO_FREE char *too_many = long_offer(SDP_MEDIA_MAX + 1, "");
	AUTO_FREE char *too_long = malloc(SDP_LARGE_BYTES_MAX + 1);
	AUTO(sdp) sdp = parsed(most);
	struct sdp *none = NULL;
	struct error error = {0};

	(void)state;
	assert_int_equal(sdp->media_count, SDP_MEDIA_MAX);
	assert_int_equal(sdp_parse(too_many, strlen(too_many), &none, &error), -EMSGSIZE);
	assert_string_equal(error.field, "m=");
	memset(too_long, 'x', SDP_LARGE_BYTES_MAX + 1);
	assert_int_equal(sdp_parse(too_long, SDP_LARGE_BYTES_MAX + 1, &none, &error), -EMSGSIZE);
	assert_string_equal(error.code, "bad_sdp");
	assert_null(none);
}

/* Each with a line of its own of about so many bytes. */
static char *offer_of_lines(int count, int bytes_each)
{
	AUTO_FREE char *line = NULL;

	assert_true(asprintf(&line, "a=%0*d\r\n", bytes_each, 0) > 0);
	return long_offer(count, line);
}

static void many_m_lines_may_be_long_and_a_few_may_not(void **state)
{
	AUTO_FREE char *two = offer_of_lines(2, 31 * 1024);
	AUTO_FREE char *too_long = offer_of_lines(2, 33 * 1024);
	AUTO_FREE char *many = offer_of_lines(40, 3 * 1024);
	AUTO_FREE char *too_many = offer_of_lines(45, 3 * 1024);
	AUTO(sdp) sdp = parsed(two);
	AUTO(sdp) large = parsed(many);
	struct sdp *none = NULL;
	struct error error = {0};

	(void)state;
	assert_true(strlen(two) < SDP_BYTES_MAX && strlen(many) > SDP_BYTES_MAX);
	assert_int_equal(sdp_parse(too_long, strlen(too_long), &none, &error), -EMSGSIZE);
	assert_non_null(strstr(error.message, "65536"));
	assert_int_equal(sdp_parse(too_many, strlen(too_many), &none, &error), -EMSGSIZE);
	assert_non_null(strstr(error.message, "131072"));
	assert_null(none);
}

static void damaged_offers_are_refused_or_read_but_never_harm(void **state)
{
	AUTO_FREE char *text = fixture("chromium_offer.sdp");
	struct random random = random_from_environment();
	size_t length = strlen(text);

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t cut = 1 + random_below(&random, (uint32_t)length);
		AUTO_FREE char *copy = malloc(cut);
		AUTO(sdp) sdp = NULL;

		assert_non_null(copy);
		memcpy(copy, text, cut);
		for (uint32_t i = random_below(&random, 4); i > 0; i--)
			copy[random_below(&random, (uint32_t)cut)] = (char)random_u64(&random);
		if (sdp_parse(copy, cut, &sdp, NULL) == 0) {
			AUTO_FREE char *formatted = sdp_format(sdp);

			assert_non_null(formatted);
		}
	}
}

/* A Chromium offer of three layers, cut to what matters; and our answer to it. */
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chromium_offer_is_read),
		cmocka_unit_test(a_firefox_offer_is_read),
		cmocka_unit_test(a_webrtcbin_offer_is_read),
		cmocka_unit_test(what_is_formatted_parses_to_the_same),
		cmocka_unit_test(a_copy_has_all_and_is_no_larger_than_what_was_said),
		cmocka_unit_test(an_answer_reads_as_browsers_expect),
		cmocka_unit_test(a_name_cannot_begin_a_line),
		cmocka_unit_test(the_SMALLEST_is_enough),
		cmocka_unit_test(the_first_m_lines_ice_credentials_count),
		cmocka_unit_test(a_rejected_m_line_needs_nothing),
		cmocka_unit_test(where_all_is_rejected_no_transport_is_needed),
		cmocka_unit_test(codecs_that_do_not_fit_are_left_out),
		cmocka_unit_test(forty_codecs_and_twenty_ssrcs_are_cut_to_the_first),
		cmocka_unit_test(offers_of_200_m_lines_and_over_64_kilobytes_are_read),
		cmocka_unit_test(what_is_beyond_the_limits_is_refused),
		cmocka_unit_test(many_m_lines_may_be_long_and_a_few_may_not),
		cmocka_unit_test(damaged_offers_are_refused_or_read_but_never_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
