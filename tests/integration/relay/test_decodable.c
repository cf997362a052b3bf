/* test_decodable.c - whatever happens on the way, at the publisher and at the viewers: what each of
 * them is sent can be shown (critic.h). At random; RT_SEED repeats a run as far as time allows,
 * RT_SECONDS makes it longer. */
#include "tests/integration/relay/ordeal.h"
#include "tests/integration/relay/viewer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

enum {
	VIEWERS = 4,
	TURN_US = 2000,
	SECONDS = 6,
	LOSS_SECONDS = 3,
	LOSS_PERCENT = 10,
	CALM_US = 20000000,
	EVENT_TURNS = 120
};

static uint8_t video = LOAD_VP8; /* what all films are of */

struct show {
	struct pair *pair;
	struct random random;
	struct film *film;
	struct viewer *viewers[VIEWERS];
	char track_id[64];
	bool is_muted;
	bool is_paused[VIEWERS];
	uint64_t restored_us; /* until then the publisher says nothing */
};

static void find_track(struct show *show)
{
	AUTO_JSON room = fake_hub_room(&show->pair->hub, "relay");
	const json_t *peer;
	size_t i;

	json_array_foreach (json_object_get(room, "peers"), i, peer) {
		const json_t *track = json_array_get(json_object_get(peer, "tracks"), 0);

		if (track)
			(void)snprintf(show->track_id, sizeof(show->track_id), "%.60s",
				       json_text_of(track, "track_id"));
	}
	assert_true(*show->track_id);
}

static void come(struct show *show, size_t i)
{
	static const struct {
		const char *peer_id;
		bool without_rtx, with_transport_cc;
	} kinds[VIEWERS] = {{"with RTX", false, false},
			    {"without RTX", true, false},
			    {"with feedback", false, true},
			    {"with feedback, without RTX", true, true}};

	viewer_begin(show->viewers[i], show->pair, &show->random, kinds[i].peer_id,
		     kinds[i].without_rtx, kinds[i].with_transport_cc);
}

static void begin(struct show *show, struct pair *pair)
{
	*show = (struct show){.pair = pair, .random = random_from_environment()};
	pair->video = video;
	fake_hub_close_room(&pair->hub, "relay"); /* whom a test that failed has left in it */
	show->film = malloc(sizeof(*show->film));
	assert_non_null(show->film);
	film_begin(show->film, pair, &show->random, 0, false);
	for (size_t i = 0; i < VIEWERS; i++) {
		show->viewers[i] = malloc(sizeof(*show->viewers[i]));
		assert_non_null(show->viewers[i]);
		come(show, i);
	}
	find_track(show);
}

static void end(struct show *show)
{
	fake_hub_close_room(&show->pair->hub, "relay");
	for (size_t i = 0; i < VIEWERS; i++) {
		viewer_end(show->viewers[i]);
		free(show->viewers[i]);
	}
	film_end(show->film);
	free(show->film);
}

static void go_on(void *data)
{
	struct show *show = data;

	if (clock_now_us() >= show->restored_us)
		film_go_on(show->film);
	for (size_t i = 0; i < VIEWERS; i++)
		viewer_go_on(show->viewers[i]);
	(void)usleep(TURN_US);
}

/* ---- what happens ---- */

static void lose_more_or_less(struct show *show)
{
	show->film->lost_percent = ordeal_loss_percent(&show->random);
	for (size_t i = 0; i < VIEWERS; i++)
		show->viewers[i]->lost_percent = ordeal_loss_percent(&show->random);
}

/* A way that carries all of it, the middle layer, the smallest, or part of that. */
static void tell_an_estimate(struct show *show)
{
	static const uint64_t carried_bps[] = {5000000, 1000000, 500000, 200000, 60000};

	viewer_tell_estimate(show->viewers[random_below(&show->random, 2)],
			     carried_bps[random_below(&show->random, 5)]);
}

static void set_paused(struct show *show, size_t i, bool is_paused)
{
	show->is_paused[i] = is_paused;
	fake_hub_pause(&show->pair->hub, "relay", show->viewers[i]->peer_id, show->track_id,
		       is_paused);
}

static void pause_or_go_on(struct show *show)
{
	size_t i = random_below(&show->random, VIEWERS);

	set_paused(show, i, !show->is_paused[i]);
}

static void mute_or_go_on(struct show *show)
{
	show->is_muted = !show->is_muted;
	assert_int_equal(
		fake_hub_mute(&show->pair->hub, "relay", show->film->peer_id, show->is_muted), 0);
}

static void leave_layers_off(struct show *show)
{
	show->film->sent_layers = 1 + random_below(&show->random, (1 << FILM_LAYERS) - 1);
}

static void refuse_keyframes(struct show *show)
{
	if (show->film->refused_layers)
		show->film->refused_layers = 0;
	else
		show->film->refused_layers = random_below(&show->random, 1 << FILM_LAYERS);
}

static void halt_the_relay(struct show *show)
{
	ordeal_halt_sfu(show->pair, &show->random, go_on, show);
}

static void say_nothing_for_a_while(struct show *show)
{
	show->restored_us = clock_now_us() + random_below(&show->random, 600000);
}

