/* messages.h - the persistent messages of channels, and how far each channel has counted.
 *
 * A channel has a row once it had a persistent message. Its mark, and its newest message, are what
 * no offset given out has passed, so that none is given out twice after a crash; the mark may be
 * ahead of the newest message, and stays when that is deleted. message_ids sort in the order of
 * delivery over all channels ("msg_" and 16 hex digits).
 *
 * realtimed alone writes. Functions that write belong inside store_begin() and store_commit(); all
 * may also fail with the errors of statement_step() (db/statement.h). Thread: the store's.
 */
#ifndef DB_MESSAGES_H
#define DB_MESSAGES_H

#include <stdint.h>

#include "core/error.h"
#include "db/store.h"

/* Texts and payload are borrowed, for the length of the call. NULL: there is none. */
struct message_row {
	const char *channel, *message_id;
	const char *kind; /* "message", "binary" or "notification" */
	const char *data; /* JSON */
	const char *sender, *tags;
	const char *idempotency_key; /* for append alone */
	const char *epoch;	     /* of its channel; from messages_read_all_after_id() … */
	const char *snippet;	     /* … and message_search_find() alone */
	const char *content_type, *filename, *file_id, *sha256; /* of a binary message */
	const void *payload;					/* NULL: it lies in the file */
	int64_t payload_bytes; /* of the payload, or of data if there is none */
	int64_t offset, created_at_unix_ms, expires_at_unix_ms; /* expires 0: never */
};

struct channel_row {
	char epoch[24];
	int64_t last_offset; /* the mark or the newest message's, whichever is further */
	int64_t trimmed_offset;
	char trimmed_message_id[24]; /* "" if nothing was trimmed */
};

/* Keep a message of a channel that has a row.
 *   -EEXIST "already_exists" the offset or message_id is taken
 *   -EINVAL "constraint" the channel has no row */
int messages_append(struct store *store, const struct message_row *row,
		    struct error *reterr) MUST_CHECK;

/* Move the channel's mark forward to `offset`; a channel without row gets one. */
int channels_reserve(struct store *store, const char *channel, const char *epoch, int64_t offset,
		     int64_t now_unix_ms, struct error *reterr) MUST_CHECK;

/* Messages of a channel that are kept, and their bytes. */
int messages_count(struct store *store, const char *channel, int64_t *ret_count, int64_t *ret_bytes,
		   struct error *reterr) MUST_CHECK;

/* 1 found, 0 the channel has no row. */
int channels_find(struct store *store, const char *channel, struct channel_row *ret_row,
		  struct error *reterr) MUST_CHECK;

/* false: enough, stop reading. */
typedef bool (*message_visit_fn)(void *data, const struct message_row *row);

/* Read what has not expired: the newest `limit`, newest first; or what comes after an offset (up to
 * `limit`; all of it if that is negative) or a message_id ("" for the very beginning), oldest
 * first. */
int messages_read_newest(struct store *store, const char *channel, int64_t limit,
			 int64_t now_unix_ms, message_visit_fn visit, void *data,
			 struct error *reterr) MUST_CHECK;
int messages_read_after_offset(struct store *store, const char *channel, int64_t offset,
			       int64_t limit, int64_t now_unix_ms, message_visit_fn visit,
			       void *data, struct error *reterr) MUST_CHECK;
int messages_read_after_id(struct store *store, const char *channel, const char *message_id,
			   int64_t now_unix_ms, message_visit_fn visit, void *data,
			   struct error *reterr) MUST_CHECK;

/* The same over all channels, in the order of delivery; each row has its channel's epoch. */
int messages_read_all_after_id(struct store *store, const char *message_id, int64_t now_unix_ms,
			       message_visit_fn visit, void *data, struct error *reterr) MUST_CHECK;

/* Messages after a message_id that have an idempotency_key; `row` has channel, message_id, offset,
 * epoch, idempotency_key and data (of a notification {"notification_id": …}, otherwise null; also
 * where it is no JSON, or too deep for SQLite). */
int messages_read_repeatable(struct store *store, const char *message_id, message_visit_fn visit,
			     void *data, struct error *reterr) MUST_CHECK;

typedef void (*channel_visit_fn)(void *data, const char *channel);

/* Channels from which retention has taken something after a message_id. */
int channels_trimmed_after(struct store *store, const char *message_id, channel_visit_fn visit,
			   void *data, struct error *reterr) MUST_CHECK;
/* Up to `limit` channels after `channel` ("" for the first), by name. Returns how many. */
int channels_list(struct store *store, const char *channel, int64_t limit, channel_visit_fn visit,
		  void *data, struct error *reterr) MUST_CHECK;

/* The newest message of all, even if retention has taken it; "" if there was none. */
int messages_last_id(struct store *store, char *out, size_t size, struct error *reterr) MUST_CHECK;

/* Retention. Drop all but the newest `kept_count` of a channel, and of these what is beyond
 * `kept_bytes`; the newest stays in any case. Looks at every message that is kept. Returns how many
 * went. */
int messages_trim_channel(struct store *store, const char *channel, int64_t kept_count,
			  int64_t kept_bytes, struct error *reterr) MUST_CHECK;
/* Drop up to `limit` messages of a channel that are older than `message_id`. Returns how many went.
 */
int messages_trim_channel_old(struct store *store, const char *channel, const char *message_id,
			      int64_t limit, struct error *reterr) MUST_CHECK;
/* Drop up to `limit` messages older than `message_id` and up to `limit` that have expired. Returns
 * how many went. */
int messages_trim_old(struct store *store, const char *message_id, int64_t now_unix_ms,
		      int64_t limit, struct error *reterr) MUST_CHECK;

#endif
