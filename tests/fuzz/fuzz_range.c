/* Any text as Range, If-Match and If-None-Match: what is given out of a file lies in it. The first
 * byte and the second are the file's size. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers/room_etag.h"
#include "api/wire/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_range(const char *text, int64_t file_size)
{
	int64_t offset = -1, length = -1;

	switch (range_parse(text, file_size, &offset, &length)) {
	case RANGE_PART:
		assert(offset >= 0 && length > 0 && offset < file_size &&
		       length <= file_size - offset);
		break;
	case RANGE_WHOLE:
	case RANGE_UNSATISFIABLE:
		break;
	}
}

static void check_tags(const char *text)
{
	struct room_row room = {.created_at_unix_ms = 1795632306652, .version = 3};
	char etag[ROOM_ETAG_SIZE];

	room_etag_format(&room, 2, etag);
	if (room_etag_is_listed(text, etag))
		assert(strchr(text, '*') || memmem(text, strlen(text), etag + 1, strlen(etag) - 2));
	if (room_etag_allows_change(text, &room))
		assert(strchr(text, '*') || strchr(text, '-'));
	(void)etag_list_has(text, etag, true);
	if (etag_list_has(text, etag, false))
		assert(etag_list_has(text, etag, true));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 2)
		return 0;
	text = malloc(size - 1);
	assert(text);
	memcpy(text, data + 2, size - 2);
	text[size - 2] = '\0';
	check_range(text, data[0] << 8 | data[1]);
	check_range(text, INT64_MAX);
	check_tags(text);
	free(text);
	return 0;
}
