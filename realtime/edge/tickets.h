/* tickets.h - one-time keys for one connection: who may not put a token into a URL gets a ticket by
 * REST, which is of no use to anybody who reads it in a log later. Kept in memory. Thread: loop. */
#ifndef REALTIME_EDGE_TICKETS_H
#define REALTIME_EDGE_TICKETS_H

#include "core/identity.h"
#include "core/list.h"
#include "realtime/model/quota.h"
#include "realtime/model/table.h"

enum {
	TICKET_SIZE = 48,
	TICKETS_MAX = 10000,
	TICKETS_OF_USER_MAX = 100, /* so that nobody drives out everybody else's */
	TICKET_TIME_MS = 30000
};

struct tickets {
	struct table by_text;
	struct list by_age; /* the oldest first */
	struct quota by_user;
};

/* -ENOMEM */
int tickets_init(struct tickets *tickets) MUST_CHECK;
void tickets_fini(struct tickets *tickets);

/* A new one for `identity`, who is somebody; of too many the oldest goes.
 *   -EDQUOT "too_many_tickets" this user has TICKETS_OF_USER_MAX unused ones   -ENOMEM */
int tickets_add(struct tickets *tickets, struct identity *identity, int64_t now_unix_ms,
		char ret_ticket[TICKET_SIZE], int64_t *ret_expires_at_unix_ms,
		struct error *reterr) MUST_CHECK;

/* Whose it is; one reference, the caller's. It is of no use afterwards.
 *   -EKEYREJECTED "bad_ticket" */
int tickets_use(struct tickets *tickets, const char *text, int64_t now_unix_ms,
		struct identity **ret_identity, struct error *reterr) MUST_CHECK;

#endif
