#include "ctl/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/id.h"
#include "core/json.h"
#include "core/jwt.h"
#include "db/api_keys.h"

enum { TOKEN_TIME_S = 3600, EXPIRES_MAX_S = 315360000 /* ten years */ };

/* ---- arguments ---- */

/* "30d", "12h", "15m", "90s". 0 if it is not given. */
static int expires_get(const struct arguments *arguments, int64_t *ret_s, struct error *reterr)
{
	static const struct {
		char suffix;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	const char *text = arguments->options[OPTION_EXPIRES];
	char *end;
	long long number;

	*ret_s = 0;
	if (!text)
		return 0;
	errno = 0;
	number = strtoll(text, &end, 10);
	for (size_t i = 0; errno == 0 && end != text && i < ARRAY_LEN(units); i++)
		if (end[0] == units[i].suffix && !end[1] && number > 0 &&
		    number <= EXPIRES_MAX_S / units[i].seconds) {
			*ret_s = number * units[i].seconds;
			return 0;
		}
	return command_bad_option(OPTION_EXPIRES,
				  "takes a time from now such as 90s, 15m, 12h or 30d", reterr);
}

/* --channels and --rooms, checked; a new reference, NULL if it is not given. */
static int grants_get(const struct arguments *arguments, enum option option, json_t **ret_list,
		      struct error *reterr)
{
	const char *text = arguments->options[option];
	AUTO(identity) scratch = NULL;
	AUTO_JSON list = NULL;
	struct error why = {0};

	*ret_list = NULL;
	if (!text)
		return 0;
	list = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (!list)
		return command_bad_option(
			option, "takes JSON such as '{\"chat_*\": [\"subscribe\"]}'", reterr);
	scratch = identity_new("", RIGHTS_NONE);
	if (!scratch)
		return -ENOMEM;
	if (identity_limit(scratch, GRANT_CHANNELS, list, &why) < 0)
		return command_bad_option(option, why.message, reterr);
	*ret_list = json_incref(list);
	return 0;
}

struct word_list {
	json_t *words; /* borrowed */
	unsigned rights;
	const char *bad; /* the first that is none */
	char bad_word[64];
};

static void note_bad(struct word_list *list, const char *word)
{
	if (list->bad)
		return;
	(void)snprintf(list->bad_word, sizeof(list->bad_word), "%s", word);
	list->bad = list->bad_word;
}

static void add_right(void *data, const char *item)
{
	struct word_list *list = data;

	if (rights_add(&list->rights, item) < 0)
		note_bad(list, item);
}

static void add_role(void *data, const char *item)
{
	struct word_list *list = data;

	/* Others have a meaning elsewhere perhaps, but here they are most likely misspelt. */
	if (strcmp(item, "admin") != 0 && strcmp(item, "moderator") != 0)
		note_bad(list, item);
	(void)json_array_append_new(list->words, json_string(item));
}

static int bad_word(enum option option, const char *known, const struct word_list *list,
		    struct error *reterr)
{
	return error_set(reterr, -EINVAL, "bad_usage", "--%s takes %s, not \"%s\"",
			 command_option_name(option), known, list->bad);
}

/* ---- keys ---- */

/* What is not said is not limited; but a key that was given lists is meant to be a small one. */
static int scope_rights(const struct arguments *arguments, unsigned *ret_rights,
			struct error *reterr)
{
	const char *text = arguments->options[OPTION_RIGHTS];
	struct word_list list = {0};

	*ret_rights = arguments->options[OPTION_CHANNELS] || arguments->options[OPTION_ROOMS]
			      ? RIGHTS_USER
			      : RIGHTS_ALL;
	if (!text)
		return 0;
	config_list_for_each(text, add_right, &list);
	if (list.bad)
		return bad_word(OPTION_RIGHTS,
				"subscribe, publish, moderate and admin, with commas", &list,
				reterr);
	*ret_rights = list.rights;
	return 0;
}

static int create_api_key(const struct config *config, const struct arguments *arguments,
			  struct error *reterr)
{
	AUTO_JSON channels = NULL;
	AUTO_JSON rooms = NULL;
	AUTO_FREE char *channels_text = NULL;
	AUTO_FREE char *rooms_text = NULL;
	AUTO(store) store = NULL;
	struct api_key_scope scope = {0};
	int64_t now_ms = clock_unix_ms(), expires_s;
	char key[API_KEY_SIZE];
	int r = scope_rights(arguments, &scope.rights, reterr);

	if (r == 0)
		r = expires_get(arguments, &expires_s, reterr);
	if (r == 0)
		r = grants_get(arguments, OPTION_CHANNELS, &channels, reterr);
	if (r == 0)
		r = grants_get(arguments, OPTION_ROOMS, &rooms, reterr);
	if (r == 0)
		r = store_open(config->REALTIME_DATABASE, STORE_DURABLE, &store, reterr);
	if (r < 0)
		return r;
	scope.channels = channels_text = channels ? json_dumps(channels, JSON_COMPACT) : NULL;
	scope.rooms = rooms_text = rooms ? json_dumps(rooms, JSON_COMPACT) : NULL;
	if ((channels && !channels_text) || (rooms && !rooms_text))
		return -ENOMEM; /* without its list the key could do everything */
	r = api_keys_create(store, arguments->subject, arguments->options[OPTION_USER], &scope,
			    expires_s ? now_ms + expires_s * 1000 : 0, now_ms, key, reterr);
	if (r < 0)
		return r;
	(void)puts(key);
	explicit_bzero(key, sizeof(key));
	return 0;
}

/* As UTC. */
static void print_time(int64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm parts;
	char text[32] = "?";

	if (gmtime_r(&seconds, &parts))
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
	(void)fputs(text, stdout);
}

/* An admin may have written anything into the table, but not to the terminal. */
static void print_text(const char *text)
{
	for (; *text; text++)
		(void)putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static void print_rights(unsigned rights)
{
	AUTO_JSON names = rights_to_json(rights);
	const json_t *name;
	size_t i;

	if (json_array_size(names) == 0)
		(void)putchar('-');
	json_array_foreach (names, i, name)
		(void)printf("%s%s", i > 0 ? "," : "", json_string_value(name));
}

static void print_key(void *data, const struct api_key_row *row, const char *prefix,
		      bool is_revoked)
{
	const int64_t *now_ms = data;
	bool is_expired = row->expires_at_unix_ms > 0 && row->expires_at_unix_ms <= *now_ms;

	print_text(row->key_id);
	(void)printf("\t%s\t", is_revoked ? "revoked" : is_expired ? "expired" : "valid");
	print_text(prefix);
	(void)fputs("…\t", stdout);
	print_text(row->user_id);
	(void)putchar('\t');
	print_rights(row->rights);
	(void)putchar('\t');
	print_text(row->channels ? row->channels : "-");
	(void)putchar('\t');
	print_text(row->rooms ? row->rooms : "-");
	(void)putchar('\t');
	print_time(row->created_at_unix_ms);
	(void)putchar('\t');
	if (row->expires_at_unix_ms > 0)
		print_time(row->expires_at_unix_ms);
	else
		(void)fputs("never", stdout);
	(void)putchar('\t');
	print_text(row->name);
	(void)putchar('\n');
}

static int list_api_keys(const struct config *config, const struct arguments *arguments,
			 struct error *reterr)
{
	int64_t now_ms = clock_unix_ms();
	AUTO(store) store = NULL;
	int r = store_open(config->REALTIME_DATABASE, STORE_DURABLE, &store, reterr);

	(void)arguments;
	if (r < 0)
		return r;
	(void)puts("KEY_ID\tSTATE\tBEGINS\tUSER\tRIGHTS\tCHANNELS\tROOMS\tCREATED\tEXPIRES\tNAME");
	return api_keys_list(store, print_key, &now_ms, reterr);
}

static int revoke_api_key(const struct config *config, const struct arguments *arguments,
			  struct error *reterr)
{
	AUTO(store) store = NULL;
	int r = store_open(config->REALTIME_DATABASE, STORE_DURABLE, &store, reterr);

	if (r == 0)
		r = api_keys_revoke(store, arguments->subject, clock_unix_ms(), reterr);
	return r;
}

/* ---- tokens ---- */

static int roles_get(const struct arguments *arguments, json_t *claims, struct error *reterr)
{
	AUTO_JSON roles = json_array();
	struct word_list list = {.words = roles};

	if (!arguments->options[OPTION_ROLES])
		return 0;
	config_list_for_each(arguments->options[OPTION_ROLES], add_role, &list);
	if (list.bad)
		return bad_word(OPTION_ROLES, "admin and moderator, with commas", &list, reterr);
	return json_object_set(claims, "roles", roles) < 0 ? -ENOMEM : 0;
}

static int claim_grants(const struct arguments *arguments, enum option option, json_t *claims,
			struct error *reterr)
{
	json_t *list;
	int r = grants_get(arguments, option, &list, reterr);

	if (r == 0 && list && json_object_set_new(claims, command_option_name(option), list) < 0)
		r = -ENOMEM;
	return r;
}

static int claim_text(json_t *claims, const char *name, const char *text)
{
	return text && *text && json_object_set_new(claims, name, json_string(text)) < 0 ? -EINVAL
											 : 0;
}

static int claims_make(const struct config *config, const struct arguments *arguments,
		       json_t *claims, struct error *reterr)
{
	const char *name = arguments->options[OPTION_NAME];
	int64_t now_s = clock_unix_ms() / 1000, expires_s;
	int r;

	if (!user_id_is_valid(arguments->subject))
		return error_set(reterr, -EINVAL, "bad_usage",
				 "USER must be 1 to %d bytes of UTF-8 without control characters "
				 "and *",
				 USER_ID_BYTES_MAX);
	if (name &&
	    (strlen(name) > IDENTITY_NAME_MAX || !channel_name_is_valid(name, strlen(name))))
		return command_bad_option(OPTION_NAME, "takes 1 to 128 bytes of UTF-8", reterr);
	r = expires_get(arguments, &expires_s, reterr);
	if (r < 0)
		return r;
	(void)json_object_set_new(claims, "iat", json_integer(now_s));
	(void)json_object_set_new(claims, "exp",
				  json_integer(now_s + (expires_s ? expires_s : TOKEN_TIME_S)));
	if (claim_text(claims, "sub", arguments->subject) < 0 ||
	    claim_text(claims, "name", name) < 0 ||
	    claim_text(claims, "iss", config->REALTIME_JWT_ISSUER) < 0 ||
	    claim_text(claims, "aud", config->REALTIME_JWT_AUDIENCE) < 0)
		return -ENOMEM;
	r = roles_get(arguments, claims, reterr);
	if (r == 0)
		r = claim_grants(arguments, OPTION_CHANNELS, claims, reterr);
	if (r == 0)
		r = claim_grants(arguments, OPTION_ROOMS, claims, reterr);
	return r;
}

/* As the servers will look at it: no token that they would refuse leaves this place. */
static int token_check(const struct config *config, const char *token, struct error *reterr)
{
	AUTO(jwt_verifier) verifier = NULL;
	AUTO(identity) identity = NULL;
	int r = jwt_verifier_new(config, &verifier, reterr);

	/* A bad setting is no bad usage. */
	if (r == -EINVAL)
		return -EIO;
	return r < 0 ? r : jwt_verify(verifier, token, clock_unix_ms(), &identity, reterr);
}

static int create_token(const struct config *config, const struct arguments *arguments,
			struct error *reterr)
{
	AUTO_JSON claims = json_object();
	AUTO_FREE char *token = NULL;
	int r = claims_make(config, arguments, claims, reterr);

	if (r < 0)
		return r;
	if (!config->REALTIME_JWT_SECRET || !*config->REALTIME_JWT_SECRET)
		return error_set(reterr, -ENOKEY, "bad_setting",
				 "REALTIME_JWT_SECRET is not set; tokens are signed by it, and "
				 "realtimed and realtime-api must be given the same");
	token = jwt_sign(claims, config->REALTIME_JWT_SECRET);
	if (!token)
		return -ENOMEM;
	r = token_check(config, token, reterr);
	if (r == 0)
		(void)puts(token);
	explicit_bzero(token, strlen(token));
	return r;
}

/* ---- the commands ---- */

#define GRANTS_HELP                                                                                \
	"  --channels JSON    limit it to channels: patterns (* is any run of characters)\n"       \
	"                     and the rights there, which count instead of the others, as in\n"    \
	"                     '{\"chat_*\": [\"subscribe\", \"publish\"], \"news\": "              \
	"\"subscribe\"}'\n"                                                                        \
	"  --rooms JSON       the same for rooms of calls\n"

static const struct command commands[] = {
	{.name = "create-api-key",
	 .subject = "NAME",
	 .summary = "print a new API key, for a server or a script",
	 .help = "NAME is for people, to tell keys apart. The key is shown this once; only its\n"
		 "SHA-256 is kept. Without options it may do everything.\n"
		 "\n"
		 "  --user ID          who requests with it are; otherwise the key's own id\n"
		 "  --rights LIST      of subscribe, publish, moderate, admin, with commas; all "
		 "of\n"
		 "                     them, or subscribe,publish if there are --channels or "
		 "--rooms\n" GRANTS_HELP
		 "  --expires TIME     90s, 15m, 12h, 30d from now; otherwise never\n",
	 .options = 1u << OPTION_USER | 1u << OPTION_RIGHTS | 1u << OPTION_CHANNELS |
		    1u << OPTION_ROOMS | 1u << OPTION_EXPIRES,
	 .run = create_api_key},
	{.name = "list-api-keys",
	 .summary = "print all API keys but the keys themselves",
	 .help = "One line for each, the newest first, with tabs between the columns.\n",
	 .run = list_api_keys},
	{.name = "revoke-api-key",
	 .subject = "KEY_ID",
	 .summary = "end an API key, and the connections made with it",
	 .help = "KEY_ID is the first column of list-api-keys. Within two seconds nothing is\n"
		 "served with the key any more, and what is connected by it is closed.\n",
	 .run = revoke_api_key},
	{.name = "create-token",
	 .subject = "USER",
	 .summary = "print a JSON Web Token for a user, signed by REALTIME_JWT_SECRET",
	 .help = "For trying things out and for scripts; a site makes tokens by itself\n"
		 "(docs/auth.md). Without options the user may subscribe and publish everywhere.\n"
		 "\n"
		 "  --name NAME        to be shown to others\n"
		 "  --roles LIST       of admin and moderator, with commas\n" GRANTS_HELP
		 "  --expires TIME     90s, 15m, 12h, 30d from now; otherwise 1h\n",
	 .options = 1u << OPTION_NAME | 1u << OPTION_ROLES | 1u << OPTION_CHANNELS |
		    1u << OPTION_ROOMS | 1u << OPTION_EXPIRES,
	 .run = create_token},
};

const struct command_list key_commands = {commands, ARRAY_LEN(commands)};
