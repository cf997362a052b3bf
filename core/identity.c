#include "core/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/pattern.h"

static const char own_prefix[] = "user_";

static const struct {
	const char *name;
	unsigned rights;
} right_names[] = {
	{"subscribe", RIGHT_SUBSCRIBE}, {"publish", RIGHT_PUBLISH}, {"moderate", RIGHT_MODERATE},
	{"admin", RIGHTS_ALL},		{"*", RIGHTS_ALL},
};

struct identity *identity_new(const char *user_id, unsigned rights)
{
	struct identity *identity = calloc(1, sizeof(*identity));

	if (!identity)
		return NULL;
	identity->refs = 1;
	identity->rights = rights & RIGHT_ADMIN ? RIGHTS_ALL : rights;
	(void)snprintf(identity->user_id, sizeof(identity->user_id), "%s", user_id);
	return identity;
}

struct identity *identity_new_anonymous(bool may_publish)
{
	return identity_new("", may_publish ? RIGHTS_ALL : RIGHTS_READER);
}

struct identity *identity_ref(struct identity *identity)
{
	identity->refs++;
	return identity;
}

struct identity *identity_unref(struct identity *identity)
{
	if (!identity || --identity->refs > 0)
		return NULL;
	for (size_t scope = 0; scope < GRANT_SCOPE_COUNT; scope++) {
		for (size_t i = 0; i < identity->grants[scope].count; i++)
			free(identity->grants[scope].items[i].pattern);
		free(identity->grants[scope].items);
	}
	free(identity);
	return NULL;
}

bool identity_is_anonymous(const struct identity *identity)
{
	return !*identity->user_id;
}

/* ---- grants ---- */

int rights_add(unsigned *rights, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(right_names); i++)
		if (strcmp(name, right_names[i].name) == 0) {
			*rights |= right_names[i].rights;
			return 0;
		}
	return -EINVAL;
}

static int add_right(unsigned *rights, const json_t *name, const char *pattern,
		     struct error *reterr)
{
	const char *text = json_string_value(name);

	if (text && rights_add(rights, text) == 0)
		return 0;
	return error_set(reterr, -EINVAL, "bad_field",
			 "the rights on %.100s must be subscribe, publish, moderate, admin or *",
			 pattern);
}

static int rights_parse(const json_t *value, const char *pattern, unsigned *ret_rights,
			struct error *reterr)
{
	unsigned rights = RIGHTS_NONE;
	int r = 0;

	if (!json_is_array(value))
		r = add_right(&rights, value, pattern, reterr);
	for (size_t i = 0; r == 0 && i < json_array_size(value); i++)
		r = add_right(&rights, json_array_get(value, i), pattern, reterr);
	*ret_rights = rights;
	return r;
}

int identity_limit(struct identity *identity, enum grant_scope scope, const json_t *list,
		   struct error *reterr)
{
	const char *pattern;
	const json_t *value;
	int r;

	if (!json_is_object(list) || json_object_size(list) > IDENTITY_GRANTS_MAX)
		return error_set(reterr, -EINVAL, "bad_field",
				 "grants must be an object of up to %d patterns and their rights",
				 IDENTITY_GRANTS_MAX);
	identity->grants[scope].items = calloc(json_object_size(list) + 1, sizeof(struct grant));
	if (!identity->grants[scope].items)
		return -ENOMEM;
	identity->grants[scope].is_limited = true;
	json_object_foreach ((json_t *)(uintptr_t)list, pattern, value) {
		struct grant *grant = &identity->grants[scope].items[identity->grants[scope].count];

		r = rights_parse(value, pattern, &grant->rights, reterr);
		if (r < 0)
			return r;
		grant->pattern = strdup(pattern);
		if (!grant->pattern)
			return -ENOMEM;
		identity->grants[scope].count++;
	}
	return 0;
}

static const char *const scope_names[] = {
	[GRANT_CHANNELS] = "channels",
	[GRANT_ROOMS] = "rooms",
};

json_t *rights_to_json(unsigned rights)
{
	json_t *names = json_array();

	for (size_t i = 0; i < ARRAY_LEN(right_names); i++)
		if (strcmp(right_names[i].name, "*") != 0 &&
		    (right_names[i].rights & rights) == right_names[i].rights)
			(void)json_array_append_new(names, json_string(right_names[i].name));
	return names;
}

json_t *identity_to_json(const struct identity *identity)
{
	json_t *body = json_pack("{s:s, s:s, s:s, s:I, s:i}", "user_id", identity->user_id, "name",
				 identity->name, "key_id", identity->key_id, "expires_at",
				 (json_int_t)identity->expires_at_unix_ms, "rights",
				 (int)identity->rights);

	for (size_t scope = 0; scope < GRANT_SCOPE_COUNT; scope++) {
		json_t *list;

		if (!identity->grants[scope].is_limited)
			continue;
		list = json_object();
		for (size_t i = 0; i < identity->grants[scope].count; i++)
			(void)json_object_set_new(
				list, identity->grants[scope].items[i].pattern,
				rights_to_json(identity->grants[scope].items[i].rights));
		(void)json_object_set_new(body, scope_names[scope], list);
	}
	return body;
}

static void take_text(const json_t *body, const char *name, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(body, name));

	(void)snprintf(out, size, "%s", text ? text : "");
}

int identity_from_json(const json_t *body, struct identity **ret_identity)
{
	const char *user_id = json_string_value(json_object_get(body, "user_id"));
	AUTO(identity) identity = NULL;
	int r = 0;

	/* Cut short it would be somebody else. */
	if (!user_id || strlen(user_id) > IDENTITY_USER_ID_MAX)
		return -EINVAL;
	identity = identity_new(user_id,
				(unsigned)json_integer_value(json_object_get(body, "rights")));
	if (!identity)
		return -ENOMEM;
	take_text(body, "name", identity->name, sizeof(identity->name));
	take_text(body, "key_id", identity->key_id, sizeof(identity->key_id));
	identity->expires_at_unix_ms = json_integer_value(json_object_get(body, "expires_at"));
	for (size_t scope = 0; r == 0 && scope < GRANT_SCOPE_COUNT; scope++) {
		const json_t *list = json_object_get(body, scope_names[scope]);

		if (list)
			r = identity_limit(identity, (enum grant_scope)scope, list, NULL);
	}
	if (r == 0)
		*ret_identity = STEAL(identity);
	return r;
}

const char *own_channel_user(const char *channel)
{
	size_t length = sizeof(own_prefix) - 1;

	return strncmp(channel, own_prefix, length) == 0 ? channel + length : NULL;
}

void own_channel_name(const char *user_id, char *out, size_t size)
{
	(void)snprintf(out, size, "%s%s", own_prefix, user_id);
}

bool identity_may(const struct identity *identity, enum right right, enum grant_scope scope,
		  const char *name)
{
	const char *owner = scope == GRANT_CHANNELS ? own_channel_user(name) : NULL;

	if (owner && right == RIGHT_SUBSCRIBE)
		return *owner && strcmp(owner, identity->user_id) == 0;
	if (!identity->grants[scope].is_limited)
		return (identity->rights & (unsigned)right) != 0;
	for (size_t i = 0; i < identity->grants[scope].count; i++) {
		const struct grant *grant = &identity->grants[scope].items[i];

		if ((grant->rights & (unsigned)right) && pattern_covers(grant->pattern, name))
			return true;
	}
	return false;
}

bool identity_may_anywhere(const struct identity *identity, enum right right)
{
	return (identity->rights & (unsigned)right) != 0;
}
