#include "realtime/edge/tickets.h"

#include <errno.h>
#include <string.h>

#include "core/id.h"

struct ticket {
	struct table_link by_text;
	struct list by_age;
	struct identity *identity; /* owned reference */
	struct quota_entry *of_user;
	int64_t expires_at_unix_ms;
	char text[TICKET_SIZE];
};

int tickets_init(struct tickets *tickets)
{
	list_init(&tickets->by_age);
	if (table_init(&tickets->by_text) < 0)
		return -ENOMEM;
	if (quota_init(&tickets->by_user, TICKETS_OF_USER_MAX) == 0)
		return 0;
	table_fini(&tickets->by_text);
	return -ENOMEM;
}

static void forget(struct tickets *tickets, struct ticket *ticket)
{
	table_remove(&tickets->by_text, &ticket->by_text);
	list_remove(&ticket->by_age);
	(void)quota_release(&tickets->by_user, ticket->of_user);
	(void)identity_unref(ticket->identity);
	explicit_bzero(ticket->text, sizeof(ticket->text));
	free(ticket);
}

void tickets_fini(struct tickets *tickets)
{
	struct list *first;

	while ((first = list_first(&tickets->by_age)))
		forget(tickets, LIST_ITEM(first, struct ticket, by_age));
	table_fini(&tickets->by_text);
	quota_fini(&tickets->by_user);
}

static void forget_old(struct tickets *tickets, int64_t now_unix_ms)
{
	struct list *first;

	while ((first = list_first(&tickets->by_age))) {
		struct ticket *ticket = LIST_ITEM(first, struct ticket, by_age);

		if (ticket->expires_at_unix_ms > now_unix_ms)
			return;
		forget(tickets, ticket);
	}
}

static void forget_oldest(struct tickets *tickets)
{
	forget(tickets, LIST_ITEM(list_first(&tickets->by_age), struct ticket, by_age));
}

int tickets_add(struct tickets *tickets, struct identity *identity, int64_t now_unix_ms,
		char ret_ticket[TICKET_SIZE], int64_t *ret_expires_at_unix_ms, struct error *reterr)
{
	struct quota_entry *of_user;
	struct ticket *ticket;
	int r;

	forget_old(tickets, now_unix_ms);
	r = quota_take(&tickets->by_user, identity->user_id, &of_user);
	if (r == -EDQUOT)
		return error_set(reterr, r, "too_many_tickets",
				 "a user may have %d tickets that were not used yet",
				 TICKETS_OF_USER_MAX);
	ticket = r < 0 ? NULL : calloc(1, sizeof(*ticket));
	if (!ticket) {
		if (r == 0)
			(void)quota_release(&tickets->by_user, of_user);
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	}
	if (tickets->by_text.count >= TICKETS_MAX)
		forget_oldest(tickets);
	ticket->of_user = of_user;
	ticket->identity = identity_ref(identity);
	ticket->expires_at_unix_ms = now_unix_ms + TICKET_TIME_MS;
	id_new("tkt", ticket->text, sizeof(ticket->text));
	table_add(&tickets->by_text, ticket->text, &ticket->by_text);
	list_append(&tickets->by_age, &ticket->by_age);
	memcpy(ret_ticket, ticket->text, TICKET_SIZE);
	*ret_expires_at_unix_ms = ticket->expires_at_unix_ms;
	return 0;
}

int tickets_use(struct tickets *tickets, const char *text, int64_t now_unix_ms,
		struct identity **ret_identity, struct error *reterr)
{
	struct table_link *link;
	struct ticket *ticket;
	bool is_valid;

	forget_old(tickets, now_unix_ms);
	link = table_find(&tickets->by_text, text);
	ticket = link ? TABLE_ITEM(link, struct ticket, by_text) : NULL;
	/* When the clock was put back, an expired one may stand behind one that is not. */
	is_valid = ticket && ticket->expires_at_unix_ms > now_unix_ms;
	if (is_valid)
		*ret_identity = identity_ref(ticket->identity);
	if (ticket)
		forget(tickets, ticket);
	if (is_valid)
		return 0;
	return error_set(reterr, -EKEYREJECTED, "bad_ticket",
			 "the ticket is unknown, was used, or is older than %d s",
			 TICKET_TIME_MS / 1000);
}
