#include "tests/unit/core/token_check.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/core/signed_token.h"

int token_check_make_keys(void **state)
{
	struct token_check *check = calloc(1, sizeof(*check));

	assert_non_null(check);
	check->rsa = EVP_RSA_gen(2048);
	check->other_rsa = EVP_RSA_gen(2048);
	check->ec = EVP_EC_gen("P-256");
	(void)strcpy(check->folder, "/tmp/test_jwt_XXXXXX");
	assert_non_null(mkdtemp(check->folder));
	(void)snprintf(check->path, sizeof(check->path), "%s/file", check->folder);
	*state = check;
	return check->rsa && check->other_rsa && check->ec ? 0 : -1;
}

int token_check_free_keys(void **state)
{
	struct token_check *check = *state;
	int r = rmdir(check->folder);

	EVP_PKEY_free(check->rsa);
	EVP_PKEY_free(check->other_rsa);
	EVP_PKEY_free(check->ec);
	free(check);
	return r;
}

int token_check_set_up(void **state)
{
	struct token_check *check = *state;

	assert_int_equal(setenv("REALTIME_CONFIG", "/dev/null", 1), 0);
	assert_int_equal(config_load(&check->config, &check->error), 0);
	return 0;
}

int token_check_tear_down(void **state)
{
	struct token_check *check = *state;

	check->verifier = jwt_verifier_free(check->verifier);
	check->config = config_free(check->config);
	(void)unlink(check->path);
	return 0;
}

void set(char **setting, const char *value)
{
	free(*setting);
	*setting = strdup(value);
}

void write_file(struct token_check *check, const char *text)
{
	FILE *file;

	(void)unlink(check->path); /* another file each time, whatever the clock says */
	file = fopen(check->path, "w");
	assert_non_null(file);
	assert_int_equal(fputs(text, file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
}

void open_verifier(struct token_check *check)
{
	check->verifier = jwt_verifier_free(check->verifier);
	assert_int_equal(jwt_verifier_new(check->config, &check->verifier, &check->error), 0);
}

void open_with_secret(struct token_check *check)
{
	set(&check->config->REALTIME_JWT_SECRET, secret);
	open_verifier(check);
}

void open_with_pem(struct token_check *check, EVP_PKEY *key)
{
	FILE *file;

	write_file(check, "");
	file = fopen(check->path, "w");
	assert_non_null(file);
	assert_int_equal(PEM_write_PUBKEY(file, key), 1);
	assert_int_equal(fclose(file), 0);
	set(&check->config->REALTIME_JWT_PUBLIC_KEY, check->path);
	open_verifier(check);
}

void open_with_set(struct token_check *check, const char *text)
{
	write_file(check, text);
	set(&check->config->REALTIME_JWT_JWKS, check->path);
	open_verifier(check);
}

struct identity *accept_at(struct token_check *check, const char *token, int64_t at_ms)
{
	struct identity *identity = NULL;

	check->error = (struct error){0};
	if (jwt_verify(check->verifier, token, at_ms, &identity, &check->error) < 0)
		fail_msg("refused: %s", check->error.message);
	return identity;
}

void accepts(struct token_check *check, const char *token)
{
	AUTO(identity) identity = accept_at(check, token, now_ms);

	assert_string_equal(identity->user_id, "ann");
}

void refuses_at(struct token_check *check, const char *token, int64_t at_ms, const char *code)
{
	struct identity *identity = NULL;

	check->error = (struct error){0};
	assert_int_equal(jwt_verify(check->verifier, token, at_ms, &identity, &check->error),
			 -EKEYREJECTED);
	assert_null(identity);
	assert_string_equal(check->error.code, code);
	if (strlen(token) > 30)
		assert_null(strstr(check->error.message, token)); /* that may reach a log */
}

void refuses(struct token_check *check, const char *token)
{
	refuses_at(check, token, now_ms, "bad_token");
}
