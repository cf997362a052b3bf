#include "realtime/model/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "realtime/wire/envelope.h"
#include "realtime/wire/reply.h"
#include "realtime/wire/utf8.h"

static struct session *session_of(struct subscriber *subscriber)
{
	return CONTAINER_OF(subscriber, struct session, subscriber);
}

static void tell(struct session *session, json_t *taken)
{
	outbox_push_take(session->subscriber.outbox, reply_frame_take(taken));
}

void session_refuse(struct session *session, const json_t *request_id, const struct error *error)
{
	tell(session, reply_new_error(request_id, error));
}

/* ---- what the hub reports ---- */

static void on_subscribed(struct subscriber *subscriber, const struct subscribe_result *result)
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
	tell(session_of(subscriber), body);
}

static void on_refused(struct subscriber *subscriber, const struct history_query *query,
		       const struct error *error)
{
	session_refuse(session_of(subscriber), query->request_id, error);
}

static void on_caught_up(struct subscriber *subscriber, uint64_t position)
{
	(void)subscriber; /* its messages carry offsets */
	(void)position;
}

/* The rows, in place: reversing is for this reader alone. */
static json_t *rows_to_json(const struct history_query *query)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < query->row_count; i++) {
		size_t at = query->is_reverse ? query->row_count - 1 - i : i;
		AUTO_FREE char *text = publication_to_json(query->rows[at]);

		if (!text || json_array_append_new(rows, json_loads(text, 0, NULL)) < 0) {
			json_decref(rows);
			return NULL;
		}
	}
	return rows;
}

static void on_history(struct subscriber *subscriber, const struct history_query *query,
		       const struct error *error)
{
	const struct history_channel *channel = &query->channels[0];
	json_t *body;

	if (error) {
		session_refuse(session_of(subscriber), query->request_id, error);
		return;
	}
	body = reply_new("history", query->request_id);
	(void)json_object_set_new(body, "channel", json_string(channel->name));
	(void)json_object_set_new(body, "epoch", json_string(channel->state.epoch));
	(void)json_object_set_new(body, "offset",
				  json_integer((json_int_t)channel->state.last_offset));
	if (channel->unrecovered_reason)
		(void)json_object_set_new(body, "reason", json_string(channel->unrecovered_reason));
	(void)json_object_set_new(body, "messages", rows_to_json(query));
	tell(session_of(subscriber), body);
}

static const struct subscriber_events events = {
	.subscribed = on_subscribed,
	.refused = on_refused,
	.caught_up = on_caught_up,
	.history = on_history,
};

static void on_published(struct hub *hub, const struct publish_order *order,
			 const struct publication *publication, unsigned delivered_count,
			 const struct error *error)
{
	struct subscriber *subscriber = hub_subscriber_find(hub, order->origin.connection_id);
	char message_id[MESSAGE_ID_SIZE];
	json_t *body;

	(void)delivered_count;
	if (!subscriber)
		return; /* it has left meanwhile */
	if (error) {
		session_refuse(session_of(subscriber), order->origin.request_id, error);
		return;
	}
	message_id_format(publication->position, message_id);
	body = reply_new("ack", order->origin.request_id);
	(void)json_object_set_new(body, "channel", json_string(publication->channel));
	(void)json_object_set_new(body, "offset", json_integer((json_int_t)publication->offset));
	(void)json_object_set_new(body, "epoch", json_string(publication->epoch));
	(void)json_object_set_new(body, "message_id", json_string(message_id));
	tell(session_of(subscriber), body);
}

/* ---- what the client says ---- */

static int subscribe_one(struct session *session, const struct envelope *envelope,
			 const struct envelope_subscribe *fields, const char *name,
			 struct error *reterr)
{
	struct history_query *query;
	struct history_channel *channel;
	int r = subscriber_may_read(&session->subscriber, name, reterr);

	if (r < 0)
		return r;
	query = history_query_new(1);
	if (!query)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	query->request_id = json_incref(envelope->id);
	channel = &query->channels[0];
	(void)snprintf(channel->name, sizeof(channel->name), "%s", name);
	channel->kind = HISTORY_NEWEST;
	channel->limit = fields->history_limit >= 0 ? (uint32_t)fields->history_limit
						    : session->limits->history_size;
	if (fields->recover.epoch) {
		channel->kind = HISTORY_AFTER_OFFSET;
		channel->after_offset = (uint64_t)fields->recover.offset;
		(void)snprintf(channel->epoch, sizeof(channel->epoch), "%s", fields->recover.epoch);
	}
	return hub_subscribe_take(session->hub, &session->subscriber, query, reterr);
}

