/* history.h - a question to the store about the past of channels, and its answer.
 *
 * The hub asks; the edge has it answered on the store's thread and brings it back. The question
 * says what somebody wants to see, and history_channel_decide() turns it, given what the store
 * knows of the channel, into what is to be read.
 *
 * Thread: whoever holds it; it is handed over, never shared.
 */
#ifndef REALTIME_MODEL_HISTORY_H
#define REALTIME_MODEL_HISTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/id.h"
#include "realtime/wire/publication.h"

enum {
	HISTORY_BYTES_MAX = 32 << 20,  /* of data, for one query */
	HISTORY_SCANNED_MAX = 20000,   /* messages looked at for a pattern of names */
	HISTORY_UNDELIVERED_MAX = 100, /* notifications at once */
	CONNECTION_ID_SIZE = 32
};

enum history_purpose {
	HISTORY_FOR_CHANNEL,	/* the hub meets a channel that it does not know */
	HISTORY_FOR_SUBSCRIBER, /* a subscription waits for it */
	HISTORY_FOR_READER	/* somebody only wants to look */
};

enum history_kind {
	HISTORY_NONE,		/* the state of the channel alone */
	HISTORY_NEWEST,		/* the newest `limit` */
	HISTORY_AFTER_OFFSET,	/* everything after epoch and after_offset */
	HISTORY_AFTER_POSITION, /* everything after the query's after_position */
	HISTORY_OLDEST,		/* everything there is */
	HISTORY_UNDELIVERED /* of a user's own channel: notifications that nobody was there for */
};

/* What the store knows of a channel. */
struct channel_state {
	bool is_stored; /* it ever had a persistent message */
	char epoch[EPOCH_SIZE];
	uint64_t last_offset;	   /* none above it was ever given out */
	uint64_t trimmed_offset;   /* up to here, messages have been dropped by retention … */
	uint64_t trimmed_position; /* … and up to here, in terms of position */
};

struct history_channel {
	char name[CHANNEL_NAME_MAX + 1]; /* or a pattern of names */
	/* the question */
	enum history_kind kind;
	bool is_implicit; /* nobody asked for this channel, so nobody is told that it is subscribed
			   */
	uint32_t limit;
	char epoch[EPOCH_SIZE];
	uint64_t after_offset;
	uint64_t serial; /* of the subscription that waits for it */
	/* the answer */
	struct channel_state state;
	const char *unrecovered_reason; /* a constant; NULL: what was asked for is there, whole */
};

struct history_query {
	enum history_purpose purpose;
	char connection_id[CONNECTION_ID_SIZE]; /* who asked; looked up again with the answer */
	json_t *request_id;			/* to be echoed; owned; NULL if there is none */
	bool is_repeat;		 /* by one that is subscribed already: there is nothing to replay */
	bool is_reverse;	 /* for HISTORY_FOR_READER: newest first */
	uint64_t after_position; /* for HISTORY_AFTER_POSITION */
	bool is_too_big;	 /* answer: HISTORY_BYTES_MAX was reached */
	bool is_out_of_memory;	 /* answer: rows are missing */
	struct publication **rows; /* answer: by position; owned */
	size_t row_count, row_capacity;
	size_t row_bytes;
	size_t channel_count;
	struct history_channel channels[];
};

struct history_query *history_query_new(size_t channel_count);
struct history_query *history_query_free(struct history_query *query);
DEFINE_AUTO(history_query, history_query_free);

/* Ask for a user's own channel on nobody's request: what is live, and what nobody was there for. */
void history_channel_set_own(struct history_channel *channel, const char *name);

/* With the channel's state filled in: what is really to be read? Sets unrecovered_reason where
 * that is less than what was asked for: the newest instead. */
enum history_kind history_channel_decide(struct history_channel *channel,
					 const struct history_query *query);

/* Take one row (NULL stands for "no memory to make it"). false: no more, see is_too_big and
 * is_out_of_memory; the row is freed then. */
bool history_query_add_take(struct history_query *query, struct publication *row);
/* Order the rows of all channels by position, each once. */
void history_query_sort(struct history_query *query);
/* Forget the rows again, as for reading another kind. */
void history_query_clear(struct history_query *query);

#endif
