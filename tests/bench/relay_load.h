/* relay_load.h - publishers and viewers of some rooms, and what arrives at the viewers.
 *
 * Each publisher sends 50 packets of sound and 150 of video a second (1.4 Mbit/s), numbered for
 * feedback; each viewer gives feedback every 100 ms, as browsers do. Threads of its own publish and
 * read from relay_load_start() to relay_load_stop(). Thread: one calls, the same that admits.
 */
#ifndef TESTS_BENCH_RELAY_LOAD_H
#define TESTS_BENCH_RELAY_LOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/bench/load_peer.h"

enum {
	LOAD_PEERS_MAX = 1100,
	LOAD_PACKETS_PER_SECOND = 200, /* of one publisher */
	LOAD_VIDEO_BYTES = 1167,
	LOAD_AUDIO_BYTES = 160
};

struct relay_scenario {
	const char *name;
	unsigned rooms, publishers, viewers; /* of each room */
	unsigned sees;			     /* publishers that each viewer watches */
	bool in_bursts; /* the packets of a frame leave at once, as Chromium's do; else evenly */
	bool is_for_us_alone; /* too much for the others */
};

struct relay_load {
	const struct relay_scenario *scenario;
	struct load_peer peers[LOAD_PEERS_MAX]; /* publishers first */
	unsigned publisher_count, viewer_count; /* admitted so far */
	int epoll_fd;
	pthread_t reader, publisher;
	bool is_running;
	atomic_bool should_stop, is_paused, is_full; /* until it is full, little is published */
	atomic_ulong published, received;
	atomic_uint latency_count;
	atomic_uint watched_count; /* peers that the reading thread may look at; publishers first */
	uint32_t *latencies_us;	   /* owned */
};

struct relay_load *relay_load_new(const struct relay_scenario *scenario);
struct relay_load *relay_load_free(struct relay_load *load); /* stops it as well */
DEFINE_AUTO(relay_load, relay_load_free);

/* The publishers are connected: begin. -errno. */
int relay_load_start(struct relay_load *load) MUST_CHECK;
/* One more viewer, connected, is among the peers. -errno. */
int relay_load_watch(struct relay_load *load, struct load_peer *viewer) MUST_CHECK;
/* All viewers are there: publish at the full rate. */
void relay_load_fill(struct relay_load *load);
/* Nothing is published until relay_load_resume(); what was under way has arrived. */
void relay_load_pause(struct relay_load *load);
void relay_load_resume(struct relay_load *load);
/* So many packets should have arrived, had nothing been lost, for so many published. */
unsigned long relay_load_expected(const struct relay_load *load, unsigned long published);

/* What the least would cost: the same packets at the same pace to the same viewers' sockets,
 * encrypted by OpenSSL and sent by sendmmsg from a bare loop in this thread; the load is paused and
 * its server gone. Returns the CPU of it, microseconds for each packet. */
double relay_load_floor_us(struct relay_load *load, double seconds);

#endif
