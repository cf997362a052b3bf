#include <errno.h>

#include <time.h>

#include "core/clock.h"
#include "ctl/commands.h"
#include "db/message_search.h"
#include "db/room_bans.h"
#include "db/store.h"
#include "db/webhook_deliveries.h"

static int open_store(const struct config *config, struct store **ret_store, struct error *reterr)
{
	return store_open(config->REALTIME_DATABASE, STORE_DURABLE, ret_store, reterr);
}

static int migrate(const struct config *config, const struct arguments *arguments,
		   struct error *reterr)
{
	AUTO(store) store = NULL;
	int r = open_store(config, &store, reterr);

	(void)arguments;
	if (r == 0)
		(void)printf("%s is up to date\n", config->REALTIME_DATABASE);
	return r;
}

static void print_fault(void *data, const char *fault)
{
	(void)data;
	(void)printf("%s\n", fault);
}

static int check(const struct config *config, const struct arguments *arguments,
		 struct error *reterr)
{
	AUTO(store) store = NULL;
	int r = open_store(config, &store, reterr);

	(void)arguments;
	if (r == 0)
		r = store_check_whole(store, print_fault, NULL, reterr);
	if (r == 0)
		(void)printf("ok\n");
	return r;
}

static int backup(const struct config *config, const struct arguments *arguments,
		  struct error *reterr)
{
	AUTO(store) store = NULL;
	int r = open_store(config, &store, reterr);

	if (r == 0)
		r = store_backup(store, arguments->subject, reterr);
	return r;
}

static int vacuum(const struct config *config, const struct arguments *arguments,
		  struct error *reterr)
{
	AUTO(store) store = NULL;
	int r = open_store(config, &store, reterr);

	(void)arguments;
	return r == 0 ? store_vacuum(store, reterr) : r;
}

static void print_ban(void *data, const struct room_ban_row *ban)
{
	time_t ends_s = (time_t)(ban->expires_at_unix_ms / 1000);
	char until[32] = "for good";
	struct tm parts;

	(void)data;
	if (ends_s > 0 && gmtime_r(&ends_s, &parts))
		(void)strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &parts);
	(void)printf("%s\t%s\t%s\t%s\t%s\n", ban->room_id, ban->user_id, until,
		     *ban->created_by ? ban->created_by : "-", *ban->reason ? ban->reason : "-");
}

static int bans(const struct config *config, const struct arguments *arguments,
		struct error *reterr)
{
	AUTO(store) store = NULL;
	int r = open_store(config, &store, reterr);

	(void)arguments;
	if (r == 0)
		r = room_bans_each(store, clock_unix_ms(), print_ban, NULL, reterr);
	return r;
}

static int reindex(const struct config *config, const struct arguments *arguments,
		   struct error *reterr)
{
	AUTO(store) store = NULL;
	int r = open_store(config, &store, reterr);

	(void)arguments;
	return r == 0 ? message_search_reset(store, reterr) : r;
}

struct webhook_listing {
	struct store *store;
	struct error *reterr;
	int result;
};

static void print_webhook(void *data, const struct webhook_row *row)
{
	struct webhook_listing *listing = data;
	struct webhook_counts counts;

	if (listing->result == 0)
		listing->result = webhook_deliveries_count(listing->store, row->webhook_id, &counts,
							   listing->reterr);
	if (listing->result == 0)
		(void)printf("%s\t%s\t%s\t%lld pending\t%lld failed\t%lld dropped\n",
			     row->webhook_id, row->url,
			     !row->is_enabled		? "disabled"
			     : row->failures_in_row > 0 ? "failing"
							: "good",
			     (long long)counts.pending, (long long)counts.failed,
			     (long long)row->dropped_count);
}

static int webhooks(const struct config *config, const struct arguments *arguments,
		    struct error *reterr)
{
	AUTO(store) store = NULL;
	struct webhook_listing listing = {.reterr = reterr};
	int r = open_store(config, &store, reterr);

	(void)arguments;
	if (r < 0)
		return r;
	listing.store = store;
	r = webhooks_for_each(store, print_webhook, &listing, reterr);
	return r < 0 ? r : listing.result;
}

static const struct command commands[] = {
	{.name = "backup",
	 .subject = "FILE",
	 .summary = "copy the store while everything runs",
	 .help = "FILE must not exist yet. The copy is of one moment and whole, and nobody is held "
		 "up.\n",
	 .run = backup},
	{.name = "bans",
	 .summary = "who may not enter which room: room, user, until, banned by, reason",
	 .help = "One line for each ban, with tabs between the columns.\n",
	 .run = bans},
	{.name = "check",
	 .summary = "read the whole store and see whether it is sound",
	 .help = "Prints ok, or each fault that was found and exits with 1. Reads every page.\n",
	 .run = check},
	{.name = "migrate",
	 .summary = "bring the store's schema up to date",
	 .help = "The servers do so by themselves when they start.\n",
	 .run = migrate},
	{.name = "reindex",
	 .summary = "take all stored messages into the search anew",
	 .help = "For when more channels are to be searched than before. realtime-api does the "
		 "work,\n"
		 "some thousand messages a second, while everything runs.\n",
	 .run = reindex},
	{.name = "vacuum",
	 .summary = "give back the room that deleted messages took",
	 .help = "Writes the whole file anew, and holds up everybody who writes meanwhile: for "
		 "quiet\n"
		 "times.\n",
	 .run = vacuum},
	{.name = "webhooks",
	 .summary = "list the webhooks and how they are doing",
	 .help = "One line for each: id, address, whether it is good, failing or disabled, and how "
		 "many\n"
		 "events wait for it, have failed, and had no place in its queue.\n",
	 .run = webhooks},
};

const struct command_list store_commands = {commands, ARRAY_LEN(commands)};
