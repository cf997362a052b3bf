#include "core/password.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "core/base64.h"
#include "core/id.h"

enum {
	SALT_BYTES = 16,
	HASH_BYTES = 32,
	BASE64_SIZE = 64, /* of either, with room to spare */
	COST_LOG2 = 14,
	BLOCK_SIZE = 8,
	PARALLELISM = 1,
	/* What somebody else may have put into the store. */
	COST_LOG2_MAX = 18,
	BLOCK_SIZE_MAX = 16,
	PARALLELISM_MAX = 16,
	MEMORY_MAX = 1 << 29
};

struct scrypt {
	unsigned cost_log2, block_size, parallelism;
	uint8_t salt[BASE64_SIZE], hash[BASE64_SIZE];
	size_t salt_bytes, hash_bytes;
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

static int derive(const struct scrypt *scrypt, const char *text, uint8_t *out, size_t length)
{
	if (EVP_PBE_scrypt(text, strlen(text), scrypt->salt, scrypt->salt_bytes,
			   (uint64_t)1 << scrypt->cost_log2, scrypt->block_size,
			   scrypt->parallelism, MEMORY_MAX, out, length) == 1)
		return 0;
	return -ENOMEM;
}

int password_hash(const char *text, char ret_hash[PASSWORD_HASH_SIZE])
{
	struct scrypt scrypt = {.cost_log2 = COST_LOG2,
				.block_size = BLOCK_SIZE,
				.parallelism = PARALLELISM,
				.salt_bytes = SALT_BYTES,
				.hash_bytes = HASH_BYTES};
	char salt[BASE64_SIZE], hash[BASE64_SIZE];
	int r;

	random_bytes(scrypt.salt, SALT_BYTES);
	r = derive(&scrypt, text, scrypt.hash, HASH_BYTES);
	if (r < 0)
		return r;
	base64_encode(scrypt.salt, SALT_BYTES, salt);
	base64_encode(scrypt.hash, HASH_BYTES, hash);
	(void)snprintf(ret_hash, PASSWORD_HASH_SIZE, "$scrypt$ln=%u,r=%u,p=%u$%s$%s",
		       scrypt.cost_log2, scrypt.block_size, scrypt.parallelism, salt, hash);
	return 0;
}

/* The bytes up to the next '$' or the end, behind which *at stands afterwards. */
static int read_bytes(const char **at, uint8_t out[BASE64_SIZE], size_t *ret_length)
{
	size_t length = strcspn(*at, "$");
	const char *text = *at;

	*at += length + (text[length] == '$');
	if (length == 0 || length >= BASE64_SIZE)
		return -EINVAL;
	return base64_decode(text, length, out, ret_length);
}

static int parse(const char *text, struct scrypt *ret_scrypt)
{
	int length = -1, r;

	*ret_scrypt = (struct scrypt){0};
	if (sscanf(text, "$scrypt$ln=%2u,r=%2u,p=%2u$%n", &ret_scrypt->cost_log2,
		   &ret_scrypt->block_size, &ret_scrypt->parallelism, &length) != 3 ||
	    length < 0)
		return -EINVAL;
	if (ret_scrypt->cost_log2 < 1 || ret_scrypt->cost_log2 > COST_LOG2_MAX ||
	    ret_scrypt->block_size < 1 || ret_scrypt->block_size > BLOCK_SIZE_MAX ||
	    ret_scrypt->parallelism < 1 || ret_scrypt->parallelism > PARALLELISM_MAX)
		return -EINVAL;
	text += length;
	r = read_bytes(&text, ret_scrypt->salt, &ret_scrypt->salt_bytes);
	if (r == 0)
		r = read_bytes(&text, ret_scrypt->hash, &ret_scrypt->hash_bytes);
	return r == 0 && !*text && ret_scrypt->hash_bytes >= SALT_BYTES ? 0 : -EINVAL;
}

int password_verify(const char *hash, const char *text)
{
	struct scrypt scrypt;
	uint8_t given[BASE64_SIZE];
	int r = parse(hash, &scrypt);

	if (r == 0)
		r = derive(&scrypt, text, given, scrypt.hash_bytes);
	return r < 0 ? r : CRYPTO_memcmp(given, scrypt.hash, scrypt.hash_bytes) == 0;
}
