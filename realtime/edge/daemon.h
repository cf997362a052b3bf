/* daemon.h - the parts of realtimed put together: what each reports goes to the right other.
 *
 * Thread: loop.
 */
#ifndef REALTIME_EDGE_DAEMON_H
#define REALTIME_EDGE_DAEMON_H

#include "realtime/edge/ban_watch.h"
#include "realtime/edge/bus_server.h"
#include "realtime/edge/hub_store.h"
#include "realtime/edge/server.h"

struct daemon {
	const struct config *config; /* borrowed */
	uv_loop_t loop;
	uv_signal_t on_term, on_int;
	uv_timer_t chores, stop_deadline;
	struct store_thread *store;
	struct namespaces *namespaces; /* owned */
	struct hub_store_link hub_link;
	struct hub hub;
	struct switchboard board;
	struct room_gate gate;
	struct ban_watch ban_watch;
	struct server server;
	struct bus_server bus;
	struct bus_peer *sfu; /* borrowed; NULL while it is away */
	int64_t started_at_unix_ms;
	uint64_t started_at_us;
	bool did_end_stale;
	bool is_stopping;
};

/* Start everything, run until SIGTERM or SIGINT, and stop. Failing to start leaves nothing behind;
 * reterr has one sentence for the person who started it. */
int daemon_run(struct daemon *daemon, const struct config *config, struct error *reterr) MUST_CHECK;

#endif
