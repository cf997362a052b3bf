/* search_query.h - what a person types into a search box as an FTS5 expression. Pure. Thread: any.
 *
 * Words must all be there, in any order and whatever their case and accents; "words in quotes" one
 * after the other; the last word may be the beginning of one. Nothing else means anything: what
 * would be syntax is only text.
 */
#ifndef API_WIRE_SEARCH_QUERY_H
#define API_WIRE_SEARCH_QUERY_H

#include <stddef.h>

#include "core/cleanup.h"
#include "core/error.h"

enum {
	SEARCH_QUERY_MAX = 200, /* bytes */
	SEARCH_WORDS_MAX = 16,
	SEARCH_EXPRESSION_SIZE = 2 * SEARCH_QUERY_MAX + SEARCH_WORDS_MAX * 8 + 1
};

/* -EINVAL "bad_field", q: too long, too many words, or none */
int search_query_parse(const char *text, char out[SEARCH_EXPRESSION_SIZE],
		       struct error *reterr) MUST_CHECK;

#endif
