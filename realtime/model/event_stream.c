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
	outbox_push_take(subscriber->outbox,
			 text ? sse_frame_new_event("gap", text, result->after_position) : NULL);
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
		       const char *connection_id, struct outbox *outbox)
{
	*stream = (struct event_stream){.hub = hub, .retry_ms = retry_ms};
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
	stream->filter = filter_unref(stream->filter);
}

/* ---- asking ---- */

static bool is_repeated(const struct history_query *query, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(query->channels[i].name, name) == 0)
			return true;
	return false;
}

/* How to go on from where the reader was. */
static int resume_get(const char *last_event_id, enum history_kind *ret_kind,
		      uint64_t *ret_position, struct error *reterr)
{
	*ret_kind = HISTORY_NEWEST;
	if (!last_event_id)
		return 0;
	*ret_kind =
		strcmp(last_event_id, "earliest") == 0 ? HISTORY_OLDEST : HISTORY_AFTER_POSITION;
	if (*ret_kind == HISTORY_OLDEST || sse_cursor_parse(last_event_id, ret_position) == 0)
		return 0;
	return error_set_field(reterr, -EINVAL, "bad_field", "last_event_id",
			       "last_event_id must be an id of this stream or \"earliest\"");
}

static int filters_get(struct event_stream *stream, const char *text, struct error *reterr)
{
	AUTO_JSON filters = NULL;
	int r;

	if (!text)
		return 0;
	r = json_object_parse(text, strlen(text), &filters, reterr);
	return r < 0 ? r : filter_new(filters, &stream->filter, reterr);
}

int event_stream_ask(struct event_stream *stream, const struct event_stream_request *request,
		     struct error *reterr)
{
	AUTO(history_query) query = NULL;
	enum history_kind kind;
	size_t count = 0;
	int r;

	if (request->channel_count > STREAM_CHANNELS_MAX)
		return error_set_field(reterr, -EINVAL, "bad_field", "channel",
				       "name at most %d channels", STREAM_CHANNELS_MAX);
	query = history_query_new(request->channel_count + 1); /* one more: the reader's own */
	if (!query)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	r = resume_get(request->last_event_id, &kind, &query->after_position, reterr);
	if (r == 0)
		r = filters_get(stream, request->filters, reterr);
	for (size_t i = 0; r == 0 && i < request->channel_count; i++) {
		struct history_channel *channel = &query->channels[count];
		const char *name = request->channels[i];

		r = channel_name_check(name, "channel", reterr);
		if (r < 0 || is_repeated(query, count, name))
			continue;
		(void)snprintf(channel->name, sizeof(channel->name), "%s", name);
		channel->kind = kind;
		channel->limit = namespaces_find(stream->hub->namespaces, name)->history_size;
		count++;
	}
	if (r < 0)
		return r;
	query->channel_count = count;
	stream->query = STEAL(query);
	stream->is_resuming = kind == HISTORY_AFTER_POSITION;
	stream->wants_presence = request->wants_presence;
	stream->wants_join_leave = request->wants_join_leave;
	return 0;
}

int event_stream_check(const struct event_stream *stream, const struct identity *identity,
		       struct error *reterr)
{
	const struct namespaces *namespaces = stream->hub->namespaces;
	bool wants_presence = stream->wants_presence || stream->wants_join_leave;
	int r = 0;

	if (stream->query->channel_count == 0 && identity_is_anonymous(identity))
		return error_set_field(reterr, -EINVAL, "missing_field", "channel",
				       "name at least one channel");
	for (size_t i = 0; r == 0 && i < stream->query->channel_count; i++) {
		const char *name = stream->query->channels[i].name;

		/* Presence is asked for once for all, so it is about those that have it. */
		r = wants_presence && stream->query->channel_count == 1
			    ? permission_check_presence(namespaces, identity, name, reterr)
			    : permission_check(namespaces, identity, RIGHT_SUBSCRIBE, name, reterr);
	}
	return r;
}

/* The reader's own channel, if there is one and it was not asked for. */
static void add_own(struct history_query *query, const struct identity *identity, bool is_resuming)
{
	struct history_channel *channel = &query->channels[query->channel_count];
	char name[CHANNEL_NAME_MAX + 1];

	if (identity_is_anonymous(identity))
		return;
	own_channel_name(identity->user_id, name, sizeof(name));
	if (is_repeated(query, query->channel_count, name))
		return;
	history_channel_set_own(channel, name);
	if (is_resuming)
		channel->kind = HISTORY_AFTER_POSITION;
	query->channel_count++;
}

int event_stream_start(struct event_stream *stream, struct identity *identity, struct error *reterr)
{
	struct subscriber *subscriber = &stream->subscriber;
	struct subscribe_options options = {.filter = stream->filter,
					    .wants_presence = stream->wants_presence,
					    .wants_join_leave = stream->wants_join_leave};

	hub_add(stream->hub, subscriber, identity);
	add_own(stream->query, identity, stream->is_resuming);
	outbox_push_take(subscriber->outbox, sse_frame_new_start(stream->retry_ms));
	return hub_subscribe_take(stream->hub, subscriber, &options, STEAL(stream->query), reterr);
}
