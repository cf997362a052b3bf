/* event_stream.h - one SSE connection: which channels, from where on, and the frames around the
 * messages (protocol section 4). Thread: loop. */
#ifndef REALTIME_MODEL_EVENT_STREAM_H
#define REALTIME_MODEL_EVENT_STREAM_H

#include "realtime/model/hub.h"

enum { STREAM_CHANNELS_MAX = SUBSCRIPTIONS_MAX - 1 }; /* and the reader's own */

struct event_stream {
	struct subscriber subscriber;
	struct hub *hub; /* borrowed */
	int64_t retry_ms;
	struct history_query *query; /* what was asked for; owned until the start */
	struct filter *filter;	     /* owned reference; NULL: everything */
	bool is_resuming;	     /* from a place; 0 is one, too: nothing was stored yet */
	bool wants_presence, wants_join_leave;
};

/* What a reader asks for; borrowed for the call. */
struct event_stream_request {
	const char *const *channels;
	size_t channel_count;
	const char *last_event_id; /* how far the reader has come; "earliest", or NULL */
	const char *filters;	   /* JSON; NULL: none */
	bool wants_presence, wants_join_leave;
};

void event_stream_init(struct event_stream *stream, struct hub *hub, int64_t retry_ms,
		       const char *connection_id, struct outbox *outbox);
void event_stream_fini(struct event_stream *stream);

/* -EINVAL "bad_field", "bad_json"   -ENOMEM */
int event_stream_ask(struct event_stream *stream, const struct event_stream_request *request,
		     struct error *reterr) MUST_CHECK;
/* Now it is known who reads: may they? Known users may name no channel, and hear their own.
 *   -EACCES "forbidden", "presence_disabled", …   -EINVAL "missing_field" */
int event_stream_check(const struct event_stream *stream, const struct identity *identity,
		       struct error *reterr) MUST_CHECK;
/* Begin. The response's headers must have been sent. */
int event_stream_start(struct event_stream *stream, struct identity *identity,
		       struct error *reterr) MUST_CHECK;

#endif
