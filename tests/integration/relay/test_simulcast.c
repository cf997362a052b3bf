/* test_simulcast.c - a picture in several streams, told apart by their SSRCs alone
 * (a=ssrc-group:SIM), on its way to somebody who sees one of them at a time. */
#include "tests/integration/relay/layered.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_best_layer_that_comes_is_seen),
		cmocka_unit_test(any_smaller_layer_stops_a_gap),
	};
	int failed = RUN_ON_ONE_WORKER(tests);

	return failed + RUN_ON_TWO_WORKERS(tests);
}
