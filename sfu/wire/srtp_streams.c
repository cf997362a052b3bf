#include "sfu/wire/srtp_streams.h"

#include <assert.h>
#include <errno.h>
#include <openssl/rand.h>

enum { SLOTS_AT_FIRST = 16 };

enum slot_state { SLOT_EMPTY, SLOT_LIVE, SLOT_RETIRED };

struct srtp_slot {
	enum slot_state state;
	uint32_t ssrc;
	struct srtp_stream *stream; /* owned; only of a live slot */
};

/* The slot of this SSRC, or the empty one where it belongs. */
static struct srtp_slot *slot_for(const struct srtp_streams *streams, uint32_t ssrc)
{
	/* Multiply-shift: the high bits of the product depend on all bits of the SSRC. */
	size_t i = (size_t)((uint64_t)(ssrc * streams->multiplier) * streams->slot_count >> 32);

	while (streams->slots[i].state != SLOT_EMPTY && streams->slots[i].ssrc != ssrc)
		i = (i + 1) & (streams->slot_count - 1);
	return &streams->slots[i];
}

int srtp_streams_init(struct srtp_streams *streams)
{
	uint32_t multiplier;

	if (RAND_bytes((unsigned char *)&multiplier, sizeof(multiplier)) != 1)
		return -EIO;
	*streams = (struct srtp_streams){
		.slots = calloc(SLOTS_AT_FIRST, sizeof(*streams->slots)),
		.slot_count = SLOTS_AT_FIRST,
		.multiplier = multiplier | 1,
	};
	return streams->slots ? 0 : -ENOMEM;
}

void srtp_streams_fini(struct srtp_streams *streams)
{
	for (size_t i = 0; streams->slots && i < streams->slot_count; i++)
		free(streams->slots[i].stream);
	free(streams->slots);
	*streams = (struct srtp_streams){0};
}

int srtp_streams_find(struct srtp_streams *streams, uint32_t ssrc, struct srtp_stream **ret_stream)
{
	const struct srtp_slot *slot;

	/* Packets come in runs of one SSRC. */
	if (streams->last && streams->last->ssrc == ssrc) {
		*ret_stream = streams->last;
		return 0;
	}
	slot = slot_for(streams, ssrc);
	switch (slot->state) {
	case SLOT_EMPTY:
		return -ENOENT;
	case SLOT_RETIRED:
		return -EEXIST;
	case SLOT_LIVE:
		break;
	}
	streams->last = slot->stream;
	*ret_stream = slot->stream;
	return 0;
}

bool srtp_streams_is_full(const struct srtp_streams *streams)
{
	return streams->live_count >= SRTP_STREAMS_MAX ||
	       streams->live_count + streams->retired_count >= SRTP_LIFETIME_STREAMS_MAX;
}

static int grow(struct srtp_streams *streams)
{
	struct srtp_streams larger = *streams;

	larger.slot_count = streams->slot_count * 2;
	larger.slots = calloc(larger.slot_count, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < streams->slot_count; i++) {
		if (streams->slots[i].state != SLOT_EMPTY)
			*slot_for(&larger, streams->slots[i].ssrc) = streams->slots[i];
	}
	free(streams->slots);
	*streams = larger;
	return 0;
}

int srtp_streams_add(struct srtp_streams *streams, uint32_t ssrc, struct srtp_stream **ret_stream)
{
	struct srtp_stream *stream;
	struct srtp_slot *slot;
	int r;

	if (srtp_streams_is_full(streams))
		return -ENOSPC;
	if ((streams->live_count + streams->retired_count + 1) * 2 > streams->slot_count) {
		r = grow(streams);
		if (r < 0)
			return r;
	}
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	stream->ssrc = ssrc;

	slot = slot_for(streams, ssrc);
	assert(slot->state == SLOT_EMPTY);
	*slot = (struct srtp_slot){SLOT_LIVE, ssrc, stream};
	streams->live_count++;
	streams->last = stream;
	*ret_stream = stream;
	return 0;
}

void srtp_streams_retire(struct srtp_streams *streams, uint32_t ssrc)
{
	struct srtp_slot *slot = slot_for(streams, ssrc);

	if (slot->state != SLOT_LIVE)
		return;
	if (streams->last == slot->stream)
		streams->last = NULL;
	free(slot->stream);
	slot->stream = NULL;
	slot->state = SLOT_RETIRED;
	streams->live_count--;
	streams->retired_count++;
}
