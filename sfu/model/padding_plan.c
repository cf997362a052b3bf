#include "sfu/model/padding_plan.h"

#include <stdbool.h>

struct run {
	size_t first, count;
	uint16_t low, high; /* payload bytes */
};

static bool fits(const struct run *run, const struct padding_item *items,
		 const struct padding_item *next)
{
	uint16_t low = next->payload_bytes < run->low ? next->payload_bytes : run->low;
	uint16_t high = next->payload_bytes > run->high ? next->payload_bytes : run->high;

	return next->payload_bytes > 0 && items[run->first].payload_bytes > 0 &&
	       next->header_bytes == items[run->first].header_bytes && high - low <= PADDING_MAX;
}

/* All but the last get the length of the longest; the last may be shorter. */
static void end(const struct run *run, struct padding_item *items)
{
	for (size_t i = 0; i + 1 < run->count; i++) {
		struct padding_item *item = &items[run->first + i];

		item->padding_bytes = (uint8_t)(run->high - item->payload_bytes);
	}
}

void padding_plan(struct padding_item *items, size_t count)
{
	struct run run = {0};

	for (size_t i = 0; i < count; i++) {
		struct padding_item *item = &items[i];

		item->padding_bytes = 0;
		if (run.count > 0 && fits(&run, items, item)) {
			run.low = item->payload_bytes < run.low ? item->payload_bytes : run.low;
			run.high = item->payload_bytes > run.high ? item->payload_bytes : run.high;
			run.count++;
			continue;
		}
		end(&run, items);
		run = (struct run){i, 1, item->payload_bytes, item->payload_bytes};
	}
	end(&run, items);
}
