#include "sfu/edge/bridge.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct chain {
	struct parcel *first, **end;
};

struct inbox {
	pthread_mutex_t lock; /* guards the chain */
	struct chain chain;
	atomic_size_t packets; /* in the chain; read by senders without the lock */
	atomic_bool is_busy;   /* its worker; read by the others */
	int wake_fd;
};

struct bridge {
	size_t count;
	struct inbox inboxes[];
};

struct lane {
	struct chain chain;
	size_t packets;
};

struct bridge_end {
	struct bridge *bridge;
	unsigned worker;
	uint64_t dropped;
	bool has_posted;
	struct lane lanes[]; /* by worker */
};

static void chain_init(struct chain *chain)
{
	chain->first = NULL;
	chain->end = &chain->first;
}

static struct parcel *chain_take(struct chain *chain)
{
	struct parcel *first = chain->first;

	chain_init(chain);
	return first;
}

static void chain_free(struct parcel *parcel)
{
	while (parcel) {
		struct parcel *next = parcel->next;

		(void)parcel_free(parcel);
		parcel = next;
	}
}

/* ---- parcels ---- */

struct parcel *parcel_new(enum parcel_kind kind)
{
	struct parcel *parcel = calloc(1, sizeof(*parcel));

	if (parcel)
		parcel->kind = kind;
	return parcel;
}

struct parcel *parcel_free(struct parcel *parcel)
{
	if (!parcel)
		return NULL;
	if (parcel->list)
		gst_buffer_list_unref(parcel->list);
	if (parcel->event)
		gst_event_unref(parcel->event);
	free(parcel->body);
	free(parcel);
	return NULL;
}

static size_t packets_in(const struct parcel *parcel)
{
	return parcel->list ? gst_buffer_list_length(parcel->list) : 0;
}

/* ---- life ---- */

struct bridge *bridge_new(size_t worker_count)
{
	struct bridge *bridge =
		calloc(1, sizeof(*bridge) + worker_count * sizeof(bridge->inboxes[0]));

	if (!bridge)
		return NULL;
	bridge->count = worker_count;
	for (size_t i = 0; i < worker_count; i++) {
		struct inbox *inbox = &bridge->inboxes[i];

		(void)pthread_mutex_init(&inbox->lock, NULL);
		chain_init(&inbox->chain);
		atomic_init(&inbox->packets, 0);
		atomic_init(&inbox->is_busy, false);
		inbox->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	for (size_t i = 0; i < worker_count; i++)
		if (bridge->inboxes[i].wake_fd < 0)
			return bridge_free(bridge);
	return bridge;
}

struct bridge *bridge_free(struct bridge *bridge)
{
	if (!bridge)
		return NULL;
	for (size_t i = 0; i < bridge->count; i++) {
		struct inbox *inbox = &bridge->inboxes[i];

		chain_free(chain_take(&inbox->chain));
		(void)pthread_mutex_destroy(&inbox->lock);
		if (inbox->wake_fd >= 0)
			(void)close(inbox->wake_fd);
	}
	free(bridge);
	return NULL;
}

struct bridge_end *bridge_end_new(struct bridge *bridge, unsigned worker)
{
	struct bridge_end *end = calloc(1, sizeof(*end) + bridge->count * sizeof(end->lanes[0]));

	if (!end)
		return NULL;
	end->bridge = bridge;
	end->worker = worker;
	for (size_t i = 0; i < bridge->count; i++)
		chain_init(&end->lanes[i].chain);
	return end;
}

struct bridge_end *bridge_end_free(struct bridge_end *end)
{
	if (!end)
		return NULL;
	bridge_flush(end);
	free(end);
	return NULL;
}

size_t bridge_worker_count(const struct bridge_end *end)
{
	return end->bridge->count;
}

int bridge_end_fd(const struct bridge_end *end)
{
	return end->bridge->inboxes[end->worker].wake_fd;
}

/* ---- out ---- */

bool bridge_accepts(const struct bridge_end *end, unsigned to)
{
	return end->lanes[to].packets + atomic_load(&end->bridge->inboxes[to].packets) <
	       BRIDGE_PACKETS_MAX;
}

void bridge_post(struct bridge_end *end, unsigned to, struct parcel *parcel)
{
	struct lane *lane = &end->lanes[to];

	if (!parcel) {
		end->dropped++;
		return;
	}
	parcel->from = end->worker;
	parcel->next = NULL;
	*lane->chain.end = parcel;
	lane->chain.end = &parcel->next;
	lane->packets += packets_in(parcel);
	end->has_posted = true;
}

void bridge_say_busy(struct bridge_end *end, bool is_busy)
{
	atomic_store(&end->bridge->inboxes[end->worker].is_busy, is_busy);
}

bool bridge_is_busy(const struct bridge_end *end, unsigned worker)
{
	return atomic_load(&end->bridge->inboxes[worker].is_busy);
}

void bridge_note_dropped(struct bridge_end *end, size_t packets)
{
	end->dropped += packets;
}

uint64_t bridge_dropped(const struct bridge_end *end)
{
	return end->dropped;
}

static void hand_over(struct lane *lane, struct inbox *inbox)
{
	uint64_t one = 1;
	bool was_empty;

	(void)pthread_mutex_lock(&inbox->lock);
	was_empty = !inbox->chain.first;
	*inbox->chain.end = lane->chain.first;
	inbox->chain.end = lane->chain.end;
	atomic_fetch_add(&inbox->packets, lane->packets);
	(void)pthread_mutex_unlock(&inbox->lock);
	chain_init(&lane->chain);
	lane->packets = 0;
	if (was_empty)
		(void)!write(inbox->wake_fd, &one, sizeof(one)); /* full wakes just as well */
}

void bridge_flush(struct bridge_end *end)
{
	if (!end->has_posted)
		return;
	end->has_posted = false;
	for (size_t i = 0; i < end->bridge->count; i++)
		if (end->lanes[i].chain.first)
			hand_over(&end->lanes[i], &end->bridge->inboxes[i]);
}

/* ---- in ---- */

struct parcel *bridge_take(struct bridge_end *end)
{
	struct inbox *inbox = &end->bridge->inboxes[end->worker];
	struct parcel *first;

	(void)pthread_mutex_lock(&inbox->lock);
	first = chain_take(&inbox->chain);
	atomic_store(&inbox->packets, 0);
	(void)pthread_mutex_unlock(&inbox->lock);
	return first;
}
