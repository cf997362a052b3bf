#include "realtime/wire/origin.h"

#include <string.h>
#include <strings.h>

#include "core/config.h"

struct search {
	const char *origin;
	bool found;
};

static void compare(void *data, const char *item)
{
	struct search *search = data;

	if (strcmp(item, "*") == 0 || strcasecmp(item, search->origin) == 0)
		search->found = true;
}

bool origin_is_allowed(const char *origin, const char *host, const char *allowed)
{
	struct search search = {.origin = origin};
	const char *authority;

	if (!origin || !*origin)
		return true;
	authority = strstr(origin, "://");
	if (authority && host && strcasecmp(authority + 3, host) == 0)
		return true;
	config_list_for_each(allowed, compare, &search);
	return search.found;
}
