#include "api/wire/multipart.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static const char token_characters[] = "!#$%&'*+-.^_`|~0123456789"
				       "abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

static int bad(struct error *reterr, const char *why)
{
	return error_set(reterr, -EINVAL, "bad_multipart", "the body is no multipart/form-data: %s",
			 why);
}

/* ---- parameters of a header: name=token or name="quoted" ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

/* A quoted string's inside into `out` (NULL: skip it); the text behind it, or NULL. A backslash
 * escapes a quote or itself, and is otherwise one of a path, as some clients send it; %22 is the
 * quote of browsers (HTML, "multipart/form-data encoding algorithm"). */
static const char *read_quoted(const char *text, char *out, size_t size)
{
	size_t length = 0;

	for (text++; *text != '"'; text++) {
		char c = *text;

		if (!c)
			return NULL;
		if (c == '\\' && (text[1] == '"' || text[1] == '\\'))
			c = *++text;
		else if (c == '%' && text[1] == '2' && text[2] == '2') {
			c = '"';
			text += 2;
		}
		if (!out)
			continue;
		if (length + 1 >= size)
			return NULL;
		out[length++] = c;
	}
	if (out)
		out[length] = '\0';
	return text + 1;
}

static const char *read_token(const char *text, char *out, size_t size)
{
	size_t length = strspn(text, token_characters);

	if (length == 0 || (out && length >= size))
		return NULL;
	if (out) {
		memcpy(out, text, length);
		out[length] = '\0';
	}
	return text + length;
}

/* One of `; name=value…`. The text behind it, "" at the end, or NULL: it is malformed. The value
 * goes to `out` if the name is `wanted`, which *ret_found then says. */
static const char *read_parameter(const char *text, const char *wanted, char *out, size_t size,
				  bool *ret_found)
{
	size_t length;
	bool is_it;

	text = skip_blanks(text);
	if (*text != ';')
		return *text ? NULL : text;
	text = skip_blanks(text + 1);
	if (!*text)
		return text;
	length = strspn(text, token_characters);
	if (length == 0 || text[length] != '=')
		return NULL;
	is_it = length == strlen(wanted) && strncasecmp(text, wanted, length) == 0;
	if (is_it && *ret_found)
		return NULL; /* twice: which one is meant? */
	*ret_found |= is_it;
	text += length + 1;
	return *text == '"' ? read_quoted(text, is_it ? out : NULL, size)
			    : read_token(text, is_it ? out : NULL, size);
}

/* Among all parameters in `text`: 1, 0 (absent), -EINVAL. */
static int find_parameter(const char *text, const char *wanted, char *out, size_t size)
{
	bool found = false;

	while (*text) {
		text = read_parameter(text, wanted, out, size, &found);
		if (!text)
			return -EINVAL;
	}
	return found;
}

/* The text behind `value` if the header begins with it; NULL. */
static const char *behind_value(const char *text, const char *value)
{
	size_t length = strlen(value);

	if (strncasecmp(text, value, length) != 0)
		return NULL;
	text = skip_blanks(text + length);
	return *text == ';' || !*text ? text : NULL;
}

/* ---- life ---- */

static bool boundary_is_valid(const char *boundary)
{
	static const char extra[] = "'()+_,-./:=? ";
	size_t length = strlen(boundary);

	for (size_t i = 0; i < length; i++) {
		char c = boundary[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
		    !strchr(extra, c))
			return false;
	}
	return length > 0 && boundary[length - 1] != ' ';
}

int multipart_init(struct multipart *multipart, const char *content_type,
		   const struct multipart_events *events, void *data, struct error *reterr)
{
	const char *parameters = behind_value(content_type, "multipart/form-data");
	char boundary[MULTIPART_BOUNDARY_MAX + 1];

	if (!parameters)
		return error_set(reterr, -EPROTONOSUPPORT, "unsupported_media_type",
				 "the body must be multipart/form-data");
	if (find_parameter(parameters, "boundary", boundary, sizeof(boundary)) <= 0 ||
	    !boundary_is_valid(boundary))
		return bad(reterr, "Content-Type has no boundary of 1 to 70 characters");
	memset(multipart, 0, sizeof(*multipart));
	multipart->events = events;
	multipart->data = data;
	memcpy(multipart->delimiter, "\r\n--", 4);
	memcpy(multipart->delimiter + 4, boundary, strlen(boundary) + 1);
	multipart->delimiter_length = strlen(multipart->delimiter);
	multipart->matched = 2; /* the first boundary may be the first line */
	return 0;
}

