#include <errno.h>
#include <stdio.h>

#include "realtime/model/permission.h"
#include "realtime/model/session_private.h"
#include "realtime/wire/reply.h"

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

void session_on_history(struct subscriber *subscriber, const struct history_query *query,
			const struct error *error)
{
	const struct history_channel *channel = &query->channels[0];
	struct frame *frame;
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
	frame = reply_frame_take(body);
	outbox_push_replay(subscriber->outbox, frame); /* as much as it asked for is not slowness */
	(void)frame_unref(frame);
}

int session_history(struct session *session, const struct envelope *envelope, struct error *reterr)
{
	struct envelope_history fields;
	struct history_query *query;
	struct history_channel *channel;
	int r = envelope_history_get(envelope, &fields, reterr);

	if (r >= 0)
		r = permission_check(session->hub->namespaces, session->subscriber.identity,
				     RIGHT_SUBSCRIBE, fields.channel, reterr);
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
