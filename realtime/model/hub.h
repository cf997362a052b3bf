/* hub.h - channels: who listens, and in which order they hear what is published.
 *
 * The hub gives every message its offset (one sequence for each channel, for stored and passing
 * messages alike) and its position (one sequence over all). It stores a persistent message before
 * anybody hears of it, and otherwise hands frames to outboxes at once. It knows no sockets and no
 * database: the store is asked through struct hub_store and answers later.
 *
 * The store answers strictly in the order in which it was asked, and commits in that order too.
 * Everything rests on this: a subscription takes effect when its read is answered, so what was
 * committed before is in the replay and what comes after is live, with no gap and nothing twice.
 *
 * An offset once given out is never given out again, whatever dies: in a stored channel a message
 * that is kept marks its own place, and one that passes never goes beyond a mark in the channel's
 * row (it first has it raised, by OFFSETS_RESERVED); a channel without row counts in memory under
 * the epoch of this process.
 *
 * Whoever is known hears their own channel, user_{id}, without asking for it: each connection of a
 * user gets what is sent to that user.
 *
 *   channel: UNKNOWN --first read answered--> READY --idle for long, many others--> forgotten
 *
 * Thread: loop.
 */
#ifndef REALTIME_MODEL_HUB_H
#define REALTIME_MODEL_HUB_H

#include "core/metrics.h"
#include "core/namespaces.h"
#include "realtime/model/repeats.h"
#include "realtime/model/subscriber.h"
#include "realtime/wire/filter.h"

enum {
	OFFSETS_RESERVED = 256,
	RETENTION_SLACK = 4, /* a channel is trimmed after 1/4 of what it keeps was added … */
	RETENTION_COUNT_MIN = 64,	 /* … and not for fewer messages than these */
	HUB_ORDERS_MAX = 20000,		 /* messages waiting for the store; more are refused */
	HUB_ORDER_BYTES_MAX = 128 << 20, /* of these; but one is taken however large it is */
	HUB_IDLE_CHANNELS_MAX = 10000,	 /* channels nobody listens to that are kept in memory */
	HUB_PATTERNS_MAX = 1000,	 /* different ones that are subscribed to */
	SUBSCRIPTION_HELD_MAX = 1024,
	HUB_UNSENT_MAX = 64 /* whose time is taken; of more, the first */
};

struct hub;
struct publish_order;

/* Tell whoever published how it went. `publication` and `error`: one of them is NULL. */
typedef void (*published_fn)(struct hub *hub, const struct publish_order *order,
			     const struct publication *publication, unsigned delivered_count,
			     const struct error *error);

struct publish_origin {
	published_fn done;
	void *data;
	char connection_id[CONNECTION_ID_SIZE]; /* of a subscriber; "" otherwise */
	json_t *request_id;			/* taken by hub_publish_take(); may be NULL */
	uint64_t token;
};

/* A message on its way. The store may read publication and reserve_offset until it answers. */
struct publish_order {
	struct list link; /* of the channel: waiting or in_flight */
	struct channel *channel;
	struct publication *publication; /* owned */
	struct repeat *repeat;		 /* of its idempotency_key; NULL if it has none */
	struct publish_origin origin;
	uint64_t came_unix_us;
	size_t bytes; /* of the publication, when it came */
	uint64_t reserve_offset;
	const struct retention *retention; /* to be applied to the channel now; NULL: not yet */
};

struct hub_store {
	/* Store order->publication if it is persistent, and see to it before that no offset up to
	 * order->reserve_offset (if it is not 0) is given out again. Answer by hub_on_appended().
	 */
	int (*append)(void *data, struct publish_order *order, struct error *reterr);
	/* Answer by hub_on_read(). On failure the query is still the caller's. */
	int (*read)(void *data, struct history_query *query, struct error *reterr);
	/* The notification at this position has been heard by its user. Unanswered: at worst it is
	 * delivered again. */
	void (*delivered)(void *data, uint64_t position);
};

/* What a subscriber wants besides the messages. Borrowed for the call. */
struct subscribe_options {
	struct filter *filter; /* NULL: everything */
	const char *info;      /* shown to the others who are there; JSON; NULL: nothing */
	bool wants_presence;   /* be told who is there, once */
	bool wants_join_leave; /* and who comes and goes */
};

/* What the hub has done, for those who watch. */
struct hub_stats {
	uint64_t published_count, persistent_count; /* messages that were heard */
	uint64_t delivered_count;		    /* frames queued for them */
	uint64_t refused_count;			    /* messages that failed on their way */
	struct histogram fan_out; /* from a message's coming in to its leaving for the sockets */
	/* Those of this turn of the loop, whose frames have not left yet. */
	uint64_t unsent_unix_us[HUB_UNSENT_MAX];
	size_t unsent_count;
};

struct hub {
	struct hub_stats stats;
	struct table channels, subscribers;
	struct list idle; /* of struct channel.idle_link, longest idle first */
	size_t idle_count, order_count, order_bytes;
	struct list patterns; /* of struct channel.pattern_link */
	size_t pattern_count;
	uint64_t patterns_version; /* changes with them */
	struct repeats repeats;
	const struct namespaces *namespaces; /* borrowed */
	char epoch[EPOCH_SIZE];		     /* of this process */
	uint64_t retired_offset;	     /* no forgotten channel without row went further */
	uint64_t last_position;		     /* the last one given out */
	uint64_t cursor;		     /* the last stored one that was delivered */
	uint64_t last_serial;		     /* of a subscription */
	const struct hub_store *store;
	void *store_data;
};

