/* relay_server.h - a relay that can be measured: ours, and Janus. It runs as a process of its own,
 * on the core that it is given. Thread: one. */
#ifndef TESTS_BENCH_RELAY_SERVER_H
#define TESTS_BENCH_RELAY_SERVER_H

#include <sys/types.h>

#include "tests/bench/load_peer.h"

struct relay_server {
	const char *name;
	bool is_ours;
	/* Start it, as `data`; *ret_pid is its process. -errno, with a word on stderr. */
	int (*start)(void *data, pid_t *ret_pid);
	/* Let a peer publish, or watch the first `sees` publishers of its room, and connect it.
	 * `number` is that of the peer in the whole load, `first` that of the room's first
	 * publisher. -errno. */
	int (*publish)(void *data, unsigned room, unsigned number, struct load_peer *peer);
	int (*watch)(void *data, unsigned room, unsigned number, unsigned first, unsigned sees,
		     struct load_peer *peer);
	/* Packets that have left in each system call until now, 0 if it does not say. May be NULL.
	 */
	void (*count_calls)(void *data, unsigned long *ret_packets, unsigned long *ret_calls);
	int (*stop)(void *data); /* -EIO: it did not end well */
	void *data;
};

/* Janus with its VideoRoom, as Debian ships it, `event_loops` 0, or with that many event loops. */
struct janus *janus_new(unsigned event_loops);
struct janus *janus_free(struct janus *janus);
struct relay_server janus_server(struct janus *janus);
bool janus_is_installed(void);

/* Ours, by its path. */
struct our_relay *our_relay_new(const char *program);
struct our_relay *our_relay_free(struct our_relay *relay);
struct relay_server our_relay_server(struct our_relay *relay);

#endif
