/* test_keyframe_wishes.c - how often keyframes are asked for: of a publisher, and by a subscriber.
 */
#include "tests/unit/cmocka_all.h"

#include "sfu/model/keyframe_gate.h"
#include "sfu/model/keyframe_wish.h"

enum { START_US = 1000000, TICK_US = 20000, SECOND_US = 1000000 };

/* ---- of a publisher ---- */

static void wishes_are_few_and_repeated_until_served(void **state)
{
	struct keyframe_gate gate = {0};

	(void)state;
	assert_true(keyframe_gate_want(&gate, 1000000));
	assert_false(keyframe_gate_want(&gate, 1100000));
	assert_false(keyframe_gate_tick(&gate, 1200000));
	assert_true(keyframe_gate_tick(&gate, 1300000));
	/* Less and less often, so that a full way is not kept full. */
	assert_false(keyframe_gate_tick(&gate, 1800000));
	assert_true(keyframe_gate_tick(&gate, 1900000));
	assert_false(keyframe_gate_tick(&gate, 3000000));
	assert_true(keyframe_gate_tick(&gate, 3100000));
	keyframe_gate_on_keyframe(&gate);
	assert_false(keyframe_gate_tick(&gate, 9000000));
	/* And a later wish starts from the shortest interval again. */
	assert_true(keyframe_gate_want(&gate, 9000000));
	assert_true(keyframe_gate_tick(&gate, 9300000));
	keyframe_gate_put_off(&gate);
	assert_true(keyframe_gate_tick(&gate, 9320000));
}

/* Each is answered before the next comes, so none of them has to wait for it. */
static void who_joins_one_after_the_other_is_served_at_once(void **state)
{
	static const uint64_t joins_us[] = {0, 400000, 900000, 1600000};
	struct keyframe_gate gate = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(joins_us) / sizeof(joins_us[0]); i++) {
		assert_true(keyframe_gate_want(&gate, START_US + joins_us[i]));
		keyframe_gate_on_keyframe(&gate);
	}
}

/* Served at once however often, a publisher would send nothing but keyframes. */
static void wishes_without_end_come_to_one_in_a_while(void **state)
{
	struct keyframe_gate gate = {0};
	unsigned asked = 0;

	(void)state;
	for (uint64_t at_us = 0; at_us < 60 * SECOND_US; at_us += TICK_US) {
		if (keyframe_gate_want(&gate, START_US + at_us)) {
			asked++;
			keyframe_gate_on_keyframe(&gate);
		}
	}
	assert_in_range(asked, 50, 54); /* 60 s / 1.2 s, and the first few */
}

static void what_comes_in_pieces_is_asked_for_more_and_more_seldom(void **state)
{
	struct keyframe_gate gate = {0};
	uint64_t asked_us[5] = {0};
	size_t count = 0;

	(void)state;
	for (uint64_t at_us = START_US; count < 5; at_us += TICK_US) {
		keyframe_gate_on_damage(&gate);
		if (keyframe_gate_want(&gate, at_us)) {
			asked_us[count++] = at_us - START_US;
			keyframe_gate_on_keyframe(&gate);
		}
	}
	assert_int_equal(asked_us[1], 300000);
	assert_int_equal(asked_us[2], 900000);
	assert_int_equal(asked_us[3], 2100000);
	assert_int_equal(asked_us[4], 3300000);
}

/* What could not be asked (the way had collapsed) has used nothing up. */
static void what_is_put_off_is_not_counted(void **state)
{
	struct keyframe_gate gate = {0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_true(keyframe_gate_want(&gate, START_US + (uint64_t)i * TICK_US));
		keyframe_gate_put_off(&gate);
	}
}

/* ---- by a subscriber ---- */

static void a_subscriber_has_some_at_once_and_then_one_each_while(void **state)
{
	struct keyframe_wish wish = {0};
	unsigned served = 0;

	(void)state;
	for (int i = 0; i < KEYFRAME_WISHES_AT_ONCE; i++) {
		assert_true(keyframe_wish_make(&wish, START_US));
		keyframe_wish_on_keyframe(&wish);
	}
	for (uint64_t at_us = TICK_US; at_us < 60 * SECOND_US; at_us += TICK_US) {
		if (keyframe_wish_make(&wish, START_US + at_us)) {
			served++;
			keyframe_wish_on_keyframe(&wish);
		}
	}
	assert_in_range(served, 29, 30);
}

static void what_is_withheld_is_asked_for_later(void **state)
{
	struct keyframe_wish wish = {0};
	uint64_t at_us = START_US;

	(void)state;
	while (keyframe_wish_make(&wish, START_US))
		keyframe_wish_on_keyframe(&wish);
	while (!keyframe_wish_tick(&wish, at_us))
		at_us += TICK_US;
	assert_int_equal(at_us - START_US, KEYFRAME_WISH_EACH_US);
	keyframe_wish_on_keyframe(&wish);
	assert_false(keyframe_wish_tick(&wish, at_us + 60 * (uint64_t)SECOND_US));
}

/* Somebody else's wish may have been served meanwhile. */
static void what_came_by_itself_is_withheld_no_longer(void **state)
{
	struct keyframe_wish wish = {0};

	(void)state;
	while (keyframe_wish_make(&wish, START_US))
		keyframe_wish_on_keyframe(&wish);
	keyframe_wish_on_keyframe(&wish);
	assert_false(keyframe_wish_tick(&wish, START_US + 60 * (uint64_t)SECOND_US));
}

static void to_ask_again_is_free_unless_it_is_for_another_layer(void **state)
{
	struct keyframe_wish wish = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_true(keyframe_wish_make(&wish, START_US));
	for (int i = 1; i < KEYFRAME_WISHES_AT_ONCE; i++) {
		keyframe_wish_on_other_layer(&wish);
		assert_true(keyframe_wish_make(&wish, START_US));
	}
	keyframe_wish_on_other_layer(&wish);
	assert_false(keyframe_wish_make(&wish, START_US));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wishes_are_few_and_repeated_until_served),
		cmocka_unit_test(who_joins_one_after_the_other_is_served_at_once),
		cmocka_unit_test(wishes_without_end_come_to_one_in_a_while),
		cmocka_unit_test(what_comes_in_pieces_is_asked_for_more_and_more_seldom),
		cmocka_unit_test(what_is_put_off_is_not_counted),
		cmocka_unit_test(a_subscriber_has_some_at_once_and_then_one_each_while),
		cmocka_unit_test(what_is_withheld_is_asked_for_later),
		cmocka_unit_test(what_came_by_itself_is_withheld_no_longer),
		cmocka_unit_test(to_ask_again_is_free_unless_it_is_for_another_layer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
