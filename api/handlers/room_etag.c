#include "api/handlers/room_etag.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/wire/range.h"

static char *add_number(char *at, uint64_t number, unsigned base)
{
	char digits[24];
	size_t count = 0;

	do
		digits[count++] = "0123456789abcdef"[number % base];
	while ((number /= base) > 0);
	while (count > 0)
		*at++ = digits[--count];
	return at;
}

/* By hand: a list has one for each room. */
void room_etag_format(const struct room_row *room, int64_t participants,
		      char ret_etag[ROOM_ETAG_SIZE])
{
	char *at = ret_etag;

	*at++ = '"';
	at = add_number(at, (uint64_t)room->created_at_unix_ms, 16);
	*at++ = '-';
	at = add_number(at, (uint64_t)room->version, 10);
	*at++ = '-';
	if (participants < 0)
		*at++ = 'x';
	else
		at = add_number(at, (uint64_t)participants, 10);
	*at++ = '"';
	*at = '\0';
}

bool room_etag_is_listed(const char *list, const char *etag)
{
	const char *wanted = etag + 1, *tag; /* behind its quote */
	size_t wanted_length = strlen(etag) - 2, length;

	while (etag_list_next(&list, &tag, &length)) {
		if (length == 1 && *tag == '*')
			return true;
		if (length == wanted_length && memcmp(tag, wanted, length) == 0)
			return true;
	}
	return false;
}

bool room_etag_allows_change(const char *list, const struct room_row *room)
{
	char stored[ROOM_ETAG_SIZE];
	const char *tag;
	size_t length, stored_length;

	(void)snprintf(stored, sizeof(stored), "%" PRIx64 "-%" PRId64 "-",
		       (uint64_t)room->created_at_unix_ms, room->version);
	stored_length = strlen(stored);
	while (etag_list_next(&list, &tag, &length)) {
		if (length == 1 && *tag == '*')
			return true;
		if (length > stored_length && memcmp(tag, stored, stored_length) == 0)
			return true;
	}
	return false;
}
