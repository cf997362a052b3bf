/* outbox.h - what one connection is owed, and how it is to end.
 *
 * Frames wait by pointer until the end of the loop's turn, when the edge sends each dirty outbox's
 * in one go. Whoever is owed more than limit_bytes is too slow: its queue is dropped and it is
 * closed (4508), to come back and resume. A replay, or another look at history, is exempt from that
 * limit, since it is asked for, and has its own: nobody is owed much more than REPLAY_OWED_MAX of
 * it.
 *
 *   OPEN --outbox_end()--> ENDING (the edge sends what is queued, then closes)
 *   OPEN --limit--> ENDING, with nothing queued
 *
 * Thread: loop.
 */
#ifndef REALTIME_MODEL_OUTBOX_H
#define REALTIME_MODEL_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"
#include "realtime/wire/frame.h"

enum { REPLAY_OWED_MAX = 64 << 20, OUTBOX_INLINE_FRAMES = 4 };

enum close_code {
	CLOSE_NONE = 0,
	CLOSE_GOING_AWAY = 1001,
	CLOSE_UNSUPPORTED = 1003,
	CLOSE_BAD_TEXT = 1007,
	CLOSE_POLICY = 1008,
	CLOSE_TOO_BIG = 1009,
	CLOSE_INTERNAL = 1011,
	CLOSE_RESTART = 1012,
	CLOSE_OVERLOAD = 1013,
	CLOSE_BAD_PROTOCOL = 4400,
	CLOSE_AUTHENTICATION = 4401,
	CLOSE_FORBIDDEN = 4403,
	CLOSE_AUTH_TIMEOUT = 4408,
	CLOSE_KICKED = 4410,
	CLOSE_RATE = 4429,
	CLOSE_SLOW = 4508
};

struct outbox {
	struct frame **frames; /* a ring; one reference each; inline_frames or malloc()ed */
	uint32_t head, count, capacity;
	struct frame *inline_frames[OUTBOX_INLINE_FRAMES]; /* enough for most, and always at hand */
	size_t owed_bytes, exempt_bytes, limit_bytes;
	size_t front_sent;	    /* bytes of the first frame that are on their way already */
	enum close_code close_code; /* CLOSE_NONE while open */
	const char *close_reason;   /* a constant */
	struct list dirty_link;	    /* on *dirty while there is something to do */
	struct list *dirty;	    /* borrowed */
};

/* The outbox must stay where it is. `dirty` (of outbox.dirty_link) collects the outboxes that have
 * something to send. */
void outbox_init(struct outbox *outbox, size_t limit_bytes, struct list *dirty);
void outbox_fini(struct outbox *outbox);

/* Queue `frame` (borrowed; NULL stands for "no memory to make it" and ends the connection). */
void outbox_push(struct outbox *outbox, struct frame *frame);
/* The same for a frame that was made for this outbox alone: the reference is taken. */
void outbox_push_take(struct outbox *outbox, struct frame *frame);
/* A part of a replay: counted against REPLAY_OWED_MAX alone. */
void outbox_push_replay(struct outbox *outbox, struct frame *frame);

/* Put `frame` (borrowed) where `old` waits, if nothing of that has been sent. false: it does not
 * wait. */
bool outbox_replace(struct outbox *outbox, const struct frame *old, struct frame *frame);

/* Send what is queued, then close. The first reason counts. `reason` is a constant. */
void outbox_end(struct outbox *outbox, enum close_code code, const char *reason);
/* The very last frame, of one that is ending; the reference is taken. */
void outbox_push_last_take(struct outbox *outbox, struct frame *frame);
static inline bool outbox_is_ending(const struct outbox *outbox)
{
	return outbox->close_code != CLOSE_NONE;
}

/* The i-th frame from the front, borrowed. */
static inline struct frame *outbox_peek(const struct outbox *outbox, uint32_t i)
{
	return outbox->frames[(outbox->head + i) & (outbox->capacity - 1)];
}
/* The first `count` frames have been sent. */
void outbox_drop(struct outbox *outbox, uint32_t count);

#endif
