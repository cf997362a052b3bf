#include "tests/unit/sfu/dialogue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int dialogue_set_up(void **state)
{
	struct dialogue *dialogue = calloc(1, sizeof(*dialogue));
	struct negotiation_identity identity = {.ice_ufrag = "ufrag", .ice_password = "password"};

	negotiation_init(&dialogue->negotiation, &identity, 42);
	*state = dialogue;
	return 0;
}

int dialogue_tear_down(void **state)
{
	struct dialogue *dialogue = *state;

	negotiation_fini(&dialogue->negotiation);
	free(dialogue);
	return 0;
}

/* ---- the SFU's side ---- */

struct sdp *dialogue_take(struct dialogue *dialogue, const struct sdp *offer)
{
	struct sdp *answer = NULL;

	assert_int_equal(negotiation_take_offer(&dialogue->negotiation, offer, &answer, NULL), 0);
	return answer;
}

void dialogue_refuse(struct dialogue *dialogue, const struct sdp *offer, int number)
{
	struct sdp *answer = NULL;

	assert_int_equal(
		negotiation_take_offer(&dialogue->negotiation, offer, &answer, &dialogue->error),
		number);
	assert_null(answer);
}

void dialogue_send(struct dialogue *dialogue, const struct send_stream *stream)
{
	assert_int_equal(negotiation_add_send(&dialogue->negotiation, stream, NULL), 0);
}

struct sdp *dialogue_offer(struct dialogue *dialogue)
{
	struct sdp *offer = NULL;

	assert_int_equal(negotiation_make_offer(&dialogue->negotiation, &offer), 0);
	return offer;
}

void dialogue_answer(struct dialogue *dialogue, const struct sdp *answer)
{
	assert_int_equal(negotiation_take_answer(&dialogue->negotiation, answer, 0, NULL), 0);
}

void dialogue_refuse_stale_answer(struct dialogue *dialogue, const struct sdp *answer,
				  uint64_t offer_id)
{
	assert_int_equal(
		negotiation_take_answer(&dialogue->negotiation, answer, offer_id, &dialogue->error),
		-EPROTO);
	assert_string_equal(dialogue->error.code, "stale_answer");
}

struct send_stream stream_of(const char *codec, uint32_t clock_rate_hz, void *binding)
{
	struct send_stream stream = {.binding = binding,
				     .format.codec = relay_codec_find(codec, clock_rate_hz),
				     .stream_id = "peer_a",
				     .track_id = "track",
				     .ssrc = 1000,
				     .rtx_ssrc = 1001};
	return stream;
}

struct send_stream stream_in(const char *codec, const char *fmtp, void *binding, uint32_t ssrc)
{
	struct send_stream stream = stream_of(codec, 90000, binding);

	(void)snprintf(stream.format.fmtp, sizeof(stream.format.fmtp), "%s", fmtp);
	stream.ssrc = ssrc;
	stream.rtx_ssrc = ssrc + 1;
	return stream;
}

/* ---- the browser's ---- */

void add_codec(struct sdp_media *media, const char *name, uint8_t payload_type,
	       uint32_t clock_rate_hz, int apt)
{
	struct sdp_codec codec = {
		.payload_type = payload_type, .clock_rate_hz = clock_rate_hz, .apt = (int16_t)apt};

	(void)snprintf(codec.name, sizeof(codec.name), "%s", name);
	assert_int_equal(sdp_media_add_codec(media, &codec), 0);
}

void fill_media(struct sdp_media *media, enum media_kind kind, const char *mid,
		enum sdp_direction direction)
{
	media->kind = kind;
	(void)snprintf(media->mid, sizeof(media->mid), "%s", mid);
	media->direction = direction;
	media->rtcp_mux = true;
	if (kind == MEDIA_AUDIO) {
		add_codec(media, "opus", 109, 48000, -1);
	} else if (kind == MEDIA_VIDEO) {
		add_codec(media, "H265", 103, 90000, -1);
		add_codec(media, "VP8", 120, 90000, -1);
		add_codec(media, "rtx", 124, 90000, 120);
	}
}

struct sdp *browser_offer(size_t count)
{
	static const char *const mids[] = {"0", "1", "2", "3"};
	struct sdp *offer = sdp_new(count, 0);

	offer->setup = SETUP_ACTPASS;
	offer->has_fingerprint = true;
	for (size_t i = 0; i < count; i++)
		fill_media(&offer->media[i], i % 2 ? MEDIA_VIDEO : MEDIA_AUDIO, mids[i],
			   DIRECTION_SENDRECV);
	return offer;
}

struct sdp *browser_answer(const struct sdp *offer)
{
	struct sdp *answer = sdp_copy(offer);

	assert_non_null(answer);
	answer->setup = SETUP_ACTIVE;
	answer->has_fingerprint = true;
	for (size_t i = 0; i < offer->media_count; i++) {
		struct sdp_media *media = &answer->media[i];
		unsigned direction = offer->media[i].direction;

		media->direction =
			(enum sdp_direction)((direction & DIRECTION_SEND ? DIRECTION_RECEIVE : 0) |
					     (direction & DIRECTION_RECEIVE ? DIRECTION_SEND : 0));
	}
	return answer;
}

void set_fmtp(struct sdp_media *media, size_t index, const char *fmtp)
{
	assert_int_equal(sdp_codec_set_fmtp(&media->codecs[index], fmtp), 0);
}
