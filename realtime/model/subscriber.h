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

struct subscriber {
	struct table_link by_connection_id; /* in the hub */
	char connection_id[CONNECTION_ID_SIZE];
	struct identity *identity; /* owned reference; set by hub_add() */
	enum wire_form form;
	struct outbox *outbox;	   /* borrowed */
	struct list subscriptions; /* of struct subscription.subscriber_link; owned by the hub */
	unsigned subscription_count;
	unsigned read_count; /* questions to the store that it waits for */
	const struct subscriber_events *events;
};

#endif
