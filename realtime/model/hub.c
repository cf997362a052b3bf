#include "realtime/model/hub.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "realtime/model/hub_private.h"
#include "realtime/model/presence.h"
#include "realtime/wire/json_frames.h"

int hub_init(struct hub *hub, const struct namespaces *namespaces, uint64_t repeats_kept_us,
	     uint64_t last_position, const struct hub_store *store, void *store_data)
{
	char random[13];

	*hub = (struct hub){.namespaces = namespaces,
			    .patterns_version = 1,
			    .last_position = last_position,
			    .cursor = last_position,
			    .store = store,
			    .store_data = store_data};
	list_init(&hub->idle);
	list_init(&hub->patterns);
	id_random_chars(random, sizeof(random) - 1);
	(void)snprintf(hub->epoch, sizeof(hub->epoch), "%s", random);
	if (table_init(&hub->channels) < 0)
		return -ENOMEM;
	if (table_init(&hub->subscribers) < 0) {
		table_fini(&hub->channels);
		return -ENOMEM;
	}
	if (repeats_init(&hub->repeats, repeats_kept_us) < 0) {
		table_fini(&hub->channels);
		table_fini(&hub->subscribers);
		return -ENOMEM;
	}
	return 0;
}

/* ---- channels ---- */

struct channel *hub_channel_find(const struct hub *hub, const char *name)
{
	struct table_link *link = table_find(&hub->channels, name);

	return link ? TABLE_ITEM(link, struct channel, by_name) : NULL;
}

static void forget(struct hub *hub, struct channel *channel)
{
	if (!list_is_empty(&channel->idle_link)) {
		list_remove(&channel->idle_link);
		hub->idle_count--;
	}
	if (channel->is_pattern) {
		hub->pattern_count--;
		hub->patterns_version++;
	}
	/* What comes back under the same epoch goes on from here, never from less. */
	if (!channel->is_stored && channel->offset > hub->retired_offset)
		hub->retired_offset = channel->offset;
	table_remove(&hub->channels, &channel->by_name);
	(void)channel_free(channel);
}

void hub_settle(struct hub *hub, struct channel *channel)
{
	bool is_idle = channel_is_idle(channel), was_idle = !list_is_empty(&channel->idle_link);

	if (is_idle && (!channel->is_ready || channel->is_pattern)) {
		forget(hub, channel);
	} else if (is_idle && !was_idle) {
		list_append(&hub->idle, &channel->idle_link);
		if (++hub->idle_count > HUB_IDLE_CHANNELS_MAX)
			forget(hub, LIST_ITEM(list_first(&hub->idle), struct channel, idle_link));
	} else if (!is_idle && was_idle) {
		list_remove(&channel->idle_link);
		hub->idle_count--;
	}
}

struct channel *hub_channel_find_or_add(struct hub *hub, const char *name)
{
	struct channel *channel = hub_channel_find(hub, name);

	if (channel)
		return channel;
	channel = channel_new(name, namespaces_find(hub->namespaces, name));
	if (!channel)
		return NULL;
	table_add(&hub->channels, channel->name, &channel->by_name);
	if (channel->is_pattern) {
		list_append(&hub->patterns, &channel->pattern_link);
		hub->pattern_count++;
		hub->patterns_version++;
	}
	return channel;
}

void hub_make_ready(const struct hub *hub, struct channel *channel,
		    const struct channel_state *state)
{
	if (channel->is_ready)
		return;
	channel->is_ready = true;
	channel->is_stored = state->is_stored;
	if (!channel->is_pattern) /* a pattern has no offsets */
		channel->offset = state->is_stored ? state->last_offset : hub->retired_offset;
	channel->reserved_offset = state->last_offset;
	channel->delivered_offset = channel->offset;
	memcpy(channel->epoch, state->is_stored ? state->epoch : hub->epoch, EPOCH_SIZE);
}

void hub_channels_list(const struct subscriber *subscriber, json_t *names)
{
	struct subscription *subscription;

	LIST_FOR_EACH (subscription, &subscriber->subscriptions, subscriber_link)
		(void)json_array_append_new(names, json_string(subscription->channel->name));
}

size_t hub_channel_count(const struct hub *hub)
{
	return hub->channels.count - hub->idle_count;
}

json_t *hub_channel_to_json(const struct hub *hub, const char *name)
{
	const struct channel *channel = hub_channel_find(hub, name);

	if (!channel || !channel->is_ready)
		return json_pack("{s:i}", "subscriptions", 0);
	return json_pack("{s:I, s:s, s:I}", "subscriptions",
			 (json_int_t)channel->subscription_count, "epoch", channel->epoch, "offset",
			 (json_int_t)channel->delivered_offset);
}

static bool is_listened_to(const void *data, struct table_link *link)
{
	(void)data;
	return TABLE_ITEM(link, struct channel, by_name)->subscription_count > 0;
}

