#include "sfu/wire/srtp_cipher.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "sfu/wire/srtp_gcm.h"

enum {
	SHA1_BLOCK_BYTES = 64,
	SHA1_BYTES = 20,
	HMAC_TAG_BYTES = 10,
	CM_NONCE_BYTES = 16,
	GCM_SALT_BYTES = SRTP_GCM_NONCE_BYTES,
	AAD_JOINED_MAX = 12 /* of SRTCP: 8 bytes of header and the index */
};

struct srtp_cipher {
	uint8_t salt[SRTP_SALT_MAX];
	/* AES-GCM: */
	const struct srtp_gcm_library *gcm; /* NULL: it is AES-CM */
	struct srtp_gcm_key *key;
	/* AES-CM: */
	EVP_CIPHER_CTX *aes; /* keyed once; each packet sets the nonce */
	/* SHA-1 having taken in the padded key, inside and outside (RFC 2104): copying these is
	 * faster than any of OpenSSL's ways to start an HMAC over. */
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

static int cm_init(struct srtp_cipher *cipher, const struct srtp_session_keys *keys)
{
	cipher->aes = EVP_CIPHER_CTX_new();
	if (!cipher->aes)
		return -ENOMEM;
	if (EVP_EncryptInit_ex(cipher->aes, EVP_aes_128_ctr(), NULL, keys->encryption, NULL) != 1)
		return -EIO;
	cipher->inner = sha1_after_pad(keys->authentication, 0x36);
	cipher->outer = sha1_after_pad(keys->authentication, 0x5c);
	cipher->work = EVP_MD_CTX_new();
	return cipher->inner && cipher->outer && cipher->work ? 0 : -ENOMEM;
}

static int gcm_init(struct srtp_cipher *cipher, const struct srtp_session_keys *keys,
		    size_t key_bytes)
{
	cipher->gcm = srtp_gcm_ipsec_mb();
	if (!cipher->gcm)
		cipher->gcm = &srtp_gcm_openssl;
	cipher->key = cipher->gcm->key_new(keys->encryption, key_bytes);
	return cipher->key ? 0 : -ENOMEM;
}

int srtp_cipher_new(enum srtp_suite suite, const struct srtp_session_keys *keys,
		    struct srtp_cipher **ret_cipher)
{
	AUTO(srtp_cipher) cipher = calloc(1, sizeof(*cipher));
	int r = -EINVAL;

	if (!cipher)
		return -ENOMEM;
	memcpy(cipher->salt, keys->salt, srtp_suite_salt_bytes(suite));
	switch (suite) {
	case SRTP_SUITE_NONE:
		break;
	case SRTP_SUITE_AES128_CM_SHA1_80:
		r = cm_init(cipher, keys);
		break;
	case SRTP_SUITE_AEAD_AES_128_GCM:
	case SRTP_SUITE_AEAD_AES_256_GCM:
		r = gcm_init(cipher, keys, srtp_suite_key_bytes(suite));
		break;
	}
	if (r < 0)
		return r;
	*ret_cipher = STEAL(cipher);
	return 0;
}

struct srtp_cipher *srtp_cipher_free(struct srtp_cipher *cipher)
{
	if (!cipher)
		return NULL;
	if (cipher->gcm)
		(void)cipher->gcm->key_free(cipher->key);
	/* OpenSSL cleanses its contexts as it frees them. */
	EVP_CIPHER_CTX_free(cipher->aes);
	EVP_MD_CTX_free(cipher->inner);
	EVP_MD_CTX_free(cipher->outer);
	EVP_MD_CTX_free(cipher->work);
	explicit_bzero(cipher, sizeof(*cipher));
	free(cipher);
	return NULL;
}

/* The packet's nonce: salt XOR (SSRC, 48-bit index), behind `zeros` zero bytes: two with AES-GCM
 * (RFC 7714 sections 8.1 and 9.1), four with AES-CM (RFC 3711 section 4.1.1). */
static void make_nonce(const struct srtp_cipher *cipher, const struct srtp_seal *seal, size_t zeros,
		       uint8_t *nonce, size_t salt_bytes)
{
	struct writer writer = writer_over(nonce, zeros + 10);

	write_uint(&writer, 0, zeros);
	write_u32(&writer, seal->ssrc);
	write_uint(&writer, seal->index, 6);
	for (size_t i = 0; i < salt_bytes; i++)
		nonce[i] ^= cipher->salt[i];
}

/* ---- AES-CM with HMAC-SHA1 ---- */

static bool set_nonce(struct srtp_cipher *cipher, const struct srtp_seal *seal)
{
	uint8_t nonce[CM_NONCE_BYTES] = {0}; /* the block counter follows */

	make_nonce(cipher, seal, 4, nonce, SRTP_SALT_MAX);
	return EVP_CipherInit_ex(cipher->aes, NULL, NULL, NULL, nonce, 1) == 1;
}

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

static int cm_seal(struct srtp_cipher *cipher, const struct srtp_seal *seal, struct slice prefix,
		   struct slice body, uint8_t *out, uint8_t *tag)
{
	uint8_t digest[SHA1_BYTES];

	if (!set_nonce(cipher, seal) || !transform(cipher, out, prefix) ||
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
	if (!set_nonce(cipher, seal) || !transform(cipher, body, (struct slice){body, length}))
		return -EIO;
	return 0;
}

/* ---- AES-GCM ---- */

/* What is authenticated, in one stretch: SRTCP has a trailer (its index). */
static struct slice join_aad(const struct srtp_seal *seal, uint8_t joined[AAD_JOINED_MAX])
{
	if (seal->trailer.length == 0)
		return seal->header;
	assert(seal->header.length + seal->trailer.length <= AAD_JOINED_MAX);
	memcpy(joined, seal->header.data, seal->header.length);
	memcpy(joined + seal->header.length, seal->trailer.data, seal->trailer.length);
	return (struct slice){joined, seal->header.length + seal->trailer.length};
}

int srtp_cipher_seal(struct srtp_cipher *cipher, const struct srtp_seal *seal, struct slice prefix,
		     struct slice body, uint8_t *out, uint8_t *tag)
{
	uint8_t nonce[SRTP_GCM_NONCE_BYTES], joined[AAD_JOINED_MAX];

	if (!cipher->gcm)
		return cm_seal(cipher, seal, prefix, body, out, tag);
	make_nonce(cipher, seal, 2, nonce, GCM_SALT_BYTES);
	return cipher->gcm->seal(cipher->key, nonce, join_aad(seal, joined), prefix, body, out,
				 tag);
}

int srtp_cipher_open(struct srtp_cipher *cipher, const struct srtp_seal *seal, uint8_t *body,
		     size_t length, const uint8_t *tag)
{
	uint8_t nonce[SRTP_GCM_NONCE_BYTES], joined[AAD_JOINED_MAX];

	if (!cipher->gcm)
		return cm_open(cipher, seal, body, length, tag);
	make_nonce(cipher, seal, 2, nonce, GCM_SALT_BYTES);
	return cipher->gcm->open(cipher->key, nonce, join_aad(seal, joined), body, length, tag);
}
