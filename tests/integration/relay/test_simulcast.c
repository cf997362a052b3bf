/* test_simulcast.c - a picture in several streams, told apart by their SSRCs alone
 * (a=ssrc-group:SIM), on its way to somebody who sees one of them at a time. */
#include "tests/integration/relay/layered.h"

#include "core/clock.h"
#include "sfu/wire/rtcp.h"

static void the_best_layer_that_comes_is_seen(void **state)
{
	struct pair *pair = *state;
	struct layered layered;

	layered_join(&layered, pair);
	layered_go_on_until(&layered, 2);
	layered.sent_layers = 1 << 1 | 1 << 0;
	layered_go_on_until(&layered, 1);
	layered.sent_layers = 1 << 0;
	layered_go_on_until(&layered, 0);
	layered.sent_layers = 1 << 2 | 1 << 1 | 1 << 0;
	layered_go_on_until(&layered, 2);
	layered_leave(&layered, pair);
}

/* The layer that should be seen goes on, but does not begin; a smaller one does. */
static void any_smaller_layer_stops_a_gap(void **state)
{
	struct pair *pair = *state;
	struct layered layered;

	layered_join(&layered, pair);
	layered_go_on_until(&layered, 2);
	layered.refused_layers = 1 << 1;
	layered.sent_layers = 1 << 1 | 1 << 0;
	for (int i = 0; i < 500 && layered.seen_layer != 0; i++) {
		layered.wanted_keyframes |= 1 << 0; /* whoever else wants them */
		layered_go_on(&layered);
	}
	assert_int_equal(layered.seen_layer, 0);
	layered.refused_layers = 0;
	layered_go_on_until(&layered, 1);
	layered_leave(&layered, pair);
}

/* What the highest layer takes on its way, as it was sent in so many moments. */
static uint64_t top_bps(struct layered *layered)
{
	enum { MOMENTS = 150, OVERHEAD_BYTES = 44 };
	uint64_t began_us = clock_now_us();

	for (int i = 0; i < MOMENTS; i++)
		layered_go_on(layered);
	return (uint64_t)MOMENTS * (LAYERED_TOP_BYTES + OVERHEAD_BYTES) * 8 * 1000000 /
	       (clock_now_us() - began_us);
}

/* The viewer's way carries that much now. */
static void tell_estimate(struct layered *layered, uint64_t bitrate_bps)
{
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	rtcp_write_remb(&writer, 1, bitrate_bps, &layered->viewer.receive_ssrc, 1);
	load_peer_send_rtcp(&layered->viewer, packet, writer.offset, sizeof(packet));
}

/* For a while, and then: does anything come? */
static bool is_dark_after_a_while(struct layered *layered)
{
	enum { WHILE = 100, LOOK = 20 };

	for (int i = 0; i < WHILE; i++)
		layered_go_on(layered);
	layered->has_seen = false;
	for (int i = 0; i < LOOK; i++)
		layered_go_on(layered);
	return !layered->has_seen;
}

/* Until a smaller layer begins the larger one goes on, as long as the way carries half of it: more
 * would only keep the keyframe that all wait for from getting through. */
static void too_large_a_layer_is_borne_for_a_moment_but_not_at_any_price(void **state)
{
	struct pair *pair = *state;
	struct layered layered;
	uint64_t bps;

	layered_join(&layered, pair);
	layered_go_on_until(&layered, 2);
	layered.may_lose = true; /* what is looked at begins anew */
	bps = top_bps(&layered);
	layered.refused_layers = 1 << 1 | 1 << 0;
	layered.asked_layers = 0;
	tell_estimate(&layered, bps * 3 / 4);
	assert_false(is_dark_after_a_while(&layered));
	assert_int_equal(layered.seen_layer, 2);
	assert_true(layered.asked_layers & layered.refused_layers);
	tell_estimate(&layered, bps / 5);
	assert_true(is_dark_after_a_while(&layered));
	layered.refused_layers = 0;
	layered_go_on_until(&layered, 0);
	layered_leave(&layered, pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_best_layer_that_comes_is_seen),
		cmocka_unit_test(any_smaller_layer_stops_a_gap),
		cmocka_unit_test(too_large_a_layer_is_borne_for_a_moment_but_not_at_any_price),
	};
	int failed = RUN_ON_ONE_WORKER(tests);

	return failed + RUN_ON_TWO_WORKERS(tests);
}
