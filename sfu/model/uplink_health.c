#include "sfu/model/uplink_health.h"

#include "sfu/wire/rtp.h"

static void begin_window(struct uplink_health *health, uint64_t now_us)
{
	health->window_us = now_us;
	health->expected = health->received = health->gaps = 0;
	health->byte_count = 0;
}

static bool misses_much(const struct uplink_health *health)
{
	return health->received * 100 < health->expected * (100 - UPLINK_COLLAPSE_PERCENT);
}

static bool is_one_burst(const struct uplink_health *health)
{
	return health->gaps < UPLINK_GAPS_MIN &&
	       health->expected - health->received < UPLINK_MISSING_MIN;
}

void uplink_health_on_packet(struct uplink_health *health, uint16_t transport_sequence,
			     size_t byte_count, uint64_t now_us)
{
	if (!health->has_packet) {
		health->has_packet = true;
		health->highest_sequence = transport_sequence;
		begin_window(health, now_us);
		return;
	}
	health->received++;
	health->byte_count += byte_count;
	if (rtp_sequence_is_newer(transport_sequence, health->highest_sequence)) {
		uint16_t step = (uint16_t)(transport_sequence - health->highest_sequence);

		health->expected += step;
		health->gaps += step > 1;
		health->highest_sequence = transport_sequence;
	}
	if (now_us - health->window_us < UPLINK_WINDOW_US ||
	    health->expected < UPLINK_WINDOW_PACKETS)
		return;
	health->is_bad = misses_much(health);
	if (health->is_bad && is_one_burst(health)) {
		health->is_bad = false;
		if (now_us - health->window_us < UPLINK_DOUBT_US)
			return; /* the next packets will tell */
	}
	if (health->is_bad) {
		health->collapsed_at_us = now_us;
		health->carried_bps = health->byte_count * 8000000u / (now_us - health->window_us);
	}
	begin_window(health, now_us);
}
