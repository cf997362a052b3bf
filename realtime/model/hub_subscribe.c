#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/pattern.h"
#include "realtime/model/hub_private.h"
#include "realtime/model/presence.h"

/* ---- asking ---- */

static struct subscription *subscription_find(const struct hub *hub,
					      const struct subscriber *subscriber,
					      const char *channel_name)
{
	const struct channel *channel = hub_channel_find(hub, channel_name);

	return channel ? channel_subscription_find(channel, subscriber) : NULL;
}

static bool is_own(const struct subscriber *subscriber, const char *channel_name)
{
	const char *owner = own_channel_user(channel_name);

	return owner && strcmp(owner, subscriber->identity->user_id) == 0;
}

int hub_unsubscribe(struct hub *hub, struct subscriber *subscriber, const char *channel_name,
		    struct error *reterr)
{
	struct subscription *subscription = subscription_find(hub, subscriber, channel_name);

	if (!subscription)
		return error_set_field(reterr, -ENOENT, "not_subscribed", "channel",
				       "this connection is not subscribed to %s", channel_name);
	if (is_own(subscriber, channel_name))
		return error_set_field(
			reterr, -EPERM, "own_channel", "channel",
			"every connection of a user hears what is sent to that user");
	hub_end_subscription(hub, subscription);
	return 0;
}

/* Nobody stays without hearing their own channel, even if it was they who asked for it anew: what
 * is sent to them would pass by. */
static void end_failed(struct hub *hub, struct subscription *subscription, enum close_code code,
		       const char *reason)
{
	struct subscriber *subscriber = subscription->subscriber;

	if (is_own(subscriber, subscription->channel->name))
		outbox_end(subscriber->outbox, code, reason);
	hub_end_subscription(hub, subscription);
}

/* Take back what was done for the first `count` channels of `query`. */
static void undo(struct hub *hub, struct subscriber *subscriber, const struct history_query *query,
		 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct channel *channel = hub_channel_find(hub, query->channels[i].name);
		struct subscription *subscription = channel_subscription_find(channel, subscriber);

		channel->read_count--;
		if (!query->is_repeat && subscription)
			end_failed(hub, subscription, CLOSE_OVERLOAD, "overloaded");
		else
			hub_settle(hub, channel);
	}
}

static int check_reads(const struct subscriber *subscriber, struct error *reterr)
{
	if (subscriber->read_count < SUBSCRIBER_READS_MAX)
		return 0;
	return error_set(reterr, -EDQUOT, "too_many_reads",
			 "a connection may wait for %d answers of the store", SUBSCRIBER_READS_MAX);
}

static int read_for(struct hub *hub, struct subscriber *subscriber, struct history_query *query,
		    struct error *reterr)
{
	int r;

	memcpy(query->connection_id, subscriber->connection_id, CONNECTION_ID_SIZE);
	r = hub->store->read(hub->store_data, query, reterr);
	if (r == 0)
		subscriber->read_count++;
	return r;
}

/* Whoever asks for its own channel has heard it until now without asking. What came in that time is
 * not to come again with the replay. */
static void end_implicit(struct hub *hub, struct subscription *subscription)
{
	struct given *given = subscription->subscriber->given;

	if (given)
		given->live_until_offset = subscription->channel->delivered_offset;
	hub_end_subscription(hub, subscription);
}

/* The subscription to one channel of a query that is about to be asked. -ENOMEM */
static int subscribe(struct hub *hub, struct subscriber *subscriber,
		     const struct subscribe_options *options, const struct history_query *query,
		     struct history_channel *asked)
{
	struct channel *channel = hub_channel_find_or_add(hub, asked->name);
	struct subscription *subscription;

	if (!channel)
		return -ENOMEM;
	channel->read_count++;
	subscription = channel_subscription_find(channel, subscriber);
	if (subscription && subscription->is_implicit && !asked->is_implicit) {
		end_implicit(hub, subscription);
		subscription = NULL;
	}
	if (!subscription) {
		subscription = channel_subscription_add(channel, subscriber);
		if (subscription)
			subscription->serial = ++hub->last_serial;
	}
	if (!subscription || (options && !asked->is_implicit &&
			      subscription_set_options(subscription, options) < 0)) {
		channel->read_count--;
		if (subscription && !query->is_repeat)
			end_failed(hub, subscription, CLOSE_INTERNAL, "out of memory");
		else
			hub_settle(hub, channel);
		return -ENOMEM;
	}
	subscription->is_implicit = asked->is_implicit;
	asked->serial = subscription->serial;
	hub_settle(hub, channel);
	return 0;
}

