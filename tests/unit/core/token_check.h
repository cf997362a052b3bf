/* token_check.h - a verifier of tokens with the keys that a test gives it. `*state` is the check.
 * Thread: one. */
#ifndef TESTS_UNIT_CORE_TOKEN_CHECK_H
#define TESTS_UNIT_CORE_TOKEN_CHECK_H

#include "tests/unit/cmocka_all.h"

#include <openssl/evp.h>

#include "core/jwt.h"

static const int64_t now_ms = 1700000000000;

struct token_check {
	struct config *config; /* the test's; nothing is set */
	struct jwt_verifier *verifier;
	struct error error;		/* of the last refusal */
	EVP_PKEY *rsa, *other_rsa, *ec; /* the group's */
	char folder[32], path[64];	/* a file for keys */
};

#define RUN_WITH_KEYS(tests)                                                                       \
	cmocka_run_group_tests(tests, token_check_make_keys, token_check_free_keys)
int token_check_make_keys(void **state);
int token_check_free_keys(void **state);

#define TOKEN_TEST(name)                                                                           \
	cmocka_unit_test_setup_teardown(name, token_check_set_up, token_check_tear_down)
int token_check_set_up(void **state);
int token_check_tear_down(void **state);

/* ---- its settings: each adds to what was set before ---- */

void set(char **setting, const char *value);
void write_file(struct token_check *check, const char *text);
void open_verifier(struct token_check *check);
void open_with_secret(struct token_check *check);
void open_with_pem(struct token_check *check, EVP_PKEY *key);
void open_with_set(struct token_check *check, const char *text);

/* ---- what becomes of tokens ---- */

struct identity *accept_at(struct token_check *check, const char *token, int64_t at_ms);
/* Now, and it is Ann's. */
void accepts(struct token_check *check, const char *token);
void refuses_at(struct token_check *check, const char *token, int64_t at_ms, const char *code);
/* Now, as a bad one. */
void refuses(struct token_check *check, const char *token);

#endif
