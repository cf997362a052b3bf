#include "sfu/wire/sdp_fragment.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sfu/wire/sdp_parsing.h"

enum { LINE_MAX_BYTES = 1024, CANDIDATE_WORDS_MIN = 8 /* RFC 8839 section 5.1 */ };

struct reading {
	struct sdp_parsing parsing; /* for the attributes that an offer has, too */
	struct sdp_media media;	    /* whichever m-line is being read: only the first counts */
	size_t media_count;
	struct sdp_fragment *fragment;
	struct error *reterr;
};

static int refuse(struct error *reterr, const char *field, const char *words)
{
	return error_set_field(reterr, -EPROTO, "bad_sdp_fragment", field, "%s", words);
}

static int too_many(struct error *reterr, const char *field, size_t limit)
{
	return error_set_field(reterr, -EMSGSIZE, "bad_sdp_fragment", field,
			       "there are more than %zu", limit);
}

static int read_candidate(struct reading *reading, const char *value)
{
	size_t words = 0;

	while (sdp_next_word(&value).length > 0)
		words++;
	if (words < CANDIDATE_WORDS_MIN)
		return refuse(reading->reterr, "a=candidate",
			      "it must be foundation, component, transport, priority, address, "
			      "port, \"typ\" and a type");
	if (++reading->fragment->candidate_count > SDP_FRAGMENT_CANDIDATES_MAX)
		return too_many(reading->reterr, "a=candidate", SDP_FRAGMENT_CANDIDATES_MAX);
	return 0;
}

static int read_media(struct reading *reading)
{
	if (++reading->media_count > SDP_MEDIA_MAX)
		return too_many(reading->reterr, "m=", SDP_MEDIA_MAX);
	reading->parsing.media = &reading->media;
	return 0;
}

static int read_attribute(struct reading *reading, char *name)
{
	char *value = strchr(name, ':');
	int r;

	if (value)
		*value++ = '\0';
	if (strcmp(name, "end-of-candidates") == 0)
		reading->fragment->is_complete = true;
	if (!value)
		return 0;
	if (strcmp(name, "candidate") == 0)
		return read_candidate(reading, value);
	if (strcmp(name, "ice-ufrag") != 0 && strcmp(name, "ice-pwd") != 0)
		return 0;
	r = sdp_attribute_read(&reading->parsing, name, value);
	if (r == -EPROTO && reading->reterr) /* it names the line, and calls it an offer's */
		(void)snprintf(reading->reterr->code, sizeof(reading->reterr->code),
			       "bad_sdp_fragment");
	return r;
}

static int read_line(struct reading *reading, const char *line, size_t length)
{
	char copy[LINE_MAX_BYTES + 1];

	if (length == 0)
		return 0;
	if (length > LINE_MAX_BYTES)
		return error_set_field(reading->reterr, -EMSGSIZE, "bad_sdp_fragment", "",
				       "a line is longer than %d bytes", LINE_MAX_BYTES);
	if (length < 2 || !islower((unsigned char)line[0]) || line[1] != '=')
		return refuse(reading->reterr, "", "a line does not begin with a letter and \"=\"");
	for (size_t i = 0; i < length; i++)
		if (iscntrl((unsigned char)line[i]))
			return refuse(reading->reterr, "", "a line holds a control character");
	memcpy(copy, line, length);
	copy[length] = '\0';
	if (line[0] == 'm')
		return read_media(reading);
	return line[0] == 'a' ? read_attribute(reading, copy + 2) : 0;
}

static int read_lines(struct reading *reading, const char *text, size_t length)
{
	const char *end = text + length;
	int r = 0;

	while (r == 0 && text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t line_bytes = (size_t)((newline ? newline : end) - text);

		if (newline && line_bytes > 0 && text[line_bytes - 1] == '\r')
			line_bytes--;
		r = read_line(reading, text, line_bytes);
		text = newline ? newline + 1 : end;
	}
	return r;
}

static int complete(struct reading *reading, const struct sdp *sdp)
{
	struct sdp_fragment *fragment = reading->fragment;

	if (*sdp->ice_ufrag && !*sdp->ice_password)
		return refuse(reading->reterr, "a=ice-pwd", "it is missing beside a=ice-ufrag");
	if (!*sdp->ice_ufrag && *sdp->ice_password)
		return refuse(reading->reterr, "a=ice-ufrag", "it is missing beside a=ice-pwd");
	if (!*sdp->ice_ufrag && fragment->candidate_count == 0 && !fragment->is_complete)
		return refuse(reading->reterr, "",
			      "it says nothing of ICE: no a=ice-ufrag, a=candidate or "
			      "a=end-of-candidates");
	memcpy(fragment->ice_ufrag, sdp->ice_ufrag, sizeof(fragment->ice_ufrag));
	memcpy(fragment->ice_password, sdp->ice_password, sizeof(fragment->ice_password));
	return 0;
}

int sdp_fragment_parse(const char *text, size_t length, struct sdp_fragment *ret_fragment,
		       struct error *reterr)
{
	struct sdp_fragment fragment = {0};
	struct sdp sdp = {0};
	struct reading reading = {.parsing = {.sdp = &sdp, .reterr = reterr},
				  .fragment = &fragment,
				  .reterr = reterr};
	int r;

	if (length > SDP_FRAGMENT_BYTES_MAX)
		return error_set_field(reterr, -EMSGSIZE, "bad_sdp_fragment", "",
				       "the text is longer than %d bytes", SDP_FRAGMENT_BYTES_MAX);
	r = read_lines(&reading, text, length);
	if (r == 0)
		r = complete(&reading, &sdp);
	if (r == 0)
		*ret_fragment = fragment;
	return r;
}
