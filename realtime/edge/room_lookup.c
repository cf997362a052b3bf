#include "realtime/edge/room_lookup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "db/rooms.h"

enum { TICKET_SIZE = 64 };

struct lookup_job {
	struct store_job job;
	struct room_row row;
	int64_t max_rooms, max_participants;
	char room_id[ROOM_ID_MAX + 1];
	char ticket[TICKET_SIZE];
	room_lookup_fn done;
	void *data;
};

static int read_room(struct store_job *store_job, struct store *store, struct error *reterr)
{
	struct lookup_job *job = CONTAINER_OF(store_job, struct lookup_job, job);

	return rooms_get(store, job->room_id, &job->row, reterr);
}

static int read_or_make_room(struct store_job *store_job, struct store *store, struct error *reterr)
{
	struct lookup_job *job = CONTAINER_OF(store_job, struct lookup_job, job);
	int r = read_room(store_job, store, reterr);

	if (r != -ENOENT)
		return r;
	job->row = (struct room_row){.max_participants = job->max_participants};
	(void)snprintf(job->row.room_id, sizeof(job->row.room_id), "%s", job->room_id);
	return rooms_create(store, &job->row, job->max_rooms, clock_unix_ms(), reterr);
}

static void lookup_done(struct store_job *store_job)
{
	struct lookup_job *job = CONTAINER_OF(store_job, struct lookup_job, job);
	struct room_facts facts = {.room_id = job->room_id,
				   .is_mesh = job->row.mode == ROOM_MODE_MESH,
				   .max_participants = job->row.max_participants,
				   .codecs = job->row.codecs};

	job->done(job->data, job->ticket, &facts,
		  store_job->error.number < 0 ? &store_job->error : NULL);
	room_row_fini(&job->row);
	free(job);
}

int room_lookup(struct store_thread *thread, const struct config *config, const char *room_id,
		bool may_create, const char *ticket, room_lookup_fn done, void *data,
		struct error *reterr)
{
	AUTO_FREE struct lookup_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	job->job = (struct store_job){.is_write = may_create,
				      .run = may_create ? read_or_make_room : read_room,
				      .done = lookup_done};
	job->max_rooms = config->WEBRTC_MAX_ROOMS;
	job->max_participants = config->WEBRTC_MAX_PARTICIPANTS_PER_ROOM;
	job->done = done;
	job->data = data;
	(void)snprintf(job->room_id, sizeof(job->room_id), "%s", room_id);
	(void)snprintf(job->ticket, sizeof(job->ticket), "%s", ticket);
	r = store_thread_submit_take(thread, &job->job, reterr);
	if (r == 0)
		(void)STEAL(job);
	return r;
}
