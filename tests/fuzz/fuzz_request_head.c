/* Any bytes as the head of an HTTP request: what libwebsockets is given instead is one head still,
 * and has a secret only where the list of subprotocols had one. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "realtime/wire/request_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Lines that begin with `name`, in any case; the first is the request line. */
static size_t count_headers(const char *head, size_t length, const char *name)
{
	size_t count = 0, name_length = strlen(name);
	const char *at = (const char *)memmem(head, length, "\r\n", 2) + 2, *end = head + length;

	while (at < end) {
		const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);

		if ((size_t)(end - at) >= name_length && strncasecmp(at, name, name_length) == 0)
			count++;
		at = stop ? stop + 2 : end;
	}
	return count;
}

static void check_rewritten(const char *given, size_t given_length, const char *head, size_t length)
{
	static const char *const secrets[] = {BEARER_HEADER, PASSWORD_HEADER, INVITE_HEADER};
	static const char *const prefixes[] = {"bearer.", "password.", "invite."};
	size_t offers = count_headers(given, given_length, "sec-websocket-protocol:");

	assert(offers <= 1);
	assert(count_headers(head, length, "sec-websocket-protocol:") <= offers);
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		size_t count = count_headers(head, length, secrets[i]);

		assert(count <= offers);
		if (count > 0)
			assert(memmem(given, given_length, prefixes[i], strlen(prefixes[i])));
	}
	/* One head, as long as it was: nothing in it ends it early. */
	assert(request_head_length(head, length) == length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t length = request_head_length((const char *)data, size), rewritten_length;
	char *head, *rewritten;

	if (length == 0 || length > REQUEST_HEAD_MAX)
		return 0;
	head = malloc(length); /* of its own, so that reading past it is noticed */
	assert(head);
	memcpy(head, data, length);
	(void)request_head_needs_rewriting(head, length);
	if (request_head_rewrite(head, length, &rewritten, &rewritten_length) == 0) {
		check_rewritten(head, length, rewritten, rewritten_length);
		free(rewritten);
	}
	free(head);
	return 0;
}
