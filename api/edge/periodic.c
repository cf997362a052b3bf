#include "api/edge/periodic.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { NS_PER_S = 1000000000 };

struct periodic {
	periodic_fn *run;
	void *data;
	struct store *store; /* the thread's own */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stopped;
	bool is_stopping; /* under the lock */
	bool has_thread;
};

/* false: it is time to end. */
static bool rest(struct periodic *periodic, int64_t ms)
{
	struct timespec until;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	until.tv_sec += until.tv_nsec / NS_PER_S;
	until.tv_nsec %= NS_PER_S;
	(void)pthread_mutex_lock(&periodic->lock);
	while (!periodic->is_stopping && r == 0)
		r = pthread_cond_timedwait(&periodic->stopped, &periodic->lock, &until);
	(void)pthread_mutex_unlock(&periodic->lock);
	return r == ETIMEDOUT;
}

static void *thread_main(void *data)
{
	struct periodic *periodic = data;
	int64_t ms;

	do
		ms = periodic->run(periodic->data, periodic->store);
	while (rest(periodic, ms));
	return NULL;
}

int periodic_start(const char *database, enum store_durability durability, periodic_fn *run,
		   void *data, struct periodic **ret_periodic, struct error *reterr)
{
	AUTO(periodic) periodic = calloc(1, sizeof(*periodic));
	pthread_condattr_t attributes;
	int r;

	if (!periodic)
		return -ENOMEM;
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&periodic->stopped, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	(void)pthread_mutex_init(&periodic->lock, NULL);
	periodic->run = run;
	periodic->data = data;
	r = store_open(database, durability, &periodic->store, reterr);
	if (r < 0)
		return r;
	r = pthread_create(&periodic->thread, NULL, thread_main, periodic);
	if (r != 0)
		return error_set(reterr, -r, "no_thread", "cannot start a thread: %s", strerror(r));
	periodic->has_thread = true;
	*ret_periodic = STEAL(periodic);
	return 0;
}

struct periodic *periodic_stop(struct periodic *periodic)
{
	if (!periodic)
		return NULL;
	(void)pthread_mutex_lock(&periodic->lock);
	periodic->is_stopping = true;
	(void)pthread_cond_signal(&periodic->stopped);
	(void)pthread_mutex_unlock(&periodic->lock);
	if (periodic->has_thread)
		(void)pthread_join(periodic->thread, NULL);
	(void)pthread_cond_destroy(&periodic->stopped);
	(void)pthread_mutex_destroy(&periodic->lock);
	(void)store_free(periodic->store);
	free(periodic);
	return NULL;
}
