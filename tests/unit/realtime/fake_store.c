#include "tests/unit/realtime/fake_store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/pattern.h"
#include "realtime/wire/notification.h"

static int add_job(struct fake_store *store, struct fake_job job)
{
	assert(store->first + store->count < ARRAY_LEN(store->jobs));
	store->jobs[store->first + store->count++] = job;
	return 0;
}

static int refuse(struct error *reterr)
{
	return error_set(reterr, -EAGAIN, "overloaded", "too much waits to be stored");
}

static int append(void *data, struct publish_order *order, struct error *reterr)
{
	if (((struct fake_store *)data)->is_full)
		return refuse(reterr);
	return add_job(data, (struct fake_job){.order = order});
}

static int read_history(void *data, struct history_query *query, struct error *reterr)
{
	if (((struct fake_store *)data)->is_full)
		return refuse(reterr);
	return add_job(data, (struct fake_job){.query = query});
}

static struct fake_channel *channel_find(struct fake_store *store, const char *name)
{
	for (size_t i = 0; i < store->channel_count; i++)
		if (strcmp(store->channels[i].name, name) == 0)
			return &store->channels[i];
	return NULL;
}

struct fake_channel *fake_store_channel(struct fake_store *store, const char *name)
{
	struct fake_channel *channel = channel_find(store, name);

	if (channel)
		return channel;
	assert(store->channel_count < ARRAY_LEN(store->channels));
	channel = &store->channels[store->channel_count++];
	(void)snprintf(channel->name, sizeof(channel->name), "%s", name);
	return channel;
}

static void delivered(void *data, uint64_t position)
{
	struct fake_store *store = data;

	assert(store->delivered_count < ARRAY_LEN(store->delivered));
	store->delivered[store->delivered_count++] = position;
}

static bool was_delivered(const struct fake_store *store, uint64_t position)
{
	for (size_t i = 0; i < store->delivered_count; i++)
		if (store->delivered[i] == position)
			return true;
	return false;
}

const struct hub_store fake_store_calls = {
	.append = append, .read = read_history, .delivered = delivered};

struct namespaces *fake_namespaces(int64_t history_size, const char *list)
{
	char path[] = "/tmp/namespacesXXXXXX", empty[] = "";
	struct config config = {.REALTIME_HISTORY_SIZE = history_size,
				.REALTIME_HISTORY_BYTES = 1 << 20,
				.REALTIME_HISTORY_TTL = 1000,
				.REALTIME_PRESENCE = true,
				.REALTIME_WILDCARDS = true,
				.REALTIME_NAMESPACES = list ? path : empty};
	struct namespaces *namespaces = NULL;
	struct error error = {0};
	int fd = -1;

	if (list) {
		fd = mkstemp(path);
		assert(fd >= 0 && dprintf(fd, "{\"namespaces\":%s}", list) > 0);
		(void)close(fd);
	}
	if (namespaces_new(&config, &namespaces, &error) < 0) {
		printf("%s\n", error.message);
		abort();
	}
	if (list)
		(void)unlink(path);
	return namespaces;
}

static struct publication *copy_row(const struct publication *row, bool is_replay)
{
	struct publication *copy = publication_new(row->channel, row->data, row->sender, row->tags);

	assert(copy);
	copy->kind = row->kind;
	if (copy->kind == PUBLICATION_NOTIFICATION)
		assert(publication_make_notification(copy) == 0);
	copy->is_persistent = true;
	copy->is_replayed = is_replay;
	copy->offset = row->offset;
	copy->position = copy->cursor = row->position;
	memcpy(copy->epoch, row->epoch, EPOCH_SIZE);
	return copy;
}

static void do_append(struct fake_store *store, const struct publish_order *order)
{
	const struct publication *publication = order->publication;
	struct fake_channel *channel = fake_store_channel(store, publication->channel);

	if (!channel->state.is_stored)
		memcpy(channel->state.epoch, publication->epoch, EPOCH_SIZE);
	channel->state.is_stored = true;
	if (order->reserve_offset > channel->state.last_offset)
		channel->state.last_offset = order->reserve_offset;
	if (publication->is_persistent) {
		assert(channel->state.last_offset > 0); /* it has a row */
		if (publication->offset > channel->state.last_offset)
			channel->state.last_offset = publication->offset;
		assert(channel->row_count < ARRAY_LEN(channel->rows));
		channel->rows[channel->row_count++] = copy_row(publication, false);
	}
}

static bool is_wanted(const struct fake_store *store, const struct history_query *query,
		      const struct history_channel *channel, enum history_kind kind,
		      const struct fake_channel *stored, size_t i)
{
	switch (kind) {
	case HISTORY_NONE:
		return false;
	case HISTORY_NEWEST:
		return i + channel->limit >= stored->row_count;
	case HISTORY_AFTER_OFFSET:
		return stored->rows[i]->offset > channel->after_offset;
	case HISTORY_AFTER_POSITION:
		return stored->rows[i]->position > query->after_position;
	case HISTORY_OLDEST:
		return true;
	case HISTORY_UNDELIVERED:
		return stored->rows[i]->kind == PUBLICATION_NOTIFICATION &&
		       !was_delivered(store, stored->rows[i]->position);
	}
	return false;
}

static void do_read(struct fake_store *store, struct history_query *query)
{
	static const struct fake_channel none;

	for (size_t c = 0; c < query->channel_count; c++) {
		struct history_channel *channel = &query->channels[c];
		const struct fake_channel *found = channel_find(store, channel->name);
		const struct fake_channel *stored = found ? found : &none;
		enum history_kind kind;

		if (!pattern_is_wild(channel->name))
			channel->state = stored->state;
		kind = history_channel_decide(channel, query);
		for (size_t i = stored->trimmed_count; i < stored->row_count; i++)
			if (is_wanted(store, query, channel, kind, stored, i))
				assert(history_query_add_take(query,
							      copy_row(stored->rows[i], true)));
	}
	history_query_sort(query);
}

bool fake_store_answer(struct fake_store *store, struct hub *hub, uint64_t now_unix_us)
{
	static const struct error broken = {
		.number = -EIO, .code = "store_failed", .message = "the disk is gone"};
	const struct error *error = store->is_broken ? &broken : NULL;
	struct fake_job job;

	if (store->count == 0)
		return false;
	job = store->jobs[store->first++];
	if (--store->count == 0)
		store->first = 0;
	if (job.order) {
		if (!error)
			do_append(store, job.order);
		hub_on_appended(hub, job.order, error);
	} else {
		if (!error)
			do_read(store, job.query);
		hub_on_read(hub, job.query, error, now_unix_us);
	}
	return true;
}

void fake_store_answer_all(struct fake_store *store, struct hub *hub, uint64_t now_unix_us)
{
	while (fake_store_answer(store, hub, now_unix_us)) {
	}
}

void fake_store_fini(struct fake_store *store)
{
	for (size_t c = 0; c < store->channel_count; c++)
		for (size_t i = 0; i < store->channels[c].row_count; i++)
			(void)publication_unref(store->channels[c].rows[i]);
}
