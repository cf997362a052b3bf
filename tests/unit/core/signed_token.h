/* signed_token.h - tokens signed by OpenSSL alone, not by what is under test. What is returned is
 * good until the next call of the same function. Thread: one. */
#ifndef TESTS_UNIT_CORE_SIGNED_TOKEN_H
#define TESTS_UNIT_CORE_SIGNED_TOKEN_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

extern const char secret[];

/* By HMAC with any key; with `secret` and a header that says so; and Ann's, with `secret` and any
 * header. */
const char *token_hmac(const char *header, const char *claims, const void *key, size_t length);
const char *token_secret(const char *claims);
const char *token_headed(const char *header);
/* Ann's; `more` goes into the header, as in ",\"kid\":\"a\"". */
const char *token_pkey(const char *algorithm, const char *more, EVP_PKEY *key);

/* header.claims, to be signed. */
void token_begin(const char *header, const char *claims, char *out);
void base64url(const uint8_t *bytes, size_t length, char *out);

#endif
