#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sfu/wire/sdp.h"
#include "sfu/wire/sdp_fragment.h"

static const char *const kind_names[] = {
	[MEDIA_AUDIO] = "audio",
	[MEDIA_VIDEO] = "video",
	[MEDIA_APPLICATION] = "application",
	[MEDIA_OTHER] = "text", /* the only other one with RTP that anybody offers */
};

static const char *const direction_names[] = {
	[DIRECTION_INACTIVE] = "inactive",
	[DIRECTION_SEND] = "sendonly",
	[DIRECTION_RECEIVE] = "recvonly",
	[DIRECTION_SENDRECV] = "sendrecv",
};

static const char *const setup_names[] = {
	[SETUP_NONE] = NULL,
	[SETUP_ACTPASS] = "actpass",
	[SETUP_ACTIVE] = "active",
	[SETUP_PASSIVE] = "passive",
};

/* A name that came from a person or a peer: whatever it holds, it cannot begin a line. */
static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text >= ' ')
			(void)fputc(*text, out);
	}
}

static void format_bundle(FILE *out, const struct sdp *sdp)
{
	bool has_bundle = false;

	for (size_t i = 0; i < sdp->media_count; i++) {
		if (sdp->media[i].rejected)
			continue;
		(void)fputs(has_bundle ? " " : "a=group:BUNDLE ", out);
		put_text(out, sdp->media[i].mid);
		has_bundle = true;
	}
	(void)fputs(has_bundle ? "\r\n" : "", out);
}

static void format_session(FILE *out, const struct sdp *sdp)
{
	(void)fprintf(out,
		      "v=0\r\no=- %" PRIu64 " %" PRIu64 " IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
		      sdp->session_id, sdp->session_version);
	format_bundle(out, sdp);
	(void)fputs("a=msid-semantic: WMS *\r\n", out);
	if (sdp->ice_lite)
		(void)fputs("a=ice-lite\r\n", out);
	if (sdp->extmap_allow_mixed)
		(void)fputs("a=extmap-allow-mixed\r\n", out);
}

static void format_credentials(FILE *out, const struct sdp *sdp)
{
	(void)fputs("a=ice-ufrag:", out);
	put_text(out, sdp->ice_ufrag);
	(void)fputs("\r\na=ice-pwd:", out);
	put_text(out, sdp->ice_password);
	(void)fputs("\r\n", out);
}

static void format_transport(FILE *out, const struct sdp *sdp)
{
	format_credentials(out, sdp);
	if (sdp->has_fingerprint) {
		(void)fputs("a=fingerprint:sha-256", out);
		for (size_t i = 0; i < sizeof(sdp->fingerprint_sha256); i++)
			(void)fprintf(out, "%c%02X", i ? ':' : ' ', sdp->fingerprint_sha256[i]);
		(void)fputs("\r\n", out);
	}
	if (setup_names[sdp->setup])
		(void)fprintf(out, "a=setup:%s\r\n", setup_names[sdp->setup]);
}

static void format_codec(FILE *out, const struct sdp_codec *codec)
{
	unsigned payload_type = codec->payload_type;
	const struct {
		bool wanted;
		const char *name;
	} feedback[] = {
		{codec->goog_remb, "goog-remb"}, {codec->transport_cc, "transport-cc"},
		{codec->ccm_fir, "ccm fir"},	 {codec->nack, "nack"},
		{codec->nack_pli, "nack pli"},
	};

	(void)fprintf(out, "a=rtpmap:%u ", payload_type);
	put_text(out, codec->name);
	(void)fprintf(out, "/%" PRIu32, codec->clock_rate_hz);
	if (codec->channels > 0)
		(void)fprintf(out, "/%u", codec->channels);
	(void)fputs("\r\n", out);
	for (size_t i = 0; i < ARRAY_LEN(feedback); i++) {
		if (feedback[i].wanted)
			(void)fprintf(out, "a=rtcp-fb:%u %s\r\n", payload_type, feedback[i].name);
	}
	if (codec->fmtp[0]) {
		(void)fprintf(out, "a=fmtp:%u ", payload_type);
		put_text(out, codec->fmtp);
		(void)fputs("\r\n", out);
	} else if (codec->apt >= 0) {
		(void)fprintf(out, "a=fmtp:%u apt=%d\r\n", payload_type, codec->apt);
	}
}

static void format_ssrc(FILE *out, uint32_t ssrc, const char *cname)
{
	(void)fprintf(out, "a=ssrc:%" PRIu32 " cname:", ssrc);
	put_text(out, cname ? cname : "");
	(void)fputs("\r\n", out);
}

static void format_streams(FILE *out, const struct sdp_media *media)
{
	if (media->msid_stream || media->msid_track) {
		(void)fputs("a=msid:", out);
		put_text(out, media->msid_stream ? media->msid_stream : "-");
		if (media->msid_track) {
			(void)fputc(' ', out);
			put_text(out, media->msid_track);
		}
		(void)fputs("\r\n", out);
	}
	for (size_t i = 0; i < media->ssrc_count; i++) {
		if (media->rtx_ssrcs[i])
			(void)fprintf(out, "a=ssrc-group:FID %" PRIu32 " %" PRIu32 "\r\n",
				      media->ssrcs[i], media->rtx_ssrcs[i]);
		format_ssrc(out, media->ssrcs[i], media->cname);
		if (media->rtx_ssrcs[i])
			format_ssrc(out, media->rtx_ssrcs[i], media->cname);
	}
}

