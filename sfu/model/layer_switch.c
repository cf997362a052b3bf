#include "sfu/model/layer_switch.h"

bool layer_switch_run(struct layer_switch *layers, uint8_t layer_count, uint8_t smallest,
		      unsigned sent, uint64_t now_us)
{
	unsigned before = layers->off;

	for (uint8_t i = 0; i < layer_count; i++) {
		unsigned bit = 1u << i;
		bool is_off = layers->off & bit;

		/* It is new, or there is nothing to switch off. */
		if (!layers->used_at_us[i] || i == smallest || (!is_off && !(sent & bit)))
			layers->used_at_us[i] = now_us;
		if (is_off && now_us - layers->used_at_us[i] <= LAYER_UNUSED_US)
			layers->on_at_us[i] = now_us;
		if (now_us - layers->used_at_us[i] <= LAYER_UNUSED_US)
			layers->off &= ~bit;
		else
			layers->off |= bit;
	}
	return layers->off != before;
}
