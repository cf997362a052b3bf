#include "core/namespaces.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/pattern.h"

enum {
	NAMESPACES_MAX = 256,
	PATTERN_MAX = 255,
	KEPT_COUNT_MIN = 1000, /* messages, for those who resume, if not fewer are asked for */
	COUNT_MAX = 10000000,
	AGE_MAX_S = 315360000
};

struct namespaces {
	struct namespace *items; /* owned; the last is that of the settings */
	size_t count;
};

static const struct {
	const char *name;
	enum audience audience;
} audience_names[] = {
	{"anyone", AUDIENCE_ANYONE},
	{"users", AUDIENCE_USERS},
	{"granted", AUDIENCE_GRANTED},
	{"nobody", AUDIENCE_NOBODY},
};

static int audience_get(const json_t *object, const char *name, enum audience *ret_audience,
			struct error *reterr)
{
	const char *text;
	int r = json_get_text(object, name, 1, PATTERN_MAX, &text, reterr);

	if (r <= 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(audience_names); i++)
		if (strcmp(audience_names[i].name, text) == 0) {
			*ret_audience = audience_names[i].audience;
			return 1;
		}
	return error_set_field(reterr, -EINVAL, "bad_field", name,
			       "%s must be anyone, users, granted or nobody", name);
}

static int delivery_get(const json_t *object, bool *ret_is_latest, struct error *reterr)
{
	const char *text;
	int r = json_get_text(object, "delivery", 1, PATTERN_MAX, &text, reterr);

	if (r <= 0)
		return r;
	*ret_is_latest = strcmp(text, "latest") == 0;
	if (*ret_is_latest || strcmp(text, "all") == 0)
		return 1;
	return error_set_field(reterr, -EINVAL, "bad_field", "delivery",
			       "delivery must be all or latest");
}

/* A mistyped member must not mean that its rule does not hold. */
static int check_members(const json_t *object, struct error *reterr)
{
	static const char *const known[] = {"channels",	     "history_size", "history_kept",
					    "history_bytes", "history_ttl",  "subscribe",
					    "publish",	     "presence",     "wildcards",
					    "delivery",	     "search"};
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
		bool is_known = false;

		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			is_known |= strcmp(known[i], name) == 0;
		if (!is_known)
			return error_set_field(reterr, -EINVAL, "bad_field", name,
					       "there is no setting \"%s\" of a namespace", name);
	}
	return 0;
}

/* `namespace` comes with what holds where nothing is said. */
static int namespace_parse(const json_t *object, struct namespace *namespace, struct error *reterr)
{
	int64_t history_size = namespace->history_size;
	const char *pattern = NULL;
	int r = check_members(object, reterr);

	if (r == 0)
		r = json_get_text(object, "channels", 1, PATTERN_MAX, &pattern, reterr);
	if (r == 0 && !pattern)
		r = json_missing("channels", reterr);
	if (r >= 0)
		r = json_get_int(object, "history_size", 0, COUNT_MAX, &history_size, reterr);
	namespace->history_size = (uint32_t)history_size;
	if (r > 0)
	namespace->retention.count = history_size > KEPT_COUNT_MIN ? history_size : KEPT_COUNT_MIN;
	if (r >= 0)
		r = json_get_int(object, "history_kept", history_size, COUNT_MAX,
				 &namespace->retention.count, reterr);
	if (r >= 0)
		r = json_get_int(object, "history_bytes", 0, INT64_MAX, &namespace->retention.bytes,
				 reterr);
	if (r >= 0)
		r = json_get_int(object, "history_ttl", 1, AGE_MAX_S, &namespace->retention.age_s,
				 reterr);
	if (r >= 0)
		r = audience_get(object, "subscribe", &namespace->subscribe, reterr);
	if (r >= 0)
		r = audience_get(object, "publish", &namespace->publish, reterr);
	if (r >= 0)
		r = json_get_bool(object, "presence", &namespace->has_presence, reterr);
	if (r >= 0)
		r = json_get_bool(object, "wildcards", &namespace->has_wildcards, reterr);
	if (r >= 0)
		r = json_get_bool(object, "search", &namespace->is_searchable, reterr);
	if (r >= 0)
		r = delivery_get(object, &namespace->is_latest, reterr);
	if (r < 0)
		return r;
	namespace->pattern = strdup(pattern);
	return namespace->pattern ? 0 : -ENOMEM;
}