static int on_subscribe(struct session *session, const struct envelope *envelope,
			struct error *reterr)
{
	struct envelope_subscribe fields;
	int r = envelope_subscribe_get(envelope, &fields, reterr);

	for (size_t i = 0; r >= 0 && i < fields.channels.count; i++)
		r = subscribe_one(session, envelope, &fields, fields.channels.names[i], reterr);
	return r;
}

static int on_unsubscribe(struct session *session, const struct envelope *envelope,
			  struct error *reterr)
{
	struct envelope_channels channels;
	int r = envelope_channels_get(envelope, &channels, reterr);

	for (size_t i = 0; r >= 0 && i < channels.count; i++) {
		json_t *body;

		if (!hub_unsubscribe(session->hub, &session->subscriber, channels.names[i]))
			return error_set_field(reterr, -ENOENT, "not_subscribed", "channel",
					       "this connection is not subscribed to %s",
					       channels.names[i]);
		body = reply_new("unsubscribed", envelope->id);
		(void)json_object_set_new(body, "channel", json_string(channels.names[i]));
		(void)json_object_set_new(body, "code", json_string("requested"));
		(void)json_object_set_new(body, "reason", json_string("you asked for it"));
		tell(session, body);
	}
	return r;
}

static int make_publication(const struct session *session, const struct envelope_message *fields,
			    uint64_t now_unix_us, struct publication **ret_publication)
{
	const struct subscriber *subscriber = &session->subscriber;
	AUTO_FREE char *data = json_dumps(fields->data, JSON_COMPACT | JSON_ENCODE_ANY);
	AUTO_FREE char *tags = fields->tags ? json_dumps(fields->tags, JSON_COMPACT) : NULL;
	struct publication *publication;

	if (!data || (fields->tags && !tags))
		return -ENOMEM;
	publication = publication_new(
		fields->channel, data,
		*subscriber->user_id ? subscriber->user_id : subscriber->connection_id, tags);
	if (!publication)
		return -ENOMEM;
	publication->is_persistent = fields->is_persistent;
	if (fields->ttl_s > 0)
		publication->expires_at_unix_ms =
			(int64_t)(now_unix_us / 1000) + fields->ttl_s * 1000;
	*ret_publication = publication;
	return 0;
}

static int on_publish(struct session *session, const struct envelope *envelope,
		      uint64_t now_unix_us, struct error *reterr)
{
	struct publish_origin origin = {.done = on_published};
	struct envelope_message fields;
	struct publication *publication;
	int r = envelope_message_get(envelope, &fields, reterr);

	if (r < 0)
		return r;
	if (!session->subscriber.may_publish)
		return error_set(reterr, -EACCES, "forbidden",
				 "publishing needs a token or an API key");
	r = make_publication(session, &fields, now_unix_us, &publication);
	if (r < 0)
		return error_set(reterr, r, "out_of_memory", "out of memory");
	memcpy(origin.connection_id, session->subscriber.connection_id, CONNECTION_ID_SIZE);
	origin.request_id = json_incref(envelope->id);
	return hub_publish_take(session->hub, publication, &origin, now_unix_us, reterr);
}

static int on_broadcast(struct session *session, const struct envelope *envelope,
			uint64_t now_unix_us, struct error *reterr)
{
	const struct subscriber *subscriber = &session->subscriber;
	char message_id[MESSAGE_ID_SIZE + ID_SIZE];
	struct envelope_message fields;
	json_t *body;
	int r = envelope_message_get(envelope, &fields, reterr);

	if (r < 0)
		return r;
	if (!subscriber->may_publish)
		return error_set(reterr, -EACCES, "forbidden",
				 "publishing needs a token or an API key");
	id_new("msg", message_id, sizeof(message_id));
	r = hub_broadcast_take(session->hub,
			       reply_new_message(fields.data, message_id,
						 (int64_t)(now_unix_us / 1000),
						 *subscriber->user_id ? subscriber->user_id
								      : subscriber->connection_id));
	if (r < 0)
		return error_set(reterr, r, "out_of_memory", "out of memory");
	body = reply_new("ack", envelope->id);
	(void)json_object_set_new(body, "channel", json_null());
	(void)json_object_set_new(body, "offset", json_integer(0));
	(void)json_object_set_new(body, "epoch", json_string(session->hub->epoch));
	(void)json_object_set_new(body, "message_id", json_string(message_id));
	(void)json_object_set_new(body, "delivered_to", json_integer(r));
	tell(session, body);
	return 0;
}

