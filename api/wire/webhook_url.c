#include "api/wire/webhook_url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "core/public_address.h"

enum { URL_MAX = 2048 };

static int bad(struct error *reterr, const char *why)
{
	return error_set_field(reterr, -EINVAL, "bad_field", "url", "url %s", why);
}

/* Is the host an address written out, and a private one? */
static bool is_private_literal(const char *host)
{
	struct sockaddr_in ipv4 = {.sin_family = AF_INET};
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
	char bare[INET6_ADDRSTRLEN];
	size_t length = strlen(host);

	if (inet_pton(AF_INET, host, &ipv4.sin_addr) == 1)
		return !address_is_public((const struct sockaddr *)&ipv4);
	if (length < 3 || host[0] != '[' || length - 2 >= sizeof(bare))
		return false;
	memcpy(bare, host + 1, length - 2);
	bare[length - 2] = '\0';
	return inet_pton(AF_INET6, bare, &ipv6.sin6_addr) == 1 &&
	       !address_is_public((const struct sockaddr *)&ipv6);
}

static int check_parts(CURLU *parts, const struct webhook_url_rules *rules, struct error *reterr)
{
	char *scheme = NULL, *host = NULL, *user = NULL, *fragment = NULL;
	int r = 0;

	(void)curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
	(void)curl_url_get(parts, CURLUPART_HOST, &host, 0);
	(void)curl_url_get(parts, CURLUPART_USER, &user, 0);
	(void)curl_url_get(parts, CURLUPART_FRAGMENT, &fragment, 0);
	if (!scheme || !host || !*host)
		r = bad(reterr, "must be one such as https://example.org/hook");
	else if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
		r = bad(reterr, "must be https:");
	else if (strcmp(scheme, "http") == 0 && !rules->allow_http)
		r = bad(reterr, "must be https: (REALTIME_WEBHOOK_ALLOW_HTTP lets http: pass)");
	else if (user || fragment)
		r = bad(reterr, "must have no user and no #fragment");
	else if (!rules->allow_private && is_private_literal(host))
		r = bad(reterr, "must not be a private address (REALTIME_WEBHOOK_ALLOW_PRIVATE "
				"lets it pass)");
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_free(fragment);
	return r;
}

int webhook_url_check(const char *url, const struct webhook_url_rules *rules, struct error *reterr)
{
	CURLU *parts = curl_url();
	int r;

	if (!parts)
		return -ENOMEM;
	if (strlen(url) > URL_MAX)
		r = error_set_field(reterr, -EINVAL, "bad_field", "url", "url may have %d bytes",
				    URL_MAX);
	/* Blanks and control characters are refused by it. */
	else if (curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
		r = bad(reterr, "must be one such as https://example.org/hook");
	else
		r = check_parts(parts, rules, reterr);
	curl_url_cleanup(parts);
	return r;
}
