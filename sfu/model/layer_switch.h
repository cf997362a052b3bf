/* layer_switch.h - which layers (simulcast) of a track the publisher need not send, because nobody
 * has been sent them for a while.
 *
 * Only what is sent can be switched off: what the publisher leaves off by itself, because its way
 * or its machine is too weak, is not said again and again, and has its chance when it comes back.
 *
 * Thread: worker.
 */
#ifndef SFU_MODEL_LAYER_SWITCH_H
#define SFU_MODEL_LAYER_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "sfu/model/forwarder.h"

/* To switch a layer off and on again costs a keyframe each time. */
enum {
	LAYER_UNUSED_US = 5000000,
	LAYER_COMING_US = 500000 /* after it was switched on; the publisher has to hear of it */
};

/* Zero is a track whose layers are all on. */
struct layer_switch {
	unsigned off;			 /* told to be left off, as bits */
	uint64_t used_at_us[LAYERS_MAX]; /* when somebody last was, or should have been, sent it */
	uint64_t on_at_us[LAYERS_MAX];	 /* when it was switched on again; 0: it never was off */
};

/* Somebody is sent this layer, or is to be. */
static inline void layer_switch_use(struct layer_switch *layers, uint8_t layer, uint64_t now_us)
{
	layers->used_at_us[layer] = now_us;
}

static inline bool layer_switch_is_off(const struct layer_switch *layers, uint8_t layer)
{
	return (layers->off & 1u << layer) != 0;
}

/* It is not sent, and would be if somebody wanted it, or soon will be. */
static inline bool layer_switch_may_come(const struct layer_switch *layers, uint8_t layer,
					 uint64_t now_us)
{
	return layer_switch_is_off(layers, layer) ||
	       (layers->on_at_us[layer] && now_us - layers->on_at_us[layer] < LAYER_COMING_US);
}

/* Switch what is time to switch. `sent` are the layers that come in now, as bits; `smallest` always
 * is of use: who comes next sees it at once. True: `off` has changed. */
bool layer_switch_run(struct layer_switch *layers, uint8_t layer_count, uint8_t smallest,
		      unsigned sent, uint64_t now_us);

#endif