static int bad_file(const char *path, const char *why, struct error *reterr)
{
	return error_set(reterr, -EINVAL, "bad_setting", "REALTIME_NAMESPACES=%s: %s", path, why);
}

/* The list of the file; NULL (and 0) if none is named. */
static int read_file(const char *path, json_t **ret_root, const json_t **ret_list,
		     struct error *reterr)
{
	json_error_t json_error;

	*ret_list = NULL;
	if (!*path)
		return 0;
	*ret_root = json_load_file(path, JSON_REJECT_DUPLICATES, &json_error);
	if (!*ret_root)
		return bad_file(path, json_error.text, reterr);
	*ret_list = json_object_get(*ret_root, "namespaces");
	if (!json_is_array(*ret_list) || json_array_size(*ret_list) > NAMESPACES_MAX)
		return bad_file(path,
				"it must be an object whose \"namespaces\" is a list of "
				"at most 256 objects",
				reterr);
	return 0;
}

static struct namespace of_settings(const struct config *config)
{
	return (struct namespace){
		.retention = {.count = config->REALTIME_HISTORY_SIZE > KEPT_COUNT_MIN
					       ? config->REALTIME_HISTORY_SIZE
					       : KEPT_COUNT_MIN,
			      .bytes = config->REALTIME_HISTORY_BYTES,
			      .age_s = config->REALTIME_HISTORY_TTL},
		.history_size = (uint32_t)config->REALTIME_HISTORY_SIZE,
		.has_presence = config->REALTIME_PRESENCE,
		.has_wildcards = config->REALTIME_WILDCARDS,
		.is_searchable = config->REALTIME_SEARCH,
	};
}

int namespaces_new(const struct config *config, struct namespaces **ret_namespaces,
		   struct error *reterr)
{
	AUTO(namespaces) namespaces = calloc(1, sizeof(*namespaces));
	AUTO_JSON root = NULL;
	struct error error = {0};
	const json_t *list, *item;
	struct namespace *last;
	size_t i;
	int r = read_file(config->REALTIME_NAMESPACES, &root, &list, reterr);

	if (r < 0)
		return r;
	if (namespaces)
		namespaces->items = calloc(json_array_size(list) + 1, sizeof(struct namespace));
	if (!namespaces || !namespaces->items)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
		namespaces->items[i] = of_settings(config);
		r = namespace_parse(item, &namespaces->items[i], &error);
		if (r < 0)
			return bad_file(config->REALTIME_NAMESPACES, error.message, reterr);
		namespaces->count++;
	}
	last = &namespaces->items[namespaces->count];
	*last = of_settings(config);
	last->pattern = strdup("*");
	if (!last->pattern)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	namespaces->count++;
	*ret_namespaces = STEAL(namespaces);
	return 0;
}

struct namespaces *namespaces_free(struct namespaces *namespaces)
{
	if (!namespaces)
		return NULL;
	for (size_t i = 0; i < namespaces->count; i++)
		free(namespaces->items[i].pattern);
	free(namespaces->items);
	free(namespaces);
	return NULL;
}

const struct namespace *namespaces_find(const struct namespaces *namespaces, const char *name)
{
	size_t i = 0;

	while (!pattern_covers(namespaces->items[i].pattern, name))
		i++; /* the last one covers all */
	return &namespaces->items[i];
}

int64_t namespaces_age_max_s(const struct namespaces *namespaces)
{
	int64_t max = 0;

	for (size_t i = 0; i < namespaces->count; i++)
		if (namespaces->items[i].retention.age_s > max)
			max = namespaces->items[i].retention.age_s;
	return max;
}

bool namespace_lets(const struct namespace *namespace, const struct identity *identity,
		    enum right right, const char *name)
{
	bool may = identity_may(identity, right, GRANT_CHANNELS, name);
	enum audience audience = right == RIGHT_PUBLISH ? namespace->publish : namespace->subscribe;

	if ((right != RIGHT_SUBSCRIBE && right != RIGHT_PUBLISH) ||
	    (right == RIGHT_SUBSCRIBE && own_channel_user(name)))
		return may;
	switch (audience) {
	case AUDIENCE_BY_RIGHTS:
		return may;
	case AUDIENCE_ANYONE:
		return true;
	case AUDIENCE_USERS:
		return may && !identity_is_anonymous(identity);
	case AUDIENCE_GRANTED:
		return may && identity->grants[GRANT_CHANNELS].is_limited;
	case AUDIENCE_NOBODY:
		return false;
	}
	return false;
}
