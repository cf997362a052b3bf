#include "realtime/wire/binary_fields.h"

#include <errno.h>
#include <stdbool.h>

#include "core/base64.h"
#include "core/file_rules.h"
#include "core/json.h"

enum { FILE_ID_MAX = 64, SHA256_CHARS = 64 };

/* A field that must be there. */
static int text_get(const json_t *binary, const char *name, size_t high, const char **ret_text,
		    struct error *reterr)
{
	int r = json_get_text(binary, name, 1, high, ret_text, reterr);

	return r == 0 ? json_missing(name, reterr) : r < 0 ? r : 0;
}

static int file_get(const json_t *binary, struct binary_fields *ret, struct error *reterr)
{
	int r = text_get(binary, "file_id", FILE_ID_MAX, &ret->file_id, reterr);

	if (r == 0)
		r = text_get(binary, "sha256", SHA256_CHARS, &ret->sha256, reterr);
	if (r == 0)
		r = json_get_int(binary, "size", 0, INT64_MAX, &ret->size_bytes, reterr);
	if (r == 0)
		r = json_missing("size", reterr);
	return r < 0 ? r : 0;
}

int binary_fields_get(const json_t *binary, struct binary_fields *ret, struct error *reterr)
{
	const json_t *base64 = json_object_get(binary, "binary_data");
	int r;

	*ret = (struct binary_fields){0};
	r = text_get(binary, "content_type", CONTENT_TYPE_MAX, &ret->content_type, reterr);
	if (r == 0)
		r = json_get_text(binary, "filename", 1, FILENAME_MAX_BYTES, &ret->filename,
				  reterr);
	if (r > 0)
		r = filename_check(ret->filename, reterr);
	if (r < 0)
		return r;
	if (!base64)
		return file_get(binary, ret, reterr);
	if (!json_is_string(base64))
		return error_set_field(reterr, -EINVAL, "bad_field", "binary_data",
				       "binary_data must be a string in base64");
	ret->base64 = json_string_value(base64);
	ret->base64_length = json_string_length(base64);
	return 0;
}
