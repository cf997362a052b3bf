#include "realtime/edge/api_publish.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base64.h"
#include "core/clock.h"
#include "core/json.h"
#include "db/notifications.h"
#include "realtime/wire/binary_fields.h"
#include "realtime/wire/envelope.h"
#include "realtime/wire/json_frames.h"
#include "realtime/wire/notification.h"
#include "realtime/wire/reply.h"

enum { TEXT_MAX = 200 };

uint64_t api_token_of(const struct bus_peer *peer, const struct bus_frame *frame)
{
	return (uint64_t)peer->number << 32 | frame->request_id;
}

struct bus_peer *api_asker_of(struct daemon *daemon, uint64_t token)
{
	return bus_peer_find(&daemon->bus, (uint32_t)(token >> 32));
}

/* ---- answers ---- */

static enum bus_message request_of(const struct publication *publication)
{
	return publication->kind == PUBLICATION_NOTIFICATION ? BUS_NOTIFY : BUS_PUBLISH;
}

static json_t *answer_of(const struct publication *publication, unsigned delivered_count)
{
	char message_id[MESSAGE_ID_SIZE];
	json_t *answer;

	message_id_format(publication->position, message_id);
	answer = json_pack("{s:s, s:s, s:I, s:s, s:i}", "message_id", message_id, "channel",
			   publication->channel, "offset", (json_int_t)publication->offset, "epoch",
			   publication->epoch, "delivered_to", (int)delivered_count);
	if (publication->kind == PUBLICATION_NOTIFICATION) {
		AUTO_JSON fields = json_loads(publication->data, 0, NULL);

		(void)json_object_set(answer, "notification_id",
				      json_object_get(fields, "notification_id"));
	}
	return answer;
}

static void on_published(struct hub *hub, const struct publish_order *order,
			 const struct publication *publication, unsigned delivered_count,
			 const struct error *error)
{
	struct daemon *daemon = order->origin.data;
	struct bus_peer *peer = api_asker_of(daemon, order->origin.token);
	uint32_t request_id = (uint32_t)order->origin.token;

	(void)hub;
	if (!peer)
		return; /* it has gone meanwhile */
	if (error)	/* told apart by its number; what was asked is gone by now */
		bus_peer_refuse(peer, BUS_PUBLISH, request_id, error);
	else
		bus_peer_respond(peer, request_of(publication), request_id,
				 answer_of(publication, delivered_count));
}

/* What no channel counts and nothing keeps. */
static void answer_unkept(const struct daemon *daemon, struct bus_peer *peer,
			  const struct bus_frame *frame, const char *message_id,
			  unsigned delivered_count)
{
	json_t *answer = json_pack("{s:s, s:n, s:i, s:s, s:i}", "message_id", message_id, "channel",
				   "offset", 0, "epoch", daemon->hub.epoch, "delivered_to",
				   (int)delivered_count);

	if (frame->message == BUS_NOTIFY)
		(void)json_object_set_new(answer, "notification_id", json_string(message_id));
	bus_peer_respond(peer, frame->message, frame->request_id, answer);
}

/* ---- publishing ---- */

/* To one connection alone: the JSON text of `data`, or an attachment of `binary`. */
static int send_directly(struct daemon *daemon, struct bus_peer *peer,
			 const struct bus_frame *frame, const char *connection_id,
			 struct error *reterr)
{
	const json_t *binary = json_object_get(frame->body, "binary");
	const json_t *data = json_object_get(frame->body, "data");
	struct subscriber *subscriber = hub_subscriber_find(&daemon->hub, connection_id);
	char message_id[MESSAGE_ID_SIZE + ID_SIZE];
	struct json_frames frames;
	json_t *message;
	int r;

	if (!subscriber)
		return error_set_field(reterr, -ENOENT, "connection_not_found", "connection_id",
				       "there is no connection %s", connection_id);
	id_new("msg", message_id, sizeof(message_id));
	message = binary ? reply_new_binary(binary, message_id, clock_unix_ms())
			 : reply_new_message(data, message_id, clock_unix_ms(), NULL);
	r = json_frames_init_take(&frames, message, binary ? "binary_data" : "message",
				  subscriber->has_begun ? daemon->hub.cursor : 0);
	if (r < 0)
		return error_set(reterr, r, "out_of_memory", "out of memory");
	outbox_push(subscriber->outbox, json_frames_get(&frames, subscriber->form));
	json_frames_fini(&frames);
	answer_unkept(daemon, peer, frame, message_id, !outbox_is_ending(subscriber->outbox));
	return 0;
}

