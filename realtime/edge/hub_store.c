#include "realtime/edge/hub_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/pattern.h"
#include "db/messages.h"
#include "db/notifications.h"
#include "realtime/wire/notification.h"

enum {
	TRIM_BATCH = 500,	   /* messages of one transaction */
	SWEEP_BATCH = 200,	   /* channels of one */
	NOTIFICATIONS_KEPT = 1000, /* of a user */
	NOTIFICATIONS_TRIM_EVERY = 64
};

/* ---- appending ---- */

struct append_job {
	struct store_job job;
	struct hub_store_link *link;
	struct publish_order *order; /* the hub's, constant until it is answered */
};

/* What was sent to a user is kept apart until it is read. */
static int note_down(struct store *store, const struct message_row *row, uint64_t position,
		     struct error *reterr)
{
	const char *user_id = own_channel_user(row->channel);
	struct notification_row notification = {
		.user_id = user_id,
		.message_id = row->message_id,
		.fields = row->data,
		.sender = row->sender,
		.offset = row->offset,
		.created_at_unix_ms = row->created_at_unix_ms,
		.expires_at_unix_ms = row->expires_at_unix_ms,
	};
	int r;

	if (!user_id)
		return 0;
	r = notifications_insert(store, &notification, reterr);
	/* It walks past all, so once in a while. Positions are microseconds: nobody can send so
	 * that it is never this user's turn. */
	if (r == 0 && position % NOTIFICATIONS_TRIM_EVERY == 0)
		r = notifications_trim_user(store, user_id, NOTIFICATIONS_KEPT, reterr);
	return r < 0 ? r : 0;
}

static int append_run(struct store_job *store_job, struct store *store, struct error *reterr)
{
	const struct append_job *job = CONTAINER_OF(store_job, struct append_job, job);
	const struct publication *publication = job->order->publication;
	char message_id[MESSAGE_ID_SIZE];
	const struct attachment *attachment = &publication->attachment;
	struct message_row row = {
		.channel = publication->channel,
		.message_id = message_id,
		.kind = publication_kind_name(publication->kind),
		.data = publication->data,
		.sender = publication->sender,
		.tags = publication->tags,
		.content_type = attachment->content_type,
		.filename = attachment->filename,
		.file_id = attachment->file_id,
		.sha256 = attachment->sha256,
		.payload = attachment->bytes,
		.payload_bytes = (int64_t)(publication->kind == PUBLICATION_BINARY
						   ? attachment->size_bytes
						   : strlen(publication->data)),
		.offset = (int64_t)publication->offset,
		.created_at_unix_ms = publication->created_at_unix_ms,
		.expires_at_unix_ms = publication->expires_at_unix_ms,
		.idempotency_key = publication->idempotency_key,
	};
	int r = 0;

	if (job->order->reserve_offset > 0)
		r = channels_reserve(store, row.channel, publication->epoch,
				     (int64_t)job->order->reserve_offset, row.created_at_unix_ms,
				     reterr);
	message_id_format(publication->position, message_id);
	if (r == 0 && publication->is_persistent)
		r = messages_append(store, &row, reterr);
	if (r == 0 && publication->kind == PUBLICATION_NOTIFICATION)
		r = note_down(store, &row, publication->position, reterr);
	if (r == 0 && job->order->retention)
		r = messages_trim_channel(store, row.channel, job->order->retention->count,
					  job->order->retention->bytes, reterr);
	return r < 0 ? r : 0;
}

static void append_done(struct store_job *store_job)
{
	struct append_job *job = CONTAINER_OF(store_job, struct append_job, job);

	hub_on_appended(job->link->hub, job->order,
			store_job->error.number < 0 ? &store_job->error : NULL);
	free(job);
}

