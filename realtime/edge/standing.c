#include "realtime/edge/standing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "db/api_keys.h"
#include "realtime/edge/drain.h"
#include "realtime/model/signaling_session.h"
#include "realtime/wire/json_frames.h"

/* ---- expiry ---- */

static int64_t end_of(const struct server *server, const struct connection *connection)
{
	return connection->identity->expires_at_unix_ms +
	       server->config->REALTIME_JWT_LEEWAY * 1000;
}

void standing_begin(struct server *server, struct connection *connection)
{
	int64_t now_ms = clock_unix_ms();
	int64_t left_ms = connection->identity->expires_at_unix_ms - now_ms;
	int64_t warn_ms = left_ms > 2 * WARN_BEFORE_MS ? left_ms - WARN_BEFORE_MS : left_ms / 2;

	connection->by_key = quota_release(&server->by_key, connection->by_key);
	if (quota_take(&server->by_key, connection->identity->key_id, &connection->by_key) < 0)
		outbox_end(&connection->outbox, CLOSE_INTERNAL, "out of memory"); /* unwatched */
	connection->was_warned = false;
	deadline_clear(&connection->deadline);
	if (connection->identity->expires_at_unix_ms > 0)
		deadline_set(&server->deadlines, &connection->deadline, (now_ms + warn_ms) / 1000);
}

void standing_await(struct server *server, struct connection *connection)
{
	deadline_set(&server->deadlines, &connection->deadline,
		     clock_unix_ms() / 1000 + AUTH_TIME_S);
}

void standing_end(struct server *server, struct connection *connection)
{
	deadline_clear(&connection->deadline);
	connection->by_key = quota_release(&server->by_key, connection->by_key);
}

static void warn(struct connection *connection)
{
	bool is_stream = connection->transport == TRANSPORT_SSE;
	struct json_frames frames;

	connection->was_warned = true;
	if (json_frames_init_take(&frames,
				  json_pack("{s:s, s:I}", "type", "refresh_required", "expires_at",
					    (json_int_t)connection->identity->expires_at_unix_ms),
				  "refresh_required", 0) < 0)
		return; /* the end will be told again */
	outbox_push(&connection->outbox,
		    json_frames_get(&frames, is_stream ? FORM_SSE : FORM_WEBSOCKET));
	json_frames_fini(&frames);
}

static void on_due(void *data, struct deadline *deadline)
{
	struct server *server = data;
	struct connection *connection = CONTAINER_OF(deadline, struct connection, deadline);

	if (connection->transport == TRANSPORT_WEBSOCKET && connection->session.is_awaiting) {
		outbox_end(&connection->outbox, CLOSE_AUTH_TIMEOUT, "authentication time-out");
	} else if (!connection->was_warned) {
		warn(connection);
		deadline_set(&server->deadlines, &connection->deadline,
			     end_of(server, connection) / 1000 + 1);
	} else {
		drain_dismiss(connection, CLOSE_AUTHENTICATION, "token_expired",
			      "the token has expired; connect again with a new one");
	}
}

/* ---- revoked keys ----
 *
 * Once a second the store's thread is asked whether anything was written by others. Only then the
 * keys in use are looked up again: a key that was looked up before the question was asked is
 * in use by the time of its answer, and one that was looked up later is refused by itself. Behind
 * a ticket there may be a key that was revoked meanwhile, so that one is looked up in any case. */

typedef char key_id[IDENTITY_KEY_ID_MAX + 1];

struct keys_job {
	struct store_job job;
	struct server *server;
	int64_t version;
	size_t count, invalid_count;
	key_id ids[]; /* those that turn out invalid move to the front */
};

static void add_key(void *data, struct table_link *link)
{
	struct keys_job *job = data;

	(void)snprintf(job->ids[job->count++], sizeof(key_id), "%s",
		       TABLE_ITEM(link, struct quota_entry, by_name)->name);
}

static int keys_run(struct store_job *store_job, struct store *store, struct error *reterr)
{
	struct keys_job *job = CONTAINER_OF(store_job, struct keys_job, job);
	int64_t now_ms = clock_unix_ms();

	for (size_t i = 0; i < job->count; i++) {
		int r = api_keys_is_valid(store, job->ids[i], now_ms, reterr);

		if (r < 0)
			return r;
		if (r == 0)
			memmove(job->ids[job->invalid_count++], job->ids[i], sizeof(key_id));
	}
	return 0;
}

static void dismiss_if_revoked(void *data, struct table_link *link)
{
	const struct keys_job *job = data;
	struct connection *connection = TABLE_ITEM(link, struct connection, by_id);

	for (size_t i = 0; i < job->invalid_count; i++)
		if (strcmp(connection->identity->key_id, job->ids[i]) == 0)
			drain_dismiss(connection, CLOSE_AUTHENTICATION, "key_revoked",
				      "the API key was revoked or has expired");
}

static void keys_done(struct store_job *store_job)
{
	struct keys_job *job = CONTAINER_OF(store_job, struct keys_job, job);
	struct server *server = job->server;

	server->is_checking_keys = false;
	if (store_job->error.number < 0) {
		LOG(LOG_WARNING, LOG_WEBSOCKET, "keys_check_failed", LOG_ERR(&store_job->error));
		server->auth.has_unchecked_key = true; /* once more */
	} else {
		server->keys_version = job->version;
		if (job->invalid_count > 0) /* seldom, so a walk over all is fine */
			table_for_each(&server->connections, dismiss_if_revoked, job);
	}
	free(job);
}

