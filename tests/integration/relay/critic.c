#include "tests/integration/relay/critic.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "sfu/wire/rtcp.h"

enum {
	ASK_US = 30000,
	FEED_BACK_US = 50000,
	COMPLAIN_US = 300000,
	PATIENCE_US = 1500000, /* then it is a hole */
	ASKED_MAX = 100,
	DRIFT_MS_MAX = 100
};

void critic_begin(struct critic *critic, struct pair *pair, struct random *random,
		  const char *peer_id, bool without_rtx, bool with_transport_cc)
{
	AUTO_FREE char *offer = NULL;

	memset(critic, 0, sizeof(*critic));
	critic->random = random;
	critic->peer_id = peer_id;
	critic->is_broken = true;
	critic->complained_us = clock_now_us();
	assert_int_equal(load_peer_init(&critic->peer, pair->identity), 0);
	critic->peer.without_rtx = without_rtx;
	critic->peer.with_transport_cc = with_transport_cc;
	offer = load_peer_offer(&critic->peer, 1);
	pair_join_with(pair, &critic->peer, peer_id, "whep", offer);
}

void critic_end(struct critic *critic)
{
	load_peer_fini(&critic->peer);
}

/* ---- what could not be shown ---- */

#define FAULT(critic, packet, ...)                                                                 \
	do {                                                                                       \
		describe(critic, packet);                                                          \
		fail_msg(__VA_ARGS__);                                                             \
	} while (0)

static void describe_packet(const char *name, const struct critic_packet *packet)
{
	const struct film_mark *mark = &packet->mark;

	print_error("  %s: number %u, timestamp %u, layer %u, temporal %u, picture %d (%s), "
		    "packet %u of %u\n",
		    name, packet->sequence_number, packet->rtp_timestamp, mark->layer,
		    mark->temporal_layer, mark->picture, mark->is_keyframe ? "key" : "delta",
		    mark->packet_index + 1u, mark->packet_count);
}

static void describe(const struct critic *critic, const struct critic_packet *packet)
{
	print_error("the viewer \"%s\" cannot show this:\n", critic->peer_id);
	if (critic->has_picture)
		describe_packet("before", &critic->last);
	describe_packet("now", packet);
}

static uint16_t picture_id_of(const struct critic_packet *packet)
{
	return (uint16_t)((packet->descriptor[2] & 0x7f) << 8 | packet->descriptor[3]);
}

static uint8_t key_index_of(const struct critic_packet *packet)
{
	return packet->descriptor[5] & 0x1f;
}

static bool is_same_picture(const struct critic_packet *a, const struct critic_packet *b)
{
	return a->mark.layer == b->mark.layer && a->mark.picture == b->mark.picture;
}

static bool is_whole(const struct critic_packet *packet)
{
	return packet->mark.packet_index + 1 == packet->mark.packet_count;
}

static void judge_same_picture(const struct critic *critic, const struct critic_packet *packet)
{
	const struct critic_packet *last = &critic->last;

	if (packet->mark.packet_index != last->mark.packet_index + 1)
		FAULT(critic, packet, "a packet of the picture is missing, and its number not");
	if (packet->rtp_timestamp != last->rtp_timestamp)
		FAULT(critic, packet, "one picture has two timestamps");
	if (memcmp(packet->descriptor + 2, last->descriptor + 2, FILM_DESCRIPTOR_BYTES - 2) != 0)
		FAULT(critic, packet, "one picture has two sets of numbers");
}

/* Those that it refers to have been shown. */
static void judge_references(const struct critic *critic, const struct critic_packet *packet)
{
	unsigned known =
		critic->picture_count < CRITIC_PICTURES ? critic->picture_count : CRITIC_PICTURES;

	for (size_t i = 0; i < FILM_NEEDS; i++) {
		bool is_there = packet->mark.needs[i] == FILM_NOTHING;

		for (unsigned j = 0; j < known; j++)
			is_there |= critic->pictures[j] == packet->mark.needs[i];
		if (!is_there)
			FAULT(critic, packet, "it refers to picture %d, which was not sent",
			      packet->mark.needs[i]);
	}
}

static void judge_numbers(const struct critic *critic, const struct critic_packet *packet)
{
	const struct critic_packet *last = &critic->last;
	bool begins_anew = packet->mark.is_keyframe;
	uint8_t tl0_index = (uint8_t)(last->descriptor[4] + (packet->mark.temporal_layer == 0));
	uint8_t key_index = (key_index_of(last) + begins_anew) & 0x1f;

	if (((picture_id_of(packet) - picture_id_of(last) - 1) & 0x7fff) > critic->left_open)
		FAULT(critic, packet, "picture id %u follows %u", picture_id_of(packet),
		      picture_id_of(last));
	if (packet->descriptor[4] != tl0_index)
		FAULT(critic, packet, "TL0PICIDX %u follows %u", packet->descriptor[4],
		      last->descriptor[4]);
	if (key_index_of(packet) != key_index)
		FAULT(critic, packet, "KEYIDX %u follows %u", key_index_of(packet),
		      key_index_of(last));
}

