#include "realtime/model/outbox.h"

#include <assert.h>

enum { KEPT_CAPACITY = 16 };

static void use_inline(struct outbox *outbox)
{
	outbox->frames = outbox->inline_frames;
	outbox->capacity = OUTBOX_INLINE_FRAMES;
	outbox->head = 0;
}

void outbox_init(struct outbox *outbox, size_t limit_bytes, struct list *dirty)
{
	*outbox = (struct outbox){.limit_bytes = limit_bytes, .dirty = dirty};
	list_init(&outbox->dirty_link);
	use_inline(outbox);
}

void outbox_fini(struct outbox *outbox)
{
	outbox_drop(outbox, outbox->count);
	if (outbox->frames != outbox->inline_frames)
		free(outbox->frames);
	list_remove(&outbox->dirty_link);
	*outbox = (struct outbox){0};
	list_init(&outbox->dirty_link);
}

static void mark_dirty(struct outbox *outbox)
{
	if (list_is_empty(&outbox->dirty_link))
		list_append(outbox->dirty, &outbox->dirty_link);
}

static bool grow(struct outbox *outbox)
{
	uint32_t capacity = outbox->capacity * 2;
	struct frame **frames = malloc(capacity * sizeof(struct frame *));

	if (!frames)
		return false;
	for (uint32_t i = 0; i < outbox->count; i++)
		frames[i] = outbox_peek(outbox, i);
	if (outbox->frames != outbox->inline_frames)
		free(outbox->frames);
	outbox->frames = frames;
	outbox->capacity = capacity;
	outbox->head = 0;
	return true;
}

static void abandon(struct outbox *outbox, enum close_code code, const char *reason)
{
	outbox_drop(outbox, outbox->count);
	outbox_end(outbox, code, reason);
}

/* There is room. */
static void append(struct outbox *outbox, struct frame *frame)
{
	outbox->frames[(outbox->head + outbox->count) & (outbox->capacity - 1)] = frame_ref(frame);
	outbox->count++;
	outbox->owed_bytes += frame->length;
}

static void push(struct outbox *outbox, struct frame *frame, bool is_replay)
{
	if (outbox_is_ending(outbox))
		return;
	if (!frame || (outbox->count == outbox->capacity && !grow(outbox))) {
		abandon(outbox, CLOSE_INTERNAL, "out of memory");
		return;
	}
	/* Looked at before adding, so that a single large message never counts as slowness. */
	if (is_replay ? outbox->exempt_bytes > REPLAY_OWED_MAX
		      : outbox->owed_bytes - outbox->exempt_bytes > outbox->limit_bytes) {
		abandon(outbox, CLOSE_SLOW, "slow consumer");
		return;
	}
	append(outbox, frame);
	if (is_replay)
		outbox->exempt_bytes += frame->length;
	mark_dirty(outbox);
}

void outbox_push(struct outbox *outbox, struct frame *frame)
{
	push(outbox, frame, false);
}

void outbox_push_take(struct outbox *outbox, struct frame *frame)
{
	push(outbox, frame, false);
	(void)frame_unref(frame);
}

void outbox_push_replay(struct outbox *outbox, struct frame *frame)
{
	push(outbox, frame, true);
}

bool outbox_replace(struct outbox *outbox, const struct frame *old, struct frame *frame)
{
	for (uint32_t i = outbox->front_sent > 0 ? 1 : 0; i < outbox->count; i++) {
		struct frame **place = &outbox->frames[(outbox->head + i) & (outbox->capacity - 1)];

		if (*place != old)
			continue;
		outbox->owed_bytes = outbox->owed_bytes - old->length + frame->length;
		(void)frame_unref(*place);
		*place = frame_ref(frame);
		return true;
	}
	return false;
}

void outbox_end(struct outbox *outbox, enum close_code code, const char *reason)
{
	if (outbox_is_ending(outbox))
		return;
	outbox->close_code = code;
	outbox->close_reason = reason;
	mark_dirty(outbox);
}

void outbox_push_last_take(struct outbox *outbox, struct frame *frame)
{
	if (frame && (outbox->count < outbox->capacity || grow(outbox)))
		append(outbox, frame);
	(void)frame_unref(frame);
}

void outbox_drop(struct outbox *outbox, uint32_t count)
{
	assert(count <= outbox->count);
	if (count > 0)
		outbox->front_sent = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct frame *frame = outbox_peek(outbox, 0);

		outbox->owed_bytes -= frame->length;
		/* Replays stand in front of what came live, so they are the first to leave. */
		outbox->exempt_bytes -=
			frame->length < outbox->exempt_bytes ? frame->length : outbox->exempt_bytes;
		(void)frame_unref(frame);
		outbox->head = (outbox->head + 1) & (outbox->capacity - 1);
		outbox->count--;
	}
	if (outbox->count == 0 && outbox->capacity > KEPT_CAPACITY) {
		free(outbox->frames);
		use_inline(outbox);
	}
}
