#include "realtime/edge/participant_log.h"

#include <stdio.h>

#include "core/clock.h"
#include "core/log.h"
#include "db/participant_sessions.h"

struct log_job {
	struct store_job job;
	char room_id[ROOM_ID_MAX + 1], peer_id[PEER_ID_SIZE];
	char user_id[USER_ID_MAX + 1], name[PEER_NAME_MAX + 1];
	enum peer_kind kind;
	int64_t at_unix_ms;
	char reason[64];
	char *present; /* owned; JSON */
};

static void log_done(struct store_job *store_job)
{
	struct log_job *job = CONTAINER_OF(store_job, struct log_job, job);

	if (store_job->error.number < 0)
		LOG(LOG_WARNING, LOG_WEBRTC, "participant_not_recorded",
		    LOG_TEXT("peer", job->peer_id), LOG_ERR(&store_job->error));
	free(job->present);
	free(job);
}

static int write_joined(struct store_job *store_job, struct store *store, struct error *reterr)
{
	const struct log_job *job = CONTAINER_OF(store_job, struct log_job, job);
	const struct participant_session_row row = {
		.room_id = job->room_id,
		.peer_id = job->peer_id,
		.name = job->name,
		.kind = peer_kind_name(job->kind),
		.user_id = *job->user_id ? job->user_id : NULL,
		.joined_at_unix_ms = job->at_unix_ms,
	};

	return participant_sessions_join(store, &row, reterr);
}

static int write_left(struct store_job *store_job, struct store *store, struct error *reterr)
{
	const struct log_job *job = CONTAINER_OF(store_job, struct log_job, job);

	return participant_sessions_leave(store, job->room_id, job->peer_id, job->reason,
					  job->at_unix_ms, reterr);
}

static int write_stale(struct store_job *store_job, struct store *store, struct error *reterr)
{
	const struct log_job *job = CONTAINER_OF(store_job, struct log_job, job);

	return participant_sessions_end_stale(store, job->at_unix_ms, job->present, "restart",
					      clock_unix_ms(), reterr);
}

/* Takes the job. */
static void submit(struct store_thread *thread, struct log_job *job)
{
	job->job.is_write = true;
	job->job.done = log_done;
	if (store_thread_submit_take(thread, &job->job, &job->job.error) < 0)
		log_done(&job->job);
}

static struct log_job *job_new(const struct peer *peer)
{
	struct log_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL; /* the call matters more than its record */
	(void)snprintf(job->room_id, sizeof(job->room_id), "%s", peer->room->room_id);
	(void)snprintf(job->peer_id, sizeof(job->peer_id), "%s", peer->peer_id);
	(void)snprintf(job->user_id, sizeof(job->user_id), "%s", peer->user_id);
	(void)snprintf(job->name, sizeof(job->name), "%s", peer->name);
	job->kind = peer->kind;
	return job;
}

void participant_log_joined(struct store_thread *thread, const struct peer *peer)
{
	struct log_job *job = job_new(peer);

	if (!job)
		return;
	job->job.run = write_joined;
	job->at_unix_ms = peer->joined_at_unix_ms;
	submit(thread, job);
}

void participant_log_left(struct store_thread *thread, const struct peer *peer, const char *reason)
{
	struct log_job *job = job_new(peer);

	if (!job)
		return;
	job->job.run = write_left;
	job->at_unix_ms = clock_unix_ms();
	(void)snprintf(job->reason, sizeof(job->reason), "%s", reason);
	submit(thread, job);
}

void participant_log_end_stale(struct store_thread *thread, int64_t started_at_unix_ms,
			       json_t *present)
{
	struct log_job *job = calloc(1, sizeof(*job));

	if (job)
		job->present = json_dumps(present, JSON_COMPACT);
	json_decref(present);
	if (!job || !job->present) {
		free(job);
		return;
	}
	job->job.run = write_stale;
	job->at_unix_ms = started_at_unix_ms;
	submit(thread, job);
}
