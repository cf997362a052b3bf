/* Any bytes at all as an SCGI head: no crash, and what is accepted lies within the bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/wire/scgi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scgi_head head;
	char *bytes = malloc(size ? size : 1); /* its own block, so that ASan sees the end of it */
	int taken;

	assert(bytes);
	memcpy(bytes, data, size);
	taken = scgi_head_parse(bytes, size, &head);
	if (taken > 0) {
		assert((size_t)taken <= size && head.content_length >= 0);
		for (size_t i = 0; i < head.variable_count; i++) {
			const char *value = head.variables[i].value;

			assert(value > bytes && value + strlen(value) < bytes + taken);
			assert(scgi_variable_find(&head, head.variables[i].name) == value);
		}
	}
	free(bytes);
	return 0;
}
