#include "sfu/wire/srtp_cipher.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum {
	SHA1_BLOCK_BYTES = 64,
	SHA1_BYTES = 20,
	HMAC_TAG_BYTES = 10,
	GCM_TAG_BYTES = 16,
	GCM_NONCE_BYTES = 12,
	CM_NONCE_BYTES = 16
};

struct srtp_cipher {
	bool is_aead;
	uint8_t salt[SRTP_SALT_MAX];
	EVP_CIPHER_CTX *aes; /* keyed once; each packet sets the nonce */
	/* SHA-1 having taken in the padded key, inside and outside (RFC 2104): copying these is
	 * faster than any of OpenSSL's ways to start an HMAC over. AES-CM only. */
	EVP_MD_CTX *inner, *outer, *work;
};

static EVP_MD_CTX *sha1_after_pad(const uint8_t *key, uint8_t pad)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t block[SHA1_BLOCK_BYTES];
	int ok;

	if (!ctx)
		return NULL;
	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < SRTP_AUTHENTICATION_KEY_BYTES; i++)
		block[i] ^= key[i];
	ok = EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) == 1 &&
	     EVP_DigestUpdate(ctx, block, sizeof(block)) == 1;
	explicit_bzero(block, sizeof(block));
	if (!ok) {
		EVP_MD_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

int srtp_cipher_new(enum srtp_suite suite, const struct srtp_session_keys *keys,
		    struct srtp_cipher **ret_cipher)
{
	AUTO(srtp_cipher) cipher = calloc(1, sizeof(*cipher));
	const EVP_CIPHER *algorithm = NULL;

	switch (suite) {
	case SRTP_SUITE_NONE:
		return -EINVAL;
	case SRTP_SUITE_AES128_CM_SHA1_80:
		algorithm = EVP_aes_128_ctr();
		break;
	case SRTP_SUITE_AEAD_AES_128_GCM:
		algorithm = EVP_aes_128_gcm();
		break;
	case SRTP_SUITE_AEAD_AES_256_GCM:
		algorithm = EVP_aes_256_gcm();
		break;
	}
	if (!cipher)
		return -ENOMEM;
	cipher->is_aead = suite != SRTP_SUITE_AES128_CM_SHA1_80;
	memcpy(cipher->salt, keys->salt, srtp_suite_salt_bytes(suite));

	cipher->aes = EVP_CIPHER_CTX_new();
	if (!cipher->aes)
		return -ENOMEM;
	if (EVP_EncryptInit_ex(cipher->aes, algorithm, NULL, keys->encryption, NULL) != 1)
		return -EIO;
	if (!cipher->is_aead) {
		cipher->inner = sha1_after_pad(keys->authentication, 0x36);
		cipher->outer = sha1_after_pad(keys->authentication, 0x5c);
		cipher->work = EVP_MD_CTX_new();
		if (!cipher->inner || !cipher->outer || !cipher->work)
			return -ENOMEM;
	}
	*ret_cipher = STEAL(cipher);
	return 0;
}

struct srtp_cipher *srtp_cipher_free(struct srtp_cipher *cipher)
{
	if (!cipher)
		return NULL;
	/* OpenSSL cleanses its contexts as it frees them. */
	EVP_CIPHER_CTX_free(cipher->aes);
	EVP_MD_CTX_free(cipher->inner);
	EVP_MD_CTX_free(cipher->outer);
	EVP_MD_CTX_free(cipher->work);
	explicit_bzero(cipher, sizeof(*cipher));
	free(cipher);
	return NULL;
}

/* Set the packet's nonce: salt XOR (SSRC, 48-bit index). RFC 7714 sections 8.1 and 9.1 put two
 * zero bytes before, RFC 3711 section 4.1.1 four; there a block counter follows. */
static bool set_nonce(struct srtp_cipher *cipher, const struct srtp_seal *seal, bool encrypt)
{
	uint8_t nonce[CM_NONCE_BYTES] = {0};
	size_t salt_bytes = cipher->is_aead ? GCM_NONCE_BYTES : SRTP_SALT_MAX;
	struct writer writer = writer_over(nonce, sizeof(nonce));

	(void)write_space(&writer, cipher->is_aead ? 2 : 4);
	write_u32(&writer, seal->ssrc);
	write_uint(&writer, seal->index, 6);
	for (size_t i = 0; i < salt_bytes; i++)
		nonce[i] ^= cipher->salt[i];
	return EVP_CipherInit_ex(cipher->aes, NULL, NULL, NULL, nonce, encrypt) == 1;
}

/* One stretch through AES, or with `out` NULL into the authenticated data. */
static bool transform(struct srtp_cipher *cipher, uint8_t *out, struct slice in)
{
	int written;

	return in.length == 0 ||
	       EVP_CipherUpdate(cipher->aes, out, &written, in.data, (int)in.length) == 1;
}

static bool hmac(struct srtp_cipher *cipher, const struct srtp_seal *seal, struct slice ciphertext,
		 uint8_t digest[SHA1_BYTES])
{
	EVP_MD_CTX *work = cipher->work;

	return EVP_MD_CTX_copy_ex(work, cipher->inner) == 1 &&
	       EVP_DigestUpdate(work, seal->header.data, seal->header.length) == 1 &&
	       EVP_DigestUpdate(work, ciphertext.data, ciphertext.length) == 1 &&
	       EVP_DigestUpdate(work, seal->trailer.data, seal->trailer.length) == 1 &&
	       EVP_DigestFinal_ex(work, digest, NULL) == 1 &&
	       EVP_MD_CTX_copy_ex(work, cipher->outer) == 1 &&
	       EVP_DigestUpdate(work, digest, SHA1_BYTES) == 1 &&
	       EVP_DigestFinal_ex(work, digest, NULL) == 1;
}

static int gcm_seal(struct srtp_cipher *cipher, const struct srtp_seal *seal, struct slice prefix,
		    struct slice body, uint8_t *out, uint8_t *tag)
{
	uint8_t none[GCM_TAG_BYTES];
	int written;

	if (!set_nonce(cipher, seal, true) || !transform(cipher, NULL, seal->header) ||
	    !transform(cipher, NULL, seal->trailer) || !transform(cipher, out, prefix) ||
	    !transform(cipher, out + prefix.length, body) ||
	    EVP_CipherFinal_ex(cipher->aes, none, &written) != 1 ||
	    EVP_CIPHER_CTX_ctrl(cipher->aes, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_BYTES, tag) != 1)
		return -EIO;
	return 0;
}

static int gcm_open(struct srtp_cipher *cipher, const struct srtp_seal *seal, uint8_t *body,
		    size_t length, const uint8_t *tag)
{
	uint8_t expected[GCM_TAG_BYTES], none[GCM_TAG_BYTES];
	int written;

	memcpy(expected, tag, sizeof(expected));
	if (!set_nonce(cipher, seal, false) ||
	    EVP_CIPHER_CTX_ctrl(cipher->aes, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_BYTES, expected) != 1 ||
	    !transform(cipher, NULL, seal->header) || !transform(cipher, NULL, seal->trailer) ||
	    !transform(cipher, body, (struct slice){body, length}))
		return -EIO;
	return EVP_CipherFinal_ex(cipher->aes, none, &written) == 1 ? 0 : -EKEYREJECTED;
}

static int cm_seal(struct srtp_cipher *cipher, const struct srtp_seal *seal, struct slice prefix,
		   struct slice body, uint8_t *out, uint8_t *tag)
{
	uint8_t digest[SHA1_BYTES];

	if (!set_nonce(cipher, seal, true) || !transform(cipher, out, prefix) ||
	    !transform(cipher, out + prefix.length, body) ||
	    !hmac(cipher, seal, (struct slice){out, prefix.length + body.length}, digest))
		return -EIO;
	memcpy(tag, digest, HMAC_TAG_BYTES);
	return 0;
}

static int cm_open(struct srtp_cipher *cipher, const struct srtp_seal *seal, uint8_t *body,
		   size_t length, const uint8_t *tag)
{
	uint8_t digest[SHA1_BYTES];

	if (!hmac(cipher, seal, (struct slice){body, length}, digest))
		return -EIO;
	if (CRYPTO_memcmp(digest, tag, HMAC_TAG_BYTES) != 0)
		return -EKEYREJECTED;
	if (!set_nonce(cipher, seal, false) ||
	    !transform(cipher, body, (struct slice){body, length}))
		return -EIO;
	return 0;
}

int srtp_cipher_seal(struct srtp_cipher *cipher, const struct srtp_seal *seal, struct slice prefix,
		     struct slice body, uint8_t *out, uint8_t *tag)
{
	return cipher->is_aead ? gcm_seal(cipher, seal, prefix, body, out, tag)
			       : cm_seal(cipher, seal, prefix, body, out, tag);
}

int srtp_cipher_open(struct srtp_cipher *cipher, const struct srtp_seal *seal, uint8_t *body,
		     size_t length, const uint8_t *tag)
{
	return cipher->is_aead ? gcm_open(cipher, seal, body, length, tag)
			       : cm_open(cipher, seal, body, length, tag);
}
