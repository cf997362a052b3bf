#include <stdbool.h>
#include <string.h>

#include "core/cleanup.h"
#include "sfu/model/padding_plan.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/sfu/random.h"

enum { ITEMS = 24, ROUNDS = 20000 };

static void a_picture_in_nearly_equal_pieces_becomes_one_run(void **state)
{
	struct padding_item items[] = {{20, 1150, 0}, {20, 1151, 0}, {20, 1151, 0}, {20, 1149, 0}};

	(void)state;
	padding_plan(items, ARRAY_LEN(items));
	assert_int_equal(items[0].padding_bytes, 1);
	assert_int_equal(items[1].padding_bytes, 0);
	assert_int_equal(items[2].padding_bytes, 0);
	assert_int_equal(items[3].padding_bytes, 0); /* the last may be shorter */
}

static void what_differs_is_left_alone(void **state)
{
	struct padding_item items[] = {
		{20, 1150, 7},		      /* a plan of before is void */
		{24, 1151, 0}, {24, 1130, 0}, /* another header; much shorter */
		{24, 0, 0},    {24, 1131, 0}, /* not to be touched */
		{24, 1139, 0}, {24, 1140, 0}, /* with the first nine bytes apart */
	};

	(void)state;
	padding_plan(items, ARRAY_LEN(items));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(items[i].padding_bytes, 0);
	assert_int_equal(items[4].padding_bytes, 8);
	assert_int_equal(items[5].padding_bytes, 0);
	assert_int_equal(items[6].padding_bytes, 0);
}

static size_t trains(const struct padding_item *items, bool is_padded)
{
	size_t count = 0, last = 0;
	bool is_closed = true;

	for (size_t i = 0; i < ITEMS; i++) {
		size_t bytes = (size_t)(items[i].header_bytes + items[i].payload_bytes +
					(is_padded ? items[i].padding_bytes : 0));

		if (is_closed || bytes > last) {
			count++;
			last = bytes;
			is_closed = false;
		} else {
			is_closed = bytes < last;
		}
	}
	return count;
}

static void padding_is_bounded_and_never_makes_more_trains(void **state)
{
	struct random random = random_from_environment();
	size_t before = 0, after = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct padding_item items[ITEMS];

		for (size_t i = 0; i < ITEMS; i++)
			items[i] = (struct padding_item){
				(uint16_t)(random_below(&random, 6) ? 20 : 24),
				(uint16_t)(1000 + random_below(&random, 4) +
					   (random_below(&random, 5) ? 0 : 100)),
				0};
		padding_plan(items, ITEMS);
		for (size_t i = 0; i < ITEMS; i++)
			assert_in_range(items[i].padding_bytes, 0, PADDING_MAX);
		assert_true(trains(items, true) <= trains(items, false));
		before += trains(items, false);
		after += trains(items, true);
	}
	assert_true(after * 4 < before * 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_picture_in_nearly_equal_pieces_becomes_one_run),
		cmocka_unit_test(what_differs_is_left_alone),
		cmocka_unit_test(padding_is_bounded_and_never_makes_more_trains),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
