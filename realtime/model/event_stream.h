/* event_stream.h - one SSE connection: which channels, from where on, and the frames around the
 * messages (protocol section 4). Thread: loop. */
#ifndef REALTIME_MODEL_EVENT_STREAM_H
#define REALTIME_MODEL_EVENT_STREAM_H

#include "realtime/model/hub.h"

enum { STREAM_CHANNELS_MAX = SUBSCRIPTIONS_MAX };

struct event_stream {
	struct subscriber subscriber;
	struct hub *hub; /* borrowed */
	int64_t retry_ms;
	uint32_t history_size;
	struct history_query *query; /* what was asked for; owned until the start */
};

void event_stream_init(struct event_stream *stream, struct hub *hub, int64_t retry_ms,
		       uint32_t history_size, const char *connection_id, struct outbox *outbox);
void event_stream_fini(struct event_stream *stream);

/* The channels, and how far the reader has come: the Last-Event-ID, "earliest", or NULL.
 *   -EINVAL "bad_field", "missing_field"   -ENOMEM */
int event_stream_ask(struct event_stream *stream, const char *const *channels, size_t channel_count,
		     const char *last_event_id, struct error *reterr) MUST_CHECK;
/* Now it is known who reads: may they? -EACCES "forbidden" */
int event_stream_check(const struct event_stream *stream, const struct identity *identity,
		       struct error *reterr) MUST_CHECK;
/* Begin. The response's headers must have been sent. */
int event_stream_start(struct event_stream *stream, struct identity *identity,
		       struct error *reterr) MUST_CHECK;

#endif
