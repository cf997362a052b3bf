#include <errno.h>
#include <string.h>

#include "realtime/model/permission.h"
#include "realtime/model/session_private.h"
#include "realtime/wire/reply.h"

enum { TOKEN_MAX = 8192 };

int session_authenticate(struct session *session, const struct envelope *envelope,
			 struct error *reterr)
{
	const char *token = NULL;
	int r = json_get_text(envelope->body, "token", 1, TOKEN_MAX, &token, reterr);

	if (r == 0)
		return json_missing("token", reterr);
	if (r < 0)
		return r;
	if (session->is_identifying)
		return error_set(reterr, -EBUSY, "busy",
				 "wait for the answer to the credentials that you gave before");
	session->is_identifying = true;
	session->identifying_id = json_incref(envelope->id);
	session->limits->identify(session, token);
	return 0;
}

int session_check_identity(const struct session *session, const struct identity *identity,
			   struct error *reterr)
{
	const struct identity *now = session->subscriber.identity;

	if (!now || identity_is_anonymous(now) || strcmp(now->user_id, identity->user_id) == 0)
		return 0;
	return error_set_field(reterr, -EACCES, "other_user", "token",
			       "this connection is %s's; connect anew to be somebody else",
			       now->user_id);
}

/* End what it may not hear any more. */
static void review_subscriptions(struct session *session)
{
	AUTO_JSON names = json_array();
	const json_t *name;
	size_t i;

	hub_channels_list(&session->subscriber, names);
	json_array_foreach (names, i, name) {
		const char *channel = json_string_value(name);
		struct error error;
		json_t *body;

		if (permission_check(session->hub->namespaces, session->subscriber.identity,
				     RIGHT_SUBSCRIBE, channel, &error) == 0 ||
		    hub_unsubscribe(session->hub, &session->subscriber, channel, NULL) < 0)
			continue;
		body = reply_new("unsubscribed", NULL);
		(void)json_object_set_new(body, "channel", json_string(channel));
		(void)json_object_set_new(body, "code", json_string(error.code));
		(void)json_object_set_new(body, "reason", json_string(error.message));
		session_tell(session, body);
	}
}

static void acknowledge(struct session *session, const json_t *request_id)
{
	const struct identity *identity = session->subscriber.identity;
	json_t *body = reply_new("ack", request_id);

	(void)json_object_set_new(body, "user_id", json_string(identity->user_id));
	if (identity->expires_at_unix_ms > 0)
		(void)json_object_set_new(body, "expires_at",
					  json_integer((json_int_t)identity->expires_at_unix_ms));
	session_tell(session, body);
}

void session_on_identified(struct session *session, struct identity *identity, uint64_t now_unix_us)
{
	AUTO_JSON request_id = STEAL(session->identifying_id);
	bool was_awaiting = session->is_awaiting;

	session->is_identifying = session->is_awaiting = false;
	if (was_awaiting) {
		session_start(session, identity, now_unix_us);
		acknowledge(session, request_id);
		return;
	}
	hub_change_identity(session->hub, &session->subscriber, identity);
	acknowledge(session, request_id);
	review_subscriptions(session);
	hub_hear_own(session->hub, &session->subscriber);
}

void session_on_unidentified(struct session *session, const struct error *error)
{
	AUTO_JSON request_id = STEAL(session->identifying_id);

	session->is_identifying = false;
	session_refuse(session, request_id, error);
	if (session->is_awaiting)
		outbox_end(session->subscriber.outbox, CLOSE_AUTHENTICATION, "authentication");
}

void session_await(struct session *session)
{
	session->is_awaiting = true;
}
