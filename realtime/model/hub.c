#include "realtime/model/hub.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "realtime/model/channel.h"
#include "realtime/wire/json_frames.h"

int hub_init(struct hub *hub, uint32_t history_size, struct retention retention,
	     uint64_t last_position, const struct hub_store *store, void *store_data)
{
	char random[13];

	*hub = (struct hub){.history_size = history_size,
			    .retention = retention,
			    .last_position = last_position,
			    .cursor = last_position,
			    .store = store,
			    .store_data = store_data};
	list_init(&hub->idle);
	id_random_chars(random, sizeof(random) - 1);
	(void)snprintf(hub->epoch, sizeof(hub->epoch), "%s", random);
	if (table_init(&hub->channels) < 0)
		return -ENOMEM;
	if (table_init(&hub->subscribers) < 0) {
		table_fini(&hub->channels);
		return -ENOMEM;
	}
	return 0;
}

/* ---- channels ---- */

static struct channel *channel_find(const struct hub *hub, const char *name)
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
	/* What comes back under the same epoch goes on from here, never from less. */
	if (!channel->is_stored && channel->offset > hub->retired_offset)
		hub->retired_offset = channel->offset;
	table_remove(&hub->channels, &channel->by_name);
	(void)channel_free(channel);
}

/* To be called when something may have begun or ended on the channel; it may be gone afterwards. */
static void settle(struct hub *hub, struct channel *channel)
{
	bool is_idle = channel_is_idle(channel), was_idle = !list_is_empty(&channel->idle_link);

	if (is_idle && !channel->is_ready) {
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

static struct channel *channel_find_or_add(struct hub *hub, const char *name)
{
	struct channel *channel = channel_find(hub, name);

	if (channel)
		return channel;
	channel = channel_new(name);
	if (channel)
		table_add(&hub->channels, channel->name, &channel->by_name);
	return channel;
}

static void make_ready(struct hub *hub, struct channel *channel, const struct channel_state *state)
{
	if (channel->is_ready)
		return;
	channel->is_ready = true;
	channel->is_stored = state->is_stored;
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

/* ---- publishing ---- */

static void order_free(struct hub *hub, struct publish_order *order)
{
	list_remove(&order->link);
	(void)publication_unref(order->publication);
	json_decref(order->origin.request_id);
	free(order);
	hub->order_count--;
}

static void order_fail(struct hub *hub, struct publish_order *order, const struct error *error)
{
	hub->stats.refused_count++;
	order->origin.done(hub, order, NULL, 0, error);
	order_free(hub, order);
}

static void count_delivery(struct hub_stats *stats, const struct publish_order *order,
			   unsigned delivered)
{
	stats->published_count++;
	stats->persistent_count += order->publication->is_persistent;
	stats->delivered_count += delivered;
	if (delivered > 0 && stats->unsent_count < HUB_UNSENT_MAX)
		stats->unsent_unix_us[stats->unsent_count++] = order->came_unix_us;
}

void hub_on_flushed(struct hub *hub, uint64_t now_unix_us)
{
	struct hub_stats *stats = &hub->stats;

	for (size_t i = 0; i < stats->unsent_count; i++)
		if (now_unix_us > stats->unsent_unix_us[i]) /* clocks are set back, too */
			histogram_observe(&stats->fan_out, now_unix_us - stats->unsent_unix_us[i]);
	stats->unsent_count = 0;
}

static void order_deliver(struct hub *hub, struct publish_order *order)
{
	struct publication *publication = order->publication;
	unsigned delivered;

	if (publication->is_persistent)
		hub->cursor = publication->position;
	publication->cursor = hub->cursor;
	delivered = channel_deliver(order->channel, publication);
	count_delivery(&hub->stats, order, delivered);
	order->origin.done(hub, order, publication, delivered, NULL);
	order_free(hub, order);
}

/* Looking at all that is kept costs as much as there is, so it is done once in a while. */
static const struct retention *retention_due(const struct hub *hub, struct channel *channel,
					     const struct publication *publication)
{
	const struct retention *retention = &hub->retention;
	int64_t count = ++channel->untrimmed_count;

	channel->untrimmed_bytes += (int64_t)publication_size(publication);
	if ((count < RETENTION_COUNT_MIN || count * RETENTION_SLACK < retention->count) &&
	    channel->untrimmed_bytes * RETENTION_SLACK < retention->bytes)
		return NULL;
	channel->untrimmed_count = channel->untrimmed_bytes = 0;
	return retention;
}

/* How far the channel's mark is to be raised with it; 0: not at all. A stored message marks its own
 * place, but the channel must have a row (which always has a mark); a passing one is beyond it. */
static uint64_t offset_to_reserve(const struct channel *channel,
				  const struct publication *publication)
{
	if (publication->is_persistent)
		return channel->reserved_offset == 0 ? publication->offset : 0;
	return publication->offset > channel->reserved_offset
		       ? publication->offset + OFFSETS_RESERVED
		       : 0;
}

/* Give a message its place, and send it on its way: to the subscribers, or to the store first. */
static void order_place(struct hub *hub, struct publish_order *order, uint64_t now_unix_us)
{
	struct channel *channel = order->channel;
	struct publication *publication = order->publication;
	struct error error = {0};

	hub->last_position =
		now_unix_us > hub->last_position ? now_unix_us : hub->last_position + 1;
	publication->position = hub->last_position;
	publication->offset = ++channel->offset;
	memcpy(publication->epoch, channel->epoch, EPOCH_SIZE);
	if (publication->is_persistent) {
		channel->is_stored = true;
		order->retention = retention_due(hub, channel, publication);
	} else if (list_is_empty(&channel->in_flight) &&
		   (!channel->is_stored || publication->offset <= channel->reserved_offset)) {
		order_deliver(hub, order);
		return;
	}
	order->reserve_offset = offset_to_reserve(channel, publication);
	list_append(&channel->in_flight, &order->link);
	if (hub->store->append(hub->store_data, order, &error) < 0)
		order_fail(hub, order, &error);
}

static int load(struct hub *hub, struct channel *channel, struct error *reterr)
{
	AUTO(history_query) query = history_query_new(1);
	int r;

	if (!query)
		return -ENOMEM;
	query->purpose = HISTORY_FOR_CHANNEL;
	(void)snprintf(query->channels[0].name, sizeof(query->channels[0].name), "%s",
		       channel->name);
	r = hub->store->read(hub->store_data, query, reterr);
	if (r < 0)
		return r;
	(void)STEAL(query);
	channel->read_count++;
	return 0;
}

static struct publish_order *order_new(struct hub *hub, struct publication *publication,
				       const struct publish_origin *origin)
{
	struct publish_order *order = calloc(1, sizeof(*order));

	if (!order) {
		(void)publication_unref(publication);
		json_decref(origin->request_id);
		return NULL;
	}
	list_init(&order->link);
	order->publication = publication;
	order->origin = *origin;
	hub->order_count++;
	return order;
}

int hub_publish_take(struct hub *hub, struct publication *publication,
		     const struct publish_origin *origin, uint64_t now_unix_us,
		     struct error *reterr)
{
	struct publish_order *order = order_new(hub, publication, origin);
	int r;

	if (!order)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	if (hub->order_count > HUB_ORDERS_MAX) {
		order_free(hub, order);
		return error_set(reterr, -EAGAIN, "overloaded",
				 "too many messages wait to be stored; try again in a moment");
	}
	order->channel = channel_find_or_add(hub, publication->channel);
	if (!order->channel) {
		order_free(hub, order);
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	}
	publication->created_at_unix_ms = (int64_t)(now_unix_us / 1000);
	order->came_unix_us = now_unix_us;
	if (order->channel->is_ready) {
		struct channel *channel = order->channel;

		order_place(hub, order, now_unix_us);
		settle(hub, channel);
		return 0;
	}
	r = order->channel->read_count > 0 ? 0 : load(hub, order->channel, reterr);
	if (r < 0) {
		struct channel *channel = order->channel;

		order_free(hub, order);
		settle(hub, channel);
		return r;
	}
	list_append(&order->channel->waiting, &order->link);
	return 0;
}

void hub_on_appended(struct hub *hub, struct publish_order *order, const struct error *error)
{
	struct channel *channel = order->channel;

	if (!error && order->reserve_offset > channel->reserved_offset)
		channel->reserved_offset = order->reserve_offset;
	list_remove(&order->link);
	if (error)
		order_fail(hub, order, error);
	else
		order_deliver(hub, order);
	settle(hub, channel);
}

struct broadcast {
	struct json_frames frames;
	int delivered_count;
};

static void send_broadcast(void *data, struct table_link *link)
{
	struct broadcast *broadcast = data;
	struct subscriber *subscriber = TABLE_ITEM(link, struct subscriber, by_connection_id);

	if (outbox_is_ending(subscriber->outbox))
		return;
	outbox_push(subscriber->outbox, json_frames_get(&broadcast->frames, subscriber->form));
	if (!outbox_is_ending(subscriber->outbox)) /* it may have been too slow */
		broadcast->delivered_count++;
}

int hub_broadcast_take(struct hub *hub, json_t *message)
{
	struct broadcast broadcast = {0};
	int r = json_frames_init_take(&broadcast.frames, message, "message");

	if (r < 0)
		return r;
	table_for_each(&hub->subscribers, send_broadcast, &broadcast);
	json_frames_fini(&broadcast.frames);
	return broadcast.delivered_count;
}

/* ---- subscribing ---- */

void hub_add(struct hub *hub, struct subscriber *subscriber, struct identity *identity)
{
	subscriber->identity = identity_ref(identity);
	table_add(&hub->subscribers, subscriber->connection_id, &subscriber->by_connection_id);
}

void hub_change_identity(struct hub *hub, struct subscriber *subscriber, struct identity *identity)
{
	(void)hub;
	(void)identity_ref(identity);
	(void)identity_unref(subscriber->identity);
	subscriber->identity = identity;
}

void hub_remove(struct hub *hub, struct subscriber *subscriber)
{
	struct subscription *subscription;

	if (hub_subscriber_find(hub, subscriber->connection_id) != subscriber)
		return;
	LIST_FOR_EACH (subscription, &subscriber->subscriptions, subscriber_link) {
		struct channel *channel = subscription->channel;

		channel_subscription_remove(subscription);
		settle(hub, channel);
	}
	table_remove(&hub->subscribers, &subscriber->by_connection_id);
	subscriber->identity = identity_unref(subscriber->identity);
}

struct subscriber *hub_subscriber_find(const struct hub *hub, const char *connection_id)
{
	struct table_link *link = table_find(&hub->subscribers, connection_id);

	return link ? TABLE_ITEM(link, struct subscriber, by_connection_id) : NULL;
}

static struct subscription *subscription_find(const struct hub *hub,
					      const struct subscriber *subscriber,
					      const char *channel_name)
{
	const struct channel *channel = channel_find(hub, channel_name);

	return channel ? channel_subscription_find(channel, subscriber) : NULL;
}

bool subscriber_is_subscribed(const struct hub *hub, const struct subscriber *subscriber,
			      const char *channel)
{
	return subscription_find(hub, subscriber, channel) != NULL;
}

bool hub_unsubscribe(struct hub *hub, struct subscriber *subscriber, const char *channel_name)
{
	struct subscription *subscription = subscription_find(hub, subscriber, channel_name);
	struct channel *channel;

	if (!subscription)
		return false;
	channel = subscription->channel;
	channel_subscription_remove(subscription);
	settle(hub, channel);
	return true;
}

/* Take back what hub_subscribe_take() did for the first `count` channels of `query`. */
static void undo(struct hub *hub, struct subscriber *subscriber, const struct history_query *query,
		 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct channel *channel = channel_find(hub, query->channels[i].name);

		channel->read_count--;
		if (!query->is_repeat)
			(void)hub_unsubscribe(hub, subscriber, query->channels[i].name);
	}
}

static int read_for(struct hub *hub, struct subscriber *subscriber, struct history_query *query,
		    struct error *reterr)
{
	int r;

	memcpy(query->connection_id, subscriber->connection_id, CONNECTION_ID_SIZE);
	if (subscriber->read_count >= SUBSCRIBER_READS_MAX)
		return error_set(reterr, -EDQUOT, "too_many_reads",
				 "a connection may wait for %d answers of the store",
				 SUBSCRIBER_READS_MAX);
	r = hub->store->read(hub->store_data, query, reterr);
	if (r == 0)
		subscriber->read_count++;
	return r;
}

int hub_subscribe_take(struct hub *hub, struct subscriber *subscriber, struct history_query *taken,
		       struct error *reterr)
{
	AUTO(history_query) query = taken;
	int r;

	if (subscriber->subscription_count + query->channel_count > SUBSCRIPTIONS_MAX)
		return error_set(reterr, -EDQUOT, "too_many_subscriptions",
				 "a connection may have %d subscriptions", SUBSCRIPTIONS_MAX);
	query->is_repeat = query->channel_count == 1 &&
			   subscription_find(hub, subscriber, query->channels[0].name);
	for (size_t i = 0; i < query->channel_count; i++) {
		struct channel *channel = channel_find_or_add(hub, query->channels[i].name);
		struct subscription *subscription = NULL;

		if (channel && query->is_repeat)
			subscription = channel_subscription_find(channel, subscriber);
		else if (channel)
			subscription = channel_subscription_add(channel, subscriber);
		if (!subscription) {
			undo(hub, subscriber, query, i);
			if (channel)
				settle(hub, channel);
			return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
		}
		if (!query->is_repeat)
			subscription->serial = ++hub->last_serial;
		query->channels[i].serial = subscription->serial;
		channel->read_count++;
		settle(hub, channel);
	}
	query->purpose = HISTORY_FOR_SUBSCRIBER;
	r = read_for(hub, subscriber, query, reterr);
	if (r < 0) {
		undo(hub, subscriber, query, query->channel_count);
		return r;
	}
	(void)STEAL(query);
	return 0;
}

int hub_read_take(struct hub *hub, struct subscriber *subscriber, struct history_query *taken,
		  struct error *reterr)
{
	AUTO(history_query) query = taken;
	int r;

	query->purpose = HISTORY_FOR_READER;
	r = read_for(hub, subscriber, query, reterr);
	if (r < 0)
		return r;
	(void)STEAL(query);
	return 0;
}

/* A channel without row has nothing to replay: then only whoever has missed nothing is recovered.
 */
static const char *unrecovered_reason(const struct channel *channel,
				      const struct history_channel *answer)
{
	if (answer->unrecovered_reason || answer->kind != HISTORY_AFTER_OFFSET ||
	    answer->state.is_stored)
		return answer->unrecovered_reason;
	if (strcmp(answer->epoch, channel->epoch) != 0)
		return "epoch_changed";
	return answer->after_offset == channel->delivered_offset ? NULL : "not_stored";
}

static size_t rows_of(const struct history_query *query, const char *channel)
{
	size_t count = 0;

	for (size_t i = 0; i < query->row_count; i++)
		count += strcmp(query->rows[i]->channel, channel) == 0;
	return count;
}

static void announce(const struct subscription *subscription, const struct history_query *query,
		     const struct history_channel *answer)
{
	struct subscriber *subscriber = subscription->subscriber;
	const struct channel *channel = subscription->channel;
	struct subscribe_result result = {
		.channel = channel->name,
		.epoch = channel->epoch,
		.offset = subscription->held_count > 0 ? subscription->held[0]->offset - 1
						       : channel->delivered_offset,
		.is_recovery = answer->kind == HISTORY_AFTER_OFFSET ||
			       answer->kind == HISTORY_AFTER_POSITION,
		.unrecovered_reason = unrecovered_reason(channel, answer),
		.replay_count = query->is_repeat ? 0 : rows_of(query, channel->name),
		.request_id = query->request_id,
	};

	subscriber->events->subscribed(subscriber, &result);
}

/* The subscription that this was read for; NULL if it has ended, whatever came after it. */
static struct subscription *subscription_of(const struct hub *hub,
					    const struct subscriber *subscriber,
					    const struct history_channel *answer)
{
	struct subscription *subscription = subscription_find(hub, subscriber, answer->name);

	return subscription && subscription->serial == answer->serial ? subscription : NULL;
}

static void start_subscriptions(struct hub *hub, struct subscriber *subscriber,
				const struct history_query *query)
{
	/* One request for one channel merges the replay with what was held; for several channels
	 * (event streams, which hold nothing) the rows come in the order of their positions. */
	bool is_one = query->channel_count == 1;

	for (size_t i = 0; i < query->channel_count; i++) {
		struct subscription *subscription =
			subscription_of(hub, subscriber, &query->channels[i]);

		if (!subscription)
			continue; /* unsubscribed meanwhile */
		announce(subscription, query, &query->channels[i]);
		if (query->is_repeat)
			continue;
		subscription_start(subscription, is_one ? query->rows : NULL,
				   is_one ? query->row_count : 0);
	}
	for (size_t i = 0; !is_one && i < query->row_count; i++)
		if (subscription_find(hub, subscriber, query->rows[i]->channel))
			outbox_push_replay(subscriber->outbox,
					   publication_frame_get(query->rows[i], subscriber->form));
	subscriber->events->caught_up(subscriber, hub->cursor);
}

static void answer_subscriber(struct hub *hub, const struct history_query *query,
			      const struct error *error)
{
	struct subscriber *subscriber = hub_subscriber_find(hub, query->connection_id);

	if (!subscriber)
		return; /* it has left meanwhile */
	subscriber->read_count--;
	if (query->purpose == HISTORY_FOR_READER) {
		subscriber->events->history(subscriber, query, error);
	} else if (!error) {
		start_subscriptions(hub, subscriber, query);
	} else {
		for (size_t i = 0; !query->is_repeat && i < query->channel_count; i++)
			if (subscription_of(hub, subscriber, &query->channels[i]))
				(void)hub_unsubscribe(hub, subscriber, query->channels[i].name);
		subscriber->events->refused(subscriber, query, error);
	}
}

/* The channel has been read (or could not be): what waited for this goes on. */
static void resume_channel(struct hub *hub, struct channel *channel, const struct error *error,
			   uint64_t now_unix_us)
{
	struct publish_order *order;

	LIST_FOR_EACH (order, &channel->waiting, link) {
		if (!channel->is_ready && channel->read_count > 0)
			break; /* another read is under way and may succeed */
		list_remove(&order->link);
		if (channel->is_ready)
			order_place(hub, order, now_unix_us);
		else
			order_fail(hub, order, error);
	}
	settle(hub, channel);
}

void hub_on_read(struct hub *hub, struct history_query *taken, const struct error *error,
		 uint64_t now_unix_us)
{
	AUTO(history_query) query = taken;

	if (query->purpose != HISTORY_FOR_READER) {
		for (size_t i = 0; i < query->channel_count; i++) {
			struct channel *channel = channel_find(hub, query->channels[i].name);

			assert(channel && channel->read_count > 0); /* a read keeps it */
			if (!error)
				make_ready(hub, channel, &query->channels[i].state);
		}
	}
	if (query->purpose != HISTORY_FOR_CHANNEL)
		answer_subscriber(hub, query, error);
	if (query->purpose == HISTORY_FOR_READER)
		return;
	for (size_t i = 0; i < query->channel_count; i++) {
		struct channel *channel = channel_find(hub, query->channels[i].name);

		channel->read_count--;
		resume_channel(hub, channel, error, now_unix_us);
	}
}

void hub_fini(struct hub *hub)
{
	struct table_link *link;

	assert(hub->subscribers.count == 0 && hub->order_count == 0);
	while ((link = table_first(&hub->channels)))
		forget(hub, TABLE_ITEM(link, struct channel, by_name));
	table_fini(&hub->channels);
	table_fini(&hub->subscribers);
}
