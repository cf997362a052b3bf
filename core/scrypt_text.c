#include "core/scrypt_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base64.h"

enum { BASE64_LENGTH_MAX = 4 * SCRYPT_BYTES_MAX / 3 };

/* The bytes up to the next '$' or the end, behind which *at stands afterwards. */
static int read_bytes(const char **at, uint8_t out[SCRYPT_BYTES_MAX], size_t *ret_length)
{
	size_t length = strcspn(*at, "$");
	const char *text = *at;

	*at += length + (text[length] == '$');
	if (length == 0 || length > BASE64_LENGTH_MAX)
		return -EINVAL;
	return base64_decode(text, length, out, ret_length);
}

int scrypt_text_parse(const char *text, struct scrypt_text *ret_scrypt)
{
	struct scrypt_text scrypt = {0};
	int length = -1, r;

	if (sscanf(text, "$scrypt$ln=%2u,r=%2u,p=%2u$%n", &scrypt.cost_log2, &scrypt.block_size,
		   &scrypt.parallelism, &length) != 3 ||
	    length < 0)
		return -EINVAL;
	if (scrypt.cost_log2 < 1 || scrypt.cost_log2 > SCRYPT_COST_LOG2_MAX ||
	    scrypt.block_size < 1 || scrypt.block_size > SCRYPT_BLOCK_SIZE_MAX ||
	    scrypt.parallelism < 1 || scrypt.parallelism > SCRYPT_PARALLELISM_MAX)
		return -EINVAL;
	text += length;
	r = read_bytes(&text, scrypt.salt, &scrypt.salt_bytes);
	if (r == 0)
		r = read_bytes(&text, scrypt.hash, &scrypt.hash_bytes);
	if (r < 0 || *text || scrypt.hash_bytes < SCRYPT_HASH_BYTES_MIN)
		return -EINVAL;
	*ret_scrypt = scrypt;
	return 0;
}

void scrypt_text_format(const struct scrypt_text *scrypt, char ret_text[SCRYPT_TEXT_SIZE])
{
	char salt[BASE64_LENGTH_MAX + 1], hash[BASE64_LENGTH_MAX + 1];

	base64_encode(scrypt->salt, scrypt->salt_bytes, salt);
	base64_encode(scrypt->hash, scrypt->hash_bytes, hash);
	(void)snprintf(ret_text, SCRYPT_TEXT_SIZE, "$scrypt$ln=%u,r=%u,p=%u$%s$%s",
		       scrypt->cost_log2, scrypt->block_size, scrypt->parallelism, salt, hash);
}
