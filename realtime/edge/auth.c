#include "realtime/edge/auth.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "db/api_keys.h"
#include "realtime/edge/http.h"

struct auth_job {
	struct store_job job;
	char connection_id[CONNECTION_ID_SIZE];
	char api_key[CREDENTIAL_SIZE];
	struct api_key_row row;
	auth_fn done;
	void *data;
};

static int bad_credentials(struct error *reterr, const char *where)
{
	return error_set(reterr, -EKEYREJECTED, "bad_credentials", "the %s is empty or too long",
			 where);
}

/* 1, 0 (none: a scheme that is not ours), or -EKEYREJECTED. */
static int authorization_read(struct lws *wsi, char *out, size_t size, struct error *reterr)
{
	static const char api_key[] = "ApiKey ", bearer[] = "Bearer ";
	char header[CREDENTIAL_SIZE];
	const char *key = NULL;
	bool is_readable =
		http_header_get(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, header, sizeof(header));

	if (strncasecmp(header, api_key, sizeof(api_key) - 1) == 0)
		key = header + sizeof(api_key) - 1;
	else if (strncasecmp(header, bearer, sizeof(bearer) - 1) == 0 &&
		 api_key_looks_like_one(header + sizeof(bearer) - 1))
		key = header + sizeof(bearer) -
		      1; /* other tokens are not known yet, as in the API */
	if (is_readable && key)
		(void)snprintf(out, size, "%s", key);
	explicit_bzero(header, sizeof(header));
	if (!is_readable || (key && !*out))
		return bad_credentials(reterr, "Authorization header");
	return key ? 1 : 0;
}

int credentials_read(struct lws *wsi, struct credentials *ret_credentials, struct error *reterr)
{
	static const char custom[] = "x-api-key:", argument[] = "api_key";
	char *key = ret_credentials->api_key;
	size_t size = sizeof(ret_credentials->api_key);
	int r = 0;

	*ret_credentials = (struct credentials){0};
	if (http_header_is_present(wsi, WSI_TOKEN_HTTP_AUTHORIZATION))
		r = authorization_read(wsi, key, size, reterr);
	if (r != 0)
		return r < 0 ? r : 0;
	if (http_custom_header_is_present(wsi, custom))
		return http_custom_header_get(wsi, custom, key, size)
			       ? 0
			       : bad_credentials(reterr, "X-API-Key header");
	if (!http_query_get(wsi, argument, 0, key, size) && *key) {
		explicit_bzero(key, size);
		return bad_credentials(reterr, argument);
	}
	return 0;
}

static int auth_run(struct store_job *store_job, struct store *store, struct error *reterr)
{
	struct auth_job *job = CONTAINER_OF(store_job, struct auth_job, job);

	return api_keys_check(store, job->api_key, clock_unix_ms(), &job->row, reterr);
}

static void auth_done(struct store_job *store_job)
{
	struct auth_job *job = CONTAINER_OF(store_job, struct auth_job, job);
	AUTO(identity) identity = identity_new(job->row.user_id, RIGHTS_ALL);

	if (!identity && store_job->error.number == 0)
		(void)error_set(&store_job->error, -ENOMEM, "out_of_memory", "out of memory");
	if (identity)
		(void)snprintf(identity->key_id, sizeof(identity->key_id), "%s", job->row.key_id);
	job->done(job->data, job->connection_id, identity,
		  store_job->error.number < 0 ? &store_job->error : NULL);
	explicit_bzero(job->api_key, sizeof(job->api_key));
	free(job);
}

int auth_check(struct store_thread *thread, const struct credentials *credentials,
	       const char *connection_id, auth_fn done, void *data, struct error *reterr)
{
	AUTO_FREE struct auth_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	job->job = (struct store_job){.run = auth_run, .done = auth_done};
	job->done = done;
	job->data = data;
	(void)snprintf(job->connection_id, sizeof(job->connection_id), "%s", connection_id);
	memcpy(job->api_key, credentials->api_key, sizeof(job->api_key));
	r = store_thread_submit_take(thread, &job->job, reterr);
	if (r == 0)
		(void)STEAL(job);
	else
		explicit_bzero(job->api_key, sizeof(job->api_key));
	return r;
}
