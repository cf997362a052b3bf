#include "core/origin.h"

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

/* Is `origin` ("https://example.org") the site that `host` names? Browsers leave the scheme's own
 * port out of both; some proxies write it ("example.org:443"). */
static bool is_same_site(const char *origin, const char *host)
{
	const char *authority = strstr(origin, "://");
	const char *own_port = strncasecmp(origin, "https:", 6) == 0 ? ":443" : ":80";
	size_t length;

	if (!authority || !host)
		return false;
	authority += 3;
	length = strlen(authority);
	if (length == 0 || strncasecmp(authority, host, length) != 0)
		return false;
	return host[length] == '\0' || strcmp(host + length, own_port) == 0;
}

bool origin_is_allowed(const char *origin, const char *host, const char *allowed)
{
	struct search search = {.origin = origin};

	if (!origin || !*origin || is_same_site(origin, host))
		return true;
	config_list_for_each(allowed, compare, &search);
	return search.found;
}
