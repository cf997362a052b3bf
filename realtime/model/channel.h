/* channel.h - one channel of the hub: its count of offsets and its subscriptions. Only hub.c and
 * channel.c look inside. Thread: loop. */
#ifndef REALTIME_MODEL_CHANNEL_H
#define REALTIME_MODEL_CHANNEL_H

#include "realtime/model/hub.h"

struct channel;

struct subscription {
	struct list subscriber_link;
	struct subscriber *subscriber;
	struct channel *channel;
	size_t index;	 /* in channel->subscriptions */
	uint64_t serial; /* never that of another: a later one may have the same two ends */
	bool is_live;	 /* false while its replay is being read */
	/* Passing messages that came before the replay; owned references. Stored ones need no
	 * keeping: they are in the replay. */
	struct publication **held;
	size_t held_count, held_capacity;
};

struct channel {
	struct table_link by_name;
	struct list idle_link; /* on hub->idle while nothing below is going on */
	bool is_ready, is_stored;
	char epoch[EPOCH_SIZE];
	uint64_t offset;	  /* the last one given out */
	uint64_t reserved_offset; /* no offset up to here is given out twice; 0: there is no row */
	uint64_t delivered_offset;
	int64_t untrimmed_count, untrimmed_bytes; /* stored since retention was last applied */
	unsigned read_count;   /* questions to the store that it waits for */
	struct list waiting;   /* of struct publish_order: until the channel is ready */
	struct list in_flight; /* of struct publish_order: until the store has it */
	struct subscription **subscriptions; /* dense; owned */
	size_t subscription_count, subscription_capacity;
	char name[];
};

struct channel *channel_new(const char *name);
/* It must have no subscriptions and no orders. */
struct channel *channel_free(struct channel *channel);

bool channel_is_idle(const struct channel *channel);

/* Borrowed, or NULL. */
struct subscription *channel_subscription_find(const struct channel *channel,
					       const struct subscriber *subscriber);
/* NULL without memory. */
struct subscription *channel_subscription_add(struct channel *channel,
					      struct subscriber *subscriber);
void channel_subscription_remove(struct subscription *subscription);

/* Hand `publication` to everybody. Returns how many get it. */
unsigned channel_deliver(struct channel *channel, struct publication *publication);

/* Replay `rows` of this channel (in order of offset) together with what was held, then be live. */
void subscription_start(struct subscription *subscription, struct publication **rows,
			size_t row_count);

#endif
