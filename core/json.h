/* json.h - read fields of JSON from outside, naming the one that is wrong and the rule it breaks.
 *
 * Every getter: 1 the field is there and fits, 0 it is absent or null (the output is untouched),
 * -EINVAL "bad_field" with reterr->field set. Strings are borrowed from the object. Thread: any.
 */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/error.h"

/* What is deeper some who get it could not read: SQLite ends at 2000 levels, others long before. */
enum { JSON_DEPTH_MAX = 256 };
bool json_is_too_deep(const char *text, size_t length);
/* Parse an object: duplicate keys and more levels than JSON_DEPTH_MAX are refused.
 *   -EINVAL "bad_json" with the line and column */
int json_object_parse(const char *text, size_t length, json_t **ret_object,
		      struct error *reterr) MUST_CHECK;

/* A string of `low` to `high` bytes without NUL. */
int json_get_text(const json_t *object, const char *name, size_t low, size_t high,
		  const char **ret_text, struct error *reterr) MUST_CHECK;
int json_get_int(const json_t *object, const char *name, int64_t low, int64_t high,
		 int64_t *ret_value, struct error *reterr) MUST_CHECK;
int json_get_bool(const json_t *object, const char *name, bool *ret_value,
		  struct error *reterr) MUST_CHECK;
/* JSON_OBJECT or JSON_ARRAY, borrowed. */
int json_get_container(const json_t *object, const char *name, json_type type, json_t **ret_value,
		       struct error *reterr) MUST_CHECK;

/* Of what we said ourselves: the text, borrowed, or "". */
const char *json_text_of(const json_t *object, const char *name);

/* -EINVAL "missing_field": for a getter that returned 0 where the field is needed. */
int json_missing(const char *name, struct error *reterr);

/* An automatic reference. */
#define AUTO_JSON json_auto_t *

#endif
