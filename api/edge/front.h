/* front.h - the threads that serve the web server's connections.
 *
 * REALTIME_API_THREADS for each listener. A thread blocks in accept(), in its connection's next
 * request, or in a handler; there is no lock between threads and no queue. A kept connection
 * holds its thread, so there must be more threads than connections that the web server keeps.
 *
 * Thread: main for the functions; each front_thread is its own thread's, but for the atomics.
 */
#ifndef API_EDGE_FRONT_H
#define API_EDGE_FRONT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "api/api.h"
#include "api/edge/listener.h"

enum {
	FRONT_READ_TIMEOUT_S = 10,  /* a request that stalls for so long is given up */
	FRONT_IDLE_TIMEOUT_S = 120, /* a kept connection without requests; longer than nginx's */
	FRONT_FILE_BYTES = 65536,   /* of a file that are sent at once */
	FRONT_DRAIN_MAX =
		64 << 20 /* bytes of a refused body still read; cf. client_max_body_size */
};

struct front_thread {
	pthread_t thread;
	struct api api; /* what is the thread's own is owned */
	const struct listener *listener;
	const atomic_bool *is_stopping;
	/* For front_stop(): what the thread may be blocked in. */
	atomic_int idle_fd;  /* a kept connection that waits for its next request; -1 */
	atomic_bool is_busy; /* between a request's first byte and the end of its answer */
	atomic_bool is_over;
};

struct front;

/* Open a store for each thread, read the keys of tokens, and start them. `listeners` and what
 * `shared` points to are borrowed. The store's errors, jwt_verifier_new()'s, -EAGAIN, -ENOMEM. */
int front_start(const struct listener *listeners, size_t listener_count, const struct api *shared,
		struct front **ret_front, struct error *reterr) MUST_CHECK;

/* Let the requests that are being served finish (at most `timeout_ms`) and end the threads.
 * Returns false if some are still there: then nothing they use may be freed. */
bool front_stop(struct front *front, unsigned timeout_ms);

/* Only after front_stop() returned true. */
struct front *front_free(struct front *front);
DEFINE_AUTO(front, front_free);

/* The loops, fcgi_front.c and scgi_front.c: until is_stopping. */
void fcgi_front_run(struct front_thread *self);
void scgi_front_run(struct front_thread *self);
/* Once, before the first thread. */
int fcgi_front_init(void) MUST_CHECK;

/* The next connection of the thread's listener, a descriptor that is the caller's; it stands in
 * idle_fd until the caller says otherwise. Reading from it waits for `read_seconds` at most,
 * writing FRONT_READ_TIMEOUT_S. Negative when there is none, which has been logged: ask again
 * unless the front is stopping. */
int front_accept(struct front_thread *self, int read_seconds);
void front_set_read_timeout(int fd, int seconds);

#endif
