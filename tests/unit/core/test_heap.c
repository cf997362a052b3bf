/* Memory that is free between two blocks that live on goes back to the kernel. */
#include "core/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cmocka_all.h"

enum { BLOCKS = 200, LARGE_BYTES = 40000, SMALL_BYTES = 64 };

static size_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long size, resident;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
	(void)fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void what_was_left_behind_is_given_back_once(void **state)
{
	static char *large[BLOCKS], *small[BLOCKS];
	size_t most, least;

	(void)state;
	for (int i = 0; i < BLOCKS; i++) {
		large[i] = malloc(LARGE_BYTES);
		small[i] = malloc(SMALL_BYTES);
		assert_non_null(large[i]);
		memset(large[i], i, LARGE_BYTES);
	}
	for (int i = 0; i < BLOCKS; i++)
		free(large[i]);
	most = resident_bytes();
	assert_false(heap_give_back());
	heap_left_behind();
	assert_true(heap_give_back());
	least = resident_bytes();
	assert_false(heap_give_back());
	assert_true(least + BLOCKS / 2 * LARGE_BYTES < most);
	for (int i = 0; i < BLOCKS; i++)
		free(small[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_left_behind_is_given_back_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