static int on_history_request(struct session *session, const struct envelope *envelope,
			      struct error *reterr)
{
	struct envelope_history fields;
	struct history_query *query;
	struct history_channel *channel;
	int r = envelope_history_get(envelope, &fields, reterr);

	if (r >= 0)
		r = subscriber_may_read(&session->subscriber, fields.channel, reterr);
	if (r < 0)
		return r;
	query = history_query_new(1);
	if (!query)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	query->request_id = json_incref(envelope->id);
	query->is_reverse = fields.is_reverse;
	channel = &query->channels[0];
	(void)snprintf(channel->name, sizeof(channel->name), "%s", fields.channel);
	channel->kind = HISTORY_NEWEST;
	channel->limit = (uint32_t)fields.limit;
	if (fields.since.epoch) {
		channel->kind = HISTORY_AFTER_OFFSET;
		channel->after_offset = (uint64_t)fields.since.offset;
		(void)snprintf(channel->epoch, sizeof(channel->epoch), "%s", fields.since.epoch);
	}
	return hub_read_take(session->hub, &session->subscriber, query, reterr);
}

void session_on_text(struct session *session, const char *text, size_t length, uint64_t now_unix_us)
{
	AUTO_ENVELOPE envelope = {0};
	struct error error = {0};
	int r = envelope_parse(text, length, &envelope, &error);

	if (r >= 0) {
		switch (envelope.type) {
		case ENVELOPE_SUBSCRIBE:
			r = on_subscribe(session, &envelope, &error);
			break;
		case ENVELOPE_UNSUBSCRIBE:
			r = on_unsubscribe(session, &envelope, &error);
			break;
		case ENVELOPE_MESSAGE:
		case ENVELOPE_TEXT:
			r = on_publish(session, &envelope, now_unix_us, &error);
			break;
		case ENVELOPE_BROADCAST:
			r = on_broadcast(session, &envelope, now_unix_us, &error);
			break;
		case ENVELOPE_HISTORY:
			r = on_history_request(session, &envelope, &error);
			break;
		case ENVELOPE_PING:
			tell(session, reply_new("pong", envelope.id));
			break;
		}
	}
	/* No JSON is invalid UTF-8, so only what failed needs a look (RFC 6455 section 8.1). */
	if (r < 0 && !envelope.body && !utf8_is_valid(text, length))
		outbox_end(session->subscriber.outbox, CLOSE_BAD_TEXT, "invalid UTF-8");
	else if (r < 0)
		session_refuse(session, envelope.id, &error);
}

void session_on_binary(struct session *session)
{
	struct error error;

	(void)error_set(&error, -EPROTO, "unsupported",
			"binary frames are not served here; send JSON as text");
	session_refuse(session, NULL, &error);
}

/* ---- life ---- */

void session_init(struct session *session, struct hub *hub, const struct session_limits *limits,
		  const char *connection_id, struct outbox *outbox)
{
	*session = (struct session){.hub = hub, .limits = limits};
	session->subscriber.form = FORM_WEBSOCKET;
	session->subscriber.outbox = outbox;
	session->subscriber.events = &events;
	list_init(&session->subscriber.subscriptions);
	(void)snprintf(session->subscriber.connection_id, sizeof(session->subscriber.connection_id),
		       "%s", connection_id);
}

void session_start(struct session *session, const char *user_id, bool may_publish,
		   uint64_t now_unix_us)
{
	struct subscriber *subscriber = &session->subscriber;
	json_t *body = reply_new("welcome", NULL);

	(void)snprintf(subscriber->user_id, sizeof(subscriber->user_id), "%s", user_id);
	subscriber->may_publish = may_publish;
	hub_add(session->hub, subscriber);
	(void)json_object_set_new(body, "connection_id", json_string(subscriber->connection_id));
	(void)json_object_set_new(body, "user_id", *user_id ? json_string(user_id) : json_null());
	(void)json_object_set_new(body, "server_time",
				  json_integer((json_int_t)(now_unix_us / 1000)));
	(void)json_object_set_new(body, "ping_interval",
				  json_integer(session->limits->ping_interval_s));
	(void)json_object_set_new(body, "max_message_size",
				  json_integer(session->limits->max_message_bytes));
	tell(session, body);
}

void session_fini(struct session *session)
{
	hub_remove(session->hub, &session->subscriber);
}