static void leave_and_come_back(struct show *show)
{
	uint32_t i = random_below(&show->random, VIEWERS);

	fake_hub_leave(&show->pair->hub, "relay", show->viewers[i]->peer_id);
	viewer_end(show->viewers[i]);
	show->is_paused[i] = false;
	come(show, i);
}

/* Who sees nothing finds no fault. Nothing that has that effect is to last. */
static bool something_ends(struct show *show)
{
	if (show->is_muted) {
		mute_or_go_on(show);
		return true;
	}
	if (random_below(&show->random, 2) == 0)
		return false;
	for (size_t i = 0; i < VIEWERS; i++) {
		if (!show->is_paused[i])
			continue;
		set_paused(show, i, false);
		return true;
	}
	if (!show->film->refused_layers)
		return false;
	refuse_keyframes(show);
	return true;
}

static void something_happens(struct show *show)
{
	static void (*const events[])(struct show *) = {
		lose_more_or_less,  tell_an_estimate, tell_an_estimate, tell_an_estimate,
		pause_or_go_on,	    mute_or_go_on,    leave_layers_off, leave_layers_off,
		refuse_keyframes,   halt_the_relay,   halt_the_relay,	say_nothing_for_a_while,
		leave_and_come_back};

	if (!something_ends(show))
		events[random_below(&show->random, ARRAY_LEN(events))](show);
}

/* ---- and how it ends ---- */

static void calm_down(struct show *show)
{
	show->film->lost_percent = 0;
	show->film->refused_layers = 0;
	show->film->sent_layers = (1 << FILM_LAYERS) - 1;
	if (show->is_muted)
		mute_or_go_on(show);
	for (size_t i = 0; i < VIEWERS; i++) {
		show->viewers[i]->lost_percent = 0;
		if (show->is_paused[i])
			set_paused(show, i, false);
		if (!show->viewers[i]->peer.with_transport_cc)
			viewer_tell_estimate(show->viewers[i], 5000000);
	}
}

static bool sees_all(const struct viewer *viewer)
{
	const struct critic *line = viewer->lines[0];

	return !line->is_broken && line->has_picture && line->top_layer == FILM_LAYERS - 1;
}

static void all_see_all_soon(struct show *show)
{
	uint64_t until_us = clock_now_us() + CALM_US;
	size_t content = 0;

	while (content < VIEWERS && clock_now_us() < until_us) {
		go_on(show);
		content = 0;
		for (size_t i = 0; i < VIEWERS; i++)
			content += sees_all(show->viewers[i]);
	}
	for (size_t i = 0; i < VIEWERS; i++)
		if (!sees_all(show->viewers[i]))
			fail_msg("the viewer \"%s\" does not come back to the largest layer",
				 show->viewers[i]->peer_id);
}

static void all_that_is_sent_can_be_shown(void **state)
{
	struct show show;
	uint64_t until_us;

	begin(&show, *state);
	until_us = ordeal_end_us(SECONDS);
	while (clock_now_us() < until_us) {
		go_on(&show);
		if (random_below(&show.random, EVENT_TURNS) == 0)
			something_happens(&show);
	}
	calm_down(&show);
	all_see_all_soon(&show);
	for (size_t i = 0; i < VIEWERS; i++)
		critic_account(show.viewers[i]->lines[0]);
	end(&show);
}

/* From the publisher and to each viewer, with RTX or without. Nobody asks for a keyframe, before
 * which nothing would be. */
static void what_is_lost_is_made_up_for(void **state)
{
	struct show show;
	uint64_t until_us;

	begin(&show, *state);
	all_see_all_soon(&show);
	until_us = ordeal_end_us(LOSS_SECONDS);
	show.film->lost_percent = LOSS_PERCENT;
	for (size_t i = 0; i < VIEWERS; i++)
		show.viewers[i]->lost_percent = LOSS_PERCENT;
	while (clock_now_us() < until_us)
		go_on(&show);
	calm_down(&show);
	all_see_all_soon(&show);
	for (size_t i = 0; i < VIEWERS; i++) {
		critic_account(show.viewers[i]->lines[0]);
		assert_int_equal(show.viewers[i]->lines[0]->holes, 0);
	}
	end(&show);
}

/* Of VP8 as three streams, unless the argument names another film. */
int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint8_t video;
		bool with_svc;
	} films[] = {{"vp8", LOAD_VP8, false},
		     {"vp9", LOAD_VP9, false},
		     {"vp9_svc", LOAD_VP9, true},
		     {"av1", LOAD_AV1, false},
		     {"av1_svc", LOAD_AV1, true}};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_sent_can_be_shown),
		cmocka_unit_test(what_is_lost_is_made_up_for),
	};
	size_t film = 0;
	bool with_svc;
	int failed;

	while (argc > 1 && film < ARRAY_LEN(films) && strcmp(argv[1], films[film].name) != 0)
		film++;
	if (film == ARRAY_LEN(films)) {
		(void)fprintf(stderr, "there is no film %s\n", argv[1]);
		return EXIT_FAILURE;
	}
	video = films[film].video;
	with_svc = films[film].with_svc;
	failed = with_svc ? RUN_WITH_SVC(tests) : RUN_ON_ONE_WORKER(tests);
	return failed + (with_svc ? RUN_WITH_SVC_ON_TWO_WORKERS(tests) : RUN_ON_TWO_WORKERS(tests));
}
