#include "realtime/model/channel.h"

#include <assert.h>
#include <string.h>

struct channel *channel_new(const char *name)
{
	size_t size = strlen(name) + 1;
	struct channel *channel = calloc(1, sizeof(*channel) + size);

	if (!channel)
		return NULL;
	memcpy(channel->name, name, size);
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
	free(channel->subscriptions);
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

static void drop_held(struct subscription *subscription)
{
	for (size_t i = 0; i < subscription->held_count; i++)
		(void)publication_unref(subscription->held[i]);
	free(subscription->held);
	subscription->held = NULL;
	subscription->held_count = subscription->held_capacity = 0;
}

void channel_subscription_remove(struct subscription *subscription)
{
	struct channel *channel = subscription->channel;
	struct subscription *last = channel->subscriptions[--channel->subscription_count];

	channel->subscriptions[subscription->index] = last;
	last->index = subscription->index;
	list_remove(&subscription->subscriber_link);
	subscription->subscriber->subscription_count--;
	drop_held(subscription);
	free(subscription);
}

/* Keep a passing message until the replay is there. An event stream begins with its replay, so it
 * has no use for it. */
static bool hold(struct subscription *subscription, struct publication *publication)
{
	if (publication->is_persistent || subscription->subscriber->form == FORM_SSE)
		return false;
	if (subscription->held_count == SUBSCRIPTION_HELD_MAX) {
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
	return true;
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

unsigned channel_deliver(struct channel *channel, struct publication *publication)
{
	unsigned delivered = 0;

	channel->delivered_offset = publication->offset;
	for (size_t i = 0; i < channel->subscription_count; i++) {
		struct subscription *subscription = channel->subscriptions[i];
		struct subscriber *subscriber = subscription->subscriber;

		prefetch_after(channel, i);
		if (subscription->is_live) {
			outbox_push(subscriber->outbox,
				    publication_frame_get(publication, subscriber->form));
			delivered++;
		} else if (hold(subscription, publication)) {
			delivered++;
		}
	}
	return delivered;
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

		outbox_push_replay(subscriber->outbox,
				   publication_frame_get(next, subscriber->form));
	}
	drop_held(subscription);
	subscription->is_live = true;
}