/* Holds across holes as well. */
static void judge_time(struct critic *critic, const struct critic_packet *packet)
{
	int64_t captured_us = (int64_t)(packet->mark.captured_us - critic->origin_us), drift;

	if (!critic->has_origin) {
		critic->has_origin = true;
		critic->origin_timestamp = packet->rtp_timestamp;
		critic->origin_us = packet->mark.captured_us;
		return;
	}
	if (critic->has_picture &&
	    (int32_t)(packet->rtp_timestamp - critic->last.rtp_timestamp) <= 0)
		FAULT(critic, packet, "time does not go on");
	drift = (int32_t)(packet->rtp_timestamp - critic->origin_timestamp -
			  (uint32_t)(captured_us * 9 / 100));
	if (drift < 0)
		drift = -drift;
	if (drift > critic->drift_ticks)
		critic->drift_ticks = drift;
	if (drift > DRIFT_MS_MAX * 90)
		FAULT(critic, packet, "its time is %d ms away from when it was captured",
		      (int)(drift / 90));
}

/* Returns whether it can be shown. */
static bool judge_new_picture(struct critic *critic, const struct critic_packet *packet)
{
	const struct critic_packet *last = &critic->last;
	bool is_other_layer = critic->has_picture && packet->mark.layer != last->mark.layer;

	if (!critic->is_broken && !is_whole(last) && !packet->mark.is_keyframe)
		FAULT(critic, packet, "the picture before it is not whole");
	if (!critic->is_broken && packet->mark.packet_index != 0)
		FAULT(critic, packet, "it does not begin with its first packet");
	if (packet->mark.packet_index == 0)
		judge_time(critic, packet);
	if (packet->mark.is_keyframe && packet->mark.packet_index == 0) {
		if (!critic->is_broken)
			judge_numbers(critic, packet);
		critic->is_broken = false;
		critic->picture_count = 0;
		critic->switches += is_other_layer;
	}
	if (critic->is_broken)
		return false;
	if (!packet->mark.is_keyframe) {
		if (is_other_layer)
			FAULT(critic, packet, "the layer begins without a keyframe");
		judge_numbers(critic, packet);
		judge_references(critic, packet);
	}
	return true;
}

static void judge(struct critic *critic, const struct critic_packet *packet)
{
	bool is_shown = !critic->is_broken;

	if (packet->is_empty) {
		if (packet->has_marker)
			FAULT(critic, packet, "nothing ends with a packet that holds nothing");
		critic->empty++;
		critic->left_open++;
		return;
	}
	if (packet->has_marker && !is_whole(packet))
		FAULT(critic, packet, "the marker comes too early");
	if (!packet->has_marker && is_whole(packet))
		FAULT(critic, packet, "the last packet has no marker");
	if (critic->has_picture && is_same_picture(&critic->last, packet)) {
		if (!critic->is_broken)
			judge_same_picture(critic, packet);
	} else {
		is_shown = judge_new_picture(critic, packet);
		if (is_shown)
			critic->pictures[critic->picture_count++ % CRITIC_PICTURES] =
				packet->mark.picture;
	}
	critic->shown[packet->mark.layer] += is_shown && is_whole(packet);
	critic->shown_temporal[packet->mark.temporal_layer] += is_shown && is_whole(packet);
	critic->last = *packet;
	critic->has_picture = true;
	critic->left_open = 0;
}

/* ---- in their order ---- */

static struct critic_packet *place_of(struct critic *critic, uint16_t sequence_number)
{
	return &critic->window[sequence_number % CRITIC_WINDOW];
}

static bool has_come(struct critic *critic, uint16_t sequence_number)
{
	const struct critic_packet *packet = place_of(critic, sequence_number);

	return packet->is_there && packet->sequence_number == sequence_number;
}

static void judge_what_is_next(struct critic *critic)
{
	uint64_t now_us = clock_now_us();

	while (critic->has_begun && critic->next != (uint16_t)(critic->newest + 1)) {
		if (has_come(critic, critic->next)) {
			judge(critic, place_of(critic, critic->next));
		} else {
			if (now_us - place_of(critic, critic->next)->missing_since_us < PATIENCE_US)
				return;
			critic->holes++;
			critic->is_broken = true;
		}
		critic->next++;
	}
}

static void ask_for_missing(struct critic *critic)
{
	uint16_t missing[ASKED_MAX];
	uint64_t now_us = clock_now_us();
	uint8_t packet[1024];
	struct writer writer = writer_over(packet, sizeof(packet) - 64);
	size_t count = 0;

	if (!critic->has_begun || now_us - critic->asked_us < ASK_US)
		return;
	for (uint16_t i = critic->next; i != critic->newest && count < ASKED_MAX; i++)
		if (!has_come(critic, i))
			missing[count++] = i;
	if (count == 0)
		return;
	critic->asked_us = now_us;
	rtcp_write_nack(&writer, 1, critic->peer.receive_ssrc, missing, count);
	load_peer_send_rtcp(&critic->peer, packet, writer.offset, sizeof(packet));
}

