#include "sfu/model/pacer.h"

enum { RATE_MIN_BPS = 50000 };

void pacer_set_budget(struct pacer *pacer, int64_t budget_bps, size_t waiting_bytes)
{
	uint64_t rate_bps = budget_bps > 0 ? (uint64_t)budget_bps * PACER_PERCENT / 100 : 0;
	uint64_t drain_bps = waiting_bytes * 8 * 1000 / PACER_DELAY_MAX_MS;
	uint64_t least_ns;

	if (budget_bps < 0) {
		*pacer = (struct pacer){0};
		return;
	}
	if (rate_bps < drain_bps)
		rate_bps = drain_bps;
	if (rate_bps < RATE_MIN_BPS)
		rate_bps = RATE_MIN_BPS;
	pacer->ns_per_byte = (uint32_t)(8 * 1000000000ull / rate_bps);
	pacer->burst_ns = PACER_BURST_MS * 1000000ull * 100 / PACER_PERCENT;
	least_ns = (uint64_t)pacer->ns_per_byte * PACER_BURST_BYTES;
	if (pacer->burst_ns < least_ns)
		pacer->burst_ns = least_ns;
}
