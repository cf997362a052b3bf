/* bus_server.h - the bus's serving end: a Unix socket that realtime-api and realtime-sfu connect
 * to (core/bus.h has the frames, core/bus_messages.h what is said).
 *
 *   bus peer: CONNECTED --HELLO--> INTRODUCED --EOF, bad frame, queue full--> freed
 *
 * A peer that speaks before HELLO, or nonsense, is cut off; it reconnects by itself. Our own
 * requests are answered, or fail after BUS_REQUEST_TIMEOUT_US or when the peer goes.
 *
 * Thread: loop.
 */
#ifndef REALTIME_EDGE_BUS_SERVER_H
#define REALTIME_EDGE_BUS_SERVER_H

#include <uv.h>

#include "core/bus.h"
#include "core/list.h"

enum { BUS_REQUEST_TIMEOUT_US = 5000000, BUS_ROLE_SIZE = 16 };

struct bus_peer {
	struct list link; /* of the server */
	struct bus_server *server;
	uv_pipe_t pipe;
	uint32_t number;	  /* never used again: by it a late answer finds its asker */
	char role[BUS_ROLE_SIZE]; /* "" before HELLO */
	bool is_closing;
	struct bus_decoder decoder;
	struct list requests; /* ours, unanswered; the oldest first */
	uint32_t last_request_id;
};

/* The frame is borrowed. */
struct bus_server_events {
	/* Who says hello gets this object, besides what the server adds. */
	json_t *(*hello)(void *data);
	void (*introduced)(void *data, struct bus_peer *peer, const json_t *hello);
	void (*left)(void *data, struct bus_peer *peer);
	void (*request)(void *data, struct bus_peer *peer, const struct bus_frame *frame);
	void (*event)(void *data, struct bus_peer *peer, const struct bus_frame *frame);
};

/* Exactly one of `answer` (borrowed) and `error` is given. `context` is the caller's again. */
typedef void (*bus_answer_fn)(void *data, void *context, const json_t *answer,
			      const struct error *error);

struct bus_server {
	uv_pipe_t listening;
	uv_timer_t timeouts;
	struct list peers;
	uint32_t last_number;
	const struct bus_server_events *events;
	void *data;
};

/* Listen on `path` (mode 0660). A socket file that nobody serves any more is replaced.
 *   -EADDRINUSE "bus_taken"   others "cannot_listen" */
int bus_server_start(struct bus_server *server, uv_loop_t *loop, const char *path,
		     const struct bus_server_events *events, void *data,
		     struct error *reterr) MUST_CHECK;
/* The loop must run once more afterwards. */
void bus_server_close(struct bus_server *server);

/* Borrowed, or NULL. */
struct bus_peer *bus_peer_find(const struct bus_server *server, uint32_t number);
void bus_peer_close(struct bus_peer *peer);

/* `body` is taken. */
void bus_peer_send(struct bus_peer *peer, enum bus_message message, json_t *body);
void bus_peer_respond(struct bus_peer *peer, enum bus_message message, uint32_t request_id,
		      json_t *body);
void bus_peer_refuse(struct bus_peer *peer, enum bus_message message, uint32_t request_id,
		     const struct error *error);
/* `body` is taken. `answered` is called exactly once, later, unless -ENOMEM. */
int bus_peer_ask(struct bus_peer *peer, enum bus_message message, json_t *body,
		 bus_answer_fn answered, void *data, void *context) MUST_CHECK;

#endif
