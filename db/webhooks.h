/* webhooks.h - where events are posted to, as admins have set it. What happens is noted in
 * webhook_events.h and posted from webhook_deliveries.h.
 *
 * realtime-api alone writes. All functions may also fail with the errors of statement_step()
 * (db/statement.h). Thread: the store's.
 */
#ifndef DB_WEBHOOKS_H
#define DB_WEBHOOKS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/id.h"
#include "db/store.h"
#include "db/webhook_events.h"

enum {
	WEBHOOKS_MAX = 100, /* each event is held against every one */
	WEBHOOK_ID_SIZE = 4 + ID_SIZE,
	WEBHOOK_URL_MAX = 2048,
	WEBHOOK_DESCRIPTION_MAX = 200,
	WEBHOOK_SECRET_SIZE = 6 + 88 + 1 /* whsec_ and up to 64 bytes as base64 */
};

struct webhook_row {
	char webhook_id[WEBHOOK_ID_SIZE];
	char url[WEBHOOK_URL_MAX + 1];
	char description[WEBHOOK_DESCRIPTION_MAX + 1];
	json_t *events, *channels, *rooms; /* owned; arrays of patterns */
	unsigned kinds;			   /* enum webhook_kind, of `events` */
	bool is_enabled;
	char secret[WEBHOOK_SECRET_SIZE], old_secret[WEBHOOK_SECRET_SIZE]; /* old "": none */
	int64_t old_secret_until_unix_ms;
	int64_t failures_in_row, paused_until_unix_ms;	/* read only here, as all below */
	int64_t dropped_count, last_dropped_at_unix_ms; /* 0: never */
	int64_t created_at_unix_ms, updated_at_unix_ms;
};

/* Drops what it owns and wipes the secrets; a zeroed row is fine. */
void webhook_row_fini(struct webhook_row *row);
#define AUTO_WEBHOOK_ROW __attribute__((cleanup(webhook_row_fini))) struct webhook_row

/* Sets webhook_id and the times. -EUSERS "too_many_webhooks" */
int webhooks_create(struct store *store, struct webhook_row *row, int64_t now_unix_ms,
		    struct error *reterr) MUST_CHECK;
/* *ret_row is overwritten and then the caller's to webhook_row_fini(). -ENOENT "webhook_not_found"
 */
int webhooks_get(struct store *store, const char *webhook_id, struct webhook_row *ret_row,
		 struct error *reterr) MUST_CHECK;
/* All, oldest first. The row is borrowed for the call. */
int webhooks_for_each(struct store *store, void (*visit)(void *data, const struct webhook_row *row),
		      void *data, struct error *reterr) MUST_CHECK;
/* Everything that is not read only. One that is enabled starts afresh: it is not paused any more.
 *   -ENOENT "webhook_not_found" */
int webhooks_update(struct store *store, struct webhook_row *row, int64_t now_unix_ms,
		    struct error *reterr) MUST_CHECK;
/* With what was on its way to it. -ENOENT "webhook_not_found" */
int webhooks_delete(struct store *store, const char *webhook_id, struct error *reterr) MUST_CHECK;

/* Does it take an event of that type about that channel or room (""; about none)? */
bool webhook_takes(const struct webhook_row *row, const char *type, const char *name);
/* The kinds of the event types that these patterns may match. 0: no event there is. */
unsigned webhook_kinds_of(const json_t *events);

#endif
