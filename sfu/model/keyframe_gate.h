/* keyframe_gate.h - turns the keyframe wishes of many subscribers into few requests to one
 * publisher: at most one per interval, repeated until a keyframe comes. What is not answered is
 * asked for more and more seldom: on a way that is full, keyframes that are lost again only keep it
 * full. Thread: worker. */
#ifndef SFU_MODEL_KEYFRAME_GATE_H
#define SFU_MODEL_KEYFRAME_GATE_H

#include <stdbool.h>
#include <stdint.h>

enum { KEYFRAME_INTERVAL_US = 300000, KEYFRAME_INTERVAL_MAX_US = 1200000 };

struct keyframe_gate {
	bool is_wanted;
	uint64_t asked_at_us; /* 0: never */
	uint64_t interval_us; /* until it is asked again */
};

/* Somebody needs one. True: ask the publisher now. */
static inline bool keyframe_gate_want(struct keyframe_gate *gate, uint64_t now_us)
{
	gate->is_wanted = true;
	if (gate->asked_at_us && now_us - gate->asked_at_us < gate->interval_us)
		return false;
	/* One not asked for lately starts from the shortest again. */
	if (!gate->asked_at_us || now_us - gate->asked_at_us > 2 * KEYFRAME_INTERVAL_MAX_US)
		gate->interval_us = KEYFRAME_INTERVAL_US;
	else if (gate->interval_us < KEYFRAME_INTERVAL_MAX_US)
		gate->interval_us *= 2;
	gate->asked_at_us = now_us;
	return true;
}

/* What it let through was not asked after all: it may be in the next tick. */
static inline void keyframe_gate_put_off(struct keyframe_gate *gate)
{
	gate->asked_at_us = 0;
}

/* One began. */
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
