/* test_jwt_keys.c - the keys: sets of them, which is meant, and when they are read. */
#include "tests/unit/core/token_check.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/core/signed_token.h"

static void add_number(const EVP_PKEY *key, const char *parameter, size_t length, char *out)
{
	BIGNUM *number = NULL;
	uint8_t bytes[512];

	assert_int_equal(EVP_PKEY_get_bn_param(key, parameter, &number), 1);
	if (length == 0)
		length = (size_t)BN_num_bytes(number);
	assert_true(BN_bn2binpad(number, bytes, (int)length) > 0);
	base64url(bytes, length, out);
	BN_free(number);
}

/* A JWK, with `more` in it. */
static const char *jwk_of(EVP_PKEY *key, const char *more)
{
	static char texts[4][4096];
	static unsigned next;
	char a[1024], b[1024], *text = texts[next++ % 4];

	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
		add_number(key, "n", 0, a);
		add_number(key, "e", 0, b);
		(void)snprintf(text, sizeof(texts[0]),
			       "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}", a, b, more);
	} else {
		add_number(key, "qx", 32, a);
		add_number(key, "qy", 32, b);
		(void)snprintf(text, sizeof(texts[0]),
			       "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"%s}", a,
			       b, more);
	}
	return text;
}

static const char *set_of(const char *first, const char *second)
{
	static char text[16384];

	(void)snprintf(text, sizeof(text), "{\"keys\":[%s,%s]}", first, second);
	return text;
}

static void a_kid_names_the_key(void **state)
{
	struct token_check *check = *state;
	open_with_set(check, set_of(jwk_of(check->rsa, ",\"kid\":\"a\""),
				    jwk_of(check->other_rsa, ",\"kid\":\"b\",\"use\":\"sig\"")));
	accepts(check, token_pkey("RS256", ",\"kid\":\"a\"", check->rsa));
	accepts(check, token_pkey("RS256", ",\"kid\":\"b\"", check->other_rsa));
	refuses(check, token_pkey("RS256", ",\"kid\":\"a\"", check->other_rsa));
	refuses(check, token_pkey("RS256", ",\"kid\":\"c\"", check->rsa));
	accepts(check, token_pkey("RS256", "", check->other_rsa)); /* any may be meant */
	/* Whoever names no key here may still mean the one that has no name. */
	set(&check->config->REALTIME_JWT_SECRET, secret);
	open_verifier(check);
	accepts(check, token_headed("{\"alg\":\"HS256\",\"kid\":\"mine\"}"));
	refuses(check, token_headed("{\"alg\":\"HS256\",\"kid\":\"a\"}"));
}

static void a_key_is_for_what_it_says(void **state)
{
	struct token_check *check = *state;
	open_with_set(check, set_of(jwk_of(check->rsa, ",\"alg\":\"PS256\""),
				    jwk_of(check->other_rsa, ",\"use\":\"enc\"")));
	accepts(check, token_pkey("PS256", "", check->rsa));
	refuses(check, token_pkey("RS256", "", check->rsa));
	refuses(check, token_pkey("RS256", "", check->other_rsa));
	open_with_set(check, set_of(jwk_of(check->ec, ""),
				    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}"));
	accepts(check, token_pkey("ES256", "", check->ec));
	/* Here libcjose would end the process. */
	open_with_set(check, set_of(jwk_of(check->ec, ""), "{\"kty\":\"oct\",\"k\":\"AA=AAAAA\"}"));
	accepts(check, token_pkey("ES256", "", check->ec));
}

static void a_changed_set_is_read_again(void **state)
{
	struct token_check *check = *state;
	const char *first, *second;
	char old_token[4096], new_token[4096];

	(void)snprintf(old_token, sizeof(old_token), "%s", token_pkey("RS256", "", check->rsa));
	(void)snprintf(new_token, sizeof(new_token), "%s",
		       token_pkey("RS256", "", check->other_rsa));
	first = jwk_of(check->rsa, "");
	second = jwk_of(check->other_rsa, "");
	open_with_set(check, set_of(first, first));
	(void)identity_unref(accept_at(check, old_token, now_ms));
	refuses_at(check, new_token, now_ms, "bad_token");
	write_file(check, set_of(second, second));
	(void)identity_unref(
		accept_at(check, old_token, now_ms + 4999)); /* it is not looked at yet */
	(void)identity_unref(accept_at(check, new_token, now_ms + 5000));
	refuses_at(check, old_token, now_ms + 5001, "bad_token");
	/* Half a file, as while it is written, changes nothing; nor does one that is gone. */
	write_file(check, "{\"keys\":[");
	(void)identity_unref(accept_at(check, new_token, now_ms + 10000));
	assert_int_equal(unlink(check->path), 0);
	(void)identity_unref(accept_at(check, new_token, now_ms + 15000));
	/* A set without keys takes them all away. */
	write_file(check, "{\"keys\":[]}");
	refuses_at(check, new_token, now_ms + 20000, "bad_token");
	/* The clock is put back by a day: the file is looked at nevertheless. */
	write_file(check, set_of(first, second));
	(void)identity_unref(accept_at(check, old_token, now_ms - 86400000));
}

static void refuses_settings(struct token_check *check, const char *words)
{
	struct jwt_verifier *none = NULL;

	check->error = (struct error){0};
	assert_int_equal(jwt_verifier_new(check->config, &none, &check->error), -EINVAL);
	assert_null(none);
	assert_string_equal(check->error.code, "bad_setting");
	assert_non_null(strstr(check->error.message, words));
}

static void weak_and_missing_keys_stop_the_start(void **state)
{
	struct token_check *check = *state;
	EVP_PKEY *weak = EVP_RSA_gen(1024), *curve = EVP_EC_gen("P-384");

	set(&check->config->REALTIME_JWT_SECRET, "0123456789abcdef0123456789abcde");
	refuses_settings(check, "32 bytes");
	set(&check->config->REALTIME_JWT_SECRET, "");
	open_with_pem(check, check->rsa);
	set(&check->config->REALTIME_JWT_PUBLIC_KEY, "/nonexistent");
	refuses_settings(check, "/nonexistent");
	write_file(check, "-----BEGIN PUBLIC KEY-----\n");
	set(&check->config->REALTIME_JWT_PUBLIC_KEY, check->path);
	refuses_settings(check, "PEM");
	for (int i = 0; i < 2; i++) {
		FILE *file = fopen(check->path, "w");

		assert_int_equal(PEM_write_PUBKEY(file, i == 0 ? weak : curve), 1);
		assert_int_equal(fclose(file), 0);
		refuses_settings(check, i == 0 ? "2048" : "P-256");
	}
	set(&check->config->REALTIME_JWT_PUBLIC_KEY, "");
	set(&check->config->REALTIME_JWT_JWKS, check->path);
	refuses_settings(check, "REALTIME_JWT_JWKS");
	write_file(check, "{\"keys\":[]}");
	refuses_settings(check, "no key");
	EVP_PKEY_free(weak);
	EVP_PKEY_free(curve);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_TEST(a_kid_names_the_key),
		TOKEN_TEST(a_key_is_for_what_it_says),
		TOKEN_TEST(a_changed_set_is_read_again),
		TOKEN_TEST(weak_and_missing_keys_stop_the_start),
	};

	return RUN_WITH_KEYS(tests);
}
