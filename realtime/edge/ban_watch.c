#include "realtime/edge/ban_watch.h"

#include "core/clock.h"
#include "core/log.h"
#include "db/room_bans.h"
#include "db/room_invites.h"

enum { EXPIRE_EVERY = 30 /* turns */ };

void ban_watch_kick(struct switchboard *board, struct room_gate *gate, struct peer *peer,
		    const char *code, const char *words)
{
	room_gate_forget_guest(gate, peer->resume_hash);
	switchboard_kick(board, peer, code, words);
}

size_t ban_watch_send_out(struct switchboard *board, struct room_gate *gate, const char *room_id,
			  const char *user_id, const char *code, const char *words)
{
	size_t count = 0;
	struct peer *peer;

	while ((peer = switchboard_user_find(board, room_id, user_id))) {
		ban_watch_kick(board, gate, peer, code, words);
		count++;
	}
	return count;
}

/* ---- who is there and banned ---- */

struct watch_job {
	struct store_job job;
	struct ban_watch *watch;
	struct switchboard *board;
	struct room_gate *gate;
	int64_t version;
	bool has_to_look;
	char *present;	/* owned; JSON */
	json_t *banned; /* owned; [[room_id, user_id, reason]] */
};

static void add_banned(void *data, const char *room_id, const char *user_id, const char *reason)
{
	(void)json_array_append_new(data, json_pack("[s, s, s]", room_id, user_id, reason));
}

static int watch_run(struct store_job *store_job, struct store *store, struct error *reterr)
{
	struct watch_job *job = CONTAINER_OF(store_job, struct watch_job, job);
	int64_t before = job->version;
	int r = store_version(store, &job->version, reterr);

	if (r < 0 || (job->version == before && !job->has_to_look))
		return r;
	job->banned = json_array();
	return room_bans_match(store, job->present, clock_unix_ms(), add_banned, job->banned,
			       reterr);
}

static void watch_done(struct store_job *store_job)
{
	struct watch_job *job = CONTAINER_OF(store_job, struct watch_job, job);
	json_t *item;
	size_t i;

	job->watch->is_looking = false;
	if (store_job->error.number < 0) {
		LOG(LOG_WARNING, LOG_WEBRTC, "bans_not_checked", LOG_ERR(&store_job->error));
		job->watch->has_looked = false; /* look again */
	} else {
		job->watch->version = job->version;
	}
	json_array_foreach (job->banned, i, item)
		(void)ban_watch_send_out(job->board, job->gate,
					 json_string_value(json_array_get(item, 0)),
					 json_string_value(json_array_get(item, 1)), "banned",
					 json_string_value(json_array_get(item, 2)));
	json_decref(job->banned);
	free(job->present);
	free(job);
}

static void look(struct ban_watch *watch, struct store_thread *store, struct switchboard *board,
		 struct room_gate *gate)
{
	AUTO_FREE struct watch_job *job = calloc(1, sizeof(*job));
	AUTO_JSON users = switchboard_users(board);
	AUTO_FREE char *present = json_dumps(users, JSON_COMPACT);

	if (!job || !present)
		return; /* the next second will do */
	*job = (struct watch_job){.job = {.run = watch_run, .done = watch_done},
				  .watch = watch,
				  .board = board,
				  .gate = gate,
				  .version = watch->version,
				  .has_to_look = !watch->has_looked};
	job->present = STEAL(present);
	if (store_thread_submit_take(store, &job->job, NULL) < 0) {
		free(job->present);
		return;
	}
	watch->is_looking = true;
	watch->has_looked = true;
	(void)STEAL(job);
}

/* ---- what has expired ---- */

static int expire_run(struct store_job *job, struct store *store, struct error *reterr)
{
	int r = room_bans_delete_expired(store, clock_unix_ms(), reterr);

	(void)job;
	if (r >= 0)
		r = room_invites_delete_expired(store, clock_unix_ms(), reterr);
	return r;
}

static void expire_done(struct store_job *job)
{
	if (job->error.number < 0)
		LOG(LOG_WARNING, LOG_WEBRTC, "bans_not_expired", LOG_ERR(&job->error));
	free(job);
}

static void expire(struct store_thread *store)
{
	struct store_job *job = calloc(1, sizeof(*job));

	if (!job)
		return; /* later, then */
	*job = (struct store_job){.is_write = true, .run = expire_run, .done = expire_done};
	if (store_thread_submit_take(store, job, &job->error) < 0)
		expire_done(job);
}

void ban_watch_on_timer(struct ban_watch *watch, struct store_thread *store,
			struct switchboard *board, struct room_gate *gate)
{
	if (gate->is_stopping)
		return;
	if (watch->turns++ % EXPIRE_EVERY == 0)
		expire(store);
	if (!watch->is_looking && board->peers.count > 0)
		look(watch, store, board, gate);
}
