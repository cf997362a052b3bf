/* canonical_json.h - is a JSON text written already as we would write it (json_dumps() of jansson
 * with JSON_COMPACT and JSON_ENCODE_ANY)? Then it can be passed on as it came, and no tree has to
 * be built of it and written out again, which costs more than all else that is done with a message.
 *
 * Most of what JavaScript's JSON.stringify() writes is: no blanks, no escapes but the short ones,
 * whole numbers. Of anything else this says no, also where it is only not sure: jansson decides
 * then. Thread: any.
 */
#ifndef CORE_CANONICAL_JSON_H
#define CORE_CANONICAL_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* Part of a text, borrowed. */
struct json_slice {
	const char *text;
	size_t length;
};

/* Is it the string `text` (of letters that need no escape)? */
bool json_slice_is(struct json_slice slice, const char *text);

/* How many bytes the value has that `text` begins with; 0: it is not canonical. */
size_t canonical_json_length(const char *text, size_t length);

/* Members of an object by their names: text NULL for those that are absent. Between its own members
 * the object may have blanks. false: some value is not canonical, it is no object, or a wanted
 * member is there twice. Whether others are there twice has not been looked at. */
bool canonical_json_find(const char *text, size_t length, const char *const names[], size_t count,
			 struct json_slice *ret_values);

#endif
