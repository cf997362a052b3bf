/* session.h - one WebSocket connection's chat: what its messages mean, and what it is told
 * (protocol section 3).
 *
 *   session_init --session_start (who it is is known)--> open, until its outbox ends
 *
 * A bad message is answered by an `error` and changes nothing else. Thread: loop.
 */
#ifndef REALTIME_MODEL_SESSION_H
#define REALTIME_MODEL_SESSION_H

#include "core/file_rules.h"
#include "realtime/model/hub.h"
#include "realtime/model/rate.h"

/* Whoever goes on at many times the rate after so many refusals is closed (4429). */
enum { RATE_REFUSED_MAX = 1000, RATE_FORGIVEN = 10 };

struct session;

struct session_limits {
	int64_t ping_interval_s, max_message_bytes;
	int64_t history_ttl_s;
	uint64_t messages_per_s; /* that a connection may send; 0: no limit */
	struct file_rules files;
	/* What do these bytes look like? A media type, borrowed until the next call. */
	const char *(*sniff)(void *data, const void *bytes, size_t length);
	void *sniff_data;
	/* Whose credential is that? Answered by session_on_identified() or
	 * session_on_unidentified(), perhaps before it returns. */
	void (*identify)(struct session *session, const char *credential);
	/* A `signal` for a call (protocol section 5): `body` is the message, borrowed. Fails like
	 * signaling_signal_for(). */
	int (*signal)(struct session *session, json_t *body, struct error *reterr);
};

struct session {
	struct subscriber subscriber;
	struct hub *hub;		     /* borrowed */
	const struct session_limits *limits; /* borrowed */
	bool is_awaiting;		     /* it has to say who it is before anything else */
	bool is_identifying;		     /* identify() was asked and has not answered */
	json_t *identifying_id;		     /* owned; of that request; may be NULL */
	struct rate rate;
	unsigned refused; /* by the rate, less RATE_FORGIVEN for each that was not */
};

/* `outbox` is borrowed until session_fini(). */
void session_init(struct session *session, struct hub *hub, const struct session_limits *limits,
		  const char *connection_id, struct outbox *outbox);
/* Nothing but `auth` and `ping` from now on, until session_on_identified(). */
void session_await(struct session *session);

/* May it become this one? A refresh must not make it somebody else. -EACCES "other_user" */
int session_check_identity(const struct session *session, const struct identity *identity,
			   struct error *reterr) MUST_CHECK;
/* It is this one from now on. Subscriptions that are no longer allowed end. */
void session_on_identified(struct session *session, struct identity *identity,
			   uint64_t now_unix_us);
/* The credential was none. Who had to say who it is is closed (4401); others stay who they are. */
void session_on_unidentified(struct session *session, const struct error *error);

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
