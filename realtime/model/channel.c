#include "realtime/model/channel.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "core/pattern.h"

struct channel *channel_new(const char *name, const struct namespace *namespace)
{
	size_t size = strlen(name) + 1;
	struct channel *channel = calloc(1, sizeof(*channel) + size);

	if (!channel)
		return NULL;
	memcpy(channel->name, name, size);
	channel->namespace = namespace;
	channel->is_pattern = pattern_is_wild(name);
	list_init(&channel->pattern_link);
	list_init(&channel->idle_link);
	list_init(&channel->waiting);
	list_init(&channel->in_flight);
	return channel;
}

struct channel *channel_free(struct channel *channel)
{
	if (!channel)
		return NULL;
	assert(channel->subscription_count == 0);
	assert(list_is_empty(&channel->waiting) && list_is_empty(&channel->in_flight));
	list_remove(&channel->idle_link);
	list_remove(&channel->pattern_link);
	free(channel->subscriptions);
	free(channel->patterns);
	free(channel);
	return NULL;
}

bool channel_is_idle(const struct channel *channel)
{
	return channel->subscription_count == 0 && channel->read_count == 0 &&
	       list_is_empty(&channel->waiting) && list_is_empty(&channel->in_flight);
}

struct subscription *channel_subscription_find(const struct channel *channel,
					       const struct subscriber *subscriber)
{
	struct subscription *subscription;

	/* The subscriber's side is bounded by SUBSCRIPTIONS_MAX, the channel's is not. */
	LIST_FOR_EACH (subscription, &subscriber->subscriptions, subscriber_link)
		if (subscription->channel == channel)
			return subscription;
	return NULL;
}

struct subscription *channel_subscription_add(struct channel *channel,
					      struct subscriber *subscriber)
{
	struct subscription *subscription;

	if (channel->subscription_count == channel->subscription_capacity) {
		size_t capacity =
			channel->subscription_capacity ? channel->subscription_capacity * 2 : 4;
		void *subscriptions =
			realloc(channel->subscriptions, capacity * sizeof(struct subscription *));

		if (!subscriptions)
			return NULL;
		channel->subscriptions = subscriptions;
		channel->subscription_capacity = capacity;
	}
	subscription = calloc(1, sizeof(*subscription));
	if (!subscription)
		return NULL;
	subscription->subscriber = subscriber;
	subscription->channel = channel;
	subscription->index = channel->subscription_count;
	channel->subscriptions[channel->subscription_count++] = subscription;
	list_append(&subscriber->subscriptions, &subscription->subscriber_link);
	subscriber->subscription_count++;
	return subscription;
}

int subscription_set_options(struct subscription *subscription,
			     const struct subscribe_options *options)
{
	char *info = options->info ? strdup(options->info) : NULL;

	if (options->info && !info)
		return -ENOMEM;
	free(subscription->info);
	subscription->info = info;
	(void)filter_ref(options->filter);
	(void)filter_unref(subscription->filter);
	subscription->filter = options->filter;
	subscription->channel->watcher_count -= subscription->wants_join_leave;
	subscription->channel->watcher_count += options->wants_join_leave;
	subscription->wants_join_leave = options->wants_join_leave;
	subscription->wants_presence = options->wants_presence;
	return 0;
}

static void drop_held(struct subscription *subscription)
{
	for (size_t i = 0; i < subscription->held_count; i++)
		(void)publication_unref(subscription->held[i]);
	free(subscription->held);
	subscription->held = NULL;
	subscription->held_count = subscription->held_capacity = subscription->held_bytes = 0;
}

void channel_subscription_remove(struct subscription *subscription)
{
	struct channel *channel = subscription->channel;
	struct subscription *last = channel->subscriptions[--channel->subscription_count];

	channel->subscriptions[subscription->index] = last;
	last->index = subscription->index;
	list_remove(&subscription->subscriber_link);
	subscription->subscriber->subscription_count--;
	channel->watcher_count -= subscription->wants_join_leave;
	drop_held(subscription);
	(void)filter_unref(subscription->filter);
	(void)frame_unref(subscription->latest);
	free(subscription->info);
	free(subscription);
}

/* ---- delivering ---- */

/* Keep a passing message until the replay is there. An event stream begins with its replay, so it
 * has no use for it. */
static bool hold(struct subscription *subscription, struct publication *publication)
{
	if (publication->is_persistent || subscription->subscriber->form == FORM_SSE)
		return false;
	if (subscription->held_count == SUBSCRIPTION_HELD_MAX ||
	    subscription->held_bytes >= REPLAY_OWED_MAX) { /* more could not be sent, either */
		outbox_end(subscription->subscriber->outbox, CLOSE_OVERLOAD, "overloaded");
		return false;
	}
	if (subscription->held_count == subscription->held_capacity) {
		size_t capacity = subscription->held_capacity ? subscription->held_capacity * 2 : 8;
		void *held = realloc(subscription->held, capacity * sizeof(struct publication *));

		if (!held) {
			outbox_end(subscription->subscriber->outbox, CLOSE_INTERNAL,
				   "out of memory");
			return false;
		}
		subscription->held = held;
		subscription->held_capacity = capacity;
	}
	subscription->held[subscription->held_count++] = publication_ref(publication);
	subscription->held_bytes += publication_size(publication);
	return true;
}

static void push(struct subscription *subscription, struct frame *frame)
{
	struct outbox *outbox = subscription->subscriber->outbox;

	if (!subscription->channel->namespace->is_latest || !frame) {
		outbox_push(outbox, frame);
		return;
	}
	if (!subscription->latest || !outbox_replace(outbox, subscription->latest, frame))
		outbox_push(outbox, frame);
	(void)frame_unref(subscription->latest);
	subscription->latest = frame_ref(frame);
}

