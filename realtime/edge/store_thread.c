#include "realtime/edge/store_thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "db/messages.h"

enum { PORTION = 16 }; /* jobs; what is less goes over at the end of the loop's turn */

#define GATHER_US_MAX 2000u
#define SLOW_COMMIT_US 1000u
#define NS_PER_S 1000000000

struct store_thread {
	struct store *store;
	pthread_t thread;
	uv_async_t wake_loop; /* its data is this; freed when both handles are closed */
	uv_prepare_t handing_over;
	unsigned open_handles;
	char last_id[64];
	/* The loop's alone: */
	struct list submitted; /* and not handed over yet */
	size_t submitted_count;
	struct histogram latency;
	bool is_closed;
	size_t waiting_count;  /* jobs that were submitted and not answered */
	pthread_mutex_t mutex; /* of all below */
	pthread_cond_t work;
	struct list queued, answered; /* of struct store_job.link */
	size_t queued_count;
	size_t wanted_count; /* so many must be queued to wake the thread */
	bool is_stopping;
	/* The thread's alone: */
	size_t expected_count; /* writes, if everybody who was answered asks again */
	uint64_t commit_us;    /* how long the last commit took, without its writes */
};

/* Move what `from` holds to the end of `to`. */
static void move_all(struct list *from, struct list *to)
{
	struct list *link;

	while ((link = list_first(from))) {
		list_remove(link);
		list_append(to, link);
	}
}

/* Let the thread have what was submitted. In portions, so that they share a lock and a commit, and
 * the thread works on one while the loop makes the next. */
static void hand_over(struct store_thread *thread)
{
	if (thread->submitted_count == 0)
		return;
	(void)pthread_mutex_lock(&thread->mutex);
	move_all(&thread->submitted, &thread->queued);
	thread->queued_count += thread->submitted_count;
	if (thread->queued_count >= thread->wanted_count)
		(void)pthread_cond_signal(&thread->work);
	(void)pthread_mutex_unlock(&thread->mutex);
	thread->submitted_count = 0;
}

static void run_job(struct store *store, struct store_job *job)
{
	int r = job->run(job, store, &job->error);

	if (r < 0 && job->error.number == 0) /* only out of memory comes without words */
		(void)error_set(&job->error, r, "out_of_memory", "out of memory");
	if (r >= 0)
		job->error.number = 0;
}

static void fail_all(struct list *jobs, const struct error *error)
{
	struct store_job *job;

	LIST_FOR_EACH (job, jobs, link)
		if (job->error.number == 0)
			job->error = *error;
}

/* Once the transaction is gone (SQLite may end it by itself), what follows would be stored alone,
 * and be reported as failed with the rest. */
static int run_in_transaction(struct store *store, struct list *jobs, struct error *reterr)
{
	struct store_job *job;

	LIST_FOR_EACH (job, jobs, link) {
		run_job(store, job);
		if (store_in_transaction(store))
			continue;
		if (job->error.number < 0)
			*reterr = job->error;
		else
			(void)error_set(reterr, -EIO, "store_failed",
					"the store gave a group of changes up");
		return reterr->number;
	}
	return 0;
}

static void run_writes(struct store_thread *thread, struct list *jobs)
{
	struct store *store = thread->store;
	struct error error = {0};
	uint64_t began_us;
	int r;

	if (list_is_empty(jobs))
		return;
	r = store_begin(store, &error);
	if (r == 0)
		r = run_in_transaction(store, jobs, &error);
	began_us = clock_now_us();
	if (r == 0)
		r = store_commit(store, &error);
	thread->commit_us = clock_now_us() - began_us;
	if (r == 0)
		return;
	if (error.number == 0)
		(void)error_set(&error, r, "out_of_memory", "out of memory");
	LOG(LOG_ERROR, LOG_MAIN, "store_commit_failed", LOG_ERR(&error));
	store_rollback(store);
	fail_all(jobs, &error);
}

/* Until `count` jobs are queued, but no longer than `us`. */
static void wait_for_count(struct store_thread *thread, size_t count, uint64_t us)
{
	struct timespec until;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)us * 1000;
	until.tv_sec += until.tv_nsec / NS_PER_S;
	until.tv_nsec %= NS_PER_S;
	thread->wanted_count = count; /* to be woken once, not by each portion */
	while (r == 0 && thread->queued_count < count && !thread->is_stopping)
		r = pthread_cond_timedwait(&thread->work, &thread->mutex, &until);
	thread->wanted_count = 1;
}

/* Where the disk is slow, a commit costs as much for a few as for many. Publishers who wait for
 * their answers come back a moment after the last group was answered, while others wait already;
 * were these taken at once, the two halves would take turns for ever, with twice the commits. So
 * give those who were answered half the time of a commit to come back. Whoever is alone never
 * waits; and where the disk is quick, taking turns keeps both threads busy. */
static void gather(struct store_thread *thread)
{
	size_t count = thread->expected_count;
	uint64_t us = thread->commit_us / 2;

	if (count > STORE_GROUP_MAX)
		count = STORE_GROUP_MAX;
	if (thread->commit_us >= SLOW_COMMIT_US && thread->queued_count < count)
		wait_for_count(thread, count, us < GATHER_US_MAX ? us : GATHER_US_MAX);
}

/* Up to STORE_GROUP_MAX jobs, STORE_GROUP_READS_MAX of them reads; writes and reads apart. false:
 * stopping, and nothing is left. */
