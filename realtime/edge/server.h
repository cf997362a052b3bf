/* server.h - the listening socket and every client connection, on libwebsockets over the loop.
 *
 * libwebsockets does handshakes, parsing, control frames and closing; accepting is ours (its own
 * listener cannot be told to share or to stop), and so is sending (connection.h). Its known traps
 * are listed in realtime/README.md.
 *
 * Thread: loop.
 */
#ifndef REALTIME_EDGE_SERVER_H
#define REALTIME_EDGE_SERVER_H

#include <uv.h>

#include "core/sniff/sniff.h"
#include "realtime/edge/arrival.h"
#include "realtime/edge/auth.h"
#include "realtime/edge/connection.h"
#include "realtime/edge/room_gate.h"
#include "realtime/model/quota.h"

struct server {
	/* given */
	uv_loop_t *loop;
	const struct config *config;
	struct hub *hub;
	struct switchboard *board;
	struct store_thread *store;
	struct room_gate *gate;
	/* own */
	struct lws_context *context;
	struct lws_vhost *vhost;
	int listen_fd;
	uv_poll_t accepting;
	struct arrivals arrivals;
	uv_prepare_t flushing;
	uv_timer_t heartbeat, draining, gathering;
	uint64_t flushed_at_us, flush_us; /* when the last flush ended, and how long it took */
	size_t drained_at_once;
	struct list dirty;			   /* of struct outbox.dirty_link */
	struct table connections;		   /* by id */
	struct list by_heartbeat[TRANSPORT_COUNT]; /* the one that is due first, first */
	size_t counts[TRANSPORT_COUNT];
	struct quota by_address, by_user; /* connections at once */
	struct quota by_key;		  /* the same, without a limit: which keys are in use */
	struct authenticator auth;
	struct deadlines deadlines;
	int64_t keys_checked_at_unix_ms, keys_version; /* of the store when that was */
	bool is_checking_keys;
	uint64_t opened_count, received_count;
	uint64_t opened_before, opened_at_trim; /* opened_count a heartbeat and a trim ago */
	struct tally refused, closed;		/* connections, by reason and by close code */
	struct session_limits limits;
	struct frame *ping, *comment; /* shared by all */
	struct sniffer *sniffer;      /* owned */
	struct identity *anonymous;   /* who somebody without credentials is */
	bool is_stopping, is_resting;
};

/* The first members are set. Listen on config->REALTIME_LISTEN and serve.
 *   -EINVAL "bad_setting"   -EADDRINUSE "port_taken"   -EACCES …  "cannot_listen" */
int server_start(struct server *server, struct error *reterr) MUST_CHECK;
/* No new connections; tell everybody to come back (1012), over config->REALTIME_DRAIN_TIME. Goes on
 * while the loop runs. */
void server_stop(struct server *server);
/* The connections that are left are cut. The loop must run once more afterwards. Answers of the
 * store may still come, and find nobody. */
void server_close(struct server *server);
/* After server_close(), when nothing can look for a connection any more. */
void server_fini(struct server *server);

struct connection *server_connection_find(const struct server *server, const char *id);

#endif
