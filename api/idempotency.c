#include "api/idempotency.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "db/idempotency_keys.h"

/* Longer than any handler waits for realtimed. */
enum { LEASE_MS = 3 * BUS_TIMEOUT_MS };

/* ---- key and request ---- */

static int bad_key(struct error *reterr)
{
	return error_set_field(reterr, -EINVAL, "bad_field", "Idempotency-Key",
			       "Idempotency-Key must be 1 to %d printable ASCII characters",
			       IDEMPOTENCY_KEY_BYTES_MAX);
}

/* The draft has it as a string in quotes (RFC 8941), most send it bare: both are the same key. */
static int parse_key(const char *text, char ret_key[IDEMPOTENCY_KEY_BYTES_MAX + 1],
		     struct error *reterr)
{
	size_t length = strlen(text);

	if (length >= 2 && text[0] == '"' && text[length - 1] == '"') {
		text++;
		length -= 2;
	}
	if (length == 0 || length > IDEMPOTENCY_KEY_BYTES_MAX)
		return bad_key(reterr);
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] > 0x7e)
			return bad_key(reterr);
	memcpy(ret_key, text, length);
	ret_key[length] = '\0';
	return 0;
}

/* Each part with the NUL that ends it, so that none can pass for two. */
static int hash_parts(const char *const *parts, size_t count, const void *body, size_t length,
		      uint8_t ret_hash[SHA256_DIGEST_LENGTH])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool is_good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; i < count && is_good; i++)
		is_good = EVP_DigestUpdate(context, parts[i], strlen(parts[i]) + 1) == 1;
	is_good = is_good && EVP_DigestUpdate(context, body, length) == 1 &&
		  EVP_DigestFinal_ex(context, ret_hash, NULL) == 1;
	EVP_MD_CTX_free(context);
	return is_good ? 0 : -ENOMEM;
}

/* With the key among them, since it is not kept: else whoever reads the store could try which
 * password a request had. */
static int describe(const struct request *request, const char *key, struct idempotent_request *out)
{
	const char *type = request_header(request, "Content-Type");
	const char *const parts[] = {key, request->method, request->path, type ? type : ""};

	out->caller = request->identity->user_id;
	out->key = request->message_key;
	return hash_parts(parts, ARRAY_LEN(parts), request->body, request->body_length, out->hash);
}

/* What the store and realtimed are to know the request by: nobody else's key can be the same, and
 * who reads the store does not learn it. */
static int set_message_key(struct request *request, const char *key)
{
	const char *const parts[] = {request->identity->user_id, key};
	uint8_t hash[SHA256_DIGEST_LENGTH];
	char *out = request->message_key;
	int r = hash_parts(parts, ARRAY_LEN(parts), "", 0, hash);

	if (r < 0)
		return r;
	out += sprintf(out, "rest:");
	for (size_t i = 0; i < sizeof(hash); i++)
		out += sprintf(out, "%02x", hash[i]);
	return 0;
}

void idempotency_mark(const struct request *request, json_t *message)
{
	if (*request->message_key && !json_object_get(message, "idempotency_key"))
		(void)json_object_set_new(message, "idempotency_key",
					  json_string(request->message_key));
}

/* ---- answers ---- */

static void answer_again(struct idempotent_answer *answer, struct response *response)
{
	char *line = answer->headers, *end;

	for (; (end = strstr(line, "\r\n")); line = end + 2) {
		char *colon = memchr(line, ':', (size_t)(end - line));

		if (!colon || colon[1] != ' ')
			continue;
		*colon = *end = '\0';
		response_header(response, line, "%s", colon + 2);
	}
	response_header(response, "Idempotency-Replayed", "true");
	response_take_json(response, answer->status, STEAL(answer->body));
	idempotent_answer_fini(answer);
}

static int keep_answer(struct store *store, const struct idempotent_request *asked,
		       struct response *response, size_t headers_before, struct error *reterr)
{
	const struct idempotent_answer answer = {.status = response->status,
						 .headers = response->headers + headers_before,
						 .body = response->body};

	return idempotency_keys_finish(store, asked, &answer, reterr);
}