/* As a browser does whose picture stands still. */
static void ask_for_keyframe(struct critic *critic)
{
	uint64_t now_us = clock_now_us();
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet) - 64);

	if (!critic->is_broken || now_us - critic->complained_us < COMPLAIN_US)
		return;
	critic->complained_us = now_us;
	rtcp_write_pli(&writer, 1, critic->peer.receive_ssrc);
	load_peer_send_rtcp(&critic->peer, packet, writer.offset, sizeof(packet));
}

/* ---- one by one ---- */

/* What lies between is missing from now on. */
static void advance(struct critic *critic, uint16_t newest)
{
	uint64_t now_us = clock_now_us();

	while (++critic->newest != newest)
		*place_of(critic, critic->newest) =
			(struct critic_packet){.missing_since_us = now_us};
}

static void keep(struct critic *critic, const struct critic_packet *packet)
{
	struct critic_packet *place = place_of(critic, packet->sequence_number);

	if (!critic->has_begun) {
		critic->has_begun = true;
		critic->next = critic->newest = packet->sequence_number;
	}
	if (rtp_sequence_is_newer(packet->sequence_number, critic->newest))
		advance(critic, packet->sequence_number);
	else if (rtp_sequence_is_newer(critic->next, packet->sequence_number) &&
		 !has_come(critic, packet->sequence_number))
		return; /* too late; or from before the first one that came */
	if (!has_come(critic, packet->sequence_number)) {
		*place = *packet;
		return;
	}
	critic->repeats++;
	if (memcmp(&place->mark, &packet->mark, sizeof(packet->mark)) != 0 ||
	    memcmp(place->descriptor, packet->descriptor, sizeof(packet->descriptor)) != 0 ||
	    place->rtp_timestamp != packet->rtp_timestamp || place->is_empty != packet->is_empty) {
		describe_packet("first", place);
		FAULT(critic, packet, "it was another packet the first time");
	}
}

/* A packet of the picture, or one sent again (RFC 4588). */
static void take_media(struct critic *critic, const struct rtp_header *header,
		       const uint8_t *payload, size_t length)
{
	struct critic_packet packet = {.is_there = true,
				       .has_marker = header->marker,
				       .sequence_number = header->sequence_number,
				       .rtp_timestamp = header->rtp_timestamp,
				       .is_empty = length == 0};

	if (header->payload_type == LOAD_RTX) {
		if (length < 2)
			return; /* it only tried out the way */
		assert_int_equal(header->ssrc, critic->peer.receive_rtx_ssrc);
		packet.sequence_number = (uint16_t)(payload[0] << 8 | payload[1]);
		payload += 2;
		length -= 2;
		packet.is_empty = length == 0;
	} else {
		assert_int_equal(header->payload_type, LOAD_VP8);
		assert_int_equal(header->ssrc, critic->peer.receive_ssrc);
	}
	if (!packet.is_empty) {
		assert_in_range(length, FILM_DESCRIPTOR_BYTES + sizeof(packet.mark), 1200);
		memcpy(packet.descriptor, payload, FILM_DESCRIPTOR_BYTES);
		memcpy(&packet.mark, payload + FILM_DESCRIPTOR_BYTES, sizeof(packet.mark));
	}
	keep(critic, &packet);
}

static void take(struct critic *critic, uint8_t *packet, size_t length)
{
	struct load_peer *peer = &critic->peer;
	struct rtp_header header;
	int r;

	if (packet_kind_of(packet, length) != PACKET_RTP ||
	    random_below(critic->random, 100) < critic->lost_percent)
		return;
	(void)load_peer_note(peer, packet, length, clock_unix_us());
	r = media_crypto_unprotect_rtp(peer->in, packet, &length);
	if (r == -EALREADY || r == -ESTALE)
		return; /* asked for twice */
	assert_int_equal(r, 0);
	assert_int_equal(rtp_header_decode(packet, length, false, &header), 0);
	take_media(critic, &header, packet + header.header_bytes,
		   rtp_payload_bytes(&header, length));
}

void critic_go_on(struct critic *critic)
{
	uint8_t packet[2048];
	uint64_t now_us;
	ssize_t got;

	while ((got = recv(critic->peer.fd, packet, sizeof(packet), 0)) > 0)
		take(critic, packet, (size_t)got);
	judge_what_is_next(critic);
	ask_for_missing(critic);
	ask_for_keyframe(critic);
	now_us = clock_now_us();
	if (!critic->peer.with_transport_cc || now_us - critic->fed_back_us < FEED_BACK_US)
		return;
	critic->fed_back_us = now_us;
	load_peer_feed_back(&critic->peer);
}

void critic_tell_estimate(struct critic *critic, uint64_t bitrate_bps)
{
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet) - 64);

	rtcp_write_remb(&writer, 1, bitrate_bps, &critic->peer.receive_ssrc, 1);
	load_peer_send_rtcp(&critic->peer, packet, writer.offset, sizeof(packet));
}
