/* session.h - one WebSocket connection's chat: what its messages mean, and what it is told
 * (protocol section 3).
 *
 *   session_init --session_start (who it is is known)--> open, until its outbox ends
 *
 * A bad message is answered by an `error` and changes nothing else. Thread: loop.
 */
#ifndef REALTIME_MODEL_SESSION_H
#define REALTIME_MODEL_SESSION_H

#include "realtime/model/hub.h"
#include "realtime/model/rate.h"

/* Whoever goes on at many times the rate after so many refusals is closed (4429). */
enum { RATE_REFUSED_MAX = 1000, RATE_FORGIVEN = 10 };

struct session_limits {
	int64_t ping_interval_s, max_message_bytes;
	uint32_t history_size;
	int64_t history_ttl_s;
	bool is_binary_enabled;
	int64_t max_file_bytes;
	uint64_t messages_per_s;   /* that a connection may send; 0: no limit */
	const char *allowed_types; /* media ranges with commas; borrowed */
	/* What do these bytes look like? A media type, borrowed until the next call. */
	const char *(*sniff)(void *data, const void *bytes, size_t length);
	void *sniff_data;
};

struct session {
	struct subscriber subscriber;
	struct hub *hub;		     /* borrowed */
	const struct session_limits *limits; /* borrowed */
	struct rate rate;
	unsigned refused; /* by the rate, less RATE_FORGIVEN for each that was not */
};

/* `outbox` is borrowed until session_fini(). */
void session_init(struct session *session, struct hub *hub, const struct session_limits *limits,
		  const char *connection_id, struct outbox *outbox);
/* Joins the hub and says welcome. */
void session_start(struct session *session, struct identity *identity, uint64_t now_unix_us);
void session_fini(struct session *session);

/* Messages go out in this form from now on. */
void session_set_form(struct session *session, bool is_native, bool is_deflated);

/* One whole text message. */
void session_on_text(struct session *session, const char *text, size_t length,
		     uint64_t now_unix_us);
/* One whole binary message: a native frame. Whoever sends one wants them, too. */
void session_on_binary(struct session *session, const void *bytes, size_t length,
		       uint64_t now_unix_us);

/* Tell it `error`, in answer to `request_id` (may be NULL). */
void session_refuse(struct session *session, const json_t *request_id, const struct error *error);

#endif
