/* notification.h - what a notification has (protocol section 3), from a client or the API, and as
 * the publication that carries it. Thread: any. */
#ifndef REALTIME_WIRE_NOTIFICATION_H
#define REALTIME_WIRE_NOTIFICATION_H

#include <jansson.h>

#include "core/error.h"
#include "realtime/wire/publication.h"

enum {
	NOTIFICATION_TITLE_BYTES_MAX = 200,
	NOTIFICATION_BODY_BYTES_MAX = 4096,
	NOTIFICATION_TYPE_BYTES_MAX = 64,
	NOTIFICATION_DATA_BYTES_MAX = 65536, /* as JSON */
	NOTIFICATION_ID_SIZE = 32
};

/* {title, body, notification_type?, data?} of `object`, as the object that will travel: these and a
 * new notification_id, which is also put into `ret_id`. The caller's.
 *   -EINVAL "missing_field", "bad_field"   -EMSGSIZE "too_big"   -ENOMEM */
int notification_get(const json_t *object, char ret_id[NOTIFICATION_ID_SIZE], json_t **ret_fields,
		     struct error *reterr) MUST_CHECK;

/* The message for everybody that such an object (taken) makes. NULL without memory. */
json_t *notification_broadcast_take(json_t *fields, int64_t now_unix_ms, const char *sender);

/* Make `publication`, whose data is such an object, a notification. What is for one user is kept,
 * whatever was said. -ENOMEM */
int publication_make_notification(struct publication *publication) MUST_CHECK;

#endif
