/* subscriber.h - a connection as the hub sees it: an outbox, a form, and subscriptions.
 *
 * Owned by whatever speaks the connection's protocol (session.h for WebSocket, event_stream.h for
 * SSE), which hears of its subscriptions through struct subscriber_events. Thread: loop.
 */
#ifndef REALTIME_MODEL_SUBSCRIBER_H
#define REALTIME_MODEL_SUBSCRIBER_H

#include "core/error.h"
#include "core/identity.h"
#include "realtime/model/history.h"
#include "realtime/model/outbox.h"
#include "realtime/model/table.h"

enum { USER_ID_MAX = IDENTITY_USER_ID_MAX, SUBSCRIPTIONS_MAX = 128, SUBSCRIBER_READS_MAX = 160 };

struct subscriber;

struct subscribe_result {
	const char *channel, *epoch;
	uint64_t offset; /* what is not replayed comes live, and is beyond this */
	bool is_recovery;
	const char *unrecovered_reason; /* of a recovery: NULL if it is complete */
	uint64_t after_position;	/* from where an event stream wanted to go on; or 0 */
	size_t replay_count;
	const json_t *request_id;
};

/* Nothing may be subscribed, unsubscribed or published from inside. */
struct subscriber_events {
	/* The subscription stands: its replay comes next, then what is live. */
	void (*subscribed)(struct subscriber *subscriber, const struct subscribe_result *result);
	void (*refused)(struct subscriber *subscriber, const struct history_query *query,
			const struct error *error);
	/* All channels of one request have been replayed, up to `position`. */
	void (*caught_up)(struct subscriber *subscriber, uint64_t position);
	/* The answer to hub_read(); with `error` set it failed. */
	void (*history)(struct subscriber *subscriber, const struct history_query *query,
			const struct error *error);
};

/* What a subscriber was given of its user's own channel before it asked for the channel's history,
 * so that it does not get the same again. */
struct given {
	uint64_t live_after_offset, live_until_offset; /* what is between them came live */
	size_t count;
	uint64_t offsets[]; /* of those that were waiting */
};

struct subscriber {
	struct outbox *outbox; /* borrowed */
	enum wire_form form;
	bool has_begun;		 /* of an event stream: its replay is behind it */
	uint64_t heard_position; /* of the message that its subscription to the very channel gave */
	struct table_link by_connection_id; /* in the hub */
	char connection_id[CONNECTION_ID_SIZE];
	struct identity *identity; /* owned reference; set by hub_add() */
	struct list subscriptions; /* of struct subscription.subscriber_link; owned by the hub */
	unsigned subscription_count;
	unsigned read_count; /* questions to the store that it waits for */
	struct given *given; /* owned by the hub; NULL: nothing */
	const struct subscriber_events *events;
};

#endif