static int begin(struct store *store, const struct idempotent_request *asked,
		 struct idempotent_answer *ret_answer, struct error *reterr)
{
	int64_t now_unix_ms = clock_unix_ms();

	return idempotency_keys_begin(store, asked, now_unix_ms, now_unix_ms + LEASE_MS, ret_answer,
				      reterr);
}

/* What it is known by. 0: it has no key. The header's errors, and -EMSGSIZE "body_too_big". */
static int recognize(const struct api *api, struct request *request,
		     struct idempotent_request *ret_asked, struct error *reterr)
{
	const char *given = request_header(request, "Idempotency-Key");
	char key[IDEMPOTENCY_KEY_BYTES_MAX + 1];
	int r;

	if (!given)
		return 0;
	r = parse_key(given, key, reterr);
	if (r == 0)
		r = request_read_body(request, api->config->REALTIME_MAX_BODY, reterr);
	if (r == 0)
		r = set_message_key(request, key);
	if (r == 0)
		r = describe(request, key, ret_asked);
	return r < 0 ? r : 1;
}

/* ---- in the store ---- */

struct once_change {
	once_fn *change;
	void *data;
	struct response *response;
	const struct idempotent_request *asked; /* NULL: it has no key */
	struct idempotent_answer answer;	/* owned; of the first time */
};

/* The effect and the answer, together or neither. 1: it is answered by once->answer. */
static int change_once(struct store *store, void *data, struct error *reterr)
{
	struct once_change *once = data;
	size_t headers_before = once->response->headers_length;
	int r = once->asked ? begin(store, once->asked, &once->answer, reterr) : 0;

	if (r == 0)
		r = once->change(store, once->data, once->response, reterr);
	else
		return r;
	if (r == 0 && once->asked)
		r = keep_answer(store, once->asked, once->response, headers_before, reterr);
	return r;
}

int idempotency_change(struct api *api, struct request *request, once_fn *change, void *data,
		       struct response *response, struct error *reterr)
{
	struct once_change once = {.change = change, .data = data, .response = response};
	size_t headers_before = response->headers_length;
	struct idempotent_request asked;
	int r = recognize(api, request, &asked, reterr);

	if (r < 0)
		return r;
	once.asked = r > 0 ? &asked : NULL;
	r = store_group_change(api->changes, api->store, change_once, &once, reterr);
	if (r > 0)
		answer_again(&once.answer, response);
	else if (r < 0) /* also of a commit that failed: nothing of the answer holds */
		response_drop_headers(response, headers_before);
	idempotent_answer_fini(&once.answer);
	return r < 0 ? r : 0;
}

/* ---- over the bus ---- */

/* The effect is realtimed's. What goes wrong once it was had costs only that the answer is not
 * kept: realtimed still knows the message. */
static int serve_over_bus(struct api *api, struct request *request, const struct route *route,
			  const struct idempotent_request *asked, struct response *response,
			  struct error *reterr)
{
	size_t headers_before = response->headers_length;
	struct error error = {0};
	int kept, r = route->handler(api, request, response, reterr);

	kept = r == 0 ? keep_answer(api->store, asked, response, headers_before, &error)
		      : idempotency_keys_drop(api->store, asked, &error);
	if (kept < 0)
		LOG(LOG_ERROR, LOG_MAIN, "answer_not_kept",
		    LOG_TEXT("request", request->request_id), LOG_ERR(&error));
	return r;
}

struct lease {
	const struct idempotent_request *asked;
	struct idempotent_answer answer; /* owned */
};

static int take_lease(struct store *store, void *data, struct error *reterr)
{
	struct lease *lease = data;

	return begin(store, lease->asked, &lease->answer, reterr);
}

int idempotency_serve(struct api *api, struct request *request, const struct route *route,
		      struct response *response, struct error *reterr)
{
	struct idempotent_request asked;
	struct lease lease = {.asked = &asked};
	int r = recognize(api, request, &asked, reterr);

	if (r <= 0)
		return r < 0 ? r : route->handler(api, request, response, reterr);
	r = store_group_change(api->changes, api->store, take_lease, &lease, reterr);
	if (r < 0)
		return r;
	if (r == 0)
		return serve_over_bus(api, request, route, &asked, response, reterr);
	answer_again(&lease.answer, response);
	return 0;
}
