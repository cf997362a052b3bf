/* worker.h - a thread that owns some rooms whole: their packets, their timers, their control.
 *
 * Commands come through a queue and run between two batches of packets, so nothing here needs a
 * lock and the graph never changes under a packet's feet.
 *
 * Thread: any for worker_new, worker_free, worker_post and worker_ask; the worker's own for the
 * rest.
 */
#ifndef SFU_EDGE_WORKER_H
#define SFU_EDGE_WORKER_H

#include <jansson.h>

#include "sfu/edge/room.h"

struct worker;

struct worker_config {
	unsigned index;
	uint16_t port;
	const struct sdp_candidate *candidates; /* addresses; copied */
	size_t candidate_count;
	const struct dtls_identity *dtls;      /* borrowed */
	const struct room_events *room_events; /* borrowed; called on the worker's thread */
	void *room_events_data;
	struct codec_preferences preferences; /* of rooms that have none of their own */
	size_t audio_streams_max;	      /* heard at once in one room; 0: all */
	size_t video_streams_max;	      /* sent to one peer at once; 0: all */
	bool with_tcp;			      /* media over TCP as well */
	bool with_svc;			      /* choose among the spatial layers in a stream */
	unsigned cpu_limit_percent;	      /* see overload.h */
	struct bridge *bridge;		      /* borrowed; NULL: every room stays on its worker */
};

/* Open the port and start the thread. Errors of media_port_open(), -ENOMEM, -EAGAIN. */
int worker_new(const struct worker_config *config, struct worker **ret_worker,
	       struct error *reterr) MUST_CHECK;
/* Ends every call, stops and joins the thread. */
struct worker *worker_free(struct worker *worker);

/* Run `run` on the worker. `body` is taken (may be NULL). */
typedef void (*worker_command_fn)(struct worker *worker, json_t *body, uint32_t request_id,
				  void *data);
void worker_post(struct worker *worker, worker_command_fn run, json_t *body, uint32_t request_id,
		 void *data);
/* On the worker's thread, from inside a command: run it once more when a room has heard from all
 * workers (room_is_whole()). */
void worker_postpone(struct worker *worker, worker_command_fn run, json_t *body,
		     uint32_t request_id, void *data);
/* On the worker's thread: the other parts of its rooms shall know now what has changed. */
void worker_tell_parts(struct worker *worker);
unsigned worker_index(const struct worker *worker);
/* Run `answer` on the worker and wait for what it returns; NULL if that takes too long. `asked` is
 * copied, and may be NULL. */
typedef json_t *(*worker_question_fn)(struct worker *worker, const json_t *asked);
json_t *worker_ask(struct worker *worker, worker_question_fn answer, const json_t *asked,
		   unsigned timeout_ms);

uint16_t worker_port(const struct worker *worker);

/* ---- on the worker's thread ---- */

/* Borrowed; NULL if it is not there. */
struct room *worker_room_find(struct worker *worker, const char *room_id);
/* Make it if need be. NULL without memory. */
struct room *worker_room_get(struct worker *worker, const char *room_id);
/* Free a room that nobody is in. */
void worker_room_release(struct worker *worker, struct room *room);
void worker_room_close(struct worker *worker, struct room *room);

/* The answers to HELLO's `rooms` (an array) and to SFU_STATUS (an object). */
json_t *worker_describe_rooms(struct worker *worker, const json_t *asked);
json_t *worker_describe_status(struct worker *worker, const json_t *asked);
/* The answer to SFU_ROOM; an empty object if the room is not there. */
json_t *worker_describe_room(struct worker *worker, const json_t *asked);

#endif
