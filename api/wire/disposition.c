#include "api/wire/disposition.h"

#include <stdio.h>
#include <string.h>

#include "core/media_range.h"

bool disposition_is_inline(const char *content_type)
{
	return media_range_list_matches("image/*,audio/*,video/*,application/pdf,text/plain",
					content_type) &&
	       !media_range_matches("image/svg+xml", content_type);
}

/* What may stand in a quoted string of which nothing is special to any client. */
static bool is_plain(char c)
{
	return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\' && c != '%';
}

/* attr-char of RFC 8187 */
static bool is_attribute_character(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("!#$&+-.^_`|~", c));
}

void disposition_format(bool is_inline, const char *filename, char out[DISPOSITION_SIZE])
{
	static const char hex[] = "0123456789ABCDEF";
	size_t length =
		(size_t)snprintf(out, DISPOSITION_SIZE, "%s", is_inline ? "inline" : "attachment");

	if (!*filename || strlen(filename) > 255)
		return;
	length += (size_t)snprintf(out + length, DISPOSITION_SIZE - length, "; filename=\"");
	for (const char *at = filename; *at; at++)
		out[length++] = is_plain(*at) ? *at : '_';
	length +=
		(size_t)snprintf(out + length, DISPOSITION_SIZE - length, "\"; filename*=UTF-8''");
	for (const char *at = filename; *at; at++) {
		unsigned char c = (unsigned char)*at;

		if (is_attribute_character(*at)) {
			out[length++] = *at;
			continue;
		}
		out[length++] = '%';
		out[length++] = hex[c >> 4];
		out[length++] = hex[c & 15];
	}
	out[length] = '\0';
}