static bool is_repeat(const struct hub *hub, const struct subscriber *subscriber,
		      const struct history_query *query)
{
	const struct subscription *subscription =
		query->channel_count == 1
			? subscription_find(hub, subscriber, query->channels[0].name)
			: NULL;

	return subscription && (!subscription->is_implicit || query->channels[0].is_implicit);
}

static size_t new_patterns(const struct hub *hub, const struct history_query *query)
{
	size_t count = 0;

	for (size_t i = 0; i < query->channel_count; i++)
		count += pattern_is_wild(query->channels[i].name) &&
			 !hub_channel_find(hub, query->channels[i].name);
	return count;
}

int hub_subscribe_take(struct hub *hub, struct subscriber *subscriber,
		       const struct subscribe_options *options, struct history_query *taken,
		       struct error *reterr)
{
	AUTO(history_query) query = taken;
	int r = check_reads(subscriber, reterr);

	if (r < 0)
		return r;
	query->is_repeat = is_repeat(hub, subscriber, query);
	if (!query->is_repeat &&
	    subscriber->subscription_count + query->channel_count > SUBSCRIPTIONS_MAX)
		return error_set(reterr, -EDQUOT, "too_many_subscriptions",
				 "a connection may have %d subscriptions", SUBSCRIPTIONS_MAX);
	if (hub->pattern_count + new_patterns(hub, query) > HUB_PATTERNS_MAX)
		return error_set(reterr, -EDQUOT, "too_many_patterns",
				 "there are %d different patterns in use already",
				 HUB_PATTERNS_MAX);
	for (size_t i = 0; i < query->channel_count; i++) {
		r = subscribe(hub, subscriber, options, query, &query->channels[i]);
		if (r < 0) {
			undo(hub, subscriber, query, i);
			return error_set(reterr, r, "out_of_memory", "out of memory");
		}
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

void hub_hear_own(struct hub *hub, struct subscriber *subscriber)
{
	struct history_query *query;
	char name[CHANNEL_NAME_MAX + 1];

	if (identity_is_anonymous(subscriber->identity))
		return;
	own_channel_name(subscriber->identity->user_id, name, sizeof(name));
	if (subscription_find(hub, subscriber, name))
		return;
	query = history_query_new(1);
	if (query) {
		history_channel_set_own(&query->channels[0], name);
		if (hub_subscribe_take(hub, subscriber, NULL, query, NULL) == 0)
			return;
	}
	outbox_end(subscriber->outbox, CLOSE_OVERLOAD, "overloaded");
}

int hub_read_take(struct hub *hub, struct subscriber *subscriber, struct history_query *taken,
		  struct error *reterr)
{
	AUTO(history_query) query = taken;
	int r;

	if (pattern_is_wild(query->channels[0].name))
		return error_set_field(reterr, -EINVAL, "bad_field", "channel",
				       "%s is a pattern of names: ask for one channel",
				       query->channels[0].name);
	query->purpose = HISTORY_FOR_READER;
	r = check_reads(subscriber, reterr);
	if (r == 0)
		r = read_for(hub, subscriber, query, reterr);
	if (r < 0)
		return r;
	(void)STEAL(query);
	return 0;
}

/* ---- answers ---- */

/* A channel without row has nothing to replay: then only whoever has missed nothing is recovered.
 */
static const char *unrecovered_reason(const struct channel *channel,
				      const struct history_channel *answer, uint64_t live_after)
{
	if (answer->unrecovered_reason || answer->kind != HISTORY_AFTER_OFFSET ||
	    answer->state.is_stored)
		return answer->unrecovered_reason;
	if (strcmp(answer->epoch, channel->epoch) != 0)
		return "epoch_changed";
	return answer->after_offset == live_after ? NULL : "not_stored";
}

/* The subscription by which `subscriber` gets a row of a replay; NULL if there is none (any more).
 */
static struct subscription *subscription_for(const struct hub *hub,
					     const struct subscriber *subscriber,
					     const struct publication *row)
{
	struct subscription *subscription = subscription_find(hub, subscriber, row->channel);
	const struct namespace *namespace;

	if (subscription)
		return subscription;
	namespace = namespaces_find(hub->namespaces, row->channel);
	LIST_FOR_EACH (subscription, &subscriber->subscriptions, subscriber_link)
		if (subscription->channel->is_pattern &&
		    channel_pattern_stands_for(subscription->channel, namespace, row->channel))
			return subscription;
	return NULL;
}

/* How many rows it will get by this subscription. */
static size_t rows_of(const struct history_query *query, const struct subscription *subscription)
{
	const char *name = subscription->channel->name;
	size_t count = 0;

	if (query->is_repeat)
		return 0;
	for (size_t i = 0; i < query->row_count; i++)
		count += strcmp(query->rows[i]->channel, name) == 0 &&
			 subscription_wants(subscription, query->rows[i]);
	return count;
}

static void announce(const struct subscription *subscription, const struct history_query *query,
		     const struct history_channel *answer)
{
	struct subscriber *subscriber = subscription->subscriber;
	const struct channel *channel = subscription->channel;
	uint64_t live_after = subscription->held_count > 0 ? subscription->held[0]->offset - 1
							   : channel->delivered_offset;
	struct subscribe_result result = {
		.channel = channel->name,
		.epoch = channel->epoch,
		.offset = live_after,
		.is_recovery = answer->kind == HISTORY_AFTER_OFFSET ||
			       answer->kind == HISTORY_AFTER_POSITION,
		.unrecovered_reason = unrecovered_reason(channel, answer, live_after),
		.after_position = query->after_position,
		.replay_count = rows_of(query, subscription),
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

/* It was given these of its user's own channel. Without memory to remember that, it may get them
 * again. */
static void remember_given(struct subscriber *subscriber, const struct channel *channel,
			   const struct history_query *query)
{
	struct given *given =
		calloc(1, sizeof(*given) + query->row_count * sizeof(given->offsets[0]));

	if (!given)
		return;
	given->live_after_offset = channel->delivered_offset;
	given->live_until_offset = UINT64_MAX;
	for (size_t i = 0; i < query->row_count; i++)
		if (strcmp(query->rows[i]->channel, channel->name) == 0)
			given->offsets[given->count++] = query->rows[i]->offset;
	free(subscriber->given);
	subscriber->given = given;
}

/* Of what is about to be replayed: the notifications that have been waiting for their user. Whoever
 * is sent away gets nothing more, so they go on waiting. */
static void note_delivered(const struct hub *hub, const struct subscriber *subscriber,
			   const struct history_query *query)
{
	if (query->is_repeat || outbox_is_ending(subscriber->outbox))
		return;
	for (size_t i = 0; i < query->row_count; i++) {
		const struct publication *row = query->rows[i];
		const struct subscription *subscription;

		if (row->kind != PUBLICATION_NOTIFICATION || !own_channel_user(row->channel))
			continue;
		subscription = subscription_for(hub, subscriber, row);
		if (subscription && subscription_wants(subscription, row))
			hub->store->delivered(hub->store_data, row->position);
	}
}

/* One request for one channel merges the replay with what was held; for several channels (event
 * streams, which hold nothing) the rows come in the order of their positions. */
static void start_one(struct hub *hub, struct subscription *subscription,
		      const struct history_query *query, const struct history_channel *answer)
{
	bool is_one = query->channel_count == 1;

	/* An event stream hears only of gaps, and of those also in what it did not ask for. */
	if (!answer->is_implicit || subscription->subscriber->form == FORM_SSE)
		announce(subscription, query, answer);
	if (query->is_repeat)
		return;
	subscription_start(subscription, is_one ? query->rows : NULL,
			   is_one ? query->row_count : 0);
	/* An event stream asks for everything at once, so nothing can come again. */
	if (answer->is_implicit && subscription->subscriber->form != FORM_SSE)
		remember_given(subscription->subscriber, subscription->channel, query);
	presence_join(hub, subscription);
}

/* It was to hear its own channel, and has asked for that itself before this was answered. What has
 * been waiting comes all the same, and not again with the answer to that. */
static void give_waiting(const struct hub *hub, struct subscriber *subscriber,
			 const struct history_query *query, const struct history_channel *answer)
{
	const struct subscription *subscription = subscription_find(hub, subscriber, answer->name);

	for (size_t i = 0; subscription && i < query->row_count; i++)
		if (subscription_wants(subscription, query->rows[i]))
			outbox_push_replay(subscriber->outbox,
					   publication_frame_get(query->rows[i], subscriber->form));
	if (subscription)
		remember_given(subscriber, subscription->channel, query);
	if (subscription && subscriber->given) /* nothing has come live */
		subscriber->given->live_until_offset = subscriber->given->live_after_offset;
}

static void start_subscriptions(struct hub *hub, struct subscriber *subscriber,
				const struct history_query *query)
{
	static const struct error ended = {
		.number = -ECANCELED,
		.code = "unsubscribed",
		.field = "channel",
		.message = "the subscription was ended before it began",
	};
	struct subscription *subscription;

	note_delivered(hub, subscriber, query);
	for (size_t i = 0; i < query->channel_count; i++) {
		subscription = subscription_of(hub, subscriber, &query->channels[i]);
		if (subscription)
			start_one(hub, subscription, query, &query->channels[i]);
		else if (query->channels[i].is_implicit)
			give_waiting(hub, subscriber, query, &query->channels[i]);
		else
			subscriber->events->refused(subscriber, query, &ended);
	}
	for (size_t i = 0; query->channel_count > 1 && i < query->row_count; i++) {
		subscription = subscription_for(hub, subscriber, query->rows[i]);
		if (subscription && subscription_wants(subscription, query->rows[i]))
			outbox_push_replay(subscriber->outbox,
					   publication_frame_get(query->rows[i], subscriber->form));
	}
	subscriber->has_begun = true;
	subscriber->events->caught_up(subscriber, hub->cursor);
	for (size_t i = 0; i < query->channel_count; i++) {
		subscription = subscription_of(hub, subscriber, &query->channels[i]);
		if (subscription)
			presence_show(hub, subscription);
	}
}

static void fail_subscriptions(struct hub *hub, struct subscriber *subscriber,
			       const struct history_query *query, const struct error *error)
{
	if (!query->channels[0].is_implicit) /* otherwise nobody waits for an answer */
		subscriber->events->refused(subscriber, query, error);
	for (size_t i = 0; !query->is_repeat && i < query->channel_count; i++) {
		struct subscription *subscription =
			subscription_of(hub, subscriber, &query->channels[i]);

		if (subscription)
			end_failed(hub, subscription, CLOSE_INTERNAL, "store failed");
	}
}

/* What is told with a look at the past, as of now: a reader may want to go on from there. The
 * store's mark is ahead of the offsets that were given out, and of a channel without row it knows
 * nothing. */
static void complete(const struct hub *hub, struct history_channel *answer)
{
	const struct channel *channel = hub_channel_find(hub, answer->name);
	struct channel_state *state = &answer->state;

	if (channel && channel->is_ready) {
		answer->unrecovered_reason =
			unrecovered_reason(channel, answer, channel->delivered_offset);
		state->last_offset = channel->delivered_offset;
		memcpy(state->epoch, channel->epoch, EPOCH_SIZE);
	} else if (!state->is_stored) {
		if (answer->kind == HISTORY_AFTER_OFFSET)
			answer->unrecovered_reason = "not_stored";
		state->last_offset = hub->retired_offset;
		memcpy(state->epoch, hub->epoch, EPOCH_SIZE);
	}
}

static void answer_subscriber(struct hub *hub, struct history_query *query,
			      const struct error *error)
{
	struct subscriber *subscriber = hub_subscriber_find(hub, query->connection_id);

	if (!subscriber)
		return; /* it has left meanwhile */
	subscriber->read_count--;
	if (query->purpose == HISTORY_FOR_READER) {
		if (!error)
			complete(hub, &query->channels[0]);
		subscriber->events->history(subscriber, query, error);
	} else if (!error) {
		start_subscriptions(hub, subscriber, query);
	} else {
		fail_subscriptions(hub, subscriber, query, error);
	}
}

void hub_on_read(struct hub *hub, struct history_query *taken, const struct error *error,
		 uint64_t now_unix_us)
{
	AUTO(history_query) query = taken;

	if (query->purpose != HISTORY_FOR_READER) {
		for (size_t i = 0; i < query->channel_count; i++) {
			struct channel *channel = hub_channel_find(hub, query->channels[i].name);

			assert(channel && channel->read_count > 0); /* a read keeps it */
			if (!error)
				hub_make_ready(hub, channel, &query->channels[i].state);
		}
	}
	if (query->purpose != HISTORY_FOR_CHANNEL)
		answer_subscriber(hub, query, error);
	if (query->purpose == HISTORY_FOR_READER)
		return;
	for (size_t i = 0; i < query->channel_count; i++) {
		struct channel *channel = hub_channel_find(hub, query->channels[i].name);

		channel->read_count--;
		hub_resume_orders(hub, channel, error, now_unix_us);
	}
}
