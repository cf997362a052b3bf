#include "realtime/model/event_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "realtime/model/permission.h"
#include "realtime/wire/envelope.h"
#include "realtime/wire/sse.h"

/* ---- what the hub reports ---- */

static void on_subscribed(struct subscriber *subscriber, const struct subscribe_result *result)
{
	AUTO_FREE char *text = NULL;
	json_t *body;

	if (!result->unrecovered_reason)
		return;
	body = json_pack("{s:s, s:s, s:s}", "type", "gap", "channel", result->channel, "reason",
			 result->unrecovered_reason);
	text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	outbox_push_take(subscriber->outbox, text ? sse_frame_new_event("gap", text) : NULL);
}

static void on_refused(struct subscriber *subscriber, const struct history_query *query,
		       const struct error *error)
{
	(void)query;
	LOG(LOG_WARNING, LOG_WEBSOCKET, "stream_refused",
	    LOG_TEXT("connection", subscriber->connection_id), LOG_ERR(error));
	outbox_end(subscriber->outbox, CLOSE_INTERNAL, "store failed");
}

static void on_caught_up(struct subscriber *subscriber, uint64_t position)
{
	outbox_push_take(subscriber->outbox, sse_frame_new_cursor(position));
}

static const struct subscriber_events events = {
	.subscribed = on_subscribed,
	.refused = on_refused,
	.caught_up = on_caught_up,
};

/* ---- life ---- */

void event_stream_init(struct event_stream *stream, struct hub *hub, int64_t retry_ms,
		       uint32_t history_size, const char *connection_id, struct outbox *outbox)
{
	*stream = (struct event_stream){
		.hub = hub, .retry_ms = retry_ms, .history_size = history_size};
	stream->subscriber.form = FORM_SSE;
	stream->subscriber.outbox = outbox;
	stream->subscriber.events = &events;
	list_init(&stream->subscriber.subscriptions);
	(void)snprintf(stream->subscriber.connection_id, sizeof(stream->subscriber.connection_id),
		       "%s", connection_id);
}

void event_stream_fini(struct event_stream *stream)
{
	hub_remove(stream->hub, &stream->subscriber);
	stream->query = history_query_free(stream->query);
}

static bool is_repeated(const struct history_query *query, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(query->channels[i].name, name) == 0)
			return true;
	return false;
}

int event_stream_ask(struct event_stream *stream, const char *const *channels, size_t channel_count,
		     const char *last_event_id, struct error *reterr)
{
	enum history_kind kind = HISTORY_NEWEST;
	AUTO(history_query) query = NULL;
	size_t count = 0;
	int r;

	if (channel_count == 0)
		return error_set_field(reterr, -EINVAL, "missing_field", "channel",
				       "name at least one channel");
	if (channel_count > STREAM_CHANNELS_MAX)
		return error_set_field(reterr, -EINVAL, "bad_field", "channel",
				       "name at most %d channels", STREAM_CHANNELS_MAX);
	query = history_query_new(channel_count);
	if (!query)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	if (last_event_id && strcmp(last_event_id, "earliest") == 0) {
		kind = HISTORY_OLDEST;
	} else if (last_event_id) {
		kind = HISTORY_AFTER_POSITION;
		if (sse_cursor_parse(last_event_id, &query->after_position) < 0)
			return error_set_field(reterr, -EINVAL, "bad_field", "last_event_id",
					       "last_event_id must be an id of this stream or "
					       "\"earliest\"");
	}
	for (size_t i = 0; i < channel_count; i++) {
		struct history_channel *channel = &query->channels[count];

		r = channel_name_check(channels[i], "channel", reterr);
		if (r < 0)
			return r;
		if (is_repeated(query, count, channels[i]))
			continue;
		(void)snprintf(channel->name, sizeof(channel->name), "%s", channels[i]);
		channel->kind = kind;
		channel->limit = stream->history_size;
		count++;
	}
	query->channel_count = count;
	stream->query = STEAL(query);
	return 0;
}

int event_stream_check(const struct event_stream *stream, const struct identity *identity,
		       struct error *reterr)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < stream->query->channel_count; i++)
		r = permission_check(identity, RIGHT_SUBSCRIBE, stream->query->channels[i].name,
				     reterr);
	return r;
}

int event_stream_start(struct event_stream *stream, struct identity *identity, struct error *reterr)
{
	struct subscriber *subscriber = &stream->subscriber;

	hub_add(stream->hub, subscriber, identity);
	outbox_push_take(subscriber->outbox, sse_frame_new_start(stream->retry_ms));
	return hub_subscribe_take(stream->hub, subscriber, STEAL(stream->query), reterr);
}