static int version_run(struct store_job *store_job, struct store *store, struct error *reterr)
{
	return store_version(store, &CONTAINER_OF(store_job, struct keys_job, job)->version,
			     reterr);
}

static void version_done(struct store_job *store_job);

/* With room for `count` keys. */
static void submit(struct server *server, size_t count, int64_t version)
{
	AUTO_FREE struct keys_job *job = calloc(1, sizeof(*job) + count * sizeof(key_id));

	if (!job)
		return; /* the next second will do */
	job->job.run = count > 0 ? keys_run : version_run;
	job->job.done = count > 0 ? keys_done : version_done;
	job->server = server;
	job->version = version;
	if (count > 0)
		table_for_each(&server->by_key.entries, add_key, job);
	if (store_thread_submit_take(server->store, &job->job, NULL) < 0)
		return;
	server->is_checking_keys = true;
	if (count > 0)
		server->auth.has_unchecked_key = false;
	(void)STEAL(job);
}

static void version_done(struct store_job *store_job)
{
	struct keys_job *job = CONTAINER_OF(store_job, struct keys_job, job);
	struct server *server = job->server;

	server->is_checking_keys = false;
	if (store_job->error.number < 0)
		LOG(LOG_WARNING, LOG_WEBSOCKET, "keys_check_failed", LOG_ERR(&store_job->error));
	else if ((job->version != server->keys_version || server->auth.has_unchecked_key) &&
		 server->by_key.entries.count > 0)
		submit(server, server->by_key.entries.count, job->version);
	free(job);
}

void standing_on_timer(struct server *server)
{
	int64_t now_ms = clock_unix_ms();

	deadlines_on_timer(&server->deadlines, now_ms / 1000, on_due, server);
	if (now_ms >= server->keys_checked_at_unix_ms &&
	    now_ms < server->keys_checked_at_unix_ms + KEYS_CHECK_MS)
		return; /* a clock that was put back does not stop this */
	server->keys_checked_at_unix_ms = now_ms;
	if (!server->is_checking_keys && server->by_key.entries.count > 0)
		submit(server, 0, 0);
}

/* ---- becoming somebody ---- */

/* One more of this user, if it was nobody's before. */
static int count_user(struct server *server, struct connection *connection,
		      const struct identity *identity, struct error *reterr)
{
	int r;

	if (connection->by_user)
		return 0;
	r = quota_take(&server->by_user, identity->user_id, &connection->by_user);
	if (r != -EDQUOT)
		return r;
	return error_set(reterr, r, "too_many_connections",
			 "a user may have %zu connections at once", server->by_user.limit);
}

static int check_identity(const struct connection *connection, const struct identity *identity,
			  struct error *reterr)
{
	return connection->transport == TRANSPORT_SIGNALING
		       ? signaling_session_check_identity(&connection->signaling, identity, reterr)
		       : session_check_identity(&connection->session, identity, reterr);
}

static void tell_unidentified(struct connection *connection, const struct error *error)
{
	if (connection->transport == TRANSPORT_SIGNALING)
		signaling_session_on_unidentified(&connection->signaling, error);
	else
		session_on_unidentified(&connection->session, error);
}

static void tell_identified(struct connection *connection)
{
	if (connection->transport == TRANSPORT_SIGNALING)
		signaling_session_on_identified(&connection->signaling, connection->identity);
	else
		session_on_identified(&connection->session, connection->identity, clock_unix_us());
}

static void on_known(void *data, const char *connection_id, struct identity *identity,
		     const struct error *error)
{
	struct server *server = data;
	struct connection *connection = server_connection_find(server, connection_id);
	struct error refusal = {0};
	int r = 0;

	if (!connection || outbox_is_ending(&connection->outbox))
		return; /* it has left meanwhile */
	if (!error)
		r = check_identity(connection, identity, &refusal);
	if (!error && r == 0)
		r = count_user(server, connection, identity, &refusal);
	if (error || r < 0) {
		tell_unidentified(connection, error ? error : &refusal);
		return;
	}
	(void)identity_unref(connection->identity);
	connection->identity = identity_ref(identity);
	standing_begin(server, connection);
	tell_identified(connection);
}

static void identify(struct connection *connection, const char *text)
{
	static struct credentials credentials; /* the loop's alone; large */
	struct server *server = lws_context_user(lws_get_context(connection->wsi));
	AUTO(identity) identity = NULL;
	struct error error = {0};
	int r = credentials_from_text(text, &credentials, &error);

	if (r == 0)
		r = auth_identify(&server->auth, &credentials, clock_unix_ms(), &identity, &error);
	if (r != 0 ||
	    auth_look_up(&server->auth, &credentials, connection->id, on_known, server, &error) < 0)
		on_known(server, connection->id, identity, r > 0 ? NULL : &error);
	credentials_wipe(&credentials);
}

void standing_identify(struct session *session, const char *credential)
{
	identify(CONTAINER_OF(session, struct connection, session), credential);
}

void standing_identify_caller(struct signaling_session *session, const char *credential)
{
	identify(CONTAINER_OF(session, struct connection, signaling), credential);
}
