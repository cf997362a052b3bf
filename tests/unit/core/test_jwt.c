/* test_jwt.c - tokens and who signed them: the examples of RFC 7515, ones signed here with OpenSSL
 * alone, and those that others have been taken in by (RFC 8725). */
#include "tests/unit/core/token_check.h"

#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core/signed_token.h"

#define RFC_PAYLOAD                                                                                \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0" \
	"cnVlfQ"

/* Its signature is right if the verifier goes on to look at the claims: they have no sub. */
static void rfc_example_is_genuine(struct token_check *check, const char *set_text,
				   const char *token)
{
	char forged[2048];

	open_with_set(check, set_text);
	refuses_at(check, token, 1300819380LL * 1000 - 1, "bad_token");
	assert_non_null(strstr(check->error.message, "no sub"));
	refuses_at(check, token, 1300819380LL * 1000 + 60000, "token_expired");
	(void)snprintf(forged, sizeof(forged), "%s", token);
	forged[strlen(forged) - 10] = forged[strlen(forged) - 10] == 'A' ? 'B' : 'A';
	refuses(check, forged);
	assert_non_null(strstr(check->error.message, "not signed"));
}

static void the_examples_of_rfc_7515_are_genuine(void **state)
{
	struct token_check *check = *state;
	rfc_example_is_genuine(check,
			       "{\"keys\":[{\"kty\":\"oct\",\"k\":"
			       "\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"
			       "aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}]}",
			       "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC_PAYLOAD
			       ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
	rfc_example_is_genuine(
		check,
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
	rfc_example_is_genuine(check,
			       "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
			       "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
			       "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
			       "eyJhbGciOiJFUzI1NiJ9." RFC_PAYLOAD
			       ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-"
			       "F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
	/* A.5, which nobody signed */
	open_with_secret(check);
	refuses(check, "eyJhbGciOiJub25lIn0." RFC_PAYLOAD ".");
}

static void each_algorithm_goes_with_a_key_of_its_type(void **state)
{
	struct token_check *check = *state;
	open_with_secret(check);
	accepts(check, token_secret("{\"sub\":\"ann\"}"));
	refuses(check, token_pkey("RS256", "", check->rsa));
	open_with_pem(check, check->rsa);
	accepts(check, token_secret("{\"sub\":\"ann\"}")); /* the secret is there still */
	accepts(check, token_pkey("RS256", "", check->rsa));
	accepts(check, token_pkey("PS256", "", check->rsa));
	refuses(check, token_pkey("RS256", "", check->other_rsa));
	refuses(check, token_pkey("PS256", "", check->other_rsa));
	refuses(check, token_pkey("ES256", "", check->ec));
	open_with_pem(check, check->ec);
	accepts(check, token_pkey("ES256", "", check->ec));
	refuses(check, token_pkey("RS256", "", check->rsa));
}

static void without_keys_nothing_is_accepted(void **state)
{
	struct token_check *check = *state;
	open_verifier(check);
	refuses(check, token_secret("{\"sub\":\"ann\"}"));
	refuses(check, token_hmac("{\"alg\":\"HS256\"}", "{\"sub\":\"ann\"}", "", 0));
	refuses(check, token_pkey("RS256", "", check->rsa));
}

static void what_nobody_signed_is_refused(void **state)
{
	struct token_check *check = *state;
	static const char *const names[] = {"none", "None", "NONE", "nOnE", "", "HS512", "HS256 "};
	char token[256], header[64];

	open_with_pem(check, check->rsa);
	set(&check->config->REALTIME_JWT_SECRET, secret);
	open_verifier(check);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
		token_begin(header, "{\"sub\":\"ann\"}", token);
		refuses(check, token);
		(void)strcat(token, ".");
		refuses(check, token);
		refuses(check, token_headed(header));
	}
	refuses(check, token_headed("{\"typ\":\"JWT\"}"));
	refuses(check, token_headed("{\"alg\":256}"));
}

/* RFC 8725 section 2.1: what everybody may know is no secret. */
static void a_public_key_is_not_taken_for_a_secret(void **state)
{
	struct token_check *check = *state;
	char pem[4096];
	FILE *file;
	size_t length;
	uint8_t *der = NULL;
	int der_length;

	open_with_pem(check, check->rsa);
	file = fopen(check->path, "r");
	assert_non_null(file);
	length = fread(pem, 1, sizeof(pem), file);
	assert_int_equal(fclose(file), 0);
	refuses(check, token_hmac("{\"alg\":\"HS256\"}", "{\"sub\":\"ann\"}", pem, length));
	refuses(check, token_hmac("{\"alg\":\"HS256\"}", "{\"sub\":\"ann\"}", pem, length - 1));
	der_length = i2d_PUBKEY(check->rsa, &der);
	assert_true(der_length > 0);
	refuses(check,
		token_hmac("{\"alg\":\"HS256\"}", "{\"sub\":\"ann\"}", der, (size_t)der_length));
	OPENSSL_free(der);
}

static void a_signature_of_another_length_is_refused(void **state)
{
	struct token_check *check = *state;
	char token[4096];
	const char *good;

	open_with_pem(check, check->ec);
	good = token_pkey("ES256", "", check->ec);
	(void)snprintf(token, sizeof(token), "%sAAAA", good);
	refuses(check, token);
	(void)snprintf(token, sizeof(token), "%.*s", (int)strlen(good) - 4, good);
	refuses(check, token);
	(void)snprintf(token, sizeof(token), "%.*s", (int)(strrchr(good, '.') - good) + 1, good);
	refuses(check, token);
	/* r = s = 0 (CVE-2022-21449) */
	(void)memset(token + strlen(token), 'A', 86);
	token[strrchr(good, '.') - good + 87] = '\0';
	refuses(check, token);
}

static void unknown_extensions_are_refused(void **state)
{
	struct token_check *check = *state;
	open_with_secret(check);
	accepts(check, token_headed("{\"alg\":\"HS256\",\"typ\":\"JWT\",\"x\":1}"));
	refuses(check, token_headed("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}"));
	refuses(check, token_headed("{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}"));
	refuses(check, token_headed("{\"alg\":\"HS256\",\"crit\":\"b64\"}"));
	refuses(check, token_headed("{\"alg\":\"none\",\"alg\":\"HS256\"}"));
	refuses(check, token_headed("{\"alg\":\"HS256\",\"crit\":null}"));
}

static void what_is_no_token_is_refused(void **state)
{
	struct token_check *check = *state;
	static const char *const texts[] = {
		"", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d", "your_token",
		/* libcjose ends the process at these */
		"eyJhbGciOiJSU=I1NiJ9.eyJpc3MiOi.Jqb2", "e30.e30=.e=30", "eyJhbGciOiJIUzI1NiJ9..",
		"eyJhbGciOiJIUzI1NiJ9.e30.", "{\"a\":1}", "\xff\xfe.e30.AA"};
	char *longest = malloc(JWT_MAX + 2);

	open_with_secret(check);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		refuses(check, texts[i]);
	refuses(check, token_secret("[1]"));
	refuses(check, token_secret("{"));
	refuses(check, token_secret("{\"sub\":\"ann\",\"sub\":\"bob\"}"));
	assert_non_null(longest);
	memset(longest, 'a', JWT_MAX + 1);
	longest[JWT_MAX + 1] = '\0';
	refuses(check, longest);
	free(longest);
}

static void what_is_signed_here_is_accepted_here(void **state)
{
	struct token_check *check = *state;
	json_t *claims = json_pack("{s:s}", "sub", "ann");
	char *token = jwt_sign(claims, secret);

	open_with_secret(check);
	assert_non_null(token);
	accepts(check, token);
	set(&check->config->REALTIME_JWT_SECRET, "another secret that is long enough");
	open_verifier(check);
	refuses(check, token);
	free(token);
	json_decref(claims);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_TEST(the_examples_of_rfc_7515_are_genuine),
		TOKEN_TEST(each_algorithm_goes_with_a_key_of_its_type),
		TOKEN_TEST(without_keys_nothing_is_accepted),
		TOKEN_TEST(what_nobody_signed_is_refused),
		TOKEN_TEST(a_public_key_is_not_taken_for_a_secret),
		TOKEN_TEST(a_signature_of_another_length_is_refused),
		TOKEN_TEST(unknown_extensions_are_refused),
		TOKEN_TEST(what_is_no_token_is_refused),
		TOKEN_TEST(what_is_signed_here_is_accepted_here),
	};

	return RUN_WITH_KEYS(tests);
}
