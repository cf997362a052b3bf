/* Tokens: the examples of RFC 7515, ones signed here with OpenSSL alone, and those that others have
 * been taken in by (RFC 8725). */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base64.h"
#include "core/json.h"
#include "core/jwt.h"

static const char secret[] = "0123456789abcdef0123456789abcdef";
static const int64_t now_ms = 1700000000000;

/* ---- settings ---- */

static struct config *config;
static struct jwt_verifier *verifier;
static struct error error;
static EVP_PKEY *rsa, *other_rsa, *ec;
static char folder[] = "/tmp/test_jwt_XXXXXX";
static char path[64];

static int without_settings(void **state)
{
	(void)state;
	assert_int_equal(setenv("REALTIME_CONFIG", "/dev/null", 1), 0);
	assert_int_equal(config_load(&config, &error), 0);
	return 0;
}

static int forget(void **state)
{
	(void)state;
	verifier = jwt_verifier_free(verifier);
	config = config_free(config);
	(void)unlink(path);
	return 0;
}

static void set(char **setting, const char *value)
{
	free(*setting);
	*setting = strdup(value);
}

static void write_file(const char *text)
{
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/file", folder);
	(void)unlink(path); /* another file each time, whatever the clock says */
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fputs(text, file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
}

static void open_verifier(void)
{
	verifier = jwt_verifier_free(verifier);
	assert_int_equal(jwt_verifier_new(config, &verifier, &error), 0);
}

static void open_with_secret(void)
{
	set(&config->REALTIME_JWT_SECRET, secret);
	open_verifier();
}

static void open_with_pem(EVP_PKEY *key)
{
	FILE *file;

	write_file("");
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(PEM_write_PUBKEY(file, key), 1);
	assert_int_equal(fclose(file), 0);
	set(&config->REALTIME_JWT_PUBLIC_KEY, path);
	open_verifier();
}

static void open_with_set(const char *text)
{
	write_file(text);
	set(&config->REALTIME_JWT_JWKS, path);
	open_verifier();
}

/* ---- tokens by OpenSSL ---- */

static void base64url(const uint8_t *bytes, size_t length, char *out)
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

/* header.claims, to be signed. */
static void begin(const char *header, const char *claims, char *out)
{
	base64url((const uint8_t *)header, strlen(header), out);
	(void)strcat(out, ".");
	base64url((const uint8_t *)claims, strlen(claims), out + strlen(out));
}

static void finish(char *out, const uint8_t *signature, size_t length)
{
	(void)strcat(out, ".");
	base64url(signature, length, out + strlen(out));
}

static const char *token_hmac(const char *header, const char *claims, const void *key,
			      size_t length)
{
	static char token[32768];
	uint8_t signature[64];

	begin(header, claims, token);
	finish(token, signature, sign_hmac(token, key, length, signature));
	return token;
}

static const char *token_secret(const char *claims)
{
	return token_hmac("{\"alg\":\"HS256\"}", claims, secret, strlen(secret));
}

/* `more` goes into the header, as in ",\"kid\":\"a\"". */
static const char *token_pkey(const char *algorithm, const char *more, EVP_PKEY *key)
{
	static char token[4096];
	char header[256];
	uint8_t signature[1024];

	(void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"%s}", algorithm, more);
	begin(header, "{\"sub\":\"ann\"}", token);
	finish(token, signature, sign_pkey(algorithm, token, key, signature));
	return token;
}

/* ---- what becomes of them ---- */

static struct identity *accept_at(const char *token, int64_t at_ms)
{
	struct identity *identity = NULL;

	error = (struct error){0};
	if (jwt_verify(verifier, token, at_ms, &identity, &error) < 0)
		fail_msg("refused: %s", error.message);
	return identity;
}

static void accepts(const char *token)
{
	AUTO(identity) identity = accept_at(token, now_ms);

	assert_string_equal(identity->user_id, "ann");
}

static void refuses_at(const char *token, int64_t at_ms, const char *code)
{
	struct identity *identity = NULL;

	error = (struct error){0};
	assert_int_equal(jwt_verify(verifier, token, at_ms, &identity, &error), -EKEYREJECTED);
	assert_null(identity);
	assert_string_equal(error.code, code);
	if (strlen(token) > 30)
		assert_null(strstr(error.message, token)); /* that may reach a log */
}

static void refuses(const char *token)
{
	refuses_at(token, now_ms, "bad_token");
}

/* ---- RFC 7515 appendix A ---- */

#define RFC_PAYLOAD                                                                                \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0" \
	"cnVlfQ"

/* Its signature is right if the verifier goes on to look at the claims: they have no sub. */
static void rfc_example_is_genuine(const char *set_text, const char *token)
{
	char forged[2048];

	open_with_set(set_text);
	refuses_at(token, 1300819380LL * 1000 - 1, "bad_token");
	assert_non_null(strstr(error.message, "no sub"));
	refuses_at(token, 1300819380LL * 1000 + 60000, "token_expired");
	(void)snprintf(forged, sizeof(forged), "%s", token);
	forged[strlen(forged) - 10] = forged[strlen(forged) - 10] == 'A' ? 'B' : 'A';
	refuses(forged);
	assert_non_null(strstr(error.message, "not signed"));
}

static void the_examples_of_rfc_7515_are_genuine(void **state)
{
	(void)state;
	rfc_example_is_genuine("{\"keys\":[{\"kty\":\"oct\",\"k\":"
			       "\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"
			       "aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}]}",
			       "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC_PAYLOAD
			       ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
	rfc_example_is_genuine(
		"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
		"wWJcyQoTbji9k0l8W26"
		"mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_"
		"YpRPEwOWvG6b32690r2jZ4"
		"7soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"
		"UTo7WTBEMa2R2CapHg665xsmtd"
		"VMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_"
		"h9iaGNj8q2ethFkMLs91kzk2"
		"PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}]}",
		"eyJhbGciOiJSUzI1NiJ9." RFC_PAYLOAD
		".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_"
		"lF5YKt_O8W"
		"2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
		"nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSj"
		"tQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
		"eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh"
		"6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw");
	rfc_example_is_genuine("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
			       "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
			       "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
			       "eyJhbGciOiJFUzI1NiJ9." RFC_PAYLOAD
			       ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-"
			       "F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
	/* A.5, which nobody signed */
	open_with_secret();
	refuses("eyJhbGciOiJub25lIn0." RFC_PAYLOAD ".");
}

/* ---- signatures ---- */

static void each_algorithm_goes_with_a_key_of_its_type(void **state)
{
	(void)state;
	open_with_secret();
	accepts(token_secret("{\"sub\":\"ann\"}"));
	refuses(token_pkey("RS256", "", rsa));
	open_with_pem(rsa);
	accepts(token_secret("{\"sub\":\"ann\"}")); /* the secret is there still */
	accepts(token_pkey("RS256", "", rsa));
	accepts(token_pkey("PS256", "", rsa));
	refuses(token_pkey("RS256", "", other_rsa));
	refuses(token_pkey("PS256", "", other_rsa));
	refuses(token_pkey("ES256", "", ec));
	open_with_pem(ec);
	accepts(token_pkey("ES256", "", ec));
	refuses(token_pkey("RS256", "", rsa));
}

static void without_keys_nothing_is_accepted(void **state)
{
	(void)state;
	open_verifier();
	refuses(token_secret("{\"sub\":\"ann\"}"));
	refuses(token_hmac("{\"alg\":\"HS256\"}", "{\"sub\":\"ann\"}", "", 0));
	refuses(token_pkey("RS256", "", rsa));
}

static void what_nobody_signed_is_refused(void **state)
{
	static const char *const names[] = {"none", "None", "NONE", "nOnE", "", "HS512", "HS256 "};
	char token[256], header[64];

	(void)state;
	open_with_pem(rsa);
	set(&config->REALTIME_JWT_SECRET, secret);
	open_verifier();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
		begin(header, "{\"sub\":\"ann\"}", token);
		refuses(token);
		(void)strcat(token, ".");
		refuses(token);
		refuses(token_hmac(header, "{\"sub\":\"ann\"}", secret, strlen(secret)));
	}
	refuses(token_hmac("{\"typ\":\"JWT\"}", "{\"sub\":\"ann\"}", secret, strlen(secret)));
	refuses(token_hmac("{\"alg\":256}", "{\"sub\":\"ann\"}", secret, strlen(secret)));
}

/* RFC 8725 section 2.1: what everybody may know is no secret. */
static void a_public_key_is_not_taken_for_a_secret(void **state)
{
	char pem[4096];
	FILE *file;
	size_t length;
	uint8_t *der = NULL;
	int der_length;

	(void)state;
	open_with_pem(rsa);
	file = fopen(path, "r");
	assert_non_null(file);
	length = fread(pem, 1, sizeof(pem), file);
	assert_int_equal(fclose(file), 0);
	refuses(token_hmac("{\"alg\":\"HS256\"}", "{\"sub\":\"ann\"}", pem, length));
	refuses(token_hmac("{\"alg\":\"HS256\"}", "{\"sub\":\"ann\"}", pem, length - 1));
	der_length = i2d_PUBKEY(rsa, &der);
	assert_true(der_length > 0);
	refuses(token_hmac("{\"alg\":\"HS256\"}", "{\"sub\":\"ann\"}", der, (size_t)der_length));
	OPENSSL_free(der);
}

static void a_signature_of_another_length_is_refused(void **state)
{
	char token[4096];
	const char *good;

	(void)state;
	open_with_pem(ec);
	good = token_pkey("ES256", "", ec);
	(void)snprintf(token, sizeof(token), "%sAAAA", good);
	refuses(token);
	(void)snprintf(token, sizeof(token), "%.*s", (int)strlen(good) - 4, good);
	refuses(token);
	(void)snprintf(token, sizeof(token), "%.*s", (int)(strrchr(good, '.') - good) + 1, good);
	refuses(token);
	/* r = s = 0 (CVE-2022-21449) */
	(void)memset(token + strlen(token), 'A', 86);
	token[strrchr(good, '.') - good + 87] = '\0';
	refuses(token);
}

static void unknown_extensions_are_refused(void **state)
{
	(void)state;
	open_with_secret();
	accepts(token_hmac("{\"alg\":\"HS256\",\"typ\":\"JWT\",\"x\":1}", "{\"sub\":\"ann\"}",
			   secret, strlen(secret)));
	refuses(token_hmac("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", "{\"sub\":\"ann\"}",
			   secret, strlen(secret)));
	refuses(token_hmac("{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}",
			   "{\"sub\":\"ann\"}", secret, strlen(secret)));
	refuses(token_hmac("{\"alg\":\"HS256\",\"crit\":\"b64\"}", "{\"sub\":\"ann\"}", secret,
			   strlen(secret)));
	refuses(token_hmac("{\"alg\":\"none\",\"alg\":\"HS256\"}", "{\"sub\":\"ann\"}", secret,
			   strlen(secret)));
	refuses(token_hmac("{\"alg\":\"HS256\",\"crit\":null}", "{\"sub\":\"ann\"}", secret,
			   strlen(secret)));
}

static void what_is_no_token_is_refused(void **state)
{
	static const char *const texts[] = {
		"", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d", "your_token",
		/* libcjose ends the process at these */
		"eyJhbGciOiJSU=I1NiJ9.eyJpc3MiOi.Jqb2", "e30.e30=.e=30", "eyJhbGciOiJIUzI1NiJ9..",
		"eyJhbGciOiJIUzI1NiJ9.e30.", "{\"a\":1}", "\xff\xfe.e30.AA"};
	char *longest = malloc(JWT_MAX + 2);

	(void)state;
	open_with_secret();
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		refuses(texts[i]);
	refuses(token_secret("[1]"));
	refuses(token_secret("{"));
	refuses(token_secret("{\"sub\":\"ann\",\"sub\":\"bob\"}"));
	assert_non_null(longest);
	memset(longest, 'a', JWT_MAX + 1);
	longest[JWT_MAX + 1] = '\0';
	refuses(longest);
	free(longest);
}

/* ---- key sets ---- */

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
	(void)state;
	open_with_set(set_of(jwk_of(rsa, ",\"kid\":\"a\""),
			     jwk_of(other_rsa, ",\"kid\":\"b\",\"use\":\"sig\"")));
	accepts(token_pkey("RS256", ",\"kid\":\"a\"", rsa));
	accepts(token_pkey("RS256", ",\"kid\":\"b\"", other_rsa));
	refuses(token_pkey("RS256", ",\"kid\":\"a\"", other_rsa));
	refuses(token_pkey("RS256", ",\"kid\":\"c\"", rsa));
	accepts(token_pkey("RS256", "", other_rsa)); /* any may be meant */
	/* Whoever names no key here may still mean the one that has no name. */
	set(&config->REALTIME_JWT_SECRET, secret);
	open_verifier();
	accepts(token_hmac("{\"alg\":\"HS256\",\"kid\":\"mine\"}", "{\"sub\":\"ann\"}", secret,
			   strlen(secret)));
	refuses(token_hmac("{\"alg\":\"HS256\",\"kid\":\"a\"}", "{\"sub\":\"ann\"}", secret,
			   strlen(secret)));
}

static void a_key_is_for_what_it_says(void **state)
{
	(void)state;
	open_with_set(
		set_of(jwk_of(rsa, ",\"alg\":\"PS256\""), jwk_of(other_rsa, ",\"use\":\"enc\"")));
	accepts(token_pkey("PS256", "", rsa));
	refuses(token_pkey("RS256", "", rsa));
	refuses(token_pkey("RS256", "", other_rsa));
	open_with_set(set_of(jwk_of(ec, ""), "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}"));
	accepts(token_pkey("ES256", "", ec));
	/* Here libcjose would end the process. */
	open_with_set(set_of(jwk_of(ec, ""), "{\"kty\":\"oct\",\"k\":\"AA=AAAAA\"}"));
	accepts(token_pkey("ES256", "", ec));
}

static void a_changed_set_is_read_again(void **state)
{
	const char *first, *second;
	char old_token[4096], new_token[4096];

	(void)state;
	(void)snprintf(old_token, sizeof(old_token), "%s", token_pkey("RS256", "", rsa));
	(void)snprintf(new_token, sizeof(new_token), "%s", token_pkey("RS256", "", other_rsa));
	first = jwk_of(rsa, "");
	second = jwk_of(other_rsa, "");
	open_with_set(set_of(first, first));
	(void)identity_unref(accept_at(old_token, now_ms));
	refuses_at(new_token, now_ms, "bad_token");
	write_file(set_of(second, second));
	(void)identity_unref(accept_at(old_token, now_ms + 4999)); /* it is not looked at yet */
	(void)identity_unref(accept_at(new_token, now_ms + 5000));
	refuses_at(old_token, now_ms + 5001, "bad_token");
	/* Half a file, as while it is written, changes nothing; nor does one that is gone. */
	write_file("{\"keys\":[");
	(void)identity_unref(accept_at(new_token, now_ms + 10000));
	assert_int_equal(unlink(path), 0);
	(void)identity_unref(accept_at(new_token, now_ms + 15000));
	/* A set without keys takes them all away. */
	write_file("{\"keys\":[]}");
	refuses_at(new_token, now_ms + 20000, "bad_token");
	/* The clock is put back by a day: the file is looked at nevertheless. */
	write_file(set_of(first, second));
	(void)identity_unref(accept_at(old_token, now_ms - 86400000));
}

static void refuses_settings(const char *words)
{
	struct jwt_verifier *none = NULL;

	error = (struct error){0};
	assert_int_equal(jwt_verifier_new(config, &none, &error), -EINVAL);
	assert_null(none);
	assert_string_equal(error.code, "bad_setting");
	assert_non_null(strstr(error.message, words));
}

static void weak_and_missing_keys_stop_the_start(void **state)
{
	EVP_PKEY *weak = EVP_RSA_gen(1024), *curve = EVP_EC_gen("P-384");

	(void)state;
	set(&config->REALTIME_JWT_SECRET, "0123456789abcdef0123456789abcde");
	refuses_settings("32 bytes");
	set(&config->REALTIME_JWT_SECRET, "");
	open_with_pem(rsa);
	set(&config->REALTIME_JWT_PUBLIC_KEY, "/nonexistent");
	refuses_settings("/nonexistent");
	write_file("-----BEGIN PUBLIC KEY-----\n");
	set(&config->REALTIME_JWT_PUBLIC_KEY, path);
	refuses_settings("PEM");
	for (int i = 0; i < 2; i++) {
		FILE *file = fopen(path, "w");

		assert_int_equal(PEM_write_PUBKEY(file, i == 0 ? weak : curve), 1);
		assert_int_equal(fclose(file), 0);
		refuses_settings(i == 0 ? "2048" : "P-256");
	}
	set(&config->REALTIME_JWT_PUBLIC_KEY, "");
	set(&config->REALTIME_JWT_JWKS, path);
	refuses_settings("REALTIME_JWT_JWKS");
	write_file("{\"keys\":[]}");
	refuses_settings("no key");
	EVP_PKEY_free(weak);
	EVP_PKEY_free(curve);
}

/* ---- claims ---- */

static void times_count_with_leeway_at_both_ends(void **state)
{
	const int64_t second = now_ms / 1000;
	char claims[128], token[512];

	(void)state;
	config->REALTIME_JWT_LEEWAY = 10;
	open_with_secret();
	(void)snprintf(claims, sizeof(claims), "{\"sub\":\"ann\",\"exp\":%lld,\"nbf\":%lld}",
		       (long long)second + 100, (long long)second);
	(void)snprintf(token, sizeof(token), "%s", token_secret(claims));
	refuses_at(token, now_ms - 10001, "token_not_yet_valid");
	(void)identity_unref(accept_at(token, now_ms - 10000));
	(void)identity_unref(accept_at(token, now_ms + 109999));
	refuses_at(token, now_ms + 110000, "token_expired");
	config->REALTIME_JWT_LEEWAY = 0;
	refuses_at(token, now_ms - 1, "token_not_yet_valid");
	(void)identity_unref(accept_at(token, now_ms + 99999));
	refuses_at(token, now_ms + 100000, "token_expired");
	/* Fractions are allowed (RFC 7519 section 2), other types are not. */
	accepts(token_secret("{\"sub\":\"ann\",\"exp\":1700000000.5}"));
	refuses_at(token_secret("{\"sub\":\"ann\",\"exp\":1700000000.5}"), now_ms + 500,
		   "token_expired");
	refuses(token_secret("{\"sub\":\"ann\",\"exp\":\"1800000000\"}"));
	refuses(token_secret("{\"sub\":\"ann\",\"exp\":null}"));
	refuses(token_secret("{\"sub\":\"ann\",\"exp\":-1}"));
	refuses(token_secret("{\"sub\":\"ann\",\"exp\":1e300}"));
	refuses(token_secret("{\"sub\":\"ann\",\"nbf\":true}"));
	refuses_at(token_secret("{\"sub\":\"ann\",\"exp\":0}"), now_ms, "token_expired");
}

static void issuer_and_audience_are_demanded_where_they_are_set(void **state)
{
	(void)state;
	open_with_secret();
	accepts(token_secret("{\"sub\":\"ann\",\"iss\":\"x\",\"aud\":[\"y\"]}"));
	set(&config->REALTIME_JWT_ISSUER, "https://id.example");
	refuses(token_secret("{\"sub\":\"ann\"}"));
	refuses(token_secret("{\"sub\":\"ann\",\"iss\":\"https://id.example/\"}"));
	refuses(token_secret("{\"sub\":\"ann\",\"iss\":[\"https://id.example\"]}"));
	accepts(token_secret("{\"sub\":\"ann\",\"iss\":\"https://id.example\"}"));
	set(&config->REALTIME_JWT_ISSUER, "");
	set(&config->REALTIME_JWT_AUDIENCE, "realtime");
	refuses(token_secret("{\"sub\":\"ann\"}"));
	refuses(token_secret("{\"sub\":\"ann\",\"aud\":\"other\"}"));
	refuses(token_secret("{\"sub\":\"ann\",\"aud\":[\"other\",1]}"));
	refuses(token_secret("{\"sub\":\"ann\",\"aud\":{\"realtime\":1}}"));
	accepts(token_secret("{\"sub\":\"ann\",\"aud\":\"realtime\"}"));
	accepts(token_secret("{\"sub\":\"ann\",\"aud\":[\"other\",\"realtime\"]}"));
}

static struct identity *identity_of(const char *claims)
{
	return accept_at(token_secret(claims), now_ms);
}

static void claims_say_who_it_is_and_what_they_may(void **state)
{
	AUTO(identity) user = NULL;
	AUTO(identity) admin = NULL;
	AUTO(identity) moderator = NULL;
	AUTO(identity) limited = NULL;

	(void)state;
	open_with_secret();
	user = identity_of(
		"{\"user_id\":\"ann\",\"name\":\"Ann Ä\",\"exp\":1700000001,\"other\":{}}");
	assert_string_equal(user->user_id, "ann");
	assert_string_equal(user->name, "Ann Ä");
	assert_string_equal(user->key_id, "");
	assert_int_equal(user->expires_at_unix_ms, 1700000001000);
	assert_int_equal(user->rights, RIGHTS_USER);
	assert_true(identity_may(user, RIGHT_PUBLISH, GRANT_CHANNELS, "any"));
	moderator = identity_of(
		"{\"sub\":\"m\",\"user_id\":\"x\",\"roles\":[\"moderator\",\"writer\",7]}");
	assert_string_equal(moderator->user_id, "m");
	assert_int_equal(moderator->rights, RIGHTS_USER | RIGHT_MODERATE);
	assert_int_equal(moderator->expires_at_unix_ms, 0);
	admin = identity_of("{\"sub\":\"a\",\"roles\":[\"admin\"]}");
	assert_int_equal(admin->rights, RIGHTS_ALL);
	limited = identity_of(
		"{\"sub\":\"l\",\"channels\":{\"chat_*\":[\"subscribe\"],\"c\":\"publish\"},"
		"\"rooms\":{\"r\":\"*\"}}");
	assert_true(identity_may(limited, RIGHT_SUBSCRIBE, GRANT_CHANNELS, "chat_1"));
	assert_false(identity_may(limited, RIGHT_PUBLISH, GRANT_CHANNELS, "chat_1"));
	assert_true(identity_may(limited, RIGHT_PUBLISH, GRANT_CHANNELS, "c"));
	assert_true(identity_may(limited, RIGHT_ADMIN, GRANT_ROOMS, "r"));
	assert_false(identity_may(limited, RIGHT_SUBSCRIBE, GRANT_ROOMS, "s"));
	assert_false(identity_may_anywhere(limited, RIGHT_ADMIN));
}

static void a_name_that_cannot_be_shown_is_left_out(void **state)
{
	AUTO(identity) odd = NULL;
	AUTO(identity) number = NULL;

	(void)state;
	open_with_secret();
	odd = identity_of("{\"sub\":\"ann\",\"name\":\"a\\nb\"}");
	assert_string_equal(odd->name, "");
	number = identity_of("{\"sub\":\"ann\",\"name\":7}");
	assert_string_equal(number->name, "");
}

static void claims_that_make_no_sense_are_refused(void **state)
{
	static const char *const claims[] = {
		"{}",
		"{\"sub\":\"\"}",
		"{\"sub\":7}",
		"{\"sub\":\"a*b\"}",
		"{\"sub\":\"a\\nb\"}",
		"{\"sub\":\"ann\",\"roles\":\"admin\"}",
		"{\"sub\":\"ann\",\"channels\":[]}",
		"{\"sub\":\"ann\",\"channels\":null}",
		"{\"sub\":\"ann\",\"channels\":{\"a\":[\"fly\"]}}",
		"{\"sub\":\"ann\",\"rooms\":\"*\"}",
		"{\"sub\":\"ann\",\"rooms\":{\"a\":7}}",
	};
	char name[IDENTITY_USER_ID_MAX + 2], long_claims[256];

	(void)state;
	open_with_secret();
	for (size_t i = 0; i < ARRAY_LEN(claims); i++)
		refuses(token_secret(claims[i]));
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	(void)snprintf(long_claims, sizeof(long_claims), "{\"sub\":\"%s\"}", name);
	refuses(token_secret(long_claims));
	(void)snprintf(long_claims, sizeof(long_claims), "{\"sub\":\"%s\"}", name + 1);
	(void)identity_unref(accept_at(token_secret(long_claims), now_ms));
}

static void what_is_signed_here_is_accepted_here(void **state)
{
	json_t *claims = json_pack("{s:s}", "sub", "ann");
	char *token = jwt_sign(claims, secret);

	(void)state;
	open_with_secret();
	assert_non_null(token);
	accepts(token);
	set(&config->REALTIME_JWT_SECRET, "another secret that is long enough");
	open_verifier();
	refuses(token);
	free(token);
	json_decref(claims);
}

static int make_keys(void **state)
{
	(void)state;
	rsa = EVP_RSA_gen(2048);
	other_rsa = EVP_RSA_gen(2048);
	ec = EVP_EC_gen("P-256");
	return rsa && other_rsa && ec && mkdtemp(folder) ? 0 : -1;
}

static int free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(other_rsa);
	EVP_PKEY_free(ec);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, without_settings, forget)
		TEST(the_examples_of_rfc_7515_are_genuine),
		TEST(each_algorithm_goes_with_a_key_of_its_type),
		TEST(without_keys_nothing_is_accepted),
		TEST(what_nobody_signed_is_refused),
		TEST(a_public_key_is_not_taken_for_a_secret),
		TEST(a_signature_of_another_length_is_refused),
		TEST(unknown_extensions_are_refused),
		TEST(what_is_no_token_is_refused),
		TEST(a_kid_names_the_key),
		TEST(a_key_is_for_what_it_says),
		TEST(a_changed_set_is_read_again),
		TEST(weak_and_missing_keys_stop_the_start),
		TEST(times_count_with_leeway_at_both_ends),
		TEST(issuer_and_audience_are_demanded_where_they_are_set),
		TEST(claims_say_who_it_is_and_what_they_may),
		TEST(a_name_that_cannot_be_shown_is_left_out),
		TEST(claims_that_make_no_sense_are_refused),
		TEST(what_is_signed_here_is_accepted_here),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
