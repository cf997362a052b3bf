#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/pattern.h"
#include "realtime/model/hub_private.h"

/* ---- orders ---- */

static void order_free(struct hub *hub, struct publish_order *order)
{
	list_remove(&order->link);
	(void)publication_unref(order->publication);
	json_decref(order->origin.request_id);
	hub->order_count--;
	hub->order_bytes -= order->bytes;
	free(order);
}

/* The message is published (`publication`) or not (`error`): whoever sent it hears so, and so does
 * whoever sent it again meanwhile. */
static void answer(struct hub *hub, struct publish_order *order,
		   const struct publication *publication, unsigned delivered_count,
		   const struct error *error)
{
	struct repeat *repeat = order->repeat;
	struct publish_order *again;

	order->origin.done(hub, order, publication, delivered_count, error);
	if (!repeat)
		return;
	LIST_FOR_EACH (again, &repeat->waiters, link) {
		again->origin.done(hub, again, publication, delivered_count, error);
		order_free(hub, again);
	}
	if (publication)
		repeats_end(&hub->repeats, repeat, publication);
	else
		repeats_drop(&hub->repeats, repeat);
}

static void order_fail(struct hub *hub, struct publish_order *order, const struct error *error)
{
	hub->stats.refused_count++;
	answer(hub, order, NULL, 0, error);
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
	delivered = channel_deliver(hub, order->channel, publication);
	count_delivery(&hub->stats, order, delivered);
	if (delivered > 0 && publication->kind == PUBLICATION_NOTIFICATION &&
	    own_channel_user(publication->channel))
		hub->store->delivered(hub->store_data, publication->position);
	answer(hub, order, publication, delivered, NULL);
	order_free(hub, order);
}

/* Looking at all that is kept costs as much as there is, so it is done once in a while. */
static const struct retention *retention_due(struct channel *channel,
					     const struct publication *publication)
{
	const struct retention *retention = &channel->namespace->retention;
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
		order->retention = retention_due(channel, publication);
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
	order->bytes = publication_size(publication);
	hub->order_count++;
	hub->order_bytes += order->bytes;
	return order;
}

/* ---- publishing ---- */

/* A message that was sent before: the same answer. 1, 0 (it is new), or -EAGAIN. */
static int answer_repeat(struct hub *hub, struct publish_order *order, uint64_t now_unix_us,
			 struct error *reterr)
{
	const struct publication *publication = order->publication;
	struct repeat *repeat = repeats_find(&hub->repeats, publication->channel,
					     publication->idempotency_key, now_unix_us);

	if (!repeat) {
		order->repeat = repeats_begin(&hub->repeats, publication->channel,
					      publication->idempotency_key, now_unix_us);
		return 0;
	}
	if (repeat->place) {
		order->origin.done(hub, order, repeat->place, 0, NULL);
		order_free(hub, order);
		return 1;
	}
	if (repeat->waiter_count == REPEAT_WAITERS_MAX)
		return error_set(reterr, -EAGAIN, "overloaded",
				 "a message with this idempotency_key is being stored already");
	repeat->waiter_count++;
	order->publication = publication_unref(order->publication); /* only its answer is needed */
	hub->order_bytes -= order->bytes;
	order->bytes = 0;
	list_append(&repeat->waiters, &order->link);
	return 1;
}

/* The channel is there; send the message on its way, or let it wait until the channel is ready. */
static int start(struct hub *hub, struct publish_order *order, uint64_t now_unix_us,
		 struct error *reterr)
{
	struct channel *channel = order->channel;
	int r;

	if (channel->is_ready) {
		order_place(hub, order, now_unix_us);
		hub_settle(hub, channel);
		return 0;
	}
	r = channel->read_count > 0 ? 0 : load(hub, channel, reterr);
	if (r == 0)
		list_append(&channel->waiting, &order->link);
	else
		hub_settle(hub, channel);
	return r;
}

static int accept_order(struct hub *hub, struct publish_order *order, uint64_t now_unix_us,
			struct error *reterr)
{
	struct publication *publication = order->publication;
	int r = 0;

	if (pattern_is_wild(publication->channel))
		return error_set_field(reterr, -EINVAL, "bad_field", "channel",
				       "%s is a pattern of names: publish to one channel",
				       publication->channel);
	if (hub->order_count > HUB_ORDERS_MAX ||
	    (hub->order_count > 1 && hub->order_bytes > HUB_ORDER_BYTES_MAX))
		return error_set(reterr, -EAGAIN, "overloaded",
				 "too many messages wait to be stored; try again in a moment");
	publication->created_at_unix_ms = (int64_t)(now_unix_us / 1000);
	order->came_unix_us = now_unix_us;
	if (publication->idempotency_key)
		r = answer_repeat(hub, order, now_unix_us, reterr);
	if (r != 0)
		return r < 0 ? r : 0;
	order->channel = hub_channel_find_or_add(hub, publication->channel);
	if (!order->channel)
		r = error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	else
		r = start(hub, order, now_unix_us, reterr);
	if (r < 0 && order->repeat)
		repeats_drop(&hub->repeats, order->repeat);
	return r;
}

int hub_publish_take(struct hub *hub, struct publication *publication,
		     const struct publish_origin *origin, uint64_t now_unix_us,
		     struct error *reterr)
{
	struct publish_order *order = order_new(hub, publication, origin);
	int r;

	if (!order)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	r = accept_order(hub, order, now_unix_us, reterr);
	if (r < 0)
		order_free(hub, order);
	return r;
}

void hub_remember_repeat(struct hub *hub, const char *channel, const char *idempotency_key,
			 const char *epoch, const char *data, uint64_t offset, uint64_t position)
{
	AUTO(publication) place = publication_new(channel, data, NULL, NULL);
	struct repeat *repeat = repeats_find(&hub->repeats, channel, idempotency_key, position);

	if (repeat)
		repeats_drop(&hub->repeats, repeat); /* its time was over before this one */
	repeat = place ? repeats_begin(&hub->repeats, channel, idempotency_key, position) : NULL;
	if (!repeat)
		return;
	if (strcmp(data, "null") != 0)
		place->kind = PUBLICATION_NOTIFICATION;
	place->offset = offset;
	place->position = position;
	(void)snprintf(place->epoch, sizeof(place->epoch), "%s", epoch);
	repeats_end(&hub->repeats, repeat, place);
}

void hub_on_appended(struct hub *hub, struct publish_order *order, const struct error *error)
{
	struct channel *channel = order->channel;

	if (!error) {
		channel->is_stored = true; /* with whatever is kept comes a row, and only then */
		if (order->reserve_offset > channel->reserved_offset)
			channel->reserved_offset = order->reserve_offset;
	}
	list_remove(&order->link);
	if (error)
		order_fail(hub, order, error);
	else
		order_deliver(hub, order);
	hub_settle(hub, channel);
}

void hub_resume_orders(struct hub *hub, struct channel *channel, const struct error *error,
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
	hub_settle(hub, channel);
}