static int append(void *data, struct publish_order *order, struct error *reterr)
{
	struct hub_store_link *link = data;
	AUTO_FREE struct append_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	job->job = (struct store_job){.is_write = true, .run = append_run, .done = append_done};
	job->link = link;
	job->order = order;
	r = store_thread_submit_take(link->thread, &job->job, reterr);
	if (r == 0)
		(void)STEAL(job);
	return r;
}

/* ---- reading ---- */

struct read_job {
	struct store_job job;
	struct hub_store_link *link;
	struct history_query *query; /* owned until it is answered */
	int64_t now_unix_ms;
	const struct history_channel *channel; /* the one being read */
	unsigned scanned_count;		       /* of a pattern: messages looked at */
	bool is_trimmed;		       /* of a pattern: some of what was missed is gone */
};

static bool is_of_pattern(const struct read_job *job, const char *channel)
{
	const struct namespaces *namespaces = job->link->namespaces;
	const char *pattern = job->channel->name;

	return pattern_matches(pattern, channel) && !own_channel_user(channel) &&
	       namespaces_find(namespaces, channel) == namespaces_find(namespaces, pattern);
}

/* -ENOMEM */
static int take_attachment(struct publication *publication, const struct message_row *row)
{
	size_t length = (size_t)row->payload_bytes;
	uint8_t *bytes;

	if (row->file_id)
		return publication_attach_file(publication, row->content_type, row->filename,
					       row->file_id, row->sha256, length);
	bytes = malloc(length + 1);
	if (!bytes)
		return -ENOMEM;
	if (length > 0)
		memcpy(bytes, row->payload, length);
	return publication_attach_take(publication, row->content_type, row->filename, bytes,
				       length);
}

static bool take_row(void *data, const struct message_row *row)
{
	struct read_job *job = data;
	const char *epoch = row->epoch ? row->epoch : job->channel->state.epoch;
	AUTO(publication)
	publication = publication_new(row->channel, row->data, row->sender, row->tags);

	if (!publication)
		return history_query_add_take(job->query, NULL);
	publication->kind = publication_kind_parse(row->kind);
	if ((publication->kind == PUBLICATION_BINARY && take_attachment(publication, row) < 0) ||
	    (publication->kind == PUBLICATION_NOTIFICATION &&
	     publication_make_notification(publication) < 0))
		return history_query_add_take(job->query, NULL);
	publication->is_persistent = true;
	publication->is_replayed = true;
	publication->offset = (uint64_t)row->offset;
	publication->created_at_unix_ms = row->created_at_unix_ms;
	publication->expires_at_unix_ms = row->expires_at_unix_ms;
	(void)snprintf(publication->epoch, sizeof(publication->epoch), "%s", epoch);
	if (message_id_parse(row->message_id, &publication->position) < 0)
		publication->position = 0; /* an admin's own row: it has no place in the order */
	publication->cursor = publication->position;
	return history_query_add_take(job->query, STEAL(publication));
}

/* A row of any channel: does the pattern that is being read stand for it? */
static bool take_row_of_pattern(void *data, const struct message_row *row)
{
	struct read_job *job = data;

	if (++job->scanned_count > HISTORY_SCANNED_MAX) {
		job->query->is_too_big = true;
		return false;
	}
	return is_of_pattern(job, row->channel) ? take_row(job, row) : true;
}

static void note_trimmed(void *data, const char *channel)
{
	struct read_job *job = data;

	if (is_of_pattern(job, channel))
		job->is_trimmed = true;
}

/* Has retention taken something that the reader of a pattern has not seen? */
static int check_pattern(struct read_job *job, struct store *store, struct history_channel *channel,
			 struct error *reterr)
{
	char message_id[MESSAGE_ID_SIZE];
	int r;

	if (!pattern_is_wild(channel->name) || channel->kind != HISTORY_AFTER_POSITION)
		return 0;
	job->channel = channel;
	job->is_trimmed = false;
	message_id_format(job->query->after_position, message_id);
	r = channels_trimmed_after(store, message_id, note_trimmed, job, reterr);
	if (r == 0 && job->is_trimmed)
		channel->unrecovered_reason = "history_trimmed";
	return r;
}

