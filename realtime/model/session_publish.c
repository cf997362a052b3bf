#include <errno.h>
#include <string.h>

#include "realtime/model/permission.h"
#include "realtime/model/session_private.h"
#include "realtime/wire/reply.h"

static void on_published(struct hub *hub, const struct publish_order *order,
			 const struct publication *publication, unsigned delivered_count,
			 const struct error *error)
{
	struct subscriber *subscriber = hub_subscriber_find(hub, order->origin.connection_id);

	(void)delivered_count;
	if (!subscriber)
		return; /* it has left meanwhile */
	if (error) {
		session_refuse(session_of(subscriber), order->origin.request_id, error);
		return;
	}
	outbox_push_take(subscriber->outbox,
			 reply_frame_new_ack(order->origin.request_id, publication));
}

static int make_publication(const struct session *session, const struct envelope_message *fields,
			    uint64_t now_unix_us, struct publication **ret_publication)
{
	AUTO_FREE char *data = envelope_message_data(fields);
	char own_name[CHANNEL_NAME_MAX + 1];
	const char *channel = fields->channel;
	AUTO(publication) publication = NULL;

	if (fields->user_id) {
		own_channel_name(fields->user_id, own_name, sizeof(own_name));
		channel = own_name;
	}
	if (data)
		publication = publication_new(channel, data, session_sender(session), NULL);
	if (!publication || envelope_options_apply(&fields->options, publication,
						   (int64_t)(now_unix_us / 1000)) < 0)
		return -ENOMEM;
	*ret_publication = STEAL(publication);
	return 0;
}

int session_publish_take(struct session *session, struct publication *taken,
			 const json_t *request_id, uint64_t now_unix_us, struct error *reterr)
{
	struct publish_origin origin = {.done = on_published};
	AUTO(publication) publication = taken;
	int r = permission_check(session->hub->namespaces, session->subscriber.identity,
				 RIGHT_PUBLISH, publication->channel, reterr);

	if (r < 0)
		return r;
	memcpy(origin.connection_id, session->subscriber.connection_id, CONNECTION_ID_SIZE);
	origin.request_id = json_incref((json_t *)(uintptr_t)request_id);
	return hub_publish_take(session->hub, STEAL(publication), &origin, now_unix_us, reterr);
}

int session_publish(struct session *session, const struct envelope *envelope, uint64_t now_unix_us,
		    struct error *reterr)
{
	struct envelope_message fields;
	struct publication *publication;
	int r = envelope_message_get(envelope, &fields, reterr);

	if (r < 0)
		return r;
	r = make_publication(session, &fields, now_unix_us, &publication);
	if (r < 0)
		return error_set(reterr, r, "out_of_memory", "out of memory");
	return session_publish_take(session, publication, envelope->id, now_unix_us, reterr);
}

int session_broadcast_take(struct session *session, json_t *taken, const char *event,
			   const char *message_id, const json_t *request_id, struct error *reterr)
{
	AUTO_JSON message = taken;
	json_t *body;
	int r = permission_check(session->hub->namespaces, session->subscriber.identity,
				 RIGHT_PUBLISH, NULL, reterr);

	if (r < 0)
		return r;
	r = hub_broadcast_take(session->hub, STEAL(message), event);
	if (r < 0)
		return error_set(reterr, r, "out_of_memory", "out of memory");
	body = reply_new("ack", request_id);
	(void)json_object_set_new(body, "channel", json_null());
	(void)json_object_set_new(body, "offset", json_integer(0));
	(void)json_object_set_new(body, "epoch", json_string(session->hub->epoch));
	(void)json_object_set_new(body, "message_id", json_string(message_id));
	(void)json_object_set_new(body, "delivered_to", json_integer(r));
	session_tell(session, body);
	return 0;
}

int session_broadcast(struct session *session, const struct envelope *envelope,
		      uint64_t now_unix_us, struct error *reterr)
{
	char message_id[MESSAGE_ID_SIZE + ID_SIZE];
	struct envelope_message fields;
	int r = envelope_message_get(envelope, &fields, reterr);

	if (r < 0)
		return r;
	id_new("msg", message_id, sizeof(message_id));
	return session_broadcast_take(session,
				      reply_new_message(fields.data, message_id,
							(int64_t)(now_unix_us / 1000),
							session_sender(session)),
				      "message", message_id, envelope->id, reterr);
}
