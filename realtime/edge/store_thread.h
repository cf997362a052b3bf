/* store_thread.h - the one thread that touches the store, so that no fsync or lock ever holds up
 * the loop.
 *
 * Jobs are taken in groups, for which the thread may wait a little while they are growing: all
 * writes of a group go into one transaction (group commit, durable when it returns), then its reads
 * are done, and the answers come back to the loop in that order. So answers of one kind never
 * overtake each other, and a read sees every write whose answer comes before its own: what
 * realtime/model/hub.h rests on.
 *
 * Thread: loop, except store_job.run.
 */
#ifndef REALTIME_EDGE_STORE_THREAD_H
#define REALTIME_EDGE_STORE_THREAD_H

#include <uv.h>

#include "core/list.h"
#include "core/metrics.h"
#include "db/store.h"

enum {
	STORE_JOBS_MAX = 50000,
	STORE_GROUP_MAX = 512,
	STORE_GROUP_READS_MAX = 8 /* what they read is in memory until the group is answered */
};

struct store_job {
	struct list link;
	uint64_t submitted_at_us;
	bool is_write;
	/* On the store's thread; a write is inside a transaction. */
	int (*run)(struct store_job *job, struct store *store, struct error *reterr);
	/* On the loop, exactly once; frees the job. job->error.number is 0 for success. */
	void (*done)(struct store_job *job);
	struct error error;
};

struct store_thread;

/* Open `path` and start. Errors are those of store_open(). */
int store_thread_new(uv_loop_t *loop, const char *path, struct store_thread **ret_thread,
		     struct error *reterr) MUST_CHECK;
/* Finish what is queued, deliver the answers, and stop. The loop must run once more afterwards. */
struct store_thread *store_thread_free(struct store_thread *thread);
DEFINE_AUTO(store_thread, store_thread_free);

/* -EAGAIN "overloaded": nothing happened and the job is still the caller's. */
int store_thread_submit_take(struct store_thread *thread, struct store_job *job,
			     struct error *reterr) MUST_CHECK;

/* How long answers took, from asking to having them. Borrowed. */
const struct histogram *store_thread_latency(const struct store_thread *thread);

/* The newest message_id at the start ("" if there is none). Borrowed. */
const char *store_thread_last_id(const struct store_thread *thread);

#endif