/* `message` is taken and may be NULL. */
static int send_to_everybody_take(struct daemon *daemon, struct bus_peer *peer,
				  const struct bus_frame *frame, json_t *message, const char *event,
				  const char *message_id, struct error *reterr)
{
	int r = hub_broadcast_take(&daemon->hub, message, event);

	if (r < 0)
		return error_set(reterr, r, "out_of_memory", "out of memory");
	answer_unkept(daemon, peer, frame, message_id, (unsigned)r);
	return 0;
}

static int broadcast(struct daemon *daemon, struct bus_peer *peer, const struct bus_frame *frame,
		     const char *sender, const json_t *data, struct error *reterr)
{
	char message_id[MESSAGE_ID_SIZE + ID_SIZE];
	int r = broadcast_check(frame->body, reterr);

	if (r < 0)
		return r;
	id_new("msg", message_id, sizeof(message_id));
	return send_to_everybody_take(daemon, peer, frame,
				      reply_new_message(data, message_id, clock_unix_ms(), sender),
				      "message", message_id, reterr);
}

/* For the channel, or the user's own. -ENOMEM */
static int make_publication(const struct envelope_target *target,
			    const struct envelope_options *options, const json_t *data,
			    const char *sender, struct publication **ret_publication)
{
	AUTO_FREE char *text = json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY);
	char own_name[CHANNEL_NAME_MAX + 1];
	AUTO(publication) publication = NULL;

	if (target->user_id)
		own_channel_name(target->user_id, own_name, sizeof(own_name));
	if (text)
		publication = publication_new(target->user_id ? own_name : target->channel, text,
					      sender, NULL);
	if (!publication || envelope_options_apply(options, publication, clock_unix_ms()) < 0)
		return -ENOMEM;
	*ret_publication = STEAL(publication);
	return 0;
}

/* The bytes of `binary`, or the file that has them, become the publication's.
 *   -EINVAL "bad_base64"   -ENOMEM */
static int attach(struct publication *publication, const struct binary_fields *binary,
		  struct error *reterr)
{
	AUTO_FREE uint8_t *bytes = NULL;
	size_t length;

	if (binary->file_id)
		return publication_attach_file(publication, binary->content_type, binary->filename,
					       binary->file_id, binary->sha256,
					       (size_t)binary->size_bytes);
	bytes = malloc(base64_decoded_max(binary->base64_length) + 1);
	if (!bytes)
		return -ENOMEM;
	if (base64_decode(binary->base64, binary->base64_length, bytes, &length) < 0)
		return error_set_field(reterr, -EINVAL, "bad_base64", "binary_data",
				       "binary_data is no base64 (RFC 4648 section 4)");
	return publication_attach_take(publication, binary->content_type, binary->filename,
				       STEAL(bytes), length);
}

static int publish_take(struct daemon *daemon, const struct bus_peer *peer,
			const struct bus_frame *frame, struct publication *publication,
			struct error *reterr)
{
	struct publish_origin origin = {
		.done = on_published, .data = daemon, .token = api_token_of(peer, frame)};

	return hub_publish_take(&daemon->hub, publication, &origin, clock_unix_us(), reterr);
}

struct publish_fields {
	struct envelope_target target;
	struct envelope_options options;
	const char *connection_id, *sender, *excluded;
};

static int publish_fields_get(const json_t *body, struct publish_fields *ret, struct error *reterr)
{
	int r;

	*ret = (struct publish_fields){0};
	r = json_get_text(body, "connection_id", 1, TEXT_MAX, &ret->connection_id, reterr);
	if (r == 0)
		r = envelope_target_get(body, &ret->target, reterr);
	if (r >= 0)
		r = envelope_options_get(body, &ret->options, reterr);
	if (r >= 0)
		r = json_get_text(body, "sender", 1, USER_ID_MAX, &ret->sender, reterr);
	if (r >= 0)
		r = json_get_text(body, "exclude", 1, TEXT_MAX, &ret->excluded, reterr);
	return r < 0 ? r : 0;
}

/* What was asked for, but for its data. -ENOMEM, and attach()'s. */
static int complete(struct publication *publication, const struct publish_fields *fields,
		    const struct binary_fields *binary, struct error *reterr)
{
	if (fields->excluded) {
		publication->excluded_connection_id = strdup(fields->excluded);
		if (!publication->excluded_connection_id)
			return -ENOMEM;
	}
	return binary ? attach(publication, binary, reterr) : 0;
}

int api_on_publish(struct daemon *daemon, struct bus_peer *peer, const struct bus_frame *frame,
		   struct error *reterr)
{
	const json_t *data = json_object_get(frame->body, "data");
	json_t *binary = NULL;
	AUTO_JSON nothing = json_null();
	struct binary_fields binary_fields = {0};
	struct publish_fields fields;
	struct publication *publication = NULL;
	int r = publish_fields_get(frame->body, &fields, reterr);

