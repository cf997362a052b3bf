#include "core/json.h"

#include <errno.h>
#include <string.h>

bool json_is_too_deep(const char *text, size_t length)
{
	bool is_in_string = false;
	size_t depth = 0;

	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (c == '"')
			is_in_string = !is_in_string;
		else if (is_in_string)
			i += c == '\\'; /* what is escaped ends nothing */
		else if ((c == '[' || c == '{') && ++depth > JSON_DEPTH_MAX)
			return true;
		else if ((c == ']' || c == '}') && depth > 0)
			depth--;
	}
	return false;
}

int json_object_parse(const char *text, size_t length, json_t **ret_object, struct error *reterr)
{
	json_error_t problem;
	json_t *value;

	if (json_is_too_deep(text, length))
		return error_set(reterr, -EINVAL, "bad_json",
				 "the JSON is nested more than %d levels deep", JSON_DEPTH_MAX);
	value = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
	if (!value)
		return error_set(reterr, -EINVAL, "bad_json", "not JSON: %s (line %d, column %d)",
				 problem.text, problem.line, problem.column);
	if (!json_is_object(value)) {
		json_decref(value);
		return error_set(reterr, -EINVAL, "bad_json", "the JSON must be an object");
	}
	*ret_object = value;
	return 0;
}

/* The member, or NULL if it is absent or null. */
static json_t *member_find(const json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	return json_is_null(value) ? NULL : value;
}

int json_get_text(const json_t *object, const char *name, size_t low, size_t high,
		  const char **ret_text, struct error *reterr)
{
	const json_t *value = member_find(object, name);

	if (!value)
		return 0;
	if (!json_is_string(value))
		return error_set_field(reterr, -EINVAL, "bad_field", name, "%s must be a string",
				       name);
	if (json_string_length(value) < low || json_string_length(value) > high)
		return error_set_field(reterr, -EINVAL, "bad_field", name,
				       "%s must have %zu to %zu bytes", name, low, high);
	*ret_text = json_string_value(value); /* jansson refuses \u0000 unless told otherwise */
	return 1;
}

int json_get_int(const json_t *object, const char *name, int64_t low, int64_t high,
		 int64_t *ret_value, struct error *reterr)
{
	const json_t *value = member_find(object, name);

	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < low ||
	    json_integer_value(value) > high)
		return error_set_field(reterr, -EINVAL, "bad_field", name,
				       "%s must be a whole number from %lld to %lld", name,
				       (long long)low, (long long)high);
	*ret_value = json_integer_value(value);
	return 1;
}

int json_get_bool(const json_t *object, const char *name, bool *ret_value, struct error *reterr)
{
	const json_t *value = member_find(object, name);

	if (!value)
		return 0;
	if (!json_is_boolean(value))
		return error_set_field(reterr, -EINVAL, "bad_field", name,
				       "%s must be true or false", name);
	*ret_value = json_is_true(value);
	return 1;
}

int json_get_container(const json_t *object, const char *name, json_type type, json_t **ret_value,
		       struct error *reterr)
{
	json_t *value = member_find(object, name);

	if (!value)
		return 0;
	if (json_typeof(value) != type)
		return error_set_field(reterr, -EINVAL, "bad_field", name, "%s must be an %s", name,
				       type == JSON_OBJECT ? "object" : "array");
	*ret_value = value;
	return 1;
}

const char *json_text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

int json_missing(const char *name, struct error *reterr)
{
	return error_set_field(reterr, -EINVAL, "missing_field", name, "%s is missing", name);
}
