#include "api/edge/webhook_post.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/wire/webhook_signature.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/public_address.h"

enum {
	ANSWER_BYTES_MAX = 65536,
	WAIT_MS_MAX = 6 * 3600 * 1000,
	PAUSE_FIRST_MS = 1000, /* for which an endpoint that fails is left alone */
	PAUSE_MS_MAX = 5 * 60 * 1000,
	PAUSE_FROM = 3 /* failures in a row */
};

/* ---- what goes over the wire ---- */

/* Called with the address that was resolved and is to be connected to: nothing can come between. */
static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct webhook_post *post = data;

	(void)purpose;
	if (!post->config->REALTIME_WEBHOOK_ALLOW_PRIVATE && !address_is_public(&address->addr)) {
		post->was_refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t count_answer(char *bytes, size_t size, size_t count, void *data)
{
	struct webhook_post *post = data;

	(void)bytes;
	post->answer_bytes += size * count;
	return post->answer_bytes <= ANSWER_BYTES_MAX ? size * count : 0;
}

static int add_header(struct webhook_post *post, const char *text)
{
	struct curl_slist *longer = curl_slist_append(post->headers, text);

	if (!longer)
		return -ENOMEM;
	post->headers = longer;
	return 0;
}

/* Receivers accept any of several signatures, which is how a secret is changed. */
static int add_signature(struct webhook_post *post, int64_t timestamp_s)
{
	const struct webhook_delivery *delivery = post->delivery;
	char by_new[WEBHOOK_SIGNATURE_SIZE], by_old[WEBHOOK_SIGNATURE_SIZE] = "";
	char header[24 + 2 * WEBHOOK_SIGNATURE_SIZE];
	int r = webhook_sign(delivery->secret, delivery->event_id, timestamp_s, delivery->body,
			     by_new);

	if (r == 0 && *delivery->old_secret)
		r = webhook_sign(delivery->old_secret, delivery->event_id, timestamp_s,
				 delivery->body, by_old);
	if (r < 0)
		return r;
	(void)snprintf(header, sizeof(header), "webhook-signature: %s%s%s", by_new,
		       *by_old ? " " : "", by_old);
	return add_header(post, header);
}

static int add_headers(struct webhook_post *post)
{
	int64_t now_s = clock_unix_ms() / 1000;
	char header[64 + WEBHOOK_EVENT_ID_SIZE];
	int r;

	(void)snprintf(header, sizeof(header), "webhook-id: %s", post->delivery->event_id);
	r = add_header(post, header);
	(void)snprintf(header, sizeof(header), "webhook-timestamp: %lld", (long long)now_s);
	if (r == 0)
		r = add_header(post, header);
	if (r == 0)
		r = add_signature(post, now_s);
	if (r == 0)
		r = add_header(post, "Content-Type: application/json");
	if (r == 0)
		r = add_header(post, "Expect:"); /* the body is small: no 100 Continue */
	return r;
}

static int set_options(struct webhook_post *post)
{
	const struct config *config = post->config;
	CURL *easy = post->easy;
	CURLcode code = CURLE_OK;

#define SET(option, value)                                                                         \
	do {                                                                                       \
		if (code == CURLE_OK)                                                              \
			code = curl_easy_setopt(easy, option, value);                              \
	} while (0)
	SET(CURLOPT_URL, post->delivery->url);
	SET(CURLOPT_PROTOCOLS_STR, config->REALTIME_WEBHOOK_ALLOW_HTTP ? "https,http" : "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, ""); /* also none of the environment's */
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TIMEOUT_MS, (long)config->REALTIME_WEBHOOK_TIMEOUT * 1000L);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, post);
	SET(CURLOPT_WRITEFUNCTION, count_answer);
	SET(CURLOPT_WRITEDATA, post);
	SET(CURLOPT_POSTFIELDS, post->delivery->body);
	SET(CURLOPT_HTTPHEADER, post->headers);
	SET(CURLOPT_USERAGENT, "realtime/" RT_VERSION);
	SET(CURLOPT_PRIVATE, post);
	if (*config->REALTIME_WEBHOOK_CA_FILE)
		SET(CURLOPT_CAINFO, config->REALTIME_WEBHOOK_CA_FILE);
#undef SET
	return code == CURLE_OK ? 0 : -ENOMEM;
}

int webhook_post_new(const struct config *config, struct webhook_delivery *delivery,
		     struct webhook_post **ret_post)
{
	AUTO(webhook_post) post = calloc(1, sizeof(*post));
	int r;

