#include "realtime/wire/request_head.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/cursor.h"
#include "core/text.h"

static const char protocol_header[] = "sec-websocket-protocol:";
static const char *const known[] = {"realtime.v1", "realtime.v1+bin"};
/* What is no subprotocol but a secret, and the header that it goes on in. */
static const struct {
	const char *prefix, *header;
} secrets[] = {
	{"bearer.", BEARER_HEADER},
	{"password.", PASSWORD_HEADER},
	{"invite.", INVITE_HEADER},
};

enum { OFFER_MAX = 100 /* bytes that libwebsockets surely digests */ };

size_t request_head_length(const char *bytes, size_t length)
{
	const char *end = memmem(bytes, length, "\r\n\r\n", 4);

	return end ? (size_t)(end - bytes) + 4 : 0;
}

static bool is_header(const char *line, size_t length, const char *name)
{
	size_t name_length = strlen(name);

	return length >= name_length && strncasecmp(line, name, name_length) == 0;
}

/* The next line, with its end; NULL when there is none. */
static const char *next_line(const char **at, const char *end, size_t *ret_length)
{
	const char *line = *at, *stop;

	if (line >= end)
		return NULL;
	stop = memmem(line, (size_t)(end - line), "\r\n", 2);
	*at = stop ? stop + 2 : end;
	*ret_length = (size_t)(*at - line);
	return line;
}

/* One item of a list with commas, without blanks; length 0: an empty one. */
static bool next_item(const char **at, const char *end, struct slice *ret_item)
{
	const char *from = *at, *to;

	if (from >= end)
		return false;
	to = memchr(from, ',', (size_t)(end - from));
	*at = to ? to + 1 : end;
	to = to ? to : end;
	while (from < to && strchr(" \t", *from))
		from++;
	while (to > from && strchr(" \t\r\n", to[-1]))
		to--;
	*ret_item = (struct slice){(const uint8_t *)from, (size_t)(to - from)};
	return true;
}

static bool is_known(const struct slice *item)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strlen(known[i]) == item->length &&
		    memcmp(known[i], item->data, item->length) == 0)
			return true;
	return false;
}

static bool is_secret_header(const char *line, size_t length)
{
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
		if (is_header(line, length, secrets[i].header))
			return true;
	return false;
}

bool request_head_needs_rewriting(const char *head, size_t length)
{
	const char *at = head, *end = head + length, *line;
	size_t line_length;

	(void)next_line(&at, end, &line_length); /* the request line is no header */
	while ((line = next_line(&at, end, &line_length))) {
		const char *items = line + sizeof(protocol_header) - 1;
		struct slice item;

		if (is_secret_header(line, line_length))
			return true;
		if (!is_header(line, line_length, protocol_header))
			continue;
		if (line_length > OFFER_MAX)
			return true;
		while (next_item(&items, line + line_length, &item))
			if (!is_known(&item))
				return true;
	}
	return false;
}

/* A token goes into a header of its own: nothing in it may end a line. */
static bool is_token(const struct slice *item)
{
	for (size_t i = 0; i < item->length; i++)
		if (item->data[i] <= ' ' || item->data[i] >= 0x7f)
			return false;
	return item->length > 0;
}

/* The secret that the item is, as an index of secrets[]; -1: it is none. */
static int secret_of(const struct slice *item)
{
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		size_t prefix = strlen(secrets[i].prefix);

		if (item->length > prefix && memcmp(item->data, secrets[i].prefix, prefix) == 0)
			return (int)i;
	}
	return -1;
}

static void add_header(struct text *out, const char *name, const struct slice *value)
{
	text_add_string(out, name);
	text_add_string(out, " ");
	text_add(out, (const char *)value->data, value->length);
	text_add_string(out, "\r\n");
}

static int rewrite_offer(struct text *out, const char *line, size_t length)
{
	const char *items = line + sizeof(protocol_header) - 1;
	struct slice item, chosen = {0}, found[ARRAY_LEN(secrets)] = {0};

	while (next_item(&items, line + length, &item)) {
		int secret = secret_of(&item);
		size_t prefix = secret < 0 ? 0 : strlen(secrets[secret].prefix);

		if (!is_token(&item) || (secret >= 0 && found[secret].data))
			return -EINVAL;
		if (secret >= 0)
			found[secret] = (struct slice){item.data + prefix, item.length - prefix};
		else if (!chosen.data && is_known(&item))
			chosen = item;
	}
	if (chosen.data)
		add_header(out, "Sec-WebSocket-Protocol:", &chosen);
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
		if (found[i].data)
			add_header(out, secrets[i].header, &found[i]);
	return 0;
}

int request_head_rewrite(const char *head, size_t length, char **ret_head, size_t *ret_length)
{
	const char *at = head, *end = head + length, *line;
	struct text out = {0};
	size_t line_length;
	bool has_offer = false;
	int r = 0;

	line = next_line(&at, end, &line_length); /* the request line is no header */
	if (line)
		text_add(&out, line, line_length);
	while (r == 0 && (line = next_line(&at, end, &line_length))) {
		bool is_offer = is_header(line, line_length, protocol_header);

		if (is_secret_header(line, line_length))
			continue;
		if (!is_offer)
			text_add(&out, line, line_length);
		else if (has_offer)
			r = -EINVAL; /* one list is enough */
		else
			r = rewrite_offer(&out, line, line_length);
		has_offer |= is_offer;
	}
	if (r == 0 && out.failed)
		r = -ENOMEM;
	if (r < 0) {
		if (out.bytes)
			explicit_bzero(out.bytes, out.length);
		text_fini(&out);
		return r;
	}
	*ret_head = out.bytes;
	*ret_length = out.length;
	return 0;
}
