#include "api/access.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "db/api_keys.h"

/* ---- keys ---- */

/* What follows "<scheme> " in an Authorization header; NULL if it is another scheme. */
static const char *credentials_of(const char *authorization, const char *scheme)
{
	size_t length = strlen(scheme);

	if (!authorization || strncasecmp(authorization, scheme, length) != 0 ||
	    authorization[length] != ' ')
		return NULL;
	authorization += length;
	return authorization + strspn(authorization, " ");
}

/* The key that the request carries; NULL if none. *ret_token: a bearer token that is not a key. */
static const char *find_key(const struct request *request, const char **ret_token)
{
	const char *authorization = request_header(request, "Authorization"), *key;

	*ret_token = NULL;
	key = credentials_of(authorization, "Bearer");
	if (key && api_key_looks_like_one(key))
		return key;
	*ret_token = key;
	key = credentials_of(authorization, "ApiKey");
	if (!key)
		key = request_header(request, "X-API-Key");
	if (!key)
		key = query_find(&request->query, "api_key");
	return key;
}

int access_check(struct api *api, struct request *request, enum access access, struct error *reterr)
{
	const char *token, *key = find_key(request, &token);
	bool anonymous_may = api->config->REALTIME_ANONYMOUS_PUBLISH;
	struct api_key_row row;
	int r;

	if (key) {
		r = api_keys_check(api->store, key, clock_unix_ms(), &row, reterr);
		if (r == 0)
			(void)snprintf(request->user_id, sizeof(request->user_id), "%s",
				       row.user_id);
		return r;
	}
	if (anonymous_may)
		return 0;
	if (token)
		return error_set(reterr, -EKEYREJECTED, "bad_token",
				 "the bearer token is not an API key of this server");
	if (access != ACCESS_PUBLIC)
		return error_set(reterr, -EKEYREJECTED, "authentication_required",
				 "this needs an API key in X-API-Key or Authorization");
	return 0;
}

/* ---- origins ---- */

/* Is `origin` ("https://example.org") the site that `host` ("example.org:443") names? */
static bool is_same_site(const char *origin, const char *host)
{
	const char *authority = strstr(origin, "://");
	const char *default_port = strncasecmp(origin, "https:", 6) == 0 ? ":443" : ":80";
	size_t length;

	if (!authority || !host)
		return false;
	authority += 3;
	length = strlen(authority);
	if (strncasecmp(authority, host, length) != 0)
		return false;
	return host[length] == '\0' || strcmp(host + length, default_port) == 0;
}

struct origin_search {
	const char *origin;
	bool is_found;
};

static void compare_origin(void *data, const char *item)
{
	struct origin_search *search = data;

	if (strcmp(item, "*") == 0 || strcasecmp(item, search->origin) == 0)
		search->is_found = true;
}

static bool is_listed(const struct api *api, const char *origin)
{
	struct origin_search search = {.origin = origin};

	config_list_for_each(api->config->REALTIME_ALLOWED_ORIGINS, compare_origin, &search);
	return search.is_found;
}

static const char *origin_of(const struct request *request)
{
	const char *origin = request_header(request, "Origin");

	return origin && *origin ? origin : NULL;
}

int access_check_origin(const struct api *api, const struct request *request, struct error *reterr)
{
	const char *origin = origin_of(request);

	if (!origin || strcmp(request->method, "GET") == 0 ||
	    strcmp(request->method, "HEAD") == 0 || strcmp(request->method, "OPTIONS") == 0 ||
	    is_same_site(origin, request_header(request, "Host")) || is_listed(api, origin))
		return 0;
	return error_set(reterr, -EACCES, "origin_not_allowed",
			 "pages of this origin may not do this; REALTIME_ALLOWED_ORIGINS lists "
			 "those that may");
}

void access_add_cors(const struct api *api, const struct request *request,
		     struct response *response)
{
	const char *origin = origin_of(request);

	if (!origin)
		return;
	response_header(response, "Vary", "Origin");
	if (!is_same_site(origin, request_header(request, "Host")) && !is_listed(api, origin))
		return;
	response_header(response, "Access-Control-Allow-Origin", "%s", origin);
	response_header(response, "Access-Control-Expose-Headers",
			"Location, ETag, Link, Retry-After, X-Request-Id");
	if (strcmp(request->method, "OPTIONS") == 0) {
		response_header(response, "Access-Control-Allow-Headers",
				"Authorization, Content-Type, If-Match, If-None-Match, X-API-Key, "
				"X-Request-Id");
		response_header(response, "Access-Control-Max-Age", "600");
	}
}
