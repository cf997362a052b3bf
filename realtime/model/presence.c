#include "realtime/model/presence.h"

#include <string.h>

#include "realtime/model/hub_private.h"
#include "realtime/wire/json_frames.h"

static bool has_presence(const struct channel *channel)
{
	return channel->namespace->has_presence && !channel->is_pattern &&
	       !own_channel_user(channel->name);
}

/* What others see of a member. */
static json_t *describe(const struct subscription *subscription)
{
	const struct identity *identity = subscription->subscriber->identity;
	const char *user_id = identity->user_id, *name = identity->name;
	json_t *member = json_pack("{s:s, s:s?, s:s*}", "connection_id",
				   subscription->subscriber->connection_id, "user_id",
				   *user_id ? user_id : NULL, "name", *name ? name : NULL);

	if (member && subscription->info)
		(void)json_object_set_new(member, "info",
					  json_loads(subscription->info, JSON_DECODE_ANY, NULL));
	return member;
}

/* Is the user there by another connection, too? All of a user's connections hear the user's own
 * channel. */
static bool is_there_otherwise(const struct hub *hub, const struct subscription *subscription)
{
	const struct identity *identity = subscription->subscriber->identity;
	char own_name[CHANNEL_NAME_MAX + 1];
	const struct channel *own;

	if (identity_is_anonymous(identity))
		return false;
	own_channel_name(identity->user_id, own_name, sizeof(own_name));
	own = hub_channel_find(hub, own_name);
	for (size_t i = 0; own && i < own->subscription_count; i++) {
		const struct subscription *other = channel_subscription_find(
			subscription->channel, own->subscriptions[i]->subscriber);

		if (other && other != subscription && other->is_member)
			return true;
	}
	return false;
}

/* Everybody who wants to hear of it but `except`. */
static void tell_watchers(const struct hub *hub, const struct channel *channel,
			  const struct subscription *except, json_t *taken, const char *event)
{
	struct json_frames frames;

	if (json_frames_init_take(&frames, taken, event, hub->cursor) < 0)
		return; /* the next one's version tells that this one is missing */
	for (size_t i = 0; i < channel->subscription_count; i++) {
		const struct subscription *subscription = channel->subscriptions[i];

		if (subscription->wants_join_leave && subscription->is_live &&
		    subscription != except)
			outbox_push(subscription->subscriber->outbox,
				    json_frames_get(&frames, subscription->subscriber->form));
	}
	json_frames_fini(&frames);
}

/* Too many to tell of? When it becomes so, that is told. */
static bool is_crowded(const struct hub *hub, struct channel *channel)
{
	bool was_crowded = channel->is_crowded;

	channel->is_crowded = channel->subscription_count > PRESENCE_TOLD_MAX;
	if (channel->is_crowded && !was_crowded)
		tell_watchers(hub, channel, NULL,
			      json_pack("{s:s, s:s, s:s}", "type", "gap", "channel", channel->name,
					"reason", "too_many_members"),
			      "gap");
	return channel->is_crowded;
}

static void tell(const struct hub *hub, const struct subscription *subscription, const char *type,
		 const char *edge)
{
	struct channel *channel = subscription->channel;
	json_t *body;

	channel->presence_version++;
	if (channel->watcher_count == 0 || is_crowded(hub, channel))
		return;
	body = describe(subscription);
	(void)json_object_set_new(body, "type", json_string(type));
	(void)json_object_set_new(body, "channel", json_string(channel->name));
	(void)json_object_set_new(body, edge, json_boolean(!is_there_otherwise(hub, subscription)));
	(void)json_object_set_new(body, "version",
				  json_integer((json_int_t)channel->presence_version));
	tell_watchers(hub, channel, subscription, body, type);
}

json_t *presence_list(const struct channel *channel, size_t limit)
{
	json_t *members = json_array();
	size_t count = 0;

	for (size_t i = 0; i < channel->subscription_count; i++) {
		const struct subscription *subscription = channel->subscriptions[i];

		if (!subscription->is_member)
			continue;
		if (count++ < limit)
			(void)json_array_append_new(members, describe(subscription));
	}
	return json_pack("{s:s, s:o, s:I, s:I}", "channel", channel->name, "members", members,
			 "count", (json_int_t)count, "version",
			 (json_int_t)channel->presence_version);
}

void presence_join(struct hub *hub, struct subscription *subscription)
{
	if (!has_presence(subscription->channel))
		return;
	subscription->is_member = true;
	tell(hub, subscription, "join", "first");
}

void presence_show(const struct hub *hub, const struct subscription *subscription)
{
	struct json_frames frames;
	json_t *list;

	if (!subscription->is_member || !subscription->wants_presence)
		return;
	list = presence_list(subscription->channel, PRESENCE_LISTED_MAX);
	(void)json_object_set_new(list, "type", json_string("presence"));
	if (json_frames_init_take(&frames, list, "presence", hub->cursor) < 0)
		return; /* it may still ask for it */
	outbox_push(subscription->subscriber->outbox,
		    json_frames_get(&frames, subscription->subscriber->form));
	json_frames_fini(&frames);
}

void presence_leave(struct hub *hub, struct subscription *subscription)
{
	if (!subscription->is_member)
		return;
	subscription->is_member = false;
	tell(hub, subscription, "leave", "last");
}
