#include "realtime/model/session.h"

#include <errno.h>
#include <stdio.h>

#include "core/utf8.h"
#include "realtime/model/session_private.h"
#include "realtime/wire/reply.h"

void session_tell(struct session *session, json_t *body)
{
	outbox_push_take(session->subscriber.outbox, reply_frame_take(body));
}

const char *session_sender(const struct session *session)
{
	const struct subscriber *subscriber = &session->subscriber;

	return identity_is_anonymous(subscriber->identity) ? subscriber->connection_id
							   : subscriber->identity->user_id;
}

void session_refuse(struct session *session, const json_t *request_id, const struct error *error)
{
	session_tell(session, reply_new_error(request_id, error));
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

static const struct subscriber_events events = {
	.subscribed = session_on_subscribed,
	.refused = on_refused,
	.caught_up = on_caught_up,
	.history = session_on_history,
};

bool session_is_within_rate(struct session *session, const json_t *request_id, uint64_t now_unix_us)
{
	uint64_t wait_us = rate_take(&session->rate, session->limits->messages_per_s, now_unix_us);
	struct error error;
	json_t *body;

	if (wait_us == 0) {
		session->refused -=
			session->refused < RATE_FORGIVEN ? session->refused : RATE_FORGIVEN;
		return true;
	}
	if (++session->refused > RATE_REFUSED_MAX) {
		outbox_end(session->subscriber.outbox, CLOSE_RATE, "too many messages");
		return false;
	}
	(void)error_set(&error, -EDQUOT, "rate_limited",
			"a connection may send %llu messages a second",
			(unsigned long long)session->limits->messages_per_s);
	body = reply_new_error(request_id, &error);
	(void)json_object_set_new(body, "retry_after", json_real((double)wait_us / 1e6));
	session_tell(session, body);
	return false;
}

void session_on_text(struct session *session, const char *text, size_t length, uint64_t now_unix_us)
{
	AUTO_ENVELOPE envelope = {0};
	struct error error = {0};
	int r = envelope_parse(text, length, &envelope, &error);

	if (!session_is_within_rate(session, envelope.id, now_unix_us))
		return;
	if (r >= 0 && session->is_awaiting && envelope.type != ENVELOPE_AUTH &&
	    envelope.type != ENVELOPE_REFRESH && envelope.type != ENVELOPE_PING)
		r = error_set(&error, -EKEYREJECTED, "authentication_required",
			      "say who you are first: {\"type\":\"auth\",\"token\":…}");
	if (r >= 0) {
		switch (envelope.type) {
		case ENVELOPE_AUTH:
		case ENVELOPE_REFRESH:
			r = session_authenticate(session, &envelope, &error);
			break;
		case ENVELOPE_SUBSCRIBE:
			r = session_subscribe(session, &envelope, &error);
			break;
		case ENVELOPE_UNSUBSCRIBE:
			r = session_unsubscribe(session, &envelope, &error);
			break;
		case ENVELOPE_MESSAGE:
		case ENVELOPE_TEXT:
		case ENVELOPE_DIRECT:
			r = session_publish(session, &envelope, now_unix_us, &error);
			break;
		case ENVELOPE_BINARY:
			r = session_attach(session, &envelope, now_unix_us, &error);
			break;
		case ENVELOPE_BROADCAST:
			r = session_broadcast(session, &envelope, now_unix_us, &error);
			break;
		case ENVELOPE_HISTORY:
			r = session_history(session, &envelope, &error);
			break;
		case ENVELOPE_PRESENCE:
			r = session_presence(session, &envelope, &error);
			break;
		case ENVELOPE_NOTIFICATION:
			r = session_notify(session, &envelope, now_unix_us, &error);
			break;
		case ENVELOPE_SIGNAL:
			r = session->limits->signal(session, envelope.body, &error);
			if (r == 0)
				session_tell(session, reply_new("ack", envelope.id));
			break;
		case ENVELOPE_PING:
			session_tell(session, reply_new("pong", envelope.id));
			break;
		}
	}
	/* No JSON is invalid UTF-8, so only what failed needs a look (RFC 6455 section 8.1). */
	if (r < 0 && !envelope.body && !utf8_is_valid(text, length))
		outbox_end(session->subscriber.outbox, CLOSE_BAD_TEXT, "invalid UTF-8");
	else if (r < 0)
		session_refuse(session, envelope.id, &error);
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

void session_set_form(struct session *session, bool is_native, bool is_deflated)
{
	session->subscriber.form = wire_form_of_websocket(is_native, is_deflated);
}

void session_start(struct session *session, struct identity *identity, uint64_t now_unix_us)
{
	struct subscriber *subscriber = &session->subscriber;
	json_t *body = reply_new("welcome", NULL);

	hub_add(session->hub, subscriber, identity);
	(void)json_object_set_new(body, "connection_id", json_string(subscriber->connection_id));
	(void)json_object_set_new(body, "user_id",
				  identity_is_anonymous(identity) ? json_null()
								  : json_string(identity->user_id));
	(void)json_object_set_new(body, "server_time",
				  json_integer((json_int_t)(now_unix_us / 1000)));
	(void)json_object_set_new(body, "ping_interval",
				  json_integer(session->limits->ping_interval_s));
	(void)json_object_set_new(body, "max_message_size",
				  json_integer(session->limits->max_message_bytes));
	if (identity->expires_at_unix_ms > 0)
		(void)json_object_set_new(body, "expires_at",
					  json_integer((json_int_t)identity->expires_at_unix_ms));
	session_tell(session, body);
	hub_hear_own(session->hub, subscriber);
}

void session_fini(struct session *session)
{
	json_decref(session->identifying_id);
	session->identifying_id = NULL;
	hub_remove(session->hub, &session->subscriber);
}
