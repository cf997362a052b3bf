/* message_search.h - stored messages found by what they say, who sent them, when and what they are.
 *
 * The index of what they say follows by a moment: whoever has the time calls
 * message_search_index(), and message_search_sweep() for what is gone. What is found is always read
 * from the messages themselves, so nothing is found that is not there any more.
 *
 * All functions may also fail with the errors of statement_step() (db/statement.h). Thread: the
 * store's.
 */
#ifndef DB_MESSAGE_SEARCH_H
#define DB_MESSAGE_SEARCH_H

#include <stdbool.h>

#include "db/messages.h"

enum {
	MESSAGE_SEARCH_TEXT_MAX =
		65536 /* bytes of a message that are indexed; a longer string is not */
};

/* ---- the index ---- */

/* Take up to `limit` messages in that are not in it yet; of channels for which `is_searchable` says
 * no, nothing. In a transaction of its own. How many it looked at. */
int message_search_index(struct store *store, int64_t limit,
			 bool (*is_searchable)(void *data, const char *channel), void *data,
			 struct error *reterr) MUST_CHECK;
/* Look at the next `limit` rows, round and round, and drop those whose message is gone. How many
 * were. */
int message_search_sweep(struct store *store, int64_t limit, struct error *reterr) MUST_CHECK;
/* Begin anew, such as when more channels have become searchable. */
int message_search_reset(struct store *store, struct error *reterr) MUST_CHECK;

/* ---- finding ---- */

/* What is NULL or 0 does not matter. Texts are borrowed. */
struct message_query {
	const char *channel;	     /* NULL: all of them */
	const char *channel_pattern; /* for a query of all */
	const char *match;	     /* an FTS5 expression over the column `text` */
	const char *sender, *kind, *content_type;
	const char *tag, *tag_value;
	int64_t since_unix_ms, until_unix_ms; /* until: before that time */
	int64_t before_offset, after_offset;  /* of one channel */
	bool is_upwards;		      /* from after_offset on, the oldest first */
	const char *before_message_id;
	int64_t limit, now_unix_ms;
};

/* Newest first, but for is_upwards (not with `match`). Rows have an epoch, and a snippet of what
 * matched, where MESSAGE_MARK_BEGIN and _END are around each word; and `limit` may be one too many,
 * to see whether there are others. -EINVAL "query_too_broad" it would take too long */
int message_search_find(struct store *store, const struct message_query *query,
			message_visit_fn visit, void *data, struct error *reterr) MUST_CHECK;

#define MESSAGE_MARK_BEGIN '\x01'
#define MESSAGE_MARK_END '\x02'

#endif