/* 1 if it gets it, otherwise 0. */
static unsigned deliver_to(struct subscription *subscription, struct publication *publication)
{
	struct subscriber *subscriber = subscription->subscriber;

	if (subscription->filter && !filter_admits(subscription->filter, publication))
		return 0;
	if (publication->excluded_connection_id &&
	    strcmp(publication->excluded_connection_id, subscriber->connection_id) == 0)
		return 0;
	if (!subscription->is_live)
		return hold(subscription, publication);
	push(subscription, publication_frame_get(publication, subscriber->form));
	return !outbox_is_ending(subscriber->outbox); /* then it gets no more */
}

bool channel_pattern_stands_for(const struct channel *pattern, const struct namespace *namespace,
				const char *name)
{
	return pattern->namespace == namespace && !own_channel_user(name) &&
	       pattern_matches(pattern->name, name);
}

/* Bring channel->patterns up to date. */
static void find_patterns(const struct hub *hub, struct channel *channel)
{
	struct channel *pattern;
	size_t capacity = 0;

	channel->pattern_count = 0;
	LIST_FOR_EACH (pattern, &hub->patterns, pattern_link)
		capacity += channel_pattern_stands_for(pattern, channel->namespace, channel->name);
	free(channel->patterns);
	channel->patterns = capacity > 0 ? calloc(capacity, sizeof(struct channel *)) : NULL;
	if (capacity > 0 && !channel->patterns) { /* the next message tries again */
		LOG(LOG_ERROR, LOG_WEBSOCKET, "out_of_memory", LOG_TEXT("channel", channel->name));
		return;
	}
	LIST_FOR_EACH (pattern, &hub->patterns, pattern_link)
		if (channel_pattern_stands_for(pattern, channel->namespace, channel->name))
			channel->patterns[channel->pattern_count++] = pattern;
	channel->patterns_version = hub->patterns_version;
}

/* Whoever is subscribed to the channel itself does not hear it by a pattern as well, and nobody
 * hears it by two. */
static unsigned deliver_by_patterns(const struct channel *channel, struct publication *publication)
{
	unsigned delivered = 0;

	for (size_t i = 0; i < channel->subscription_count; i++)
		channel->subscriptions[i]->subscriber->heard_position = publication->position;
	for (size_t p = 0; p < channel->pattern_count; p++) {
		const struct channel *pattern = channel->patterns[p];

		for (size_t i = 0; i < pattern->subscription_count; i++) {
			struct subscription *subscription = pattern->subscriptions[i];
			struct subscriber *subscriber = subscription->subscriber;

			if (!subscription->is_live ||
			    subscriber->heard_position == publication->position)
				continue;
			if (deliver_to(subscription, publication) == 0)
				continue; /* another pattern may have another filter */
			subscriber->heard_position = publication->position;
			delivered++;
		}
	}
	return delivered;
}

/* What a delivery looks at lies scattered over memory, three steps from the channel. Of thousands
 * of subscribers it is in no cache, so ask for it some rounds before, one step at a time. */
static void prefetch_after(const struct channel *channel, size_t i)
{
	enum { AHEAD = 6, LINE = 64 };
	const struct outbox *outbox;

	if (i + 3 * AHEAD >= channel->subscription_count)
		return; /* the last few are not worth the trouble */
	__builtin_prefetch(channel->subscriptions[i + 3 * AHEAD]);
	__builtin_prefetch(&channel->subscriptions[i + 2 * AHEAD]->subscriber->outbox);
	outbox = channel->subscriptions[i + AHEAD]->subscriber->outbox;
	for (size_t at = 0; at < sizeof(*outbox); at += LINE)
		__builtin_prefetch((const char *)outbox + at, 1);
}

unsigned channel_deliver(struct hub *hub, struct channel *channel, struct publication *publication)
{
	unsigned delivered = 0;

	channel->delivered_offset = publication->offset;
	for (size_t i = 0; i < channel->subscription_count; i++) {
		prefetch_after(channel, i);
		delivered += deliver_to(channel->subscriptions[i], publication);
	}
	if (channel->patterns_version != hub->patterns_version)
		find_patterns(hub, channel);
	if (channel->pattern_count > 0)
		delivered += deliver_by_patterns(channel, publication);
	return delivered;
}

/* ---- replaying ---- */

static bool was_given(const struct subscriber *subscriber, uint64_t offset)
{
	const struct given *given = subscriber->given;

	for (size_t i = 0; given && i < given->count; i++)
		if (given->offsets[i] == offset)
			return true;
	return given && offset > given->live_after_offset && offset <= given->live_until_offset;
}

bool subscription_wants(const struct subscription *subscription,
			const struct publication *publication)
{
	return filter_admits(subscription->filter, publication) &&
	       !(own_channel_user(publication->channel) &&
		 was_given(subscription->subscriber, publication->offset));
}

void subscription_start(struct subscription *subscription, struct publication **rows,
			size_t row_count)
{
	struct subscriber *subscriber = subscription->subscriber;
	size_t row = 0, held = 0;

	while (row < row_count || held < subscription->held_count) {
		bool is_row =
			held == subscription->held_count ||
			(row < row_count && rows[row]->offset < subscription->held[held]->offset);
		struct publication *next = is_row ? rows[row++] : subscription->held[held++];

		if (!is_row || subscription_wants(subscription, next))
			outbox_push_replay(subscriber->outbox,
					   publication_frame_get(next, subscriber->form));
	}
	drop_held(subscription);
	subscription->is_live = true;
}
