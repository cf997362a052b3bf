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

void credentials_read(struct lws *wsi, struct credentials *ret_credentials)
{
	static const char scheme[] = "ApiKey ";
	char header[CREDENTIAL_SIZE];

	*ret_credentials = (struct credentials){0};
	if (http_header_get(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, header, sizeof(header)) &&
	    strncasecmp(header, scheme, sizeof(scheme) - 1) == 0)
		(void)snprintf(ret_credentials->api_key, sizeof(ret_credentials->api_key), "%s",
			       header + sizeof(scheme) - 1);
	else if (!http_custom_header_get(wsi, "x-api-key:", ret_credentials->api_key,
					 sizeof(ret_credentials->api_key)))
		(void)http_query_get(wsi, "api_key", 0, ret_credentials->api_key,
				     sizeof(ret_credentials->api_key));
	explicit_bzero(header, sizeof(header));
}

static int auth_run(struct store_job *store_job, struct store *store, struct error *reterr)
{
	struct auth_job *job = CONTAINER_OF(store_job, struct auth_job, job);

	return api_keys_check(store, job->api_key, clock_unix_ms(), &job->row, reterr);
}

static void auth_done(struct store_job *store_job)
{
	struct auth_job *job = CONTAINER_OF(store_job, struct auth_job, job);
	struct caller caller = {.may_publish = true};

	(void)snprintf(caller.user_id, sizeof(caller.user_id), "%s", job->row.user_id);
	job->done(job->data, job->connection_id, &caller,
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

struct caller caller_anonymous(const struct config *config)
{
	return (struct caller){.may_publish = config->REALTIME_ANONYMOUS_PUBLISH};
}
