/* session_private.h - how the files of one chat session call each other: session.c takes a message
 * in and hands it to the file that knows its kind. For session*.c alone. Thread: loop. */
#ifndef REALTIME_MODEL_SESSION_PRIVATE_H
#define REALTIME_MODEL_SESSION_PRIVATE_H

#include "realtime/model/session.h"
#include "realtime/wire/envelope.h"

static inline struct session *session_of(struct subscriber *subscriber)
{
	return CONTAINER_OF(subscriber, struct session, subscriber);
}

/* `body` is taken; NULL stands for "no memory to make it". */
void session_tell(struct session *session, json_t *body);
/* May it say one more thing now? Otherwise it has been told when it may, in answer to
 * `request_id`. */
bool session_is_within_rate(struct session *session, const json_t *request_id,
			    uint64_t now_unix_us);
/* What others see as the sender: the user's id, or the connection's. Borrowed. */
const char *session_sender(const struct session *session);

/* Requests. On failure nothing was said yet, and the error is to be told. */
int session_subscribe(struct session *session, const struct envelope *envelope,
		      struct error *reterr) MUST_CHECK;
int session_unsubscribe(struct session *session, const struct envelope *envelope,
			struct error *reterr) MUST_CHECK;
int session_publish(struct session *session, const struct envelope *envelope, uint64_t now_unix_us,
		    struct error *reterr) MUST_CHECK;
/* The bytes come in base64 in the envelope. */
int session_attach(struct session *session, const struct envelope *envelope, uint64_t now_unix_us,
		   struct error *reterr) MUST_CHECK;
int session_broadcast(struct session *session, const struct envelope *envelope,
		      uint64_t now_unix_us, struct error *reterr) MUST_CHECK;
int session_history(struct session *session, const struct envelope *envelope,
		    struct error *reterr) MUST_CHECK;
int session_presence(struct session *session, const struct envelope *envelope,
		     struct error *reterr) MUST_CHECK;
int session_notify(struct session *session, const struct envelope *envelope, uint64_t now_unix_us,
		   struct error *reterr) MUST_CHECK;

/* `auth` and `refresh`. */
int session_authenticate(struct session *session, const struct envelope *envelope,
			 struct error *reterr) MUST_CHECK;

/* Send on its way what was made of a request; `publication` is taken in any case. Answered by ack
 * or error. Fails like permission_check() and hub_publish_take(). */
int session_publish_take(struct session *session, struct publication *publication,
			 const json_t *request_id, uint64_t now_unix_us,
			 struct error *reterr) MUST_CHECK;

/* To everybody, answered by an ack. `message` is taken in any case and may be NULL. -EACCES,
 * -ENOMEM */
int session_broadcast_take(struct session *session, json_t *message, const char *event,
			   const char *message_id, const json_t *request_id,
			   struct error *reterr) MUST_CHECK;

/* What the hub reports (struct subscriber_events). */
void session_on_subscribed(struct subscriber *subscriber, const struct subscribe_result *result);
void session_on_history(struct subscriber *subscriber, const struct history_query *query,
			const struct error *error);

#endif
