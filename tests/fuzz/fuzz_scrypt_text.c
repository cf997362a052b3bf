/* Any text as what is kept of a password: it is refused, or is what it says, and can be paid. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/scrypt_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text)
{
	struct scrypt_text scrypt, again;
	char formatted[SCRYPT_TEXT_SIZE];

	if (scrypt_text_parse(text, &scrypt) < 0)
		return;
	assert(scrypt.cost_log2 >= 1 && scrypt.cost_log2 <= SCRYPT_COST_LOG2_MAX);
	assert(scrypt.block_size >= 1 && scrypt.block_size <= SCRYPT_BLOCK_SIZE_MAX);
	assert(scrypt.parallelism >= 1 && scrypt.parallelism <= SCRYPT_PARALLELISM_MAX);
	assert(scrypt.salt_bytes <= SCRYPT_BYTES_MAX);
	assert(scrypt.hash_bytes >= SCRYPT_HASH_BYTES_MIN && scrypt.hash_bytes <= SCRYPT_BYTES_MAX);
	scrypt_text_format(&scrypt, formatted);
	assert(scrypt_text_parse(formatted, &again) == 0);
	assert(memcmp(&scrypt, &again, sizeof(scrypt)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	check(text);
	free(text);
	return 0;
}
