#include "core/password.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "core/id.h"
#include "core/scrypt_text.h"

enum {
	SALT_BYTES = 16,
	HASH_BYTES = 32,
	COST_LOG2 = 14,
	BLOCK_SIZE = 8,
	PARALLELISM = 1,
	MEMORY_MAX = 1 << 29
};

int password_check(const char *text, struct error *reterr)
{
	size_t length = strlen(text);

	if (length <= PASSWORD_MAX && channel_name_is_valid(text, length) && *text != ' ' &&
	    text[length - 1] != ' ')
		return 0;
	return error_set_field(reterr, -EINVAL, "bad_field", "password",
			       "password must have 1 to %d bytes of UTF-8 without control "
			       "characters, and no space at its ends",
			       PASSWORD_MAX);
}

static int derive(const struct scrypt_text *scrypt, const char *text, uint8_t *out, size_t length)
{
	if (EVP_PBE_scrypt(text, strlen(text), scrypt->salt, scrypt->salt_bytes,
			   (uint64_t)1 << scrypt->cost_log2, scrypt->block_size,
			   scrypt->parallelism, MEMORY_MAX, out, length) == 1)
		return 0;
	return -ENOMEM;
}

int password_hash(const char *text, char ret_hash[PASSWORD_HASH_SIZE])
{
	struct scrypt_text scrypt = {.cost_log2 = COST_LOG2,
				     .block_size = BLOCK_SIZE,
				     .parallelism = PARALLELISM,
				     .salt_bytes = SALT_BYTES,
				     .hash_bytes = HASH_BYTES};
	int r;

	random_bytes(scrypt.salt, SALT_BYTES);
	r = derive(&scrypt, text, scrypt.hash, HASH_BYTES);
	if (r < 0)
		return r;
	scrypt_text_format(&scrypt, ret_hash);
	return 0;
}

int password_verify(const char *hash, const char *text)
{
	struct scrypt_text scrypt;
	uint8_t given[SCRYPT_BYTES_MAX];
	int r = scrypt_text_parse(hash, &scrypt);

	if (r == 0)
		r = derive(&scrypt, text, given, scrypt.hash_bytes);
	return r < 0 ? r : CRYPTO_memcmp(given, scrypt.hash, scrypt.hash_bytes) == 0;
}