	if (!post) {
		(void)webhook_delivery_free(delivery);
		return -ENOMEM;
	}
	list_init(&post->link);
	post->delivery = delivery;
	post->config = config;
	post->began_us = clock_now_us();
	post->easy = curl_easy_init();
	r = post->easy ? add_headers(post) : -ENOMEM;
	if (r == 0)
		r = set_options(post);
	if (r < 0)
		return r;
	*ret_post = STEAL(post);
	return 0;
}

struct webhook_post *webhook_post_free(struct webhook_post *post)
{
	if (!post)
		return NULL;
	list_remove(&post->link);
	curl_easy_cleanup(post->easy);
	curl_slist_free_all(post->headers);
	post->delivery = webhook_delivery_free(post->delivery);
	free(post);
	return NULL;
}

/* ---- what it came to ---- */

/* Full jitter: anything up to the bound, which doubles, so that what failed together does not come
 * back together. */
static int64_t wait_ms(int64_t first_ms, int64_t doublings, int64_t highest_ms)
{
	int64_t bound = first_ms;
	uint32_t random;

	while (doublings-- > 0 && bound < highest_ms)
		bound *= 2;
	if (bound > highest_ms)
		bound = highest_ms;
	random_bytes(&random, sizeof(random));
	return 1 + (int64_t)(random % (uint64_t)bound);
}

static void describe(const struct webhook_post *post, CURLcode code, struct webhook_result *result)
{
	if (post->was_refused)
		(void)snprintf(result->error, sizeof(result->error),
			       "the name leads to a private address, and "
			       "REALTIME_WEBHOOK_ALLOW_PRIVATE is off");
	else if (result->response_status >= 300 && result->response_status < 400)
		(void)snprintf(result->error, sizeof(result->error),
			       "answered %ld; redirects are not followed", result->response_status);
	else if (result->response_status > 0)
		(void)snprintf(result->error, sizeof(result->error), "answered %ld",
			       result->response_status);
	else
		(void)snprintf(result->error, sizeof(result->error), "%s",
			       curl_easy_strerror(code));
}

/* An endpoint that fails (rather than refuses this one event) is left alone for a while: each of
 * its events would otherwise wait for a time-out of its own. */
static void pause_endpoint(const struct webhook_post *post, int64_t now_unix_ms,
			   struct webhook_result *result)
{
	long status = result->response_status;
	int64_t failures = post->delivery->failures_in_row;

	if (status >= 300 && status < 500 && status != 408 && status != 429 && status != 410)
		return;
	result->paused_until_unix_ms = now_unix_ms;
	if (failures + 1 >= PAUSE_FROM)
		result->paused_until_unix_ms +=
			wait_ms(PAUSE_FIRST_MS, failures - PAUSE_FROM, PAUSE_MS_MAX);
}

static void plan_again(const struct webhook_post *post, int64_t now_unix_ms,
		       struct webhook_result *result)
{
	const struct config *config = post->config;
	const struct webhook_delivery *delivery = post->delivery;
	int64_t age_max_ms = config->REALTIME_WEBHOOK_MAX_AGE * 1000;
	int64_t wait =
		wait_ms(config->REALTIME_WEBHOOK_RETRY_FIRST, delivery->attempts - 1, WAIT_MS_MAX);
	curl_off_t asked_s = 0;

	if (curl_easy_getinfo(post->easy, CURLINFO_RETRY_AFTER, &asked_s) == CURLE_OK &&
	    asked_s > 0 && asked_s * 1000 <= WAIT_MS_MAX && asked_s * 1000 > wait)
		wait = asked_s * 1000;
	result->next_attempt_at_unix_ms = now_unix_ms + wait;
	result->outcome = delivery->attempts >= config->REALTIME_WEBHOOK_MAX_ATTEMPTS ||
					  result->is_gone ||
					  now_unix_ms - delivery->queued_at_unix_ms >= age_max_ms
				  ? WEBHOOK_FAILED
				  : WEBHOOK_AGAIN;
}

void webhook_post_judge(const struct webhook_post *post, CURLcode code, int64_t now_unix_ms,
			struct webhook_result *ret_result)
{
	struct webhook_result result = {0};

	(void)curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &result.response_status);
	result.duration_ms = (int64_t)((clock_now_us() - post->began_us) / 1000);
	/* An answer that is longer than anybody needs counts by its status. */
	if (result.response_status >= 200 && result.response_status < 300 &&
	    (code == CURLE_OK || code == CURLE_WRITE_ERROR)) {
		result.outcome = WEBHOOK_DELIVERED;
		*ret_result = result;
		return;
	}
	if (code != CURLE_OK && code != CURLE_WRITE_ERROR)
		result.response_status = 0; /* it did not come to its end */
	result.is_gone = result.response_status == 410;
	describe(post, code, &result);
	pause_endpoint(post, now_unix_ms, &result);
	plan_again(post, now_unix_ms, &result);
	*ret_result = result;
}
