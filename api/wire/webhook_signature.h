/* webhook_signature.h - the headers by which a receiver knows that a webhook's POST is ours
 * (Standard Webhooks). Pure. Thread: any. */
#ifndef API_WIRE_WEBHOOK_SIGNATURE_H
#define API_WIRE_WEBHOOK_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/error.h"

enum {
	WEBHOOK_KEY_MIN = 24, /* bytes, as the specification has them */
	WEBHOOK_KEY_MAX = 64,
	WEBHOOK_NEW_KEY_BYTES = 32,
	WEBHOOK_SIGNATURE_SIZE = 3 + 44 + 1, /* "v1," and HMAC-SHA256 as base64 */
	WEBHOOK_SECRET_TEXT_SIZE = 6 + 88 + 1
};

/* Is it "whsec_" and base64 of 24 to 64 bytes? -EINVAL "bad_field" naming `field` */
int webhook_secret_check(const char *secret, const char *field, struct error *reterr) MUST_CHECK;

/* A new one, of 32 random bytes. */
void webhook_secret_new(char out[WEBHOOK_SECRET_TEXT_SIZE]);

/* "v1,…" of `id.timestamp.body`. -EINVAL the secret is none */
int webhook_sign(const char *secret, const char *id, int64_t timestamp_s, const char *body,
		 char out[WEBHOOK_SIGNATURE_SIZE]) MUST_CHECK;

#endif