static bool take_notification(void *data, const struct notification_row *row)
{
	struct message_row message = {
		.channel = ((struct read_job *)data)->channel->name,
		.message_id = row->message_id,
		.kind = publication_kind_name(PUBLICATION_NOTIFICATION),
		.data = row->fields,
		.sender = row->sender,
		.offset = row->offset,
		.created_at_unix_ms = row->created_at_unix_ms,
		.expires_at_unix_ms = row->expires_at_unix_ms,
	};

	return take_row(data, &message);
}

static int read_state(struct store *store, struct history_channel *channel, struct error *reterr)
{
	struct channel_row row;
	int r = pattern_is_wild(channel->name) ? 0
					       : channels_find(store, channel->name, &row, reterr);

	if (r <= 0)
		return r;
	channel->state.is_stored = true;
	channel->state.last_offset = (uint64_t)row.last_offset;
	channel->state.trimmed_offset = (uint64_t)row.trimmed_offset;
	(void)snprintf(channel->state.epoch, sizeof(channel->state.epoch), "%s", row.epoch);
	if (message_id_parse(row.trimmed_message_id, &channel->state.trimmed_position) < 0)
		channel->state.trimmed_position = 0; /* nothing was trimmed yet */
	return 0;
}

static int read_rows(struct read_job *job, struct store *store,
		     const struct history_channel *channel, enum history_kind kind,
		     struct error *reterr)
{
	char message_id[MESSAGE_ID_SIZE] = "";

	job->channel = channel;
	if (kind == HISTORY_AFTER_POSITION)
		message_id_format(job->query->after_position, message_id);
	if ((kind == HISTORY_AFTER_POSITION || kind == HISTORY_OLDEST) &&
	    pattern_is_wild(channel->name))
		return messages_read_all_after_id(store, message_id, job->now_unix_ms,
						  take_row_of_pattern, job, reterr);
	switch (kind) {
	case HISTORY_NONE:
		return 0;
	case HISTORY_NEWEST:
		return messages_read_newest(store, channel->name, channel->limit, job->now_unix_ms,
					    take_row, job, reterr);
	case HISTORY_AFTER_OFFSET: /* whoever comes back gets all; whoever looks, page by page */
		return messages_read_after_offset(
			store, channel->name, (int64_t)channel->after_offset,
			job->query->purpose == HISTORY_FOR_READER ? (int64_t)channel->limit : -1,
			job->now_unix_ms, take_row, job, reterr);
	case HISTORY_AFTER_POSITION:
		return messages_read_after_id(store, channel->name, message_id, job->now_unix_ms,
					      take_row, job, reterr);
	case HISTORY_OLDEST:
		return messages_read_after_id(store, channel->name, message_id, job->now_unix_ms,
					      take_row, job, reterr);
	case HISTORY_UNDELIVERED:
		return notifications_read_undelivered(store, own_channel_user(channel->name),
						      channel->limit, job->now_unix_ms,
						      take_notification, job, reterr);
	}
	return 0;
}

static int read_run(struct store_job *store_job, struct store *store, struct error *reterr)
{
	struct read_job *job = CONTAINER_OF(store_job, struct read_job, job);
	struct history_query *query = job->query;
	int r = 0;

	for (size_t i = 0; r == 0 && i < query->channel_count; i++) {
		struct history_channel *channel = &query->channels[i];
		enum history_kind kind;

		r = read_state(store, channel, reterr);
		if (r == 0)
			r = check_pattern(job, store, channel, reterr);
		if (r < 0)
			return r;
		kind = channel->state.is_stored || pattern_is_wild(channel->name)
			       ? history_channel_decide(channel, query)
			       : HISTORY_NONE;
		r = read_rows(job, store, channel, kind, reterr);
	}
	history_query_sort(query);
	return query->is_out_of_memory ? -ENOMEM : r;
}

