/* keyframe_gate.h - turns the keyframe wishes of many subscribers into few requests to one
 * publisher: at most one per interval, repeated until a keyframe comes. Thread: worker. */
#ifndef SFU_MODEL_KEYFRAME_GATE_H
#define SFU_MODEL_KEYFRAME_GATE_H

#include <stdbool.h>
#include <stdint.h>

enum { KEYFRAME_INTERVAL_US = 300000 };

struct keyframe_gate {
	bool is_wanted;
	uint64_t asked_at_us; /* 0: never */
};

/* Somebody needs one. True: ask the publisher now. */
static inline bool keyframe_gate_want(struct keyframe_gate *gate, uint64_t now_us)
{
	gate->is_wanted = true;
	if (gate->asked_at_us && now_us - gate->asked_at_us < KEYFRAME_INTERVAL_US)
		return false;
	gate->asked_at_us = now_us;
	return true;
}

static inline void keyframe_gate_on_keyframe(struct keyframe_gate *gate)
{
	gate->is_wanted = false;
}

/* Called on every tick. True: a wish is still open and it is time to ask (again). */
static inline bool keyframe_gate_tick(struct keyframe_gate *gate, uint64_t now_us)
{
	return gate->is_wanted && keyframe_gate_want(gate, now_us);
}

#endif
