#include "core/file_rules.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/id.h"
#include "core/media_range.h"

int file_rules_check_size(const struct file_rules *rules, uint64_t length, const char *field,
			  struct error *reterr)
{
	if (!rules->is_enabled)
		return error_set(reterr, -EACCES, "binary_disabled",
				 "binary data is switched off here (BINARY_DATA_ENABLED)");
	if (length > (uint64_t)rules->max_bytes)
		return error_set_field(reterr, -EMSGSIZE, "file_too_big", field,
				       "%llu bytes are more than the %lld that are allowed",
				       (unsigned long long)length, (long long)rules->max_bytes);
	return 0;
}

/* Nobody says what it is, or says that it may be anything. */
static bool is_untold(const char *type)
{
	return !type || strcasecmp(type, "application/octet-stream") == 0;
}

/* Could be anything, so it speaks against nothing. */
static bool is_inconclusive(const char *sniffed)
{
	return strcmp(sniffed, "application/octet-stream") == 0 ||
	       strcmp(sniffed, "text/plain") == 0 || strcmp(sniffed, "application/x-empty") == 0;
}

/* Parameters may follow a type, but nothing that could not stand in a header. */
static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			return false;
	return true;
}

int file_rules_choose_type(const struct file_rules *rules, const char *declared,
			   const char *sniffed, const char **ret_type, struct error *reterr)
{
	const char *type = is_untold(declared) ? sniffed : declared;

	if (!is_printable(type))
		return error_set_field(reterr, -EPROTONOSUPPORT, "type_not_allowed", "content_type",
				       "a type may have printable ASCII characters only");
	if (!media_range_list_matches(rules->allowed_types, type) ||
	    (!is_inconclusive(sniffed) && !media_range_list_matches(rules->allowed_types, sniffed)))
		return error_set_field(reterr, -EPROTONOSUPPORT, "type_not_allowed", "content_type",
				       "%.64s (the bytes look like %.64s) is none of %.100s", type,
				       sniffed, rules->allowed_types);
	*ret_type = type;
	return 0;
}

/* A path is no name, and what a terminal or a browser's dialog would take for more than a name is
 * none either. */
bool filename_is_valid(const char *name)
{
	return channel_name_is_valid(name, strlen(name)) && !strpbrk(name, "/\\") &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int filename_check(const char *name, struct error *reterr)
{
	if (filename_is_valid(name))
		return 0;
	return error_set_field(reterr, -EINVAL, "bad_field", "filename",
			       "filename must be a name of at most %d bytes without slashes and "
			       "control characters",
			       FILENAME_MAX_BYTES);
}
