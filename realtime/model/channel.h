/* channel.h - one channel of the hub: its count of offsets and its subscriptions; or a pattern of
 * channels' names (`chat_*`), which has subscriptions alone. Only the hub's own files look inside.
 *
 * A pattern stands for channels of its own namespace, and never for anybody's own channel. Whoever
 * is also subscribed to the very channel gets its messages by that subscription alone.
 * Thread: loop.
 */
#ifndef REALTIME_MODEL_CHANNEL_H
#define REALTIME_MODEL_CHANNEL_H

#include "core/namespaces.h"
#include "realtime/model/hub.h"

struct channel;

struct subscription {
	struct subscriber *subscriber;
	struct filter *filter; /* owned reference; NULL: everything */
	struct frame
		*latest; /* owned reference; where only the latest counts: the last one queued */
	struct channel *channel;
	bool is_live;	  /* false while its replay is being read */
	bool is_implicit; /* nobody asked for it: a user's own channel */
	bool is_member, wants_presence, wants_join_leave; /* realtime/model/presence.h */
	struct list subscriber_link;
	size_t index;	 /* in channel->subscriptions */
	uint64_t serial; /* never that of another: a later one may have the same two ends */
	char *info;	 /* for the others who are there: JSON; owned; NULL if there is none */
	/* Passing messages that came before the replay; owned references. Stored ones need no
	 * keeping: they are in the replay. */
	struct publication **held;
	size_t held_count, held_capacity, held_bytes;
};

struct channel {
	struct table_link by_name;
	struct list idle_link;		   /* on hub->idle while nothing below is going on */
	const struct namespace *namespace; /* borrowed */
	bool is_ready, is_stored, is_pattern;
	char epoch[EPOCH_SIZE];
	uint64_t offset;	  /* the last one given out */
	uint64_t reserved_offset; /* no offset up to here is given out twice; 0: there is no row */
	uint64_t delivered_offset;
	int64_t untrimmed_count, untrimmed_bytes; /* stored since retention was last applied */
	unsigned read_count;			  /* questions to the store that it waits for */
	struct list waiting;   /* of struct publish_order: until the channel is ready */
	struct list in_flight; /* of struct publish_order: until the store has it */
	struct subscription **subscriptions; /* dense; owned */
	size_t subscription_count, subscription_capacity;
	/* Who is there (realtime/model/presence.h). */
	uint64_t presence_version; /* counts comings and goings */
	size_t watcher_count;	   /* of subscriptions that want to hear of them */
	bool is_crowded;	   /* too many to be told of */
	/* The patterns that its name matches, as they were at hub->patterns_version. */
	struct channel **patterns; /* owned array */
	size_t pattern_count;
	uint64_t patterns_version;
	struct list pattern_link; /* of a pattern: on hub->patterns */
	char name[];
};

struct channel *channel_new(const char *name, const struct namespace *namespace);
/* It must have no subscriptions and no orders. */
struct channel *channel_free(struct channel *channel);

bool channel_is_idle(const struct channel *channel);

/* Does the pattern stand for the channel called `name`, of `namespace`? */
bool channel_pattern_stands_for(const struct channel *pattern, const struct namespace *namespace,
				const char *name);

/* Borrowed, or NULL. */
struct subscription *channel_subscription_find(const struct channel *channel,
					       const struct subscriber *subscriber);
/* NULL without memory. */
struct subscription *channel_subscription_add(struct channel *channel,
					      struct subscriber *subscriber);
/* What it wants from now on. -ENOMEM */
int subscription_set_options(struct subscription *subscription,
			     const struct subscribe_options *options) MUST_CHECK;
void channel_subscription_remove(struct subscription *subscription);

/* Hand `publication` to everybody, also by patterns. Returns how many get it. */
unsigned channel_deliver(struct hub *hub, struct channel *channel, struct publication *publication);

/* Is this row of a replay for it? */
bool subscription_wants(const struct subscription *subscription,
			const struct publication *publication);
/* Replay `rows` of this channel (in order of offset) together with what was held, then be live. */
void subscription_start(struct subscription *subscription, struct publication **rows,
			size_t row_count);

#endif