/* All that was missed is more than one answer may hold: start afresh with the newest. Whoever only
 * looks has a page then that is shorter, and goes on from its end. */
static int read_run_bounded(struct store_job *store_job, struct store *store, struct error *reterr)
{
	struct history_query *query = CONTAINER_OF(store_job, struct read_job, job)->query;
	int r = read_run(store_job, store, reterr);

	if (r < 0 || !query->is_too_big || query->purpose == HISTORY_FOR_READER)
		return r;
	history_query_clear(query);
	for (size_t i = 0; i < query->channel_count; i++) {
		struct history_channel *channel = &query->channels[i];

		if (channel->kind != HISTORY_NEWEST && channel->kind != HISTORY_UNDELIVERED)
			channel->unrecovered_reason = "too_much_missed";
	}
	return read_run(store_job, store, reterr);
}

static void read_done(struct store_job *store_job)
{
	struct read_job *job = CONTAINER_OF(store_job, struct read_job, job);

	hub_on_read(job->link->hub, job->query,
		    store_job->error.number < 0 ? &store_job->error : NULL, clock_unix_us());
	free(job);
}

static int read_history(void *data, struct history_query *query, struct error *reterr)
{
	struct hub_store_link *link = data;
	AUTO_FREE struct read_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	job->job = (struct store_job){.run = read_run_bounded, .done = read_done};
	job->link = link;
	job->query = query;
	job->now_unix_ms = clock_unix_ms();
	r = store_thread_submit_take(link->thread, &job->job, reterr);
	if (r == 0)
		(void)STEAL(job);
	return r;
}

/* ---- notifications ---- */

struct delivered_job {
	struct store_job job;
	char message_id[MESSAGE_ID_SIZE];
};

static int delivered_run(struct store_job *store_job, struct store *store, struct error *reterr)
{
	const struct delivered_job *job = CONTAINER_OF(store_job, struct delivered_job, job);
	int r = notifications_mark_delivered(store, job->message_id, clock_unix_ms(), reterr);

	return r < 0 ? r : 0;
}

static void delivered_done(struct store_job *store_job)
{
	struct delivered_job *job = CONTAINER_OF(store_job, struct delivered_job, job);

	if (store_job->error.number < 0)
		LOG(LOG_WARNING, LOG_WEBSOCKET, "notification_not_marked",
		    LOG_TEXT("message", job->message_id), LOG_ERR(&store_job->error));
	free(job);
}

static void delivered(void *data, uint64_t position)
{
	const struct hub_store_link *link = data;
	AUTO_FREE struct delivered_job *job = calloc(1, sizeof(*job));
	struct error error = {.number = -ENOMEM, .code = "out_of_memory"};
	int r = -ENOMEM;

	if (job) {
		job->job = (struct store_job){
			.is_write = true, .run = delivered_run, .done = delivered_done};
		message_id_format(position, job->message_id);
		r = store_thread_submit_take(link->thread, &job->job, &error);
	}
	if (r == 0)
		(void)STEAL(job);
	else
		LOG(LOG_WARNING, LOG_WEBSOCKET, "notification_not_marked", LOG_ERR(&error));
}

const struct hub_store hub_store_calls = {
	.append = append, .read = read_history, .delivered = delivered};

/* ---- idempotency ---- */

static bool recall(void *data, const struct message_row *row)
{
	struct hub *hub = data;
	uint64_t position;

	if (message_id_parse(row->message_id, &position) == 0)
		hub_remember_repeat(hub, row->channel, row->idempotency_key, row->epoch, row->data,
				    (uint64_t)row->offset, position);
	return true;
}

int hub_store_recall_repeats(struct hub_store_link *link, const char *path, uint64_t kept_us,
			     struct error *reterr)
{
	uint64_t now_us = clock_unix_us();
	char message_id[MESSAGE_ID_SIZE];
	AUTO(store) store = NULL;
	int r = store_open(path, STORE_DURABLE, &store, reterr);

