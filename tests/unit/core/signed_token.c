#include "tests/unit/cmocka_all.h"

#include "tests/unit/core/signed_token.h"

#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "core/base64.h"

const char secret[] = "0123456789abcdef0123456789abcdef";

void base64url(const uint8_t *bytes, size_t length, char *out)
{
	char *end;

	base64_encode(bytes, length, out);
	for (char *at = out; *at; at++)
		*at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
	end = strchr(out, '=');
	if (end)
		*end = '\0';
}

static size_t sign_hmac(const char *text, const void *key, size_t key_length, uint8_t *out)
{
	unsigned length = 0;

	assert_non_null(HMAC(EVP_sha256(), key, (int)key_length, (const uint8_t *)text,
			     strlen(text), out, &length));
	return length;
}

/* r and s of a DER signature, 32 bytes each (RFC 7518 section 3.4). */
static size_t raw_of(const uint8_t *der, size_t length, uint8_t *out)
{
	ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &der, (long)length);

	assert_non_null(parts);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(parts), out, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(parts), out + 32, 32), 32);
	ECDSA_SIG_free(parts);
	return 64;
}

static size_t sign_pkey(const char *algorithm, const char *text, EVP_PKEY *key, uint8_t *out)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *details;
	uint8_t bytes[1024];
	size_t length = sizeof(bytes);

	assert_int_equal(EVP_DigestSignInit(context, &details, EVP_sha256(), NULL, key), 1);
	if (strcmp(algorithm, "PS256") == 0) {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(details, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(details, RSA_PSS_SALTLEN_DIGEST),
				 1);
	}
	assert_int_equal(
		EVP_DigestSign(context, bytes, &length, (const uint8_t *)text, strlen(text)), 1);
	EVP_MD_CTX_free(context);
	if (strcmp(algorithm, "ES256") == 0)
		return raw_of(bytes, length, out);
	memcpy(out, bytes, length);
	return length;
}

void token_begin(const char *header, const char *claims, char *out)
{
	base64url((const uint8_t *)header, strlen(header), out);
	(void)strcat(out, ".");
	base64url((const uint8_t *)claims, strlen(claims), out + strlen(out));
}

static void token_finish(char *out, const uint8_t *signature, size_t length)
{
	(void)strcat(out, ".");
	base64url(signature, length, out + strlen(out));
}

const char *token_hmac(const char *header, const char *claims, const void *key, size_t length)
{
	static char token[32768];
	uint8_t signature[64];

	token_begin(header, claims, token);
	token_finish(token, signature, sign_hmac(token, key, length, signature));
	return token;
}

const char *token_secret(const char *claims)
{
	return token_hmac("{\"alg\":\"HS256\"}", claims, secret, strlen(secret));
}

const char *token_headed(const char *header)
{
	return token_hmac(header, "{\"sub\":\"ann\"}", secret, strlen(secret));
}

const char *token_pkey(const char *algorithm, const char *more, EVP_PKEY *key)
{
	static char token[4096];
	char header[256];
	uint8_t signature[1024];

	(void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"%s}", algorithm, more);
	token_begin(header, "{\"sub\":\"ann\"}", token);
	token_finish(token, signature, sign_pkey(algorithm, token, key, signature));
	return token;
}
