#include "tests/integration/relay/viewer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "sfu/wire/rtcp.h"

enum { FEED_BACK_US = 50000, LISTEN_MS = 5, ANSWER_TRIES = 1000 };

static void initialise(struct viewer *viewer, struct pair *pair, struct random *random,
		       const char *peer_id, bool without_rtx, bool with_transport_cc)
{
	memset(viewer, 0, sizeof(*viewer));
	viewer->pair = pair;
	viewer->random = random;
	viewer->peer_id = peer_id;
	assert_int_equal(load_peer_init(&viewer->peer, pair->identity), 0);
	viewer->peer.video = pair->video;
	viewer->peer.without_rtx = without_rtx;
	viewer->peer.with_transport_cc = with_transport_cc;
}

static void add_line(struct viewer *viewer, uint32_t ssrc, uint32_t rtx_ssrc)
{
	struct critic *critic = malloc(sizeof(*critic));

	assert_non_null(critic);
	assert_in_range(viewer->line_count, 0, VIEWER_LINES_MAX - 1);
	critic_begin(critic, &viewer->peer, viewer->peer_id, ssrc, rtx_ssrc);
	critic->is_svc = viewer->pair->with_svc;
	viewer->lines[viewer->line_count++] = critic;
}

void viewer_begin(struct viewer *viewer, struct pair *pair, struct random *random,
		  const char *peer_id, bool without_rtx, bool with_transport_cc)
{
	AUTO_FREE char *offer = NULL;

	initialise(viewer, pair, random, peer_id, without_rtx, with_transport_cc);
	offer = load_peer_offer(&viewer->peer, 1);
	pair_join_with(pair, &viewer->peer, peer_id, "whep", offer);
	add_line(viewer, viewer->peer.receive_ssrc, viewer->peer.receive_rtx_ssrc);
}

void viewer_end(struct viewer *viewer)
{
	for (size_t i = 0; i < viewer->line_count; i++)
		free(viewer->lines[i]);
	viewer->line_count = 0;
	free(viewer->answer);
	load_peer_fini(&viewer->peer);
}

/* ---- in a call ---- */

void viewer_begin_call(struct viewer *viewer, struct pair *pair, struct random *random,
		       const char *peer_id, bool without_rtx, bool with_transport_cc)
{
	AUTO_FREE char *offer = NULL;

	initialise(viewer, pair, random, peer_id, without_rtx, with_transport_cc);
	viewer->peer.with_audio = true;
	offer = load_peer_offer(&viewer->peer, 1);
	assert_int_equal(fake_hub_join_call(&pair->hub, "relay", peer_id), 0);
	fake_hub_signal(&pair->hub, "relay", peer_id, "offer", offer);
	for (int i = 0; i < ANSWER_TRIES && !viewer->answer; i++)
		assert_int_equal(fake_hub_listen(&pair->hub, LISTEN_MS), 0);
	assert_non_null(viewer->answer);
	assert_int_equal(load_peer_connect(&viewer->peer, viewer->answer), 0);
}

static bool has_line(const struct viewer *viewer, uint32_t ssrc)
{
	for (size_t i = 0; i < viewer->line_count; i++)
		if (viewer->lines[i]->ssrc == ssrc)
			return true;
	return false;
}

static void add_lines(struct viewer *viewer, const char *offer)
{
	AUTO(sdp) sdp = NULL;
	struct error error;

	assert_int_equal(sdp_parse(offer, strlen(offer), &sdp, &error), 0);
	for (size_t i = 0; i < sdp->media_count; i++) {
		const struct sdp_media *media = &sdp->media[i];

		if (media->kind == MEDIA_VIDEO && media->ssrc_count > 0 &&
		    !has_line(viewer, media->ssrcs[0]))
			add_line(viewer, media->ssrcs[0], media->rtx_ssrcs[0]);
	}
}

void viewer_on_signal(struct viewer *viewer, const json_t *body)
{
	const char *type = json_text_of(body, "signal_type"), *sdp = json_text_of(body, "sdp");
	AUTO_FREE char *answer = NULL;

	if (strcmp(type, "answer") == 0) {
		free(viewer->answer);
		viewer->answer = strdup(sdp);
	} else if (strcmp(type, "offer") == 0) {
		add_lines(viewer, sdp);
		answer = load_peer_answer(&viewer->peer, sdp);
		fake_hub_signal(&viewer->pair->hub, "relay", viewer->peer_id, "answer", answer);
	}
}

/* ---- packets ---- */

static void take(struct viewer *viewer, uint8_t *packet, size_t length)
{
	struct load_peer *peer = &viewer->peer;
	int r;

	if (packet_kind_of(packet, length) != PACKET_RTP ||
	    random_below(viewer->random, 100) < viewer->lost_percent)
		return;
	(void)load_peer_note(peer, packet, length, clock_unix_us());
	r = media_crypto_unprotect_rtp(peer->in, packet, &length);
	if (r == -EALREADY || r == -ESTALE)
		return; /* asked for twice */
	assert_int_equal(r, 0);
	for (size_t i = 0; i < viewer->line_count; i++)
		if (critic_take(viewer->lines[i], packet, length))
			return;
	assert_true(peer->with_audio); /* then it is sound */
}

void viewer_go_on(struct viewer *viewer)
{
	uint8_t packet[2048];
	uint64_t now_us;
	ssize_t got;

	while ((got = recv(viewer->peer.fd, packet, sizeof(packet), 0)) > 0)
		take(viewer, packet, (size_t)got);
	for (size_t i = 0; i < viewer->line_count; i++)
		critic_go_on(viewer->lines[i]);
	now_us = clock_now_us();
	if (!viewer->peer.with_transport_cc || now_us - viewer->fed_back_us < FEED_BACK_US)
		return;
	viewer->fed_back_us = now_us;
	load_peer_feed_back(&viewer->peer);
}

void viewer_tell_estimate(struct viewer *viewer, uint64_t bitrate_bps)
{
	uint32_t ssrcs[VIEWER_LINES_MAX];
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet) - 64);

	for (size_t i = 0; i < viewer->line_count; i++)
		ssrcs[i] = viewer->lines[i]->ssrc;
	rtcp_write_remb(&writer, 1, bitrate_bps, ssrcs, viewer->line_count);
	load_peer_send_rtcp(&viewer->peer, packet, writer.offset, sizeof(packet));
}
