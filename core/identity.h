/* identity.h - who somebody is, and what they may do.
 *
 * Made once from a token's claims or an API key (or for nobody in particular), never changed,
 * shared by reference. What they may do is a list of grants, each a pattern of names and the rights
 * that it gives there; there is one list for channels and one for rooms.
 *
 *   no list at all      every right that the identity has by itself, on every name
 *   a list, even empty  only what it says
 *
 * Whose name it is goes first: user_{id} is that user's own channel whatever the lists say.
 * Thread: any; counted without locks, so one reference stays on one thread.
 */
#ifndef CORE_IDENTITY_H
#define CORE_IDENTITY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/error.h"

enum {
	IDENTITY_USER_ID_MAX = 128,
	IDENTITY_NAME_MAX = 128,
	IDENTITY_KEY_ID_MAX = 63,
	IDENTITY_GRANTS_MAX = 256
};

enum right {
	RIGHT_SUBSCRIBE = 1, /* read, too: history, presence; in rooms: join */
	RIGHT_PUBLISH = 2,
	RIGHT_MODERATE = 4, /* mute, kick, lock; delete what others published */
	RIGHT_ADMIN = 8	    /* settings, connections, keys; has all the others */
};

enum {
	RIGHTS_NONE = 0,
	RIGHTS_READER = RIGHT_SUBSCRIBE,
	RIGHTS_USER = RIGHT_SUBSCRIBE | RIGHT_PUBLISH,
	RIGHTS_ALL = RIGHT_SUBSCRIBE | RIGHT_PUBLISH | RIGHT_MODERATE | RIGHT_ADMIN
};

/* Add the right of that name: subscribe, publish, moderate, admin (which is all) or * (all).
 * -EINVAL if there is none. */
int rights_add(unsigned *rights, const char *name) MUST_CHECK;
/* ["subscribe", …], a new reference. */
json_t *rights_to_json(unsigned rights);

enum grant_scope { GRANT_CHANNELS, GRANT_ROOMS, GRANT_SCOPE_COUNT };

struct grant {
	char *pattern; /* owned */
	unsigned rights;
};

struct identity {
	unsigned refs;
	char user_id[IDENTITY_USER_ID_MAX + 1]; /* "" for somebody unknown */
	char name[IDENTITY_NAME_MAX + 1];	/* to be shown; "" if not told */
	char key_id[IDENTITY_KEY_ID_MAX + 1];	/* of an API key; "" for others */
	int64_t expires_at_unix_ms;		/* 0: never */
	unsigned rights;			/* by itself */
	struct {
		bool is_limited; /* the list counts, even if it is empty */
		struct grant *items;
		size_t count;
	} grants[GRANT_SCOPE_COUNT];
};

/* One reference, the caller's; NULL without memory. `user_id` fits; an admin has every right. */
struct identity *identity_new(const char *user_id, unsigned rights);
/* Nobody in particular: may subscribe, and publish (and administer) if `may_publish`. */
struct identity *identity_new_anonymous(bool may_publish);
struct identity *identity_ref(struct identity *identity);
struct identity *identity_unref(struct identity *identity);
DEFINE_AUTO(identity, identity_unref);

bool identity_is_anonymous(const struct identity *identity);

/* Limit it to `list`, {pattern: ["subscribe", "publish", "moderate", "admin"] or one of them as a
 * string, or "*" for all}. To be called before the identity is shared.
 *   -EINVAL "bad_field"   -ENOMEM */
int identity_limit(struct identity *identity, enum grant_scope scope, const json_t *list,
		   struct error *reterr) MUST_CHECK;

/* All of it as JSON, to be handed to another process of ours, and back. NULL or -EINVAL without
 * memory or with something else. */
json_t *identity_to_json(const struct identity *identity);
int identity_from_json(const json_t *body, struct identity **ret_identity) MUST_CHECK;

/* `name` may be a pattern: then a grant must cover all of it. */
bool identity_may(const struct identity *identity, enum right right, enum grant_scope scope,
		  const char *name);
/* Something that is about no channel or room at all, whatever the lists say. What reaches every
 * channel (a broadcast) is identity_may() on "*" instead. */
bool identity_may_anywhere(const struct identity *identity, enum right right);

/* "user_" and the user's id: somebody's own channel. The id (borrowed), or NULL if it is none. */
const char *own_channel_user(const char *channel);
/* The other way round. `out` is cut at `size`, which a valid user id never needs of
 * CHANNEL_NAME_MAX + 1. */
void own_channel_name(const char *user_id, char *out, size_t size);

#endif
