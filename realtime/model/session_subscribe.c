#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "realtime/model/permission.h"
#include "realtime/model/presence.h"
#include "realtime/model/session_private.h"
#include "realtime/wire/reply.h"

void session_on_subscribed(struct subscriber *subscriber, const struct subscribe_result *result)
{
	json_t *body = reply_new("subscribed", result->request_id);

	(void)json_object_set_new(body, "channel", json_string(result->channel));
	(void)json_object_set_new(body, "epoch", json_string(result->epoch));
	(void)json_object_set_new(body, "offset", json_integer((json_int_t)result->offset));
	if (result->is_recovery)
		(void)json_object_set_new(body, "recovered",
					  json_boolean(!result->unrecovered_reason));
	if (result->unrecovered_reason)
		(void)json_object_set_new(body, "reason", json_string(result->unrecovered_reason));
	(void)json_object_set_new(body, "replay_count",
				  json_integer((json_int_t)result->replay_count));
	session_tell(session_of(subscriber), body);
}

static int subscribe_one(struct session *session, const struct envelope *envelope,
			 const struct envelope_subscribe *fields,
			 const struct subscribe_options *options, const char *name,
			 struct error *reterr)
{
	const struct namespaces *namespaces = session->hub->namespaces;
	const struct identity *identity = session->subscriber.identity;
	struct history_query *query;
	struct history_channel *channel;
	int r = options->wants_presence || options->wants_join_leave
			? permission_check_presence(namespaces, identity, name, reterr)
			: permission_check(namespaces, identity, RIGHT_SUBSCRIBE, name, reterr);

	if (r < 0)
		return r;
	query = history_query_new(1);
	if (!query)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	query->request_id = json_incref(envelope->id);
	channel = &query->channels[0];
	(void)snprintf(channel->name, sizeof(channel->name), "%s", name);
	channel->kind = HISTORY_NEWEST;
	channel->limit = fields->history_limit >= 0
				 ? (uint32_t)fields->history_limit
				 : namespaces_find(namespaces, name)->history_size;
	if (fields->recover.epoch) {
		channel->kind = HISTORY_AFTER_OFFSET;
		channel->after_offset = (uint64_t)fields->recover.offset;
		(void)snprintf(channel->epoch, sizeof(channel->epoch), "%s", fields->recover.epoch);
	}
	return hub_subscribe_take(session->hub, &session->subscriber, options, query, reterr);
}

int session_subscribe(struct session *session, const struct envelope *envelope,
		      struct error *reterr)
{
	struct envelope_subscribe fields;
	AUTO(filter) filter = NULL;
	AUTO_FREE char *info = NULL;
	struct subscribe_options options;
	int r = envelope_subscribe_get(envelope, &fields, reterr);

	if (r >= 0 && fields.filters)
		r = filter_new(fields.filters, &filter, reterr);
	if (r < 0)
		return r;
	if (fields.info) {
		info = json_dumps(fields.info, JSON_COMPACT | JSON_ENCODE_ANY);
		if (!info)
			return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	}
	options = (struct subscribe_options){.filter = filter,
					     .info = info,
					     .wants_presence = fields.wants_presence,
					     .wants_join_leave = fields.wants_join_leave};
	for (size_t i = 0; r >= 0 && i < fields.channels.count; i++)
		r = subscribe_one(session, envelope, &fields, &options, fields.channels.names[i],
				  reterr);
	return r;
}

int session_unsubscribe(struct session *session, const struct envelope *envelope,
			struct error *reterr)
{
	struct envelope_channels channels;
	int r = envelope_channels_get(envelope, &channels, reterr);

	for (size_t i = 0; r >= 0 && i < channels.count; i++) {
		json_t *body;

		r = hub_unsubscribe(session->hub, &session->subscriber, channels.names[i], reterr);
		if (r < 0)
			break;
		body = reply_new("unsubscribed", envelope->id);
		(void)json_object_set_new(body, "channel", json_string(channels.names[i]));
		(void)json_object_set_new(body, "code", json_string("requested"));
		(void)json_object_set_new(body, "reason", json_string("you asked for it"));
		session_tell(session, body);
	}
	return r;
}

int session_presence(struct session *session, const struct envelope *envelope, struct error *reterr)
{
	const char *channel = NULL;
	json_t *body;
	int r = envelope_channel_get(envelope, &channel, reterr);

	if (r == 0)
		r = permission_check_presence(session->hub->namespaces,
					      session->subscriber.identity, channel, reterr);
	if (r < 0)
		return r;
	body = hub_presence(session->hub, channel, PRESENCE_LISTED_MAX);
	(void)json_object_set_new(body, "type", json_string("presence"));
	if (envelope->id)
		(void)json_object_set(body, "id", envelope->id);
	session_tell(session, body);
	return 0;
}
