/* worker_private.h - the inside of a worker, for its own sources alone: worker.c (the thread, its
 * queue and its loop) and worker_status.c (what it tells of itself). */
#ifndef SFU_EDGE_WORKER_PRIVATE_H
#define SFU_EDGE_WORKER_PRIVATE_H

#include <pthread.h>

#include "core/list.h"
#include "core/metrics.h"
#include "sfu/edge/media_port.h"
#include "sfu/edge/worker.h"
#include "sfu/model/due_wheel.h"
#include "sfu/model/overload.h"
#include "sfu/model/turn_pace.h"

struct worker {
	unsigned index;
	uint16_t number;
	pthread_t thread;
	int wake_fd;

	pthread_mutex_t lock; /* guards commands and should_stop */
	struct list commands;
	bool should_stop;

	/* The thread's own. */
	const struct worker_config *config; /* during worker_new() only */
	struct error start_error;
	int start_result;
	pthread_mutex_t start_lock;
	pthread_cond_t started;
	bool has_started;

	int epoll_fd, timer_fd;
	bool is_ticking;
	struct turn_pace pace;
	struct overload overload;
	struct media_port port;
	struct receive_batch *batch;
	struct room_context context;
	struct list postponed;	     /* commands */
	struct due_wheel wheel;	     /* of the rooms' peers: room_tick_due_peers() */
	GHashTable *rooms;	     /* by id, of owned struct room */
	struct histogram forwarding; /* how long packets were here: sfu/model/forward_delay.h */
};

#endif
