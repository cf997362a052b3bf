/* namespaces.h - what holds for channels by their names: how much is kept, who may listen and
 * speak, whether it is told who is there.
 *
 * REALTIME_NAMESPACES names a JSON file, {"namespaces": [{"channels": "chat_*", …}, …]}; the first
 * whose pattern matches a channel's name is the channel's, and what none matches falls under the
 * settings. docs/channels.md lists the members. Read once at the start, then constant.
 * Thread: any.
 */
#ifndef CORE_NAMESPACES_H
#define CORE_NAMESPACES_H

#include "core/config.h"
#include "core/identity.h"

/* How much of a channel is kept. Applied every so often, so there may be somewhat more. */
struct retention {
	int64_t count, bytes, age_s;
};

enum audience {
	AUDIENCE_BY_RIGHTS, /* whoever the token, the key or REALTIME_ANONYMOUS_PUBLISH lets */
	AUDIENCE_ANYONE,    /* even without a token */
	AUDIENCE_USERS,	    /* of those by rights, whoever is known */
	AUDIENCE_GRANTED,   /* only whoever has a grant for the name */
	AUDIENCE_NOBODY	    /* over a connection; the REST API's admins still may */
};

struct namespace
{
	char *pattern; /* owned; "*" for the one of the settings */
	struct retention retention;
	uint32_t history_size; /* stored messages that a new subscriber gets */
	enum audience subscribe, publish;
	bool has_presence;  /* who is there may be asked for, and comings and goings be told */
	bool has_wildcards; /* a subscription may stand for several of its channels */
	bool is_searchable; /* what its stored messages say may be searched */
	bool is_latest;	    /* whoever is slow gets the newest message alone, never a backlog */
};

struct namespaces;

/* -EINVAL "bad_setting" with what is wrong with the file   -ENOMEM */
int namespaces_new(const struct config *config, struct namespaces **ret_namespaces,
		   struct error *reterr) MUST_CHECK;
struct namespaces *namespaces_free(struct namespaces *namespaces);
DEFINE_AUTO(namespaces, namespaces_free);

/* Of a channel's name, or of a pattern of names (one whose pattern covers all of it). Borrowed. */
const struct namespace *namespaces_find(const struct namespaces *namespaces, const char *name);

/* The longest that any of them keeps a message. */
int64_t namespaces_age_max_s(const struct namespaces *namespaces);

/* Under this namespace, may it do that with the channel `name` (or the pattern)? Somebody's own
 * channel (user_{id}) is that user's whatever the namespace says. */
bool namespace_lets(const struct namespace *namespace, const struct identity *identity,
		    enum right right, const char *name);

#endif