/* `namespaces` is borrowed, outlives it. `last_position` is the newest message's in the store, 0 if
 * it is empty. Idempotency keys count for `repeats_kept_us`. -ENOMEM. */
int hub_init(struct hub *hub, const struct namespaces *namespaces, uint64_t repeats_kept_us,
	     uint64_t last_position, const struct hub_store *store, void *store_data) MUST_CHECK;
/* A message with an idempotency_key that was stored before our time. `data`: a notification's as
 * JSON, otherwise null. */
void hub_remember_repeat(struct hub *hub, const char *channel, const char *idempotency_key,
			 const char *epoch, const char *data, uint64_t offset, uint64_t position);
/* Every question must have been answered and every subscriber removed. */
void hub_fini(struct hub *hub);

/* `subscriber` is borrowed until hub_remove(); connection_id, form, outbox and events
 * are set, subscriptions is an empty list. A reference to `identity` is kept. */
void hub_add(struct hub *hub, struct subscriber *subscriber, struct identity *identity);
/* Let it hear its user's own channel, if it has one and does not hear it already. Who cannot (for
 * want of memory, or because the store is overloaded) is closed, to try again. */
void hub_hear_own(struct hub *hub, struct subscriber *subscriber);
/* It is known better who it is. Its subscriptions stay. */
void hub_change_identity(struct hub *hub, struct subscriber *subscriber, struct identity *identity);
/* Ends its subscriptions and forgets who it is. Also for one that was never added. */
void hub_remove(struct hub *hub, struct subscriber *subscriber);
/* Borrowed, or NULL. */
struct subscriber *hub_subscriber_find(const struct hub *hub, const char *connection_id);

bool subscriber_is_subscribed(const struct hub *hub, const struct subscriber *subscriber,
			      const char *channel);

/* Subscribe to the channels (or patterns) of `query` (taken in any case), which are different ones;
 * it says what to replay. `options` may be NULL. Subscribing again to one channel is answered and
 * brings the options up to date, but replays nothing. Answered by events->subscribed and caught_up,
 * or refused ("unsubscribed" if it was ended meanwhile). -EDQUOT "too_many_subscriptions",
 * "too_many_patterns", "too_many_reads" -EAGAIN "overloaded"   -ENOMEM */
int hub_subscribe_take(struct hub *hub, struct subscriber *subscriber,
		       const struct subscribe_options *options, struct history_query *query,
		       struct error *reterr) MUST_CHECK;
/* -ENOENT "not_subscribed"   -EPERM "own_channel" */
int hub_unsubscribe(struct hub *hub, struct subscriber *subscriber, const char *channel,
		    struct error *reterr) MUST_CHECK;

/* Look at the past. `query` is taken in any case; answered by events->history.
 *   -EDQUOT "too_many_reads"   -EAGAIN "overloaded"   -ENOMEM */
int hub_read_take(struct hub *hub, struct subscriber *subscriber, struct history_query *query,
		  struct error *reterr) MUST_CHECK;

/* Publish. `publication` and origin->request_id are taken in any case. origin->done is called
 * exactly once if this succeeds, perhaps before it returns; not at all if it fails. A message whose
 * idempotency_key was seen in its channel before is not published again, but answered with the
 * place of the first.
 *   -EINVAL "bad_field" a pattern is no channel   -EAGAIN "overloaded" too many wait   -ENOMEM */
int hub_publish_take(struct hub *hub, struct publication *publication,
		     const struct publish_origin *origin, uint64_t now_unix_us,
		     struct error *reterr) MUST_CHECK;

/* To every subscriber, whatever it listens to: no channel counts it and nothing keeps it.
 * `message` (see reply_new_message()) is taken in any case and may be NULL; `event` is what SSE
 * calls it, a constant. How many get it.
 *   -ENOMEM nobody does */
int hub_broadcast_take(struct hub *hub, json_t *message, const char *event) MUST_CHECK;

/* The store's answers; `error` is NULL for success. `query` is taken. */
void hub_on_appended(struct hub *hub, struct publish_order *order, const struct error *error);
void hub_on_read(struct hub *hub, struct history_query *query, const struct error *error,
		 uint64_t now_unix_us);

/* What was delivered in this turn of the loop has been sent. */
void hub_on_flushed(struct hub *hub, uint64_t now_unix_us);

/* Append the names of its channels to `names`, an array. */
void hub_channels_list(const struct subscriber *subscriber, json_t *names);

/* Who is on a channel: {channel, members: [{connection_id, user_id, name?, info?}], count,
 * version}, at most `limit` of them. NULL without memory. */
json_t *hub_presence(const struct hub *hub, const char *channel, size_t limit);

/* {subscriptions, epoch, offset}; without epoch and offset if the channel is not in memory. The
 * offset is the last delivered one's, from which one can go on. */
json_t *hub_channel_to_json(const struct hub *hub, const char *channel);

/* {channel: subscriptions} of up to `limit` channels that somebody listens to, in the order of
 * names, from behind `after` (NULL: from the first). *ret_next_or_null is told the last name
 * (borrowed) if there are more. By a walk over all. NULL without memory. */
json_t *hub_channel_sizes(const struct hub *hub, const char *after, size_t limit,
			  const char **ret_next_or_null);

/* By a walk over all channels. */
size_t hub_subscription_count(const struct hub *hub);
/* Channels that have somebody subscribed. */
size_t hub_channel_count(const struct hub *hub);

#endif
