/* dialogue.h - the SFU's negotiation with a browser, for tests of it: `*state` is the dialogue.
 * What is said in it succeeds, or the test fails; SDP that is returned is the caller's. Thread:
 * one. */
#ifndef TESTS_UNIT_SFU_DIALOGUE_H
#define TESTS_UNIT_SFU_DIALOGUE_H

#include "tests/unit/cmocka_all.h"

#include "sfu/model/negotiation.h"

struct dialogue {
	struct negotiation negotiation;
	struct error error; /* of the last refusal */
};

#define DIALOGUE_TEST(function)                                                                    \
	cmocka_unit_test_setup_teardown(function, dialogue_set_up, dialogue_tear_down)
int dialogue_set_up(void **state);
int dialogue_tear_down(void **state);

/* ---- the SFU's side ---- */

/* Its answer to the browser's offer, or its refusal with that errno. */
struct sdp *dialogue_take(struct dialogue *dialogue, const struct sdp *offer);
void dialogue_refuse(struct dialogue *dialogue, const struct sdp *offer, int number);
/* It has a stream to send, offers what it has, and takes the browser's answer to that. */
void dialogue_send(struct dialogue *dialogue, const struct send_stream *stream);
struct sdp *dialogue_offer(struct dialogue *dialogue);
void dialogue_answer(struct dialogue *dialogue, const struct sdp *answer);
/* It finds that this answers another offer than its last; 0: the answer does not say which. */
void dialogue_refuse_stale_answer(struct dialogue *dialogue, const struct sdp *answer,
				  uint64_t offer_id);

/* Of "peer_a", under SSRCs 1000 and 1001. */
struct send_stream stream_of(const char *codec, uint32_t clock_rate_hz, void *binding);
/* A picture under SSRCs `ssrc` and the next. */
struct send_stream stream_in(const char *codec, const char *fmtp, void *binding, uint32_t ssrc);

/* ---- the browser's ---- */

/* Its offer: audio and video by turns, at most 4, each to be published and watched. */
struct sdp *browser_offer(size_t count);
/* What it answers: it receives what we send. */
struct sdp *browser_answer(const struct sdp *offer);
/* One of its m-lines, with the codecs of that kind: Opus; H265, VP8 with RTX. */
void fill_media(struct sdp_media *media, enum media_kind kind, const char *mid,
		enum sdp_direction direction);
void add_codec(struct sdp_media *media, const char *name, uint8_t payload_type,
	       uint32_t clock_rate_hz, int apt);
void set_fmtp(struct sdp_media *media, size_t index, const char *fmtp);

#endif
