/* test_decodable_slots.c - more films than a viewer has m-lines, so that each line goes on with
 * another whenever somebody else speaks: what each line is sent can be shown (critic.h), whatever
 * happens on the way, at the publishers and at the viewers. At random; RT_SEED repeats a run as far
 * as time allows, RT_SECONDS makes it longer. */
#include "tests/integration/relay/ordeal.h"
#include "tests/integration/relay/viewer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

enum {
	FILMS = 4,
	VIEWERS = 2,
	SLOTS = 2,
	TURN_US = 2000,
	SECONDS = 12,
	SPEAKS_US = 1500000, /* at the least; twice that at the most */
	CALM_US = 20000000,
	EVENT_TURNS = 150
};

struct show {
	struct pair *pair;
	struct random random;
	struct film *films[FILMS];
	struct viewer *viewers[VIEWERS];
	uint64_t next_speaker_us;
	unsigned speaker;
	uint64_t restored_us[FILMS]; /* until then it says nothing */
	unsigned changes[VIEWERS];   /* of a slot */
};

static const char *const viewer_ids[VIEWERS] = {"estimating", "with feedback, without RTX"};

static void on_event(void *data, const struct bus_frame *frame)
{
	struct show *show = data;
	const char *peer_id = json_text_of(frame->body, "peer_id");

	for (size_t i = 0; i < VIEWERS; i++) {
		struct viewer *viewer = show->viewers[i];

		if (!viewer || strcmp(viewer_ids[i], peer_id) != 0)
			continue;
		if (frame->message == BUS_PEER_SIGNAL)
			viewer_on_signal(viewer, frame->body);
		show->changes[i] += frame->message == BUS_PEER_SLOT;
		assert_int_not_equal(frame->message, BUS_PEER_ERROR);
	}
}

/* ---- coming and going ---- */

static void film_comes(struct show *show, size_t i)
{
	film_begin(show->films[i], show->pair, &show->random, (uint8_t)i, true);
	show->films[i]->speaks = show->speaker == i;
}

static void begin(struct show *show, struct pair *pair)
{
	*show = (struct show){.pair = pair, .random = random_from_environment()};
	fake_hub_close_room(&pair->hub, "relay"); /* whom a test that failed has left in it */
	pair->hub.on_event = on_event;
	pair->hub.events_data = show;
	for (size_t i = 0; i < VIEWERS; i++) {
		show->viewers[i] = calloc(1, sizeof(*show->viewers[i]));
		assert_non_null(show->viewers[i]);
		viewer_begin_call(show->viewers[i], pair, &show->random, viewer_ids[i], i == 1,
				  i == 1);
	}
	for (size_t i = 0; i < FILMS; i++) {
		show->films[i] = malloc(sizeof(*show->films[i]));
		assert_non_null(show->films[i]);
		film_comes(show, i);
	}
}

static void end(struct show *show)
{
	show->pair->hub.on_event = NULL;
	fake_hub_close_room(&show->pair->hub, "relay");
	for (size_t i = 0; i < VIEWERS; i++) {
		viewer_end(show->viewers[i]);
		free(show->viewers[i]);
	}
	for (size_t i = 0; i < FILMS; i++) {
		film_end(show->films[i]);
		free(show->films[i]);
	}
}

static void go_on(void *data)
{
	struct show *show = data;

	for (size_t i = 0; i < FILMS; i++)
		if (clock_now_us() >= show->restored_us[i])
			film_go_on(show->films[i]);
	for (size_t i = 0; i < VIEWERS; i++)
		viewer_go_on(show->viewers[i]);
	assert_int_equal(fake_hub_listen(&show->pair->hub, 0), 0);
	(void)usleep(TURN_US);
}

static void let_speak(struct show *show, unsigned speaker)
{
	show->speaker = speaker;
	show->next_speaker_us = clock_now_us() + SPEAKS_US + random_below(&show->random, SPEAKS_US);
	for (size_t i = 0; i < FILMS; i++)
		show->films[i]->speaks = i == speaker;
}

/* ---- what happens ---- */

static struct film *some_film(struct show *show)
{
	return show->films[random_below(&show->random, FILMS)];
}

static void lose_more_or_less(struct show *show)
{
	some_film(show)->lost_percent = ordeal_loss_percent(&show->random);
	for (size_t i = 0; i < VIEWERS; i++)
		show->viewers[i]->lost_percent = ordeal_loss_percent(&show->random);
}

static void tell_an_estimate(struct show *show)
{
	static const uint64_t carried_bps[] = {5000000, 2000000, 1000000, 400000, 150000};

	viewer_tell_estimate(show->viewers[0], carried_bps[random_below(&show->random, 5)]);
}

static void leave_layers_off(struct show *show)
{
	some_film(show)->sent_layers = 1 + random_below(&show->random, (1 << FILM_LAYERS) - 1);
}