	if (r == 0)
		r = json_get_container(frame->body, "binary", JSON_OBJECT, &binary, reterr);
	if (r > 0)
		r = binary_fields_get(binary, &binary_fields, reterr);
	else if (r == 0 && !data)
		r = json_missing("data", reterr);
	if (r < 0)
		return r;
	if (fields.connection_id)
		return send_directly(daemon, peer, frame, fields.connection_id, reterr);
	if (fields.target.is_broadcast && binary)
		return error_set_field(reterr, -EINVAL, "bad_field", "binary",
				       "bytes go to a channel, a user or a connection");
	if (fields.target.is_broadcast)
		return broadcast(daemon, peer, frame, fields.sender, data, reterr);
	r = make_publication(&fields.target, &fields.options, binary ? nothing : data,
			     fields.sender, &publication);
	if (r == 0)
		r = complete(publication, &fields, binary ? &binary_fields : NULL, reterr);
	if (r < 0) {
		(void)publication_unref(publication);
		return r == -ENOMEM ? error_set(reterr, r, "out_of_memory", "out of memory") : r;
	}
	return publish_take(daemon, peer, frame, publication, reterr);
}

/* ---- notifications ---- */

static int notify(struct daemon *daemon, struct bus_peer *peer, const struct bus_frame *frame,
		  const struct publish_fields *fields, const json_t *content, struct error *reterr)
{
	struct publication *publication = NULL;
	int r;

	r = make_publication(&fields->target, &fields->options, content, fields->sender,
			     &publication);
	if (r == 0)
		r = publication_make_notification(publication);
	if (r < 0) {
		(void)publication_unref(publication);
		return error_set(reterr, r, "out_of_memory", "out of memory");
	}
	return publish_take(daemon, peer, frame, publication, reterr);
}

int api_on_notify(struct daemon *daemon, struct bus_peer *peer, const struct bus_frame *frame,
		  struct error *reterr)
{
	char notification_id[NOTIFICATION_ID_SIZE];
	struct publish_fields fields;
	json_t *content = NULL;
	int r = publish_fields_get(frame->body, &fields, reterr);

	if (r == 0)
		r = notification_get(frame->body, notification_id, &content, reterr);
	if (r < 0)
		return r;
	if (fields.target.is_broadcast)
		return send_to_everybody_take(
			daemon, peer, frame,
			notification_broadcast_take(content, clock_unix_ms(), fields.sender),
			"notification", notification_id, reterr);
	r = notify(daemon, peer, frame, &fields, content, reterr);
	json_decref(content);
	return r;
}

struct read_job {
	struct store_job job;
	struct daemon *daemon;
	uint64_t token;
	int changed_count;
	char user_id[USER_ID_MAX + 1];
	char notification_id[TEXT_MAX + 1]; /* "": all of them */
};

static int read_run(struct store_job *store_job, struct store *store, struct error *reterr)
{
	struct read_job *job = CONTAINER_OF(store_job, struct read_job, job);
	int r = notifications_mark_read(store, job->user_id,
					*job->notification_id ? job->notification_id : NULL,
					clock_unix_ms(), reterr);

	job->changed_count = r;
	return r < 0 ? r : 0;
}

static void read_done(struct store_job *store_job)
{
	struct read_job *job = CONTAINER_OF(store_job, struct read_job, job);
	struct bus_peer *peer = api_asker_of(job->daemon, job->token);
	uint32_t request_id = (uint32_t)job->token;

	if (peer && store_job->error.number < 0)
		bus_peer_refuse(peer, BUS_NOTIFICATIONS_READ, request_id, &store_job->error);
	else if (peer)
		bus_peer_respond(peer, BUS_NOTIFICATIONS_READ, request_id,
				 json_pack("{s:i}", "changed", job->changed_count));
	free(job);
}

int api_on_notifications_read(struct daemon *daemon, struct bus_peer *peer,
			      const struct bus_frame *frame, struct error *reterr)
{
	const char *user_id = NULL, *notification_id = "";
	AUTO_FREE struct read_job *job = calloc(1, sizeof(*job));
	int r = json_get_text(frame->body, "user_id", 1, USER_ID_MAX, &user_id, reterr);

	if (r == 0)
		r = json_missing("user_id", reterr);
	if (r > 0)
		r = json_get_text(frame->body, "notification_id", 1, TEXT_MAX, &notification_id,
				  reterr);
	if (r < 0)
		return r;
	if (!job)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	job->job = (struct store_job){.is_write = true, .run = read_run, .done = read_done};
	job->daemon = daemon;
	job->token = api_token_of(peer, frame);
	(void)snprintf(job->user_id, sizeof(job->user_id), "%s", user_id);
	(void)snprintf(job->notification_id, sizeof(job->notification_id), "%s", notification_id);
	r = store_thread_submit_take(daemon->store, &job->job, reterr);
	if (r == 0)
		(void)STEAL(job);
	return r;
}
