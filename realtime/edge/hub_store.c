#include "realtime/edge/hub_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "db/messages.h"

enum {
	TRIM_BATCH = 500 /* messages of one transaction */
};

/* ---- appending ---- */

struct append_job {
	struct store_job job;
	struct hub_store_link *link;
	struct publish_order *order; /* the hub's, constant until it is answered */
};

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
	};
	int r = 0;

	if (job->order->reserve_offset > 0)
		r = channels_reserve(store, row.channel, publication->epoch,
				     (int64_t)job->order->reserve_offset, row.created_at_unix_ms,
				     reterr);
	message_id_format(publication->position, message_id);
	if (r == 0 && publication->is_persistent)
		r = messages_append(store, &row, reterr);
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
	const char *epoch; /* of the channel being read */
};

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
	AUTO(publication)
	publication = publication_new(row->channel, row->data, row->sender, row->tags);

	if (!publication)
		return history_query_add_take(job->query, NULL);
	publication->kind = publication_kind_parse(row->kind);
	if (publication->kind == PUBLICATION_BINARY && take_attachment(publication, row) < 0)
		return history_query_add_take(job->query, NULL);
	publication->is_persistent = true;
	publication->is_replayed = true;
	publication->offset = (uint64_t)row->offset;
	publication->created_at_unix_ms = row->created_at_unix_ms;
	publication->expires_at_unix_ms = row->expires_at_unix_ms;
	(void)snprintf(publication->epoch, sizeof(publication->epoch), "%s", job->epoch);
	if (message_id_parse(row->message_id, &publication->position) < 0)
		publication->position = 0; /* an admin's own row: it has no place in the order */
	publication->cursor = publication->position;
	return history_query_add_take(job->query, STEAL(publication));
}

static int read_state(struct store *store, struct history_channel *channel, struct error *reterr)
{
	struct channel_row row;
	int r = channels_find(store, channel->name, &row, reterr);

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

	job->epoch = channel->state.epoch;
	switch (kind) {
	case HISTORY_NONE:
		return 0;
	case HISTORY_NEWEST:
		return messages_read_newest(store, channel->name, channel->limit, job->now_unix_ms,
					    take_row, job, reterr);
	case HISTORY_AFTER_OFFSET:
		return messages_read_after_offset(store, channel->name,
						  (int64_t)channel->after_offset, job->now_unix_ms,
						  take_row, job, reterr);
	case HISTORY_AFTER_POSITION:
		message_id_format(job->query->after_position, message_id);
		return messages_read_after_id(store, channel->name, message_id, job->now_unix_ms,
					      take_row, job, reterr);
	case HISTORY_OLDEST:
		return messages_read_after_id(store, channel->name, message_id, job->now_unix_ms,
					      take_row, job, reterr);
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
		if (r < 0)
			return r;
		kind = channel->state.is_stored ? history_channel_decide(channel, query)
						: HISTORY_NONE;
		r = read_rows(job, store, channel, kind, reterr);
	}
	history_query_sort(query);
	return query->is_out_of_memory ? -ENOMEM : r;
}

/* All that was missed is more than one answer may hold: start afresh with the newest. */
static int read_run_bounded(struct store_job *store_job, struct store *store, struct error *reterr)
{
	struct history_query *query = CONTAINER_OF(store_job, struct read_job, job)->query;
	int r = read_run(store_job, store, reterr);

	if (r < 0 || !query->is_too_big)
		return r;
	history_query_clear(query);
	for (size_t i = 0; i < query->channel_count; i++) {
		struct history_channel *channel = &query->channels[i];

		if (channel->kind != HISTORY_NEWEST)
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

const struct hub_store hub_store_calls = {.append = append, .read = read_history};

/* ---- retention ---- */

struct trim_job {
	struct store_job job;
	struct hub_store_link *link;
};

static int trim_run(struct store_job *store_job, struct store *store, struct error *reterr)
{
	const struct trim_job *job = CONTAINER_OF(store_job, struct trim_job, job);
	uint64_t now_us = clock_unix_us(), kept_us = (uint64_t)job->link->kept_s * 1000000u;
	char message_id[MESSAGE_ID_SIZE];

	/* Positions are made of the time, so age is a matter of comparing ids. */
	message_id_format(now_us > kept_us ? now_us - kept_us : 0, message_id);
	return messages_trim_old(store, message_id, (int64_t)(now_us / 1000), TRIM_BATCH, reterr);
}

static void trim_done(struct store_job *store_job)
{
	struct trim_job *job = CONTAINER_OF(store_job, struct trim_job, job);

	if (store_job->error.number < 0)
		LOG(LOG_WARNING, LOG_MAIN, "trim_failed", LOG_ERR(&store_job->error));
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
	if (store_thread_submit_take(link->thread, &job->job, NULL) == 0) {
		link->is_trimming = true;
		(void)STEAL(job);
	}
}
