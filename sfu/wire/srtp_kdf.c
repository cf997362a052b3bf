#include "sfu/wire/srtp_kdf.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

int srtp_derive(const uint8_t *master_key, size_t key_bytes, const uint8_t *salt,
		enum srtp_label label, uint8_t *out, size_t out_bytes)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t iv[16] = {0};
	int written, ok;

	if (!ctx)
		return -ENOMEM;
	/* x = (label || index 0) XOR salt, right-aligned; the counter below it starts at 0. */
	memcpy(iv, salt, SRTP_SALT_MAX);
	iv[7] ^= (uint8_t)label;
	memset(out, 0, out_bytes);
	ok = EVP_EncryptInit_ex(ctx, key_bytes == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr(), NULL,
				master_key, iv) == 1 &&
	     EVP_EncryptUpdate(ctx, out, &written, out, (int)out_bytes) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

static int derive_one(enum srtp_suite suite, const uint8_t *master_key, const uint8_t *salt,
		      enum srtp_label first_label, struct srtp_session_keys *keys)
{
	size_t key_bytes = srtp_suite_key_bytes(suite);
	uint8_t padded_salt[SRTP_SALT_MAX] = {0}; /* RFC 7714: 96 bits and 16 zero bits */
	int r;

	memset(keys, 0, sizeof(*keys));
	memcpy(padded_salt, salt, srtp_suite_salt_bytes(suite));
	r = srtp_derive(master_key, key_bytes, padded_salt, first_label, keys->encryption,
			key_bytes);
	if (r == 0 && suite == SRTP_SUITE_AES128_CM_SHA1_80)
		r = srtp_derive(master_key, key_bytes, padded_salt, first_label + 1,
				keys->authentication, sizeof(keys->authentication));
	if (r == 0)
		r = srtp_derive(master_key, key_bytes, padded_salt, first_label + 2, keys->salt,
				srtp_suite_salt_bytes(suite));
	explicit_bzero(padded_salt, sizeof(padded_salt));
	return r;
}

int srtp_session_keys_derive(enum srtp_suite suite, const uint8_t *master_key, const uint8_t *salt,
			     struct srtp_session_keys *ret_rtp, struct srtp_session_keys *ret_rtcp)
{
	int r = derive_one(suite, master_key, salt, SRTP_LABEL_RTP_ENCRYPTION, ret_rtp);

	if (r < 0)
		return r;
	return derive_one(suite, master_key, salt, SRTP_LABEL_RTCP_ENCRYPTION, ret_rtcp);
}
