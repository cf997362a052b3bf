/* password.h - a password as it is kept: what scrypt makes of it and a salt, with the cost that it
 * took (core/scrypt_text.h), so that the cost can be raised without a word to those who have one
 * already.
 *
 * Making one and comparing take some 50 ms of CPU and 16 MiB for the moment. Thread: any.
 */
#ifndef CORE_PASSWORD_H
#define CORE_PASSWORD_H

#include "core/error.h"
#include "core/scrypt_text.h"

enum { PASSWORD_MAX = 128 /* bytes */, PASSWORD_HASH_SIZE = SCRYPT_TEXT_SIZE };

/* Can it be one? 1 to PASSWORD_MAX bytes of UTF-8 without control characters, and without a space
 * at either end, which would be lost in a header. -EINVAL "bad_field" */
int password_check(const char *text, struct error *reterr) MUST_CHECK;

/* -ENOMEM, -EIO */
int password_hash(const char *text, char ret_hash[PASSWORD_HASH_SIZE]) MUST_CHECK;

/* 1: `text` is the password behind `hash`; 0: it is not; -EINVAL: the hash makes no sense, or costs
 * more than we are ready to pay; -ENOMEM. */
int password_verify(const char *hash, const char *text) MUST_CHECK;

#endif
