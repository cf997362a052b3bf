#include "core/heap.h"

#include <malloc.h>
#include <stdatomic.h>

static atomic_bool something_was_left;

void heap_left_behind(void)
{
	if (!atomic_load_explicit(&something_was_left, memory_order_relaxed))
		atomic_store_explicit(&something_was_left, true, memory_order_relaxed);
}

bool heap_give_back(void)
{
	if (!atomic_exchange_explicit(&something_was_left, false, memory_order_relaxed))
		return false;
	(void)malloc_trim(0);
	return true;
}
