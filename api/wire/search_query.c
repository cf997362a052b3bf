#include "api/wire/search_query.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static int bad(struct error *reterr, const char *why)
{
	return error_set_field(reterr, -EINVAL, "bad_field", "q", "q %s", why);
}

/* Something that a word of a message can have: punctuation alone would match nothing. */
static bool has_letter(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (isalnum((unsigned char)text[i]) || (unsigned char)text[i] >= 0x80)
			return true;
	return false;
}

/* Where the next word or phrase is; its length, 0 at the end. *text goes behind it. */
static size_t next_piece(const char **text, const char **ret_piece, bool *ret_is_phrase)
{
	size_t length;

	*text += strspn(*text, " \t\r\n");
	*ret_is_phrase = **text == '"' && strchr(*text + 1, '"');
	if (*ret_is_phrase)
		(*text)++;
	*ret_piece = *text;
	length = strcspn(*text, *ret_is_phrase ? "\"" : " \t\r\n\"");
	/* A quote that nothing ends is no quote. */
	if (length == 0 && **text == '"' && !*ret_is_phrase)
		length = 1;
	*text += length;
	if (*ret_is_phrase)
		(*text)++;
	return length;
}

/* In FTS5's quotes, within which only a quote means something; there is none in it. */
static char *append(char *out, const char *piece, size_t length, bool is_first)
{
	if (!is_first)
		out = stpcpy(out, " AND ");
	*out++ = '"';
	memcpy(out, piece, length);
	out += length;
	*out++ = '"';
	*out = '\0';
	return out;
}

int search_query_parse(const char *text, char out[SEARCH_EXPRESSION_SIZE], struct error *reterr)
{
	bool is_phrase = false, is_last_phrase = true;
	const char *piece;
	size_t length, count = 0;

	if (strlen(text) > SEARCH_QUERY_MAX)
		return error_set_field(reterr, -EINVAL, "bad_field", "q", "q may have %d bytes",
				       SEARCH_QUERY_MAX);
	for (const char *at = text; *at; at++)
		if ((unsigned char)*at < 0x20 && !strchr("\t\r\n", *at))
			return bad(reterr, "must have no control characters");
	*out = '\0';
	while (*text) {
		length = next_piece(&text, &piece, &is_phrase);
		if (!has_letter(piece, length))
			continue;
		if (count == SEARCH_WORDS_MAX)
			return error_set_field(reterr, -EINVAL, "bad_field", "q",
					       "q may have %d words", SEARCH_WORDS_MAX);
		out = append(out, piece, length, count == 0);
		count++;
		is_last_phrase = is_phrase;
	}
	if (count == 0)
		return bad(reterr, "must have a word to look for");
	if (!is_last_phrase)
		(void)strcpy(out, "*");
	return 0;
}
