#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "sfu/wire/srtp_gcm.h"

/* A key is a cipher context, keyed once; each packet sets the nonce. */
static EVP_CIPHER_CTX *context_of(struct srtp_gcm_key *key)
{
	return (EVP_CIPHER_CTX *)(void *)key;
}

static struct srtp_gcm_key *key_free(struct srtp_gcm_key *key)
{
	EVP_CIPHER_CTX_free(context_of(key)); /* OpenSSL cleanses it */
	return NULL;
}

static struct srtp_gcm_key *key_new(const uint8_t *bytes, size_t length)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *algorithm = length == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
	struct srtp_gcm_key *key = (struct srtp_gcm_key *)(void *)context;

	if (context && EVP_EncryptInit_ex(context, algorithm, NULL, bytes, NULL) != 1)
		return key_free(key);
	return key;
}

/* One stretch through AES, or with `out` NULL into the authenticated data. */
static bool transform(EVP_CIPHER_CTX *context, uint8_t *out, struct slice in)
{
	int written;

	return in.length == 0 ||
	       EVP_CipherUpdate(context, out, &written, in.data, (int)in.length) == 1;
}

static int seal(struct srtp_gcm_key *key, const uint8_t nonce[SRTP_GCM_NONCE_BYTES],
		struct slice aad, struct slice prefix, struct slice body, uint8_t *out,
		uint8_t *tag)
{
	EVP_CIPHER_CTX *context = context_of(key);
	uint8_t none[SRTP_GCM_TAG_BYTES];
	int written;

	if (EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, 1) != 1 ||
	    !transform(context, NULL, aad) || !transform(context, out, prefix) ||
	    !transform(context, out + prefix.length, body) ||
	    EVP_CipherFinal_ex(context, none, &written) != 1 ||
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, SRTP_GCM_TAG_BYTES, tag) != 1)
		return -EIO;
	return 0;
}

static int open_sealed(struct srtp_gcm_key *key, const uint8_t nonce[SRTP_GCM_NONCE_BYTES],
		       struct slice aad, uint8_t *body, size_t length, const uint8_t *tag)
{
	EVP_CIPHER_CTX *context = context_of(key);
	uint8_t expected[SRTP_GCM_TAG_BYTES], none[SRTP_GCM_TAG_BYTES];
	int written;

	memcpy(expected, tag, sizeof(expected));
	if (EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, 0) != 1 ||
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, SRTP_GCM_TAG_BYTES, expected) !=
		    1 ||
	    !transform(context, NULL, aad) ||
	    !transform(context, body, (struct slice){body, length}))
		return -EIO;
	return EVP_CipherFinal_ex(context, none, &written) == 1 ? 0 : -EKEYREJECTED;
}

const struct srtp_gcm_library srtp_gcm_openssl = {"OpenSSL", key_new, key_free, seal, open_sealed};
