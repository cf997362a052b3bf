/* notifications.h - what was sent to users, until they have read it or it has grown old.
 *
 * A notification is undelivered, then delivered, then read; what was read was delivered. It also
 * has a place in its user's channel, but is kept here alone, so that reading it does not depend on
 * that channel's retention. An expired one is nobody's to see, and goes with the next trim.
 *
 * realtimed alone writes. Functions that write belong inside store_begin() and store_commit(); all
 * may also fail with the errors of statement_step() (db/statement.h). Thread: the store's.
 */
#ifndef DB_NOTIFICATIONS_H
#define DB_NOTIFICATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "db/store.h"

/* Texts are borrowed, for the length of the call. NULL: there is none. */
struct notification_row {
	const char *user_id, *message_id;
	/* A JSON object: {notification_id, title, body, notification_type, data?}, where data is
	 * any JSON. Its numbers and strings keep their spelling. */
	const char *fields;
	const char *sender;
	int64_t offset;					/* in the channel user_{user_id} */
	int64_t created_at_unix_ms, expires_at_unix_ms; /* expires 0: never */
	int64_t delivered_at_unix_ms, read_at_unix_ms;	/* 0: not yet; not looked at by insert */
};

/* Keep one, undelivered.
 *   -EEXIST "already_exists" the notification_id or message_id is taken
 *   -EINVAL "constraint" the fields lack one
 *   -EIO "store_failed" the fields are no JSON */
int notifications_insert(struct store *store, const struct notification_row *row,
			 struct error *reterr) MUST_CHECK;

/* false: enough, stop reading. */
typedef bool (*notification_visit_fn)(void *data, const struct notification_row *row);

/* What the user has missed: the newest `limit`, oldest first. */
int notifications_read_undelivered(struct store *store, const char *user_id, int64_t limit,
				   int64_t now_unix_ms, notification_visit_fn visit, void *data,
				   struct error *reterr) MUST_CHECK;

/* Which of a user's; texts are borrowed. */
struct notification_filter {
	const char *user_id;
	const char *before_message_id; /* NULL: from the newest */
	const char *type;	       /* NULL: any */
	bool is_unread_only;
};

/* Newest first. */
int notifications_list(struct store *store, const struct notification_filter *filter, int64_t limit,
		       int64_t now_unix_ms, notification_visit_fn visit, void *data,
		       struct error *reterr) MUST_CHECK;

/* Looks at every unread one of the user. */
int notifications_count_unread(struct store *store, const char *user_id, int64_t now_unix_ms,
			       int64_t *ret_count, struct error *reterr) MUST_CHECK;

/* Returns 1, or 0 if it was delivered before (or is unknown). */
int notifications_mark_delivered(struct store *store, const char *message_id, int64_t now_unix_ms,
				 struct error *reterr) MUST_CHECK;

/* One, or all of the user's (notification_id NULL). Returns how many were not read before.
 *   -ENOENT "notification_not_found" there is none, or it is another user's */
int notifications_mark_read(struct store *store, const char *user_id, const char *notification_id,
			    int64_t now_unix_ms, struct error *reterr) MUST_CHECK;

/* Retention. Drop up to `limit` made before `before_unix_ms` and up to `limit` that have expired.
 * Returns how many went. */
int notifications_trim(struct store *store, int64_t before_unix_ms, int64_t now_unix_ms,
		       int64_t limit, struct error *reterr) MUST_CHECK;
/* Drop all but the newest `kept_count` of a user. Walks past those that are kept. Returns how many
 * went. */
int notifications_trim_user(struct store *store, const char *user_id, int64_t kept_count,
			    struct error *reterr) MUST_CHECK;

#endif