/* ---- heads ---- */

static int read_disposition(const char *value, struct multipart_part *part, struct error *reterr)
{
	const char *parameters = behind_value(value, "form-data");
	int name, filename;

	if (!parameters)
		return bad(reterr, "a part's Content-Disposition is not form-data");
	name = find_parameter(parameters, "name", part->name, sizeof(part->name));
	filename = find_parameter(parameters, "filename", part->filename, sizeof(part->filename));
	if (name < 0 || filename < 0)
		return bad(reterr, "a part's Content-Disposition is malformed or too long");
	if (name == 0)
		return bad(reterr, "a part has no name");
	part->has_filename = filename > 0;
	return 0;
}

static int read_header(char *line, struct multipart_part *part, bool *has_disposition,
		       struct error *reterr)
{
	size_t name_length = strspn(line, token_characters);
	char *value = line + name_length + 1;
	size_t length;

	if (name_length == 0 || line[name_length] != ':')
		return bad(reterr, "a part has a header without a name");
	line[name_length] = '\0';
	value += strspn(value, " \t");
	length = strlen(value);
	while (length > 0 && is_blank(value[length - 1]))
		value[--length] = '\0';
	if (strcasecmp(line, "Content-Disposition") == 0) {
		if (*has_disposition)
			return bad(reterr, "a part has two Content-Dispositions");
		*has_disposition = true;
		return read_disposition(value, part, reterr);
	}
	if (strcasecmp(line, "Content-Type") == 0) {
		if (length > MULTIPART_TYPE_MAX)
			return bad(reterr, "a part's Content-Type is too long");
		memcpy(part->content_type, value, length + 1);
	}
	if (strcasecmp(line, "Content-Transfer-Encoding") == 0 && strcasecmp(value, "7bit") != 0 &&
	    strcasecmp(value, "8bit") != 0 && strcasecmp(value, "binary") != 0)
		return bad(reterr, "a part has a Content-Transfer-Encoding (RFC 7578 section 4.7)");
	return 0;
}

/* `head` has whole lines, each with its CR LF, and no NUL or other control character. */
static int read_head(struct multipart *multipart, struct error *reterr)
{
	struct multipart_part *part = &multipart->part;
	char *line = multipart->head, *end;
	bool has_disposition = false;
	int r = 0;

	memset(part, 0, sizeof(*part));
	for (; r == 0 && (end = strstr(line, "\r\n")); line = end + 2) {
		*end = '\0';
		if (*line)
			r = read_header(line, part, &has_disposition, reterr);
	}
	if (r == 0 && !has_disposition)
		return bad(reterr, "a part has no Content-Disposition");
	return r;
}

/* One more byte of a head. 1: it is whole. */
static int take_head_byte(struct multipart *multipart, char byte, struct error *reterr)
{
	char *head = multipart->head;
	size_t length = multipart->head_length;
	bool behind_cr = length > 0 && head[length - 1] == '\r';

	if (length + 1 >= MULTIPART_HEAD_MAX)
		return bad(reterr, "a part's headers are too long");
	if ((byte == '\n') != behind_cr || byte == 0x7f ||
	    ((unsigned char)byte < 0x20 && byte != '\r' && byte != '\n' && byte != '\t'))
		return bad(reterr, "a part's headers have characters that cannot be there");
	head[length++] = byte;
	head[length] = '\0';
	multipart->head_length = length;
	return byte == '\n' && (length == 2 || (length >= 4 && head[length - 3] == '\n'));
}

/* ---- bodies ---- */

static int begin_body(struct multipart *multipart, struct error *reterr)
{
	int r = read_head(multipart, reterr);

	if (r < 0)
		return r;
	multipart->state = MULTIPART_BODY;
	multipart->matched = 0;
	return multipart->events->begin(multipart->data, &multipart->part, reterr);
}

static int emit(const struct multipart *multipart, const char *bytes, size_t length,
		struct error *reterr)
{
	if (length == 0 || multipart->state != MULTIPART_BODY)
		return 0;
	return multipart->events->bytes(multipart->data, bytes, length, reterr);
}

static int end_body(struct multipart *multipart, struct error *reterr)
{
	bool was_body = multipart->state == MULTIPART_BODY;

	multipart->state = MULTIPART_DELIMITER;
	multipart->has_blanks = false;
	return was_body ? multipart->events->end(multipart->data, reterr) : 0;
}

