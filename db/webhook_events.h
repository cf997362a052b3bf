/* webhook_events.h - the outbox of the webhooks: what happened, noted in the transaction in which
 * it did, so that neither is there without the other.
 *
 * Only what an enabled webhook takes (by the kind of the event) is noted; without one, a change
 * costs one look at an empty table for each transaction. For the files of db/ that change rooms,
 * participants, messages and uploads; what becomes of the events: webhook_deliveries.h.
 *
 * All functions may also fail with the errors of statement_step(). Thread: the store's.
 */
#ifndef DB_WEBHOOK_EVENTS_H
#define DB_WEBHOOK_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "db/store.h"

enum webhook_kind {
	WEBHOOK_ROOMS = 1,
	WEBHOOK_PARTICIPANTS = 2,
	WEBHOOK_MESSAGES = 4,
	WEBHOOK_UPLOADS = 8,
	WEBHOOK_KINDS_ALL = 15
};

enum { WEBHOOK_BACKLOG_MAX = 1000000 /* events that wait for somebody to deliver them */ };

/* A change and the event that tells of it. Where an event is wanted and no transaction is open, it
 * has one of its own. */
struct webhook_change {
	bool is_wanted, owns_transaction;
};

int webhook_change_begin(struct store *store, enum webhook_kind kind,
			 struct webhook_change *ret_change, struct error *reterr) MUST_CHECK;
/* `r` is what came of it; negative, an own transaction is rolled back. Returns it, or the commit's
 * error. */
int webhook_change_end(struct store *store, const struct webhook_change *change, int r,
		       struct error *reterr) MUST_CHECK;

/* Each notes what a row is like at this moment; if the change is not wanted, nothing. */
int webhook_note_room(struct store *store, const struct webhook_change *change, const char *type,
		      const char *room_id, int64_t now_unix_ms, struct error *reterr) MUST_CHECK;
int webhook_note_upload(struct store *store, const struct webhook_change *change, const char *type,
			const char *file_id, const char *reason, int64_t now_unix_ms,
			struct error *reterr) MUST_CHECK;
int webhook_note_message(struct store *store, const struct webhook_change *change,
			 const char *channel, int64_t offset, int64_t now_unix_ms,
			 struct error *reterr) MUST_CHECK;
/* Whoever is in the room under that peer_id. */
int webhook_note_joined(struct store *store, const struct webhook_change *change,
			const char *room_id, const char *peer_id, struct error *reterr) MUST_CHECK;
/* The same one, about to leave; and everybody who came before `started_at` and is not in `present`,
 * as participant_sessions_end_stale() has them. */
int webhook_note_leaving(struct store *store, const struct webhook_change *change,
			 const char *room_id, const char *peer_id, const char *reason,
			 int64_t now_unix_ms, struct error *reterr) MUST_CHECK;
int webhook_note_stale(struct store *store, const struct webhook_change *change,
		       int64_t started_at_unix_ms, const char *present, const char *reason,
		       int64_t now_unix_ms, struct error *reterr) MUST_CHECK;

#endif
