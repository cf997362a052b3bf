#include "api/wire/webhook_signature.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "core/base64.h"
#include "core/id.h"

static const char prefix[] = "whsec_";
enum { PREFIX_LENGTH = sizeof(prefix) - 1 };

/* The bytes of it. */
static int decode(const char *secret, uint8_t out[WEBHOOK_KEY_MAX + 2], size_t *ret_length)
{
	size_t length = strlen(secret);

	if (length >= WEBHOOK_SECRET_TEXT_SIZE || strncmp(secret, prefix, PREFIX_LENGTH) != 0 ||
	    base64_decode(secret + PREFIX_LENGTH, length - PREFIX_LENGTH, out, ret_length) < 0)
		return -EINVAL;
	return *ret_length >= WEBHOOK_KEY_MIN && *ret_length <= WEBHOOK_KEY_MAX ? 0 : -EINVAL;
}

int webhook_secret_check(const char *secret, const char *field, struct error *reterr)
{
	uint8_t key[WEBHOOK_KEY_MAX + 2];
	size_t length;
	int r = decode(secret, key, &length);

	explicit_bzero(key, sizeof(key));
	if (r < 0)
		return error_set_field(reterr, -EINVAL, "bad_field", field,
				       "%s must be whsec_ and %d to %d random bytes as base64",
				       field, WEBHOOK_KEY_MIN, WEBHOOK_KEY_MAX);
	return 0;
}

void webhook_secret_new(char out[WEBHOOK_SECRET_TEXT_SIZE])
{
	uint8_t key[WEBHOOK_NEW_KEY_BYTES];

	random_bytes(key, sizeof(key));
	memcpy(out, prefix, PREFIX_LENGTH);
	base64_encode(key, sizeof(key), out + PREFIX_LENGTH);
	explicit_bzero(key, sizeof(key));
}

int webhook_sign(const char *secret, const char *id, int64_t timestamp_s, const char *body,
		 char out[WEBHOOK_SIGNATURE_SIZE])
{
	uint8_t key[WEBHOOK_KEY_MAX + 2], signature[EVP_MAX_MD_SIZE];
	AUTO_FREE char *content = NULL;
	unsigned signature_length = 0;
	size_t key_length;
	int length, r = decode(secret, key, &key_length);

	if (r < 0)
		return r;
	length = asprintf(&content, "%s.%lld.%s", id, (long long)timestamp_s, body);
	if (length < 0) {
		content = NULL;
		r = -ENOMEM;
	} else if (!HMAC(EVP_sha256(), key, (int)key_length, (const uint8_t *)content,
			 (size_t)length, signature, &signature_length)) {
		r = -ENOMEM;
	}
	explicit_bzero(key, sizeof(key));
	if (r < 0)
		return r;
	memcpy(out, "v1,", 3);
	base64_encode(signature, signature_length, out + 3);
	return 0;
}