/* Where the end of these bytes may be the beginning of a delimiter; `length` if it is none. It has
 * one CR, at its start. */
static size_t find_beginning(const struct multipart *multipart, const char *bytes, size_t length)
{
	size_t at =
		length < multipart->delimiter_length ? 0 : length - multipart->delimiter_length + 1;
	const char *cr;

	for (; (cr = memchr(bytes + at, '\r', length - at)); at++) {
		at = (size_t)(cr - bytes);
		if (memcmp(cr, multipart->delimiter, length - at) == 0)
			return at;
	}
	return length;
}

/* Up to a whole delimiter, or to what may be the beginning of one: as much as there is in one
 * piece, for each piece costs a system call. */
static ssize_t take_plain_body(struct multipart *multipart, const char *bytes, size_t length,
			       struct error *reterr)
{
	const char *found =
		memmem(bytes, length, multipart->delimiter, multipart->delimiter_length);
	size_t plain = found ? (size_t)(found - bytes) : find_beginning(multipart, bytes, length);
	int r = emit(multipart, bytes, plain, reterr);

	if (r < 0)
		return r;
	if (!found) {
		multipart->matched = length - plain;
		return (ssize_t)length;
	}
	r = end_body(multipart, reterr);
	return r < 0 ? r : (ssize_t)(plain + multipart->delimiter_length);
}

/* Bytes of a body or the preamble, up to a boundary. How many were taken. */
static ssize_t take_body(struct multipart *multipart, const char *bytes, size_t length,
			 struct error *reterr)
{
	int r;

	if (multipart->matched == 0)
		return take_plain_body(multipart, bytes, length, reterr);
	if (*bytes != multipart->delimiter[multipart->matched]) {
		size_t broken = multipart->matched;

		multipart->matched = 0; /* and this byte is looked at again */
		r = emit(multipart, multipart->delimiter, broken, reterr);
		return r < 0 ? r : 0;
	}
	if (++multipart->matched < multipart->delimiter_length)
		return 1;
	r = end_body(multipart, reterr);
	return r < 0 ? r : 1;
}

/* A byte of what follows a boundary. */
static int take_delimiter_byte(struct multipart *multipart, char byte, struct error *reterr)
{
	switch (multipart->state) {
	case MULTIPART_LINE_END:
		if (byte != '\n')
			break;
		multipart->state = MULTIPART_HEAD;
		multipart->head_length = 0;
		return 0;
	case MULTIPART_CLOSE:
		if (byte != '-')
			break;
		multipart->state = MULTIPART_EPILOGUE;
		return 0;
	case MULTIPART_DELIMITER:
		if (byte == '\r')
			multipart->state = MULTIPART_LINE_END;
		else if (byte == '-' && !multipart->has_blanks)
			multipart->state = MULTIPART_CLOSE;
		else if (is_blank(byte))
			multipart->has_blanks = true;
		else
			break;
		return 0;
	case MULTIPART_PREAMBLE:
	case MULTIPART_HEAD:
	case MULTIPART_BODY:
	case MULTIPART_EPILOGUE:
		break;
	}
	return bad(reterr, "a boundary does not end its line");
}

int multipart_feed(struct multipart *multipart, const void *bytes, size_t length,
		   struct error *reterr)
{
	const char *at = bytes, *end = at + length;

	while (at < end) {
		ssize_t taken = 1;
		int r = 0;

		switch (multipart->state) {
		case MULTIPART_PREAMBLE:
		case MULTIPART_BODY:
			taken = take_body(multipart, at, (size_t)(end - at), reterr);
			r = taken < 0 ? (int)taken : 0;
			break;
		case MULTIPART_DELIMITER:
		case MULTIPART_LINE_END:
		case MULTIPART_CLOSE:
			r = take_delimiter_byte(multipart, *at, reterr);
			break;
		case MULTIPART_HEAD:
			r = take_head_byte(multipart, *at, reterr);
			if (r > 0)
				r = begin_body(multipart, reterr);
			break;
		case MULTIPART_EPILOGUE: /* means nothing */
			return 0;
		}
		if (r < 0)
			return r;
		at += taken;
	}
	return 0;
}

int multipart_finish(const struct multipart *multipart, struct error *reterr)
{
	return multipart->state == MULTIPART_EPILOGUE
		       ? 0
		       : bad(reterr, "it ends before its last boundary");
}
