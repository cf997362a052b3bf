#include <stdlib.h>
#include <string.h>

#include "sfu/model/active_speaker.h"
#include "tests/unit/cmocka_all.h"

enum { PACKET_US = 20000, SILENCE = 127, SPEECH = 30, LOUD = 20, MURMUR = 60 };

/* Each voice at its level, for some time; the floor is looked at every 100 ms. */
static int talk(struct voice *voices, size_t count, const uint8_t *levels, int current,
		uint64_t *now_us, unsigned milliseconds)
{
	struct voice *list[8];

	for (size_t i = 0; i < count; i++)
		list[i] = &voices[i];
	for (unsigned at = 0; at < milliseconds; at += 20) {
		*now_us += PACKET_US;
		for (size_t i = 0; i < count; i++)
			voice_on_packet(&voices[i], levels[i], *now_us);
		if (at % 100 == 0)
			current = active_speaker_choose(list, count, current, *now_us);
	}
	return current;
}

static void the_floor_goes_to_who_speaks(void **state)
{
	struct voice voices[3] = {0};
	uint64_t now_us = 1000000;
	int floor = -1;

	(void)state;
	floor = talk(voices, 3, (uint8_t[]){SILENCE, SILENCE, MURMUR}, floor, &now_us, 1000);
	assert_int_equal(floor, -1);
	floor = talk(voices, 3, (uint8_t[]){SILENCE, SPEECH, MURMUR}, floor, &now_us, 400);
	assert_int_equal(floor, 1);
	/* A pause between two words keeps it. */
	floor = talk(voices, 3, (uint8_t[]){SILENCE, SILENCE, SILENCE}, floor, &now_us, 3000);
	assert_int_equal(floor, 1);
	floor = talk(voices, 3, (uint8_t[]){SPEECH, SILENCE, SILENCE}, floor, &now_us, 400);
	assert_int_equal(floor, 0);
}

/* As another worker may tell of it, whose turn began later. */
static void who_is_heard_after_now_has_not_been_silent(void **state)
{
	struct voice voices[2] = {0};
	struct voice *list[] = {&voices[0], &voices[1]};
	uint64_t now_us = 1000000;
	int floor = talk(voices, 2, (uint8_t[]){SPEECH, SPEECH}, 0, &now_us, 400);

	(void)state;
	voice_on_packet(&voices[0], SPEECH, now_us + 1);
	assert_int_equal(active_speaker_choose(list, 2, floor, now_us), 0);
	voice_on_packet(&voices[1], LOUD, now_us + 1);
	assert_int_equal(active_speaker_choose(list, 2, 0, now_us), 0);
}

static void a_cough_does_not_take_it(void **state)
{
	struct voice voices[2] = {0};
	uint64_t now_us = 1000000;
	int floor = talk(voices, 2, (uint8_t[]){SPEECH, SILENCE}, -1, &now_us, 1000);

	(void)state;
	floor = talk(voices, 2, (uint8_t[]){SPEECH, LOUD}, floor, &now_us, 200);
	assert_int_equal(floor, 0);
	floor = talk(voices, 2, (uint8_t[]){SPEECH, SILENCE}, floor, &now_us, 1000);
	floor = talk(voices, 2, (uint8_t[]){SPEECH, SPEECH}, floor, &now_us, 2000);
	assert_int_equal(floor, 0); /* as loud is not louder */
	floor = talk(voices, 2, (uint8_t[]){SPEECH, LOUD}, floor, &now_us, 1000);
	assert_int_equal(floor, 1);
}

static void those_who_spoke_last_are_heard(void **state)
{
	struct voice voices[5] = {0};
	struct voice *list[5];
	bool heard[5];
	uint64_t now_us = 1000000;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		list[i] = &voices[i];
	memset(heard, true, sizeof(heard)); /* as all are, until there are too many */
	active_speaker_rank(list, 5, 2, heard);
	assert_true(heard[0] && heard[1] && !heard[2]);
	(void)talk(voices, 5, (uint8_t[]){SILENCE, SILENCE, SILENCE, SPEECH, SILENCE}, -1, &now_us,
		   400);
	(void)talk(voices, 5, (uint8_t[]){SILENCE, SILENCE, SILENCE, SILENCE, SPEECH}, -1, &now_us,
		   400);
	active_speaker_rank(list, 5, 2, heard);
	assert_true(heard[3] && heard[4]);
	assert_false(heard[0] || heard[1] || heard[2]);
	active_speaker_rank(list, 5, 9, heard);
	for (size_t i = 0; i < 5; i++)
		assert_true(heard[i]);
}

/* More speak at once than can be heard: whoever of them is heard stays so, and is not cut to pieces
 * by whose packet happens to be the newest. */
static void nobody_is_cut_off_while_speaking(void **state)
{
	struct voice voices[5] = {0};
	struct voice *list[5];
	bool heard[5] = {false}, before[5] = {false};
	unsigned changes = 0;

	(void)state;
	srand(1);
	for (size_t i = 0; i < 5; i++)
		list[i] = &voices[i];
	for (uint64_t now_us = 1000000; now_us < 6000000; now_us += 100000) {
		for (size_t i = 0; i < 5; i++)
			voice_on_packet(&voices[i], SPEECH, now_us - (uint64_t)(rand() % 20000));
		active_speaker_rank(list, 5, 2, heard);
		for (size_t i = 0; i < 5; i++)
			changes += heard[i] != before[i];
		memcpy(before, heard, sizeof(heard));
	}
	assert_int_equal(changes, 2); /* the first ones */
}

static void who_sends_nothing_is_silent(void **state)
{
	struct voice voices[2] = {0};
	struct voice *list[] = {&voices[0], &voices[1]};
	uint64_t now_us = 1000000;
	int floor = talk(voices, 2, (uint8_t[]){SPEECH, SILENCE}, -1, &now_us, 1000);

	(void)state;
	now_us += 3000000; /* DTX */
	voice_on_packet(&voices[1], SPEECH, now_us);
	assert_int_equal(active_speaker_choose(list, 2, floor, now_us), 1);
	voice_on_packet(&voices[0], SPEAKER_LEVEL_UNKNOWN, now_us); /* no level, no voice */
	assert_int_equal(active_speaker_choose(list, 2, 1, now_us), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_floor_goes_to_who_speaks),
		cmocka_unit_test(who_is_heard_after_now_has_not_been_silent),
		cmocka_unit_test(a_cough_does_not_take_it),
		cmocka_unit_test(those_who_spoke_last_are_heard),
		cmocka_unit_test(nobody_is_cut_off_while_speaking),
		cmocka_unit_test(who_sends_nothing_is_silent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
