#include "core/turn.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "core/base64.h"
#include "core/config.h"

enum { USERNAME_SIZE = 256 };

static void add_url(void *data, const char *item)
{
	(void)json_array_append_new(data, json_string(item));
}

static void sign(const char *secret, const char *username, char out[64])
{
	uint8_t mac[SHA_DIGEST_LENGTH];
	unsigned length = sizeof(mac);

	(void)HMAC(EVP_sha1(), secret, (int)strlen(secret), (const uint8_t *)username,
		   strlen(username), mac, &length);
	base64_encode(mac, length, out);
}

json_t *turn_server_new(const char *urls, const char *secret, const char *name, int64_t now_unix_s,
			int64_t lasts_s)
{
	char username[USERNAME_SIZE], credential[64];
	json_t *list = json_array(), *server = json_pack("{s:o}", "urls", list);

	config_list_for_each(urls, add_url, list);
	if (!secret || !*secret)
		return server;
	(void)snprintf(username, sizeof(username), "%lld:%s", (long long)(now_unix_s + lasts_s),
		       name);
	sign(secret, username, credential);
	(void)json_object_set_new(server, "username", json_string(username));
	(void)json_object_set_new(server, "credential", json_string(credential));
	explicit_bzero(credential, sizeof(credential));
	return server;
}
