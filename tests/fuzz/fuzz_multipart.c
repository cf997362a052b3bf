/* Any bytes as multipart/form-data: no crash, and what comes out does not depend on how they were
 * cut. The first byte says how, and the boundary is always "b". */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/wire/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All that came out, one behind the other. */
struct outcome {
	size_t length;
	char *bytes;
	unsigned open_count;
};

static void note(struct outcome *outcome, const void *bytes, size_t length)
{
	outcome->bytes = realloc(outcome->bytes, outcome->length + length + 1);
	assert(outcome->bytes);
	memcpy(outcome->bytes + outcome->length, bytes, length);
	outcome->length += length;
}

static int begin(void *data, const struct multipart_part *part, struct error *reterr)
{
	struct outcome *outcome = data;

	(void)reterr;
	assert(outcome->open_count++ == 0);
	assert(memchr(part->name, '\0', sizeof(part->name)) && !strpbrk(part->name, "\r\n"));
	assert(memchr(part->filename, '\0', sizeof(part->filename)) &&
	       !strpbrk(part->filename, "\r\n"));
	note(outcome, part->name, strlen(part->name) + 1);
	note(outcome, part->filename, strlen(part->filename) + 1);
	note(outcome, part->content_type, strlen(part->content_type) + 1);
	return 0;
}

static int some(void *data, const void *bytes, size_t length, struct error *reterr)
{
	const struct outcome *outcome = data;

	(void)reterr;
	assert(outcome->open_count == 1 && length > 0);
	note(data, bytes, length);
	return 0;
}

static int end(void *data, struct error *reterr)
{
	struct outcome *outcome = data;

	(void)reterr;
	assert(outcome->open_count-- == 1);
	note(outcome, "\0end", 4);
	return 0;
}

static int parse(const uint8_t *data, size_t size, size_t step, struct outcome *outcome)
{
	static const struct multipart_events events = {begin, some, end};
	static struct multipart multipart;
	int r = multipart_init(&multipart, "multipart/form-data; boundary=b", &events, outcome,
			       NULL);

	assert(r == 0);
	for (size_t at = 0; r == 0 && at < size; at += step) {
		size_t length = size - at < step ? size - at : step;
		char *piece = malloc(length); /* its own block, so that ASan sees the end of it */

		assert(piece);
		memcpy(piece, data + at, length);
		r = multipart_feed(&multipart, piece, length, NULL);
		free(piece);
	}
	return r < 0 ? r : multipart_finish(&multipart, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole = {0}, cut = {0};
	size_t step;

	if (size == 0)
		return 0;
	step = data[0] % 16 + 1u;
	assert(parse(data + 1, size - 1, size, &whole) == parse(data + 1, size - 1, step, &cut));
	assert(whole.length == cut.length);
	assert(whole.length == 0 || memcmp(whole.bytes, cut.bytes, whole.length) == 0);
	free(whole.bytes);
	free(cut.bytes);
	return 0;
}