/* Layers by RID (RFC 8851, RFC 8853). */
static void format_layers(FILE *out, const struct sdp_media *media)
{
	const char *direction = media->rids_are_received ? "recv" : "send";

	for (size_t i = 0; i < media->rid_count; i++) {
		(void)fputs("a=rid:", out);
		put_text(out, media->rids[i]);
		(void)fprintf(out, " %s\r\n", direction);
	}
	for (size_t i = 0; i < media->rid_count; i++) {
		if (i == 0)
			(void)fprintf(out, "a=simulcast:%s ", direction);
		put_text(out, media->rids[i]);
		(void)fputs(i + 1 < media->rid_count ? ";" : "\r\n", out);
	}
}

/* "m=" and "c=": even a rejected one names at least one format (RFC 8866 section 5.14). */
static void format_media_line(FILE *out, const struct sdp_media *media)
{
	(void)fprintf(out, "m=%s %d ", kind_names[media->kind], media->rejected ? 0 : 9);
	if (media->kind == MEDIA_APPLICATION) {
		(void)fputs("UDP/DTLS/SCTP webrtc-datachannel", out);
	} else {
		(void)fputs("UDP/TLS/RTP/SAVPF", out);
		for (size_t i = 0; i < media->codec_count; i++)
			(void)fprintf(out, " %u", media->codecs[i].payload_type);
		if (media->codec_count == 0)
			(void)fputs(" 0", out);
	}
	(void)fputs("\r\nc=IN IP4 0.0.0.0\r\n", out);
}

static void format_rtp(FILE *out, const struct sdp_media *media)
{
	for (int i = EXTENSION_NONE + 1; i < EXTENSION_COUNT; i++)
		if (media->extension_ids[i])
			(void)fprintf(out, "a=extmap:%u %s\r\n", media->extension_ids[i],
				      header_extension_uri((enum header_extension)i));
	(void)fprintf(out, "a=%s\r\n", direction_names[media->direction]);
	if (media->rtcp_mux)
		(void)fputs("a=rtcp-mux\r\n", out);
	if (media->rtcp_rsize)
		(void)fputs("a=rtcp-rsize\r\n", out);
	for (size_t i = 0; i < media->codec_count; i++)
		format_codec(out, &media->codecs[i]);
	format_streams(out, media);
	format_layers(out, media);
}

static void format_candidates(FILE *out, const struct sdp *sdp)
{
	for (size_t i = 0; i < sdp->candidate_count; i++) {
		const struct sdp_candidate *candidate = &sdp->candidates[i];

		(void)fprintf(out, "a=candidate:%" PRIu32 " 1 %s %" PRIu32 " ",
			      candidate->foundation, candidate->is_tcp ? "tcp" : "udp",
			      candidate->priority);
		put_text(out, candidate->address);
		(void)fprintf(out, " %u typ host%s\r\n", candidate->port,
			      candidate->is_tcp ? " tcptype passive" : "");
	}
	if (sdp->candidate_count > 0)
		(void)fputs("a=end-of-candidates\r\n", out);
}

static void format_media(FILE *out, const struct sdp *sdp, const struct sdp_media *media)
{
	format_media_line(out, media);
	if (media->rejected) {
		(void)fputs("a=inactive\r\n", out);
		if (media->mid[0]) {
			(void)fputs("a=mid:", out);
			put_text(out, media->mid);
			(void)fputs("\r\n", out);
		}
		return;
	}
	if (media->kind != MEDIA_APPLICATION)
		(void)fputs("a=rtcp:9 IN IP4 0.0.0.0\r\n", out);
	format_transport(out, sdp);
	(void)fputs("a=mid:", out);
	put_text(out, media->mid);
	(void)fputs("\r\n", out);
	if (media->kind != MEDIA_APPLICATION)
		format_rtp(out, media);
	else if (media->sctp_port > 0)
		(void)fprintf(out, "a=sctp-port:%u\r\n", media->sctp_port);
}

/* The text, once it is complete; NULL without memory. */
static char *finish(FILE *out, char **text)
{
	/* Writing to memory fails in one way, and it sticks. */
	int failed = ferror(out);

	if (fclose(out) == 0 && !failed)
		return *text;
	free(*text);
	return NULL;
}

char *sdp_format(const struct sdp *sdp)
{
	bool has_candidates = false;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	format_session(out, sdp);
	for (size_t i = 0; i < sdp->media_count; i++) {
		format_media(out, sdp, &sdp->media[i]);
		if (!sdp->media[i].rejected && !has_candidates) {
			format_candidates(out, sdp);
			has_candidates = true;
		}
	}
	return finish(out, &text);
}

char *sdp_fragment_format(const struct sdp *sdp)
{
	char *text = NULL;
	size_t length, first = 0;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	while (first < sdp->media_count && sdp->media[first].rejected)
		first++;
	if (sdp->ice_lite)
		(void)fputs("a=ice-lite\r\n", out);
	format_bundle(out, sdp);
	if (first < sdp->media_count) {
		format_media_line(out, &sdp->media[first]);
		(void)fputs("a=mid:", out);
		put_text(out, sdp->media[first].mid);
		(void)fputs("\r\n", out);
	}
	format_credentials(out, sdp);
	format_candidates(out, sdp);
	return finish(out, &text);
}