json_t *hub_channel_sizes(const struct hub *hub, const char *after, size_t limit,
			  const char **ret_next_or_null)
{
	size_t count;
	AUTO_FREE struct table_link **links =
		table_sort(&hub->channels, after, is_listened_to, NULL, &count);
	json_t *sizes = links ? json_object() : NULL;

	*ret_next_or_null = NULL;
	for (size_t i = 0; sizes && i < count && i < limit; i++) {
		const struct channel *channel = TABLE_ITEM(links[i], struct channel, by_name);

		(void)json_object_set_new(sizes, channel->name,
					  json_integer((json_int_t)channel->subscription_count));
		if (i + 1 == limit && count > limit)
			*ret_next_or_null = channel->name;
	}
	return sizes;
}

static void add_subscriptions(void *data, struct table_link *link)
{
	size_t *count = data;

	*count += TABLE_ITEM(link, struct channel, by_name)->subscription_count;
}

size_t hub_subscription_count(const struct hub *hub)
{
	size_t count = 0;

	table_for_each(&hub->channels, add_subscriptions, &count);
	return count;
}

json_t *hub_presence(const struct hub *hub, const char *name, size_t limit)
{
	const struct channel *channel = hub_channel_find(hub, name);

	return channel ? presence_list(channel, limit)
		       : json_pack("{s:s, s:[], s:i, s:i}", "channel", name, "members", "count", 0,
				   "version", 0);
}

/* ---- subscribers ---- */

void hub_add(struct hub *hub, struct subscriber *subscriber, struct identity *identity)
{
	subscriber->identity = identity_ref(identity);
	table_add(&hub->subscribers, subscriber->connection_id, &subscriber->by_connection_id);
}

/* To the others on its channels it goes, and comes as somebody else. */
void hub_change_identity(struct hub *hub, struct subscriber *subscriber, struct identity *identity)
{
	bool is_other = strcmp(subscriber->identity->user_id, identity->user_id) != 0;
	struct subscription *subscription;

	LIST_FOR_EACH (subscription, &subscriber->subscriptions, subscriber_link)
		if (is_other)
			presence_leave(hub, subscription);
	(void)identity_ref(identity);
	(void)identity_unref(subscriber->identity);
	subscriber->identity = identity;
	LIST_FOR_EACH (subscription, &subscriber->subscriptions, subscriber_link)
		if (is_other && subscription->is_live)
			presence_join(hub, subscription);
}

void hub_end_subscription(struct hub *hub, struct subscription *subscription)
{
	struct channel *channel = subscription->channel;

	presence_leave(hub, subscription);
	channel_subscription_remove(subscription);
	hub_settle(hub, channel);
}

void hub_remove(struct hub *hub, struct subscriber *subscriber)
{
	struct subscription *subscription;

	if (hub_subscriber_find(hub, subscriber->connection_id) != subscriber)
		return;
	LIST_FOR_EACH (subscription, &subscriber->subscriptions, subscriber_link)
		hub_end_subscription(hub, subscription);
	table_remove(&hub->subscribers, &subscriber->by_connection_id);
	free(subscriber->given);
	subscriber->given = NULL;
	subscriber->identity = identity_unref(subscriber->identity);
}

struct subscriber *hub_subscriber_find(const struct hub *hub, const char *connection_id)
{
	struct table_link *link = table_find(&hub->subscribers, connection_id);

	return link ? TABLE_ITEM(link, struct subscriber, by_connection_id) : NULL;
}

bool subscriber_is_subscribed(const struct hub *hub, const struct subscriber *subscriber,
			      const char *name)
{
	const struct channel *channel = hub_channel_find(hub, name);

	return channel && channel_subscription_find(channel, subscriber);
}

/* ---- to everybody ---- */

struct broadcast {
	struct json_frames frames;
	int delivered_count;
};

static void send_broadcast(void *data, struct table_link *link)
{
	struct broadcast *broadcast = data;
	struct subscriber *subscriber = TABLE_ITEM(link, struct subscriber, by_connection_id);

	if (outbox_is_ending(subscriber->outbox) ||
	    (subscriber->form == FORM_SSE && !subscriber->has_begun))
		return;
	outbox_push(subscriber->outbox, json_frames_get(&broadcast->frames, subscriber->form));
	if (!outbox_is_ending(subscriber->outbox)) /* it may have been too slow */
		broadcast->delivered_count++;
}

int hub_broadcast_take(struct hub *hub, json_t *message, const char *event)
{
	struct broadcast broadcast = {0};
	int r = json_frames_init_take(&broadcast.frames, message, event, hub->cursor);

	if (r < 0)
		return r;
	table_for_each(&hub->subscribers, send_broadcast, &broadcast);
	json_frames_fini(&broadcast.frames);
	return broadcast.delivered_count;
}

/* ---- life's end ---- */

void hub_fini(struct hub *hub)
{
	struct table_link *link;

	assert(hub->subscribers.count == 0 && hub->order_count == 0);
	while ((link = table_first(&hub->channels)))
		forget(hub, TABLE_ITEM(link, struct channel, by_name));
	table_fini(&hub->channels);
	table_fini(&hub->subscribers);
	repeats_fini(&hub->repeats);
}