static void halt_the_relay(struct show *show)
{
	ordeal_halt_sfu(show->pair, &show->random, go_on, show);
}

static void say_nothing_for_a_while(struct show *show)
{
	show->restored_us[random_below(&show->random, FILMS)] =
		clock_now_us() + random_below(&show->random, 600000);
}

/* Its slots are somebody else's at once. */
static void leave_and_come_back(struct show *show)
{
	size_t i = random_below(&show->random, FILMS);

	fake_hub_leave(&show->pair->hub, "relay", show->films[i]->peer_id);
	film_end(show->films[i]);
	film_comes(show, i);
}

static void something_happens(struct show *show)
{
	static void (*const events[])(struct show *) = {
		lose_more_or_less, tell_an_estimate,	    tell_an_estimate,	leave_layers_off,
		halt_the_relay,	   say_nothing_for_a_while, leave_and_come_back};

	events[random_below(&show->random, ARRAY_LEN(events))](show);
}

/* ---- and how it ends ---- */

static void calm_down(struct show *show)
{
	for (size_t i = 0; i < FILMS; i++) {
		show->films[i]->lost_percent = 0;
		show->films[i]->sent_layers = (1 << FILM_LAYERS) - 1;
	}
	for (size_t i = 0; i < VIEWERS; i++)
		show->viewers[i]->lost_percent = 0;
	viewer_tell_estimate(show->viewers[0], 5000000);
}

static bool sees_whole(const struct viewer *viewer, unsigned film)
{
	for (size_t i = 0; i < viewer->line_count; i++) {
		const struct critic *line = viewer->lines[i];

		if (!line->is_broken && line->has_picture && line->last.mark.film == film &&
		    line->top_layer == FILM_LAYERS - 1)
			return true;
	}
	return false;
}

static void all_see_the_speaker_soon(struct show *show)
{
	uint64_t until_us = clock_now_us() + CALM_US;
	size_t content = 0;

	while (content < VIEWERS && clock_now_us() < until_us) {
		go_on(show);
		content = 0;
		for (size_t i = 0; i < VIEWERS; i++)
			content += sees_whole(show->viewers[i], show->speaker);
	}
	for (size_t i = 0; i < VIEWERS; i++)
		if (!sees_whole(show->viewers[i], show->speaker))
			fail_msg("the viewer \"%s\" does not see who speaks, on the largest layer",
				 viewer_ids[i]);
}

/* It was told so, and it saw it. */
static bool has_seen_another(const struct show *show, size_t i)
{
	unsigned long other_films = 0;

	for (size_t j = 0; j < show->viewers[i]->line_count; j++)
		other_films += show->viewers[i]->lines[j]->other_films;
	return show->changes[i] > 0 && other_films > 0;
}

static bool have_all_seen_another(const struct show *show)
{
	for (size_t i = 0; i < VIEWERS; i++)
		if (!has_seen_another(show, i))
			return false;
	return true;
}

/* On a machine that has other work to do it takes longer until a line has gone on with another. */
static bool is_over(const struct show *show, uint64_t end_us)
{
	uint64_t now_us = clock_now_us();

	return now_us >= end_us + CALM_US || (now_us >= end_us && have_all_seen_another(show));
}

static void what_each_line_is_sent_can_be_shown(void **state)
{
	struct show show;
	uint64_t end_us;

	begin(&show, *state);
	end_us = ordeal_end_us(SECONDS);
	while (!is_over(&show, end_us)) {
		go_on(&show);
		if (clock_now_us() >= show.next_speaker_us)
			let_speak(&show, random_below(&show.random, FILMS));
		if (random_below(&show.random, EVENT_TURNS) == 0)
			something_happens(&show);
	}
	calm_down(&show);
	all_see_the_speaker_soon(&show);
	assert_true(have_all_seen_another(&show));
	for (size_t i = 0; i < VIEWERS; i++) {
		assert_int_equal(show.viewers[i]->line_count, SLOTS);
		for (size_t j = 0; j < SLOTS; j++)
			critic_account(show.viewers[i]->lines[j]);
	}
	end(&show);
}

static int start_with_slots(void **state)
{
	(void)setenv("WEBRTC_VIDEO_STREAMS", "2", 1); /* SLOTS */
	return pair_start_sfu(state);
}

static int start_with_slots_on_two_workers(void **state)
{
	(void)setenv("WEBRTC_VIDEO_STREAMS", "2", 1);
	return pair_start_two_workers(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_each_line_is_sent_can_be_shown),
	};
	int failed = cmocka_run_group_tests(tests, start_with_slots, pair_stop_sfu);

	return failed +
	       cmocka_run_group_tests(tests, start_with_slots_on_two_workers, pair_stop_sfu);
}
