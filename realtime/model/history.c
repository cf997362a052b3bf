#include "realtime/model/history.h"

#include <stdio.h>
#include <string.h>

#include "core/pattern.h"

struct history_query *history_query_new(size_t channel_count)
{
	struct history_query *query =
		calloc(1, sizeof(*query) + channel_count * sizeof(query->channels[0]));

	if (query)
		query->channel_count = channel_count;
	return query;
}

struct history_query *history_query_free(struct history_query *query)
{
	if (!query)
		return NULL;
	history_query_clear(query);
	json_decref(query->request_id);
	free(query->rows);
	free(query);
	return NULL;
}

void history_channel_set_own(struct history_channel *channel, const char *name)
{
	(void)snprintf(channel->name, sizeof(channel->name), "%s", name);
	channel->kind = HISTORY_UNDELIVERED;
	channel->limit = HISTORY_UNDELIVERED_MAX;
	channel->is_implicit = true;
}

/* Of a pattern there is no newest: each of its channels would have its own. */
static enum history_kind newest(const struct history_channel *channel)
{
	return pattern_is_wild(channel->name) ? HISTORY_NONE : HISTORY_NEWEST;
}

static enum history_kind give_newest(struct history_channel *channel, const char *reason)
{
	channel->unrecovered_reason = reason;
	return newest(channel);
}

enum history_kind history_channel_decide(struct history_channel *channel,
					 const struct history_query *query)
{
	const struct channel_state *state = &channel->state;

	if (channel->unrecovered_reason)
		return newest(channel); /* decided before */
	switch (channel->kind) {
	case HISTORY_NEWEST:
		return newest(channel);
	case HISTORY_NONE:
	case HISTORY_OLDEST:
	case HISTORY_UNDELIVERED:
		return channel->kind;
	case HISTORY_AFTER_OFFSET:
		if (pattern_is_wild(channel->name))
			return give_newest(channel, "pattern"); /* offsets count in one channel */
		if (!state->is_stored)
			return HISTORY_NONE; /* the hub compares its own count */
		if (strcmp(channel->epoch, state->epoch) != 0)
			return give_newest(channel, "epoch_changed");
		if (channel->after_offset > state->last_offset)
			return give_newest(channel, "unknown_offset");
		if (channel->after_offset < state->trimmed_offset)
			return give_newest(channel, "history_trimmed");
		return HISTORY_AFTER_OFFSET;
	case HISTORY_AFTER_POSITION:
		if (query->after_position < state->trimmed_position)
			return give_newest(channel, "history_trimmed");
		return HISTORY_AFTER_POSITION;
	}
	return HISTORY_NONE;
}

bool history_query_add_take(struct history_query *query, struct publication *row)
{
	AUTO(publication) publication = row;

	if (!publication) {
		query->is_out_of_memory = true;
		return false;
	}
	query->row_bytes += publication_size(publication);
	if (query->row_bytes > HISTORY_BYTES_MAX && query->row_count > 0) {
		query->is_too_big = true;
		return false;
	}
	if (query->row_count == query->row_capacity) {
		size_t capacity = query->row_capacity ? query->row_capacity * 2 : 64;
		void *rows = realloc(query->rows, capacity * sizeof(struct publication *));

		if (!rows) {
			query->is_out_of_memory = true;
			return false;
		}
		query->rows = rows;
		query->row_capacity = capacity;
	}
	query->rows[query->row_count++] = STEAL(publication);
	return true;
}

static int by_position(const void *left, const void *right)
{
	const struct publication *const *a = left, *const *b = right;

	return (*a)->position < (*b)->position ? -1 : (*a)->position > (*b)->position;
}

void history_query_sort(struct history_query *query)
{
	size_t kept = 0;

	if (query->row_count < 2)
		return;
	qsort(query->rows, query->row_count, sizeof(struct publication *), by_position);
	for (size_t i = 0; i < query->row_count; i++) {
		struct publication *row = query->rows[i];

		/* A pattern may have found what a name did. Position 0 is nobody's in particular.
		 */
		if (kept > 0 && row->position > 0 &&
		    row->position == query->rows[kept - 1]->position)
			(void)publication_unref(row);
		else
			query->rows[kept++] = row;
	}
	query->row_count = kept;
}

void history_query_clear(struct history_query *query)
{
	for (size_t i = 0; i < query->row_count; i++)
		(void)publication_unref(query->rows[i]);
	query->row_count = 0;
	query->row_bytes = 0;
	query->is_too_big = false;
}
