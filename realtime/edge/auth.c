#include "realtime/edge/auth.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "db/api_keys.h"
#include "realtime/edge/http.h"
#include "realtime/model/history.h"
#include "realtime/wire/request_head.h"

struct auth_job {
	struct store_job job;
	char connection_id[CONNECTION_ID_SIZE];
	char api_key[API_KEY_SIZE];
	struct api_key_row row;
	auth_fn done;
	void *data;
};

/* ---- reading ---- */

static int bad_credentials(struct credentials *credentials, const char *where, struct error *reterr)
{
	credentials_wipe(credentials);
	return error_set(reterr, -EKEYREJECTED, "bad_credentials", "the %s is empty or too long",
			 where);
}

void credentials_wipe(struct credentials *credentials)
{
	explicit_bzero(credentials, sizeof(*credentials));
}

static enum credential_kind kind_of(const char *text)
{
	if (api_key_looks_like_one(text))
		return CREDENTIAL_KEY;
	return strncmp(text, "tkt_", 4) == 0 ? CREDENTIAL_TICKET : CREDENTIAL_TOKEN;
}

int credentials_from_text(const char *text, struct credentials *ret_credentials,
			  struct error *reterr)
{
	*ret_credentials = (struct credentials){0};
	if (!*text || strlen(text) > CREDENTIAL_MAX)
		return bad_credentials(ret_credentials, "token", reterr);
	(void)snprintf(ret_credentials->text, CREDENTIAL_SIZE, "%s", text);
	ret_credentials->kind = kind_of(text);
	return 0;
}

/* 1, 0 (a scheme that is not ours), or -EKEYREJECTED. */
static int authorization_read(struct lws *wsi, struct credentials *credentials,
			      struct error *reterr)
{
	static const char *const schemes[] = {"Bearer ", "ApiKey "};
	char *text = credentials->text;

	if (!http_header_get(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, text, CREDENTIAL_SIZE))
		return bad_credentials(credentials, "Authorization header", reterr);
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t length = strlen(schemes[i]);

		if (strncasecmp(text, schemes[i], length) != 0)
			continue;
		length += strspn(text + length, " ");
		memmove(text, text + length, strlen(text + length) + 1);
		if (!*text)
			return bad_credentials(credentials, "Authorization header", reterr);
		credentials->kind = kind_of(text);
		return 1;
	}
	credentials_wipe(credentials);
	return 0;
}

/* 1, 0 (it is not there), or -EKEYREJECTED. */
static int header_read(struct lws *wsi, const char *name, struct credentials *credentials,
		       struct error *reterr)
{
	if (!http_custom_header_is_present(wsi, name))
		return 0;
	if (!http_custom_header_get(wsi, name, credentials->text, CREDENTIAL_SIZE))
		return bad_credentials(credentials, "header with the credentials", reterr);
	credentials->kind = kind_of(credentials->text);
	return 1;
}

static int argument_read(struct lws *wsi, const char *name, struct credentials *credentials,
			 struct error *reterr)
{
	bool is_whole = http_query_get(wsi, name, 0, credentials->text, CREDENTIAL_SIZE);

	if (!is_whole && *credentials->text)
		return bad_credentials(credentials, name, reterr);
	if (!is_whole)
		return 0;
	if (!*credentials->text)
		return bad_credentials(credentials, name, reterr);
	credentials->kind = kind_of(credentials->text);
	return 1;
}

int credentials_read(struct lws *wsi, struct credentials *ret_credentials, struct error *reterr)
{
	static const char *const headers[] = {"x-api-key:", BEARER_HEADER};
	static const char *const arguments[] = {"ticket", "token", "api_key"};
	int r = 0;

	*ret_credentials = (struct credentials){0};
	if (http_header_is_present(wsi, WSI_TOKEN_HTTP_AUTHORIZATION))
		r = authorization_read(wsi, ret_credentials, reterr);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(headers); i++)
		r = header_read(wsi, headers[i], ret_credentials, reterr);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(arguments); i++)
		r = argument_read(wsi, arguments[i], ret_credentials, reterr);
	return r < 0 ? r : 0;
}

/* ---- who it is ---- */

int auth_identify(struct authenticator *auth, const struct credentials *credentials,
		  int64_t now_unix_ms, struct identity **ret_identity, struct error *reterr)
{
	int r = 0;

	switch (credentials->kind) {
	case CREDENTIAL_NONE:
	case CREDENTIAL_KEY:
		return 0;
	case CREDENTIAL_TOKEN:
		r = jwt_verify(auth->verifier, credentials->text, now_unix_ms, ret_identity,
			       reterr);
		break;
	case CREDENTIAL_TICKET:
		r = tickets_use(&auth->tickets, credentials->text, now_unix_ms, ret_identity,
				reterr);
		if (r == 0 && *(*ret_identity)->key_id)
			auth->has_unchecked_key = true;
		break;
	}
	return r < 0 ? r : 1;
}

static int auth_run(struct store_job *store_job, struct store *store, struct error *reterr)
{
	struct auth_job *job = CONTAINER_OF(store_job, struct auth_job, job);

	return api_keys_check(store, job->api_key, clock_unix_ms(), &job->row, reterr);
}

static void auth_done(struct store_job *store_job)
{
	struct auth_job *job = CONTAINER_OF(store_job, struct auth_job, job);
	struct error *error = &store_job->error;
	AUTO(identity) identity = NULL;
	int r = error->number;

	if (r == 0)
		r = api_key_identity(&job->row, &identity, error);
	if (r < 0 && error->number == 0)
		(void)error_set(error, r, "out_of_memory", "out of memory");
	job->done(job->data, job->connection_id, identity, r < 0 ? error : NULL);
	explicit_bzero(job->api_key, sizeof(job->api_key));
	api_key_row_fini(&job->row);
	free(job);
}

int auth_look_up(struct authenticator *auth, const struct credentials *credentials,
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
	/* One that is longer than a key is none, and its beginning is none either. */
	if (strlen(credentials->text) < sizeof(job->api_key))
		memcpy(job->api_key, credentials->text, sizeof(job->api_key));
	r = store_thread_submit_take(auth->store, &job->job, reterr);
	if (r == 0)
		(void)STEAL(job);
	else
		explicit_bzero(job->api_key, sizeof(job->api_key));
	return r;
}
