/* keyframe_gate.h - turns the keyframe wishes of many subscribers into few requests to one
 * publisher: at most one per interval, repeated until a keyframe comes. What is not answered, or
 * comes in pieces, is asked for more and more seldom: on a way that is full, keyframes that are
 * lost again only keep it full. Where each is answered, those who join one after the other all have
 * theirs, and wishes without end come to one in 1.2 s. Thread: worker. */
#ifndef SFU_MODEL_KEYFRAME_GATE_H
#define SFU_MODEL_KEYFRAME_GATE_H

#include "sfu/model/allowance.h"

enum {
	KEYFRAME_INTERVAL_US = 300000,
	KEYFRAME_INTERVAL_MAX_US = 1200000,
	KEYFRAMES_AT_ONCE = 4, /* an interval apart, */
	KEYFRAME_EACH_US = 1200000
};

struct keyframe_gate {
	bool is_wanted;
	bool is_answered; /* the last request was, with a keyframe that is whole, for all we know */
	uint8_t tries;	  /* requests since the last one that was */
	uint64_t asked_at_us; /* 0: never */
	struct allowance allowance;
};

static inline uint64_t keyframe_gate_interval_us(const struct keyframe_gate *gate)
{
	unsigned doublings = gate->is_answered || gate->tries == 0 ? 0 : gate->tries - 1u;
	uint64_t interval_us = (uint64_t)KEYFRAME_INTERVAL_US << doublings;

	return interval_us < KEYFRAME_INTERVAL_MAX_US ? interval_us : KEYFRAME_INTERVAL_MAX_US;
}

/* Somebody needs one. True: ask the publisher now. */
static inline bool keyframe_gate_want(struct keyframe_gate *gate, uint64_t now_us)
{
	uint64_t passed_us = now_us - gate->asked_at_us;
	bool is_repeat = gate->asked_at_us && !gate->is_answered &&
			 passed_us <= 2 * KEYFRAME_INTERVAL_MAX_US;

	gate->is_wanted = true;
	if (gate->asked_at_us && passed_us < keyframe_gate_interval_us(gate))
		return false;
	if (!is_repeat) {
		if (!allowance_is_left(&gate->allowance, now_us, KEYFRAMES_AT_ONCE,
				       KEYFRAME_EACH_US))
			return false;
		allowance_take(&gate->allowance, now_us, KEYFRAME_EACH_US);
		gate->tries = 0;
	}
	if (gate->tries < 8)
		gate->tries++;
	gate->is_answered = false;
	gate->asked_at_us = now_us;
	return true;
}

/* What it let through was not asked after all: it may be in the next tick. */
static inline void keyframe_gate_put_off(struct keyframe_gate *gate)
{
	gate->asked_at_us = 0;
	if (gate->tries == 1)
		gate->allowance.spent_until_us -= KEYFRAME_EACH_US;
}

/* One began. */
static inline void keyframe_gate_on_keyframe(struct keyframe_gate *gate)
{
	gate->is_wanted = false;
	gate->is_answered = true;
}

/* Part of what came is lost for good, maybe of the keyframe. */
static inline void keyframe_gate_on_damage(struct keyframe_gate *gate)
{
	gate->is_answered = false;
}

/* Called on every tick. True: a wish is still open and it is time to ask (again). */
static inline bool keyframe_gate_tick(struct keyframe_gate *gate, uint64_t now_us)
{
	return gate->is_wanted && keyframe_gate_want(gate, now_us);
}

#endif
