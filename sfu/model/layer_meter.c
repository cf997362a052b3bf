#include "sfu/model/layer_meter.h"

#include <stddef.h>

void layer_rates_add(struct layer_rates *rates, const struct layer_rates *other)
{
	rates->bitrate_bps += other->bitrate_bps;
	for (size_t i = 0; i < TEMPORAL_REDUCED; i++)
		rates->reduced_bps[i] += other->reduced_bps[i];
}

void layer_meter_on_packet(struct layer_meter *meter, uint8_t temporal_layer, uint64_t bytes)
{
	meter->bytes[temporal_layer < TEMPORAL_REDUCED ? temporal_layer : TEMPORAL_REDUCED] +=
		bytes;
}

/* Half of what was known stays, so that one large picture does not look like a larger stream. */
static uint64_t smooth(uint64_t known_bps, uint64_t bitrate_bps)
{
	return known_bps ? (known_bps + bitrate_bps) / 2 : bitrate_bps;
}

void layer_meter_tick(struct layer_meter *meter, uint64_t now_us, struct layer_rates *rates)
{
	uint64_t elapsed_us = now_us - meter->began_us, sum_bytes = 0;
	uint64_t bitrates_bps[TEMPORAL_REDUCED + 1];
	bool is_partial = meter->is_partial && rates->bitrate_bps;

	if (elapsed_us < LAYER_METER_US)
		return;
	for (size_t i = 0; i <= TEMPORAL_REDUCED; i++) {
		sum_bytes += meter->bytes[i];
		bitrates_bps[i] = sum_bytes * 8000000u / elapsed_us;
		meter->bytes[i] = 0;
	}
	meter->began_us = now_us;
	meter->is_partial = false;
	if (sum_bytes == 0 || is_partial || elapsed_us >= 2 * LAYER_METER_US)
		return;
	rates->bitrate_bps = smooth(rates->bitrate_bps, bitrates_bps[TEMPORAL_REDUCED]);
	for (size_t i = 0; i < TEMPORAL_REDUCED; i++)
		rates->reduced_bps[i] = smooth(rates->reduced_bps[i], bitrates_bps[i]);
}