static bool take_group(struct store_thread *thread, struct list *writes, struct list *reads)
{
	struct list *link;
	size_t read_count = 0;

	(void)pthread_mutex_lock(&thread->mutex);
	while (list_is_empty(&thread->queued) && !thread->is_stopping)
		(void)pthread_cond_wait(&thread->work, &thread->mutex);
	gather(thread);
	for (size_t i = 0; i < STORE_GROUP_MAX && read_count < STORE_GROUP_READS_MAX &&
			   (link = list_first(&thread->queued));
	     i++) {
		struct store_job *job = LIST_ITEM(link, struct store_job, link);

		list_remove(link);
		list_append(job->is_write ? writes : reads, link);
		read_count += !job->is_write;
		thread->queued_count--;
	}
	(void)pthread_mutex_unlock(&thread->mutex);
	return !list_is_empty(writes) || !list_is_empty(reads);
}

static void *thread_main(void *data)
{
	struct store_thread *thread = data;
	struct list writes, reads;

	list_init(&writes);
	list_init(&reads);
	while (take_group(thread, &writes, &reads)) {
		struct store_job *job;
		size_t write_count = 0;

		LIST_FOR_EACH (job, &writes, link)
			write_count++;
		run_writes(thread, &writes);
		LIST_FOR_EACH (job, &reads, link)
			run_job(thread->store, job);
		(void)pthread_mutex_lock(&thread->mutex);
		move_all(&writes, &thread->answered);
		move_all(&reads, &thread->answered);
		thread->expected_count = write_count > 0 ? thread->queued_count + write_count : 0;
		(void)pthread_mutex_unlock(&thread->mutex);
		(void)uv_async_send(&thread->wake_loop); /* fails only for a closing handle */
	}
	return NULL;
}

static void deliver(struct store_thread *thread)
{
	struct list answered, *link;
	uint64_t now_us = clock_now_us();

	list_init(&answered);
	(void)pthread_mutex_lock(&thread->mutex);
	move_all(&thread->answered, &answered);
	(void)pthread_mutex_unlock(&thread->mutex);
	while ((link = list_first(&answered))) {
		struct store_job *job = LIST_ITEM(link, struct store_job, link);

		list_remove(link);
		thread->waiting_count--;
		histogram_observe(&thread->latency, now_us - job->submitted_at_us);
		job->done(job);
	}
}

static void on_wake(uv_async_t *async)
{
	deliver(async->data);
}

static void on_turn_end(uv_prepare_t *prepare)
{
	hand_over(prepare->data);
}

static int start(struct store_thread *thread, uv_loop_t *loop, struct error *reterr)
{
	int r = uv_async_init(loop, &thread->wake_loop, on_wake);

	if (r < 0)
		return error_set(reterr, r, "loop_failed", "the event loop failed: %s",
				 uv_strerror(r));
	thread->wake_loop.data = thread;
	r = pthread_create(&thread->thread, NULL, thread_main, thread);
	if (r == 0) {
		(void)uv_prepare_init(loop, &thread->handing_over);
		(void)uv_prepare_start(&thread->handing_over, on_turn_end);
		thread->handing_over.data = thread;
		thread->open_handles = 2;
		return 0;
	}
	uv_close((uv_handle_t *)&thread->wake_loop, NULL);
	return error_set(reterr, -r, "thread_failed", "no thread for the store: %s", strerror(r));
}

static void release(struct store_thread *thread)
{
	(void)store_free(thread->store);
	(void)pthread_mutex_destroy(&thread->mutex);
	(void)pthread_cond_destroy(&thread->work);
	free(thread);
}

int store_thread_new(uv_loop_t *loop, const char *path, struct store_thread **ret_thread,
		     struct error *reterr)
{
	struct store_thread *thread = calloc(1, sizeof(*thread));
	pthread_condattr_t monotonic;
	int r;

	if (!thread)
		return -ENOMEM;
	list_init(&thread->submitted);
	list_init(&thread->queued);
	list_init(&thread->answered);
	(void)pthread_mutex_init(&thread->mutex, NULL);
	thread->wanted_count = 1;
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&thread->work, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	r = store_open(path, STORE_DURABLE, &thread->store, reterr);
	if (r == 0)
		r = messages_last_id(thread->store, thread->last_id, sizeof(thread->last_id),
				     reterr);
	if (r == 0)
		r = start(thread, loop, reterr);
	if (r < 0) {
		release(thread);
		return r;
	}
	*ret_thread = thread;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct store_thread *thread = handle->data;

	if (--thread->open_handles == 0)
		release(thread);
}

struct store_thread *store_thread_free(struct store_thread *thread)
{
	if (!thread)
		return NULL;
	hand_over(thread);
	thread->is_closed = true;
	(void)pthread_mutex_lock(&thread->mutex);
	thread->is_stopping = true;
	(void)pthread_cond_signal(&thread->work);
	(void)pthread_mutex_unlock(&thread->mutex);
	(void)pthread_join(thread->thread, NULL);
	deliver(thread);
	assert(list_is_empty(&thread->queued) && list_is_empty(&thread->answered));
	uv_close((uv_handle_t *)&thread->wake_loop, on_closed);
	uv_close((uv_handle_t *)&thread->handing_over, on_closed);
	return NULL;
}

int store_thread_submit_take(struct store_thread *thread, struct store_job *job,
			     struct error *reterr)
{
	list_init(&job->link);
	if (thread->is_closed || thread->waiting_count >= STORE_JOBS_MAX)
		return error_set(reterr, -EAGAIN, "overloaded",
				 "too much waits to be stored; try again in a moment");
	job->submitted_at_us = clock_now_us();
	list_append(&thread->submitted, &job->link);
	thread->waiting_count++;
	if (++thread->submitted_count >= PORTION)
		hand_over(thread);
	return 0;
}

const char *store_thread_last_id(const struct store_thread *thread)
{
	return thread->last_id;
}

const struct histogram *store_thread_latency(const struct store_thread *thread)
{
	return &thread->latency;
}