	message_id_format(now_us > kept_us ? now_us - kept_us : 0, message_id);
	return r < 0 ? r : messages_read_repeatable(store, message_id, recall, link->hub, reterr);
}

/* ---- retention ---- */

struct trim_job {
	struct store_job job;
	struct hub_store_link *link;
	struct store *store;
	struct error *reterr;
	uint64_t now_us;
	int64_t age_max_s;
	char last[CHANNEL_NAME_MAX + 1]; /* the last channel looked at */
	int result;
};

/* Positions are made of the time, so age is a matter of comparing ids. */
static void oldest_kept(uint64_t now_us, int64_t kept_s, char out[MESSAGE_ID_SIZE])
{
	uint64_t kept_us = (uint64_t)kept_s * 1000000u;

	message_id_format(now_us > kept_us ? now_us - kept_us : 0, out);
}

/* A channel of a namespace that keeps its messages for less than others do. */
static void sweep_channel(void *data, const char *channel)
{
	struct trim_job *job = data;
	const struct namespace *namespace = namespaces_find(job->link->namespaces, channel);
	char message_id[MESSAGE_ID_SIZE];

	(void)snprintf(job->last, sizeof(job->last), "%s", channel);
	if (job->result < 0 || namespace->retention.age_s >= job->age_max_s)
		return;
	oldest_kept(job->now_us, namespace->retention.age_s, message_id);
	job->result =
		messages_trim_channel_old(job->store, channel, message_id, TRIM_BATCH, job->reterr);
}

/* Some more of the channels, from where the last sweep ended. */
static int sweep(struct trim_job *job)
{
	char from[CHANNEL_NAME_MAX + 1];
	int r;

	memcpy(from, job->last, sizeof(from));
	r = channels_list(job->store, from, SWEEP_BATCH, sweep_channel, job, job->reterr);
	if (r >= 0 && r < SWEEP_BATCH)
		*job->last = '\0'; /* that was the end; from the beginning again */
	return r < 0 ? r : job->result < 0 ? job->result : 0;
}

static int trim_run(struct store_job *store_job, struct store *store, struct error *reterr)
{
	struct trim_job *job = CONTAINER_OF(store_job, struct trim_job, job);
	char message_id[MESSAGE_ID_SIZE];
	int64_t now_ms;
	int r;

	job->store = store;
	job->reterr = reterr;
	job->now_us = clock_unix_us();
	job->age_max_s = namespaces_age_max_s(job->link->namespaces);
	now_ms = (int64_t)(job->now_us / 1000);
	oldest_kept(job->now_us, job->age_max_s, message_id);
	r = messages_trim_old(store, message_id, now_ms, TRIM_BATCH, reterr);
	if (r >= 0)
		r = notifications_trim(store, now_ms - job->link->notifications_kept_s * 1000,
				       now_ms, TRIM_BATCH, reterr);
	return r < 0 ? r : sweep(job);
}

static void trim_done(struct store_job *store_job)
{
	struct trim_job *job = CONTAINER_OF(store_job, struct trim_job, job);

	if (store_job->error.number < 0)
		LOG(LOG_WARNING, LOG_MAIN, "trim_failed", LOG_ERR(&store_job->error));
	memcpy(job->link->swept, job->last, sizeof(job->link->swept));
	job->link->is_trimming = false;
	free(job);
}

void hub_store_trim(struct hub_store_link *link)
{
	AUTO_FREE struct trim_job *job = NULL;

	if (link->is_trimming)
		return;
	job = calloc(1, sizeof(*job));
	if (!job)
		return; /* the next time will do */
	job->job = (struct store_job){.is_write = true, .run = trim_run, .done = trim_done};
	job->link = link;
	memcpy(job->last, link->swept, sizeof(job->last));
	if (store_thread_submit_take(link->thread, &job->job, NULL) == 0) {
		link->is_trimming = true;
		(void)STEAL(job);
	}
}
